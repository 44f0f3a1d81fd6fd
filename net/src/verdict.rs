//! What the stack says about a packet, and what it is asked to say: the types around [`Stack`].

use core::net::{IpAddr, SocketAddr};
use core::ops::Range;

use crate::cause::Cause;
use crate::flow::Parsed;
use crate::nic::PortId;
use crate::packet::Packet;
#[cfg(doc)]
use crate::stack::Stack;

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
