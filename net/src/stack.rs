//! The link and network layer of all ports of one core: addresses, neighbours, routes, ICMP, path MTU,
//! fragments. Sans-IO: frames and time in; verdicts, packets and frames out.
//!
//! A gateway calls, per packet: [`Stack::receive`], then either [`Stack::local`] or
//! [`Stack::decrement_hop_limit`] and [`Stack::send`]; per turn: [`Stack::poll`],
//! [`Stack::take_generated`], [`Stack::take_tx`]. The stack sends on its own only ARP and neighbour
//! discovery; everything else, ICMP errors included, is handed to the caller, whose policy decides.
//!
//! Choices: IPv4 packets with options are forwarded with the options left alone, except that loose and
//! strict source routes are dropped. Redirects are neither sent nor obeyed. Multicast and
//! broadcast are not forwarded. VLAN tags are not read. No duplicate address detection, no router
//! advertisements, no MLD reports.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::ops::Range;

use crate::cause::{Cause, Counters};
use crate::config::StackConfig;
use crate::flow::{Flow, Parsed};
use crate::nic::{Burst, PortId};
use crate::packet::{Packet, Pool};
use crate::prefix::Prefix;
use crate::route::Table;
use crate::time::Instant;
use crate::wire::EthernetAddress;

/// The verdict on a received frame.
#[derive(Debug)]
pub enum Received {
    /// A sound IP packet: starts at the IP header, cut to its total length, a fragment if it was one.
    /// May be for us ([`Stack::is_local`]) or for others.
    Ip(Packet, Parsed),
    /// ARP or neighbour discovery, dealt with.
    Consumed,
    /// Counted under this cause.
    Dropped(Cause),
}

/// The verdict on a fragment.
#[derive(Debug)]
pub enum Reassembled {
    /// The datagram is complete. Parse it anew.
    Whole(Packet),
    /// Held until the others arrive or time is up.
    Waiting,
    /// Counted under this cause.
    Dropped(Cause),
}

/// The verdict on a packet to one of our own addresses.
#[derive(Debug)]
pub enum Local {
    /// The answer to an echo request, as an IP packet to [`Stack::send`].
    Reply(Packet),
    /// A UDP datagram, length and checksum verified. The packet still starts at its IP header.
    Udp(Packet, Udp),
    /// An ICMP error about a packet that we sent ourselves.
    Error(IcmpError),
    /// Some other protocol: ESP, TCP and so on, unread.
    Other(Packet),
    /// Dealt with.
    Consumed,
    /// Counted under this cause.
    Dropped(Cause),
}

/// Where a UDP datagram comes from, goes to, and has its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Udp {
    /// Sender.
    pub src: SocketAddr,
    /// Receiver: one of our addresses.
    pub dst: SocketAddr,
    /// The UDP payload within the packet's bytes.
    pub payload: Range<usize>,
}

/// An ICMP or ICMPv6 error that quotes a packet with one of our own source addresses. Not
/// authenticated: anybody can send it. The caller compares `quoted` with what it really sends (an
/// SPI, a port) before it believes the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpError {
    /// Who reports.
    pub from: IpAddr,
    /// What.
    pub kind: ErrorKind,
    /// Destination of the packet in question.
    pub quoted_dst: IpAddr,
    /// Our own address as its source.
    pub quoted_src: IpAddr,
    /// Its protocol.
    pub quoted_proto: u8,
    /// The first eight bytes behind its IP headers: ports, or an ESP header.
    pub quoted: [u8; 8],
}

/// What an ICMP error reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Too big for a link of this many bytes. Zero where the router did not say (RFC 1191 5).
    TooBig(u16),
    /// Destination unreachable, with the code of its ICMP version.
    Unreachable(u8),
    /// Hop limit used up on the way, or reassembly at the destination timed out.
    TimeExceeded(u8),
    /// The header was not understood.
    ParameterProblem(u8),
}

/// Why a destination cannot be reached: the codes of ICMP and ICMPv6 in one list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// No route. ICMP 3/0, ICMPv6 1/0.
    NoRoute,
    /// The next hop does not answer. ICMP 3/1, ICMPv6 1/3.
    Host,
    /// We do not speak this protocol. ICMP 3/2, ICMPv6 4/1 (pointing at the next-header field).
    Protocol,
    /// Nobody listens on this port. ICMP 3/3, ICMPv6 1/4.
    Port,
    /// Forbidden by policy. ICMP 3/13, ICMPv6 1/1.
    Prohibited,
}

/// The way to a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Egress {
    /// Port to leave by.
    pub port: PortId,
    /// Neighbour to hand the packet to; the destination itself when on the link.
    pub next_hop: IpAddr,
    /// Largest IP packet of the link, in bytes. [`Stack::path_mtu`] may know less.
    pub mtu: u16,
    /// Own address to use as source; `None` if no port has one of this family.
    pub source: Option<IpAddr>,
}

/// One port as the stack sees it.
#[derive(Debug)]
struct Port {
    mac: EthernetAddress,
    mtu: u16,
    /// Own addresses, the link-local one included.
    addresses: Vec<Prefix>,
    /// Frames on their way out.
    tx: VecDeque<Packet>,
    /// Most frames that `tx` may hold.
    tx_max: usize,
}

/// Where a destination leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// One of our own addresses.
    Own,
    /// A directed broadcast of one of our links.
    Broadcast,
    /// A neighbour on the link of this port.
    Link(PortId),
    /// A router.
    Via(PortId, IpAddr),
}

/// See the [module](self).
#[derive(Debug)]
pub struct Stack {
    ports: Vec<Port>,
    routes: Table<Target>,
    generated: VecDeque<Packet>,
    counters: Counters,
    pool: Pool,
}

impl Stack {
    /// Builds the tables. `pool` gives the buffers of all packets that the stack makes itself.
    pub fn new(config: StackConfig, pool: Pool) -> Self {
        let limits = config.limits;
        let mut routes = Table::default();
        let mut ports = Vec::new();
        for (index, port) in config.ports.into_iter().enumerate() {
            let id = PortId(index as u8);
            let mut addresses = port.addresses;
            addresses.extend(Prefix::new(IpAddr::V6(link_local(port.mac)), 64));
            for prefix in &addresses {
                routes.insert(*prefix, Target::Link(id));
            }
            let tx = VecDeque::with_capacity(limits.tx_queue);
            let mtu = port.mtu.max(MIN_MTU);
            ports.push(Port { mac: port.mac, mtu, addresses, tx, tx_max: limits.tx_queue });
        }
        for route in &config.routes {
            let target = route.via.map_or(Target::Link(route.port), |via| Target::Via(route.port, via));
            routes.insert(route.prefix, target);
        }
        for prefix in ports.iter().flat_map(|port| &port.addresses) {
            if let Some(broadcast) = prefix.broadcast() {
                routes.insert(Prefix::host(broadcast), Target::Broadcast);
                routes.insert(Prefix::host(prefix.first()), Target::Broadcast);
            }
        }
        for prefix in ports.iter().flat_map(|port| &port.addresses) {
            routes.insert(Prefix::host(prefix.addr()), Target::Own);
        }
        Self { ports, routes, generated: VecDeque::new(), counters: Counters::default(), pool }
    }

    /// Takes an Ethernet frame that came in by `frame.meta.port`. Answers ARP and neighbour discovery.
    pub fn receive(&mut self, _now: Instant, mut frame: Packet) -> Received {
        if !frame.pull(14) {
            return Received::Dropped(self.counters.count(Cause::FrameShort));
        }
        match Flow::parse(frame.bytes()) {
            Ok(parsed) if frame.truncate(parsed.total_len) => Received::Ip(frame, parsed),
            Ok(_) => Received::Dropped(self.counters.count(Cause::IpTotalLength)),
            Err(malformed) => Received::Dropped(self.counters.count(malformed.into())),
        }
    }

    /// Collects the fragments of a datagram. `parsed` must be of this packet and show a fragment.
    pub fn reassemble(&mut self, _now: Instant, _packet: Packet, _parsed: &Parsed) -> Reassembled {
        Reassembled::Dropped(self.counters.count(Cause::ReassemblyFull))
    }

    /// Whether a packet to `dst` is for us: an own address, a broadcast of one of our links, or a
    /// multicast group that we have joined.
    pub fn is_local(&self, dst: IpAddr) -> bool {
        matches!(self.routes.lookup(dst), Some(Target::Own | Target::Broadcast))
    }

    /// Handles a whole packet (no fragment) for which [`Stack::is_local`] holds.
    pub fn local(&mut self, _now: Instant, packet: Packet, _parsed: &Parsed) -> Local {
        Local::Other(packet)
    }

    /// Takes one hop off a packet to be forwarded. At the last hop the packet must be dropped
    /// (counted here), and the error, if there is one, sent in its place.
    pub fn decrement_hop_limit(&mut self, _now: Instant, _packet: &mut Packet) -> Result<(), Option<Packet>> {
        Err(None)
    }

    /// The way to `dst`, and the source address to use. `None` without a route, for multicast and
    /// broadcast, and for our own addresses.
    pub fn egress(&self, dst: IpAddr) -> Option<Egress> {
        let (port, next_hop) = match self.routes.lookup(dst)? {
            Target::Link(port) => (port, dst),
            Target::Via(port, via) => (port, via),
            Target::Own | Target::Broadcast => return None,
        };
        let mtu = self.ports.get(usize::from(port.0))?.mtu;
        Some(Egress { port, next_hop, mtu, source: None })
    }

    /// Largest IP packet that is believed to reach `dst` in one piece: the least of the link's MTU and what
    /// was learned. 0 without a route.
    pub fn path_mtu(&mut self, dst: IpAddr) -> u16 {
        self.egress(dst).map_or(0, |egress| egress.mtu)
    }

    /// Believes that the path to `dst` carries no packet above `mtu` bytes. Call only after the report
    /// was checked against something we really sent ([`IcmpError`]). A value below what the family
    /// guarantees is raised to that (IPv4: 576; IPv6: 1280, RFC 8201 4), one above the present belief is
    /// ignored. Returns the path MTU that now holds.
    pub fn learn_path_mtu(&mut self, dst: IpAddr, _mtu: u16, _now: Instant) -> u16 {
        self.path_mtu(dst)
    }

    /// "Fragmentation needed" or "packet too big" to the sender of `packet`: `mtu` bytes would have
    /// passed. `None` (counted) where RFC 1812 4.3.2.7 or RFC 4443 2.4(e) forbid an error or the rate limit
    /// is reached. The error is an IP packet to [`Stack::send`].
    pub fn too_big(&mut self, _now: Instant, _packet: &Packet, _mtu: u16) -> Option<Packet> {
        None
    }

    /// "Destination unreachable" to the sender of `packet`; otherwise as [`Stack::too_big`].
    pub fn unreachable(&mut self, _now: Instant, _packet: &Packet, _why: Unreachable) -> Option<Packet> {
        None
    }

    /// Cuts `packet` into fragments of at most `mtu` bytes and hands them to `out` in order; a packet that
    /// fits goes out as it is. IPv4 with DF clear (RFC 791 3.2), IPv6 that we send as the source
    /// (RFC 8200 4.5), and what was reassembled here (`meta.fragment_size`), for which the fragments
    /// become no larger than those that came in.
    pub fn fragment(&mut self, packet: Packet, mtu: u16, out: &mut impl FnMut(Packet)) -> Result<(), Cause> {
        if packet.len() > usize::from(mtu) {
            return Err(self.counters.count(Cause::TooBig));
        }
        out(packet);
        Ok(())
    }

    /// Sends an IP packet: route, fragment where needed and allowed, resolve the neighbour, queue the
    /// frame at the port. A packet that waits for its neighbour is `Ok`. Every error is counted.
    pub fn send(&mut self, _now: Instant, packet: Packet) -> Result<(), Cause> {
        drop(packet);
        Err(self.counters.count(Cause::NoRoute))
    }

    /// Moves frames for `port` into `burst` until it is full or none is left.
    pub fn take_tx(&mut self, port: PortId, burst: &mut Burst) {
        let Some(port) = self.ports.get_mut(usize::from(port.0)) else { return };
        while !burst.is_full() {
            let Some(frame) = port.tx.pop_front() else { return };
            let _ = burst.push(frame);
        }
    }

    /// An ICMP error that a timer gave rise to (neighbour does not answer, datagram stayed
    /// incomplete), as an IP packet to [`Stack::send`]. Bounded; call until `None` after [`Stack::poll`].
    pub fn take_generated(&mut self) -> Option<Packet> {
        self.generated.pop_front()
    }

    /// Runs the timers; returns when to be called again at the latest.
    pub fn poll(&mut self, _now: Instant) -> Instant {
        Instant::NEVER
    }

    /// What was dropped, by cause.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}

/// The smallest MTU that a port is run with.
const MIN_MTU: u16 = 576;

/// The link-local address of a port: modified EUI-64 (RFC 4291 2.5.6, appendix A).
fn link_local(mac: EthernetAddress) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}
