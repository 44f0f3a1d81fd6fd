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

mod error;
mod links;
mod local;
mod receive;
mod send;

pub use send::Hop;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

use crate::address;
use crate::cause::Counters;
use crate::config::{Route, StackConfig};
use crate::icmp::TokenBucket;
use crate::neighbour::{Due, Key, Neighbours};
use crate::nic::PortId;
use crate::packet::{Packet, Pool};
use crate::path_mtu::PathMtus;
use crate::prefix::Prefix;
use crate::reassembly::Reassembly;
use crate::route::Table;
use crate::wire::EthernetAddress;

/// One port as the stack sees it.
#[derive(Debug)]
struct Port {
    mac: EthernetAddress,
    mtu: u16,
    /// Own addresses, the link-local one last.
    addresses: Vec<Prefix>,
    /// Frames on their way out.
    tx: VecDeque<Packet>,
    /// Most frames that `tx` may hold.
    tx_max: usize,
    /// It has a link.
    up: bool,
}

/// Where a destination leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// One of our own addresses.
    Own,
    /// The directed broadcast, or the address of the subnet itself, of one of our links; or the limited
    /// broadcast.
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
    /// Routes of the configuration; what is used of them now is in `routes`.
    configured: Vec<Route>,
    routes: Table<Target>,
    neighbours: Neighbours,
    reassembly: Reassembly,
    path_mtus: PathMtus,
    errors: TokenBucket,
    /// ICMP errors for [`Stack::take_generated`].
    generated: VecDeque<Packet>,
    idents: Idents,
    counters: Counters,
    pool: Pool,
    /// What timers gave rise to; kept for its memory.
    due: Vec<Due>,
}

/// The smallest MTU that a port is run with.
const MIN_MTU: u16 = 576;
/// Most packets that wait for [`Stack::take_generated`].
const GENERATED_MAX: usize = 64;

impl Stack {
    /// Builds the tables; every port counts as one with a link. `pool` gives the buffers of the packets that the stack makes
    /// itself. Routes and neighbours of ports that do not exist lead nowhere; where prefixes are equal, own addresses
    /// win over broadcasts, those over configured routes, and those over the links' own.
    pub fn new(config: StackConfig, pool: Pool) -> Self {
        let limits = config.limits;
        let mut ports = Vec::new();
        for port in config.ports.into_iter().take(usize::from(u8::MAX) + 1) {
            let mut addresses = port.addresses;
            // Not a route: a link-local destination says nothing about the link.
            addresses.extend(Prefix::new(IpAddr::V6(address::link_local(port.mac)), 64));
            let tx = VecDeque::with_capacity(limits.tx_queue);
            let mtu = port.mtu.max(MIN_MTU);
            ports.push(Port { mac: port.mac, mtu, addresses, tx, tx_max: limits.tx_queue, up: true });
        }
        let routes = links::table(&ports, &config.routes);
        let mut neighbours = Neighbours::new(ports.len(), &limits);
        for neighbour in config.neighbours {
            neighbours.insert_static(Key { port: neighbour.port, addr: neighbour.addr }, neighbour.mac);
        }
        Self {
            ports,
            configured: config.routes,
            routes,
            neighbours,
            reassembly: Reassembly::new(&limits),
            path_mtus: PathMtus::new(&limits),
            errors: TokenBucket::new(limits.errors_per_second, limits.errors_burst),
            generated: VecDeque::new(),
            idents: Idents::new(config.seed),
            counters: Counters::default(),
            pool,
            due: Vec::new(),
        }
    }

    /// Whether a packet to `dst` is for us: an own address, a broadcast of one of our links, or a
    /// multicast group that we have joined (all systems, all nodes, all routers, solicited nodes).
    #[inline]
    pub fn is_local(&self, dst: IpAddr) -> bool {
        match dst {
            IpAddr::V4(dst) if dst.is_multicast() => dst == address::ALL_SYSTEMS_V4,
            IpAddr::V6(dst) if dst.is_multicast() => self.has_joined(dst),
            dst => matches!(self.routes.lookup(dst), Some(Target::Own | Target::Broadcast)),
        }
    }

    fn has_joined(&self, group: Ipv6Addr) -> bool {
        let mut own = self.ports.iter().flat_map(|port| &port.addresses);
        group == address::ALL_NODES_V6
            || group == address::ALL_ROUTERS_V6
            || own.any(|prefix| matches!(prefix.addr(), IpAddr::V6(a) if address::solicited_node(a) == group))
    }

    /// Whether `addr` is an own address (of any port), as opposed to a group.
    fn is_own(&self, addr: IpAddr) -> bool {
        self.routes.lookup(addr) == Some(Target::Own)
    }

    fn port(&self, id: PortId) -> Option<&Port> {
        self.ports.get(usize::from(id.0))
    }

    /// What was dropped, by cause.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The hardware address of `port`, if there is such a port.
    pub fn mac(&self, port: PortId) -> Option<EthernetAddress> {
        self.port(port).map(|port| port.mac)
    }

    /// All own addresses with the port they belong to, link-local ones included.
    pub fn addresses(&self) -> impl Iterator<Item = (PortId, Prefix)> + '_ {
        let ports = (0..=u8::MAX).map(PortId).zip(&self.ports);
        ports.flat_map(|(id, port)| port.addresses.iter().map(move |prefix| (id, *prefix)))
    }
}

/// Identifications of packets we make: all different for as long as the field allows, and not to be guessed
/// from one another (RFC 7739).
#[derive(Debug)]
struct Idents {
    seed: u64,
    next: u32,
}

impl Idents {
    fn new(seed: u64) -> Self {
        Self { seed, next: (seed >> 32) as u32 }
    }

    fn draw(&mut self) -> u32 {
        self.next = self.next.wrapping_add(1);
        // Every step can be undone, so that different numbers stay different.
        let mut x = self.next ^ self.seed as u32;
        x = (x ^ (x >> 16)).wrapping_mul(0x85eb_ca6b);
        x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
        x ^ (x >> 16)
    }
}

#[cfg(test)]
mod tests;
