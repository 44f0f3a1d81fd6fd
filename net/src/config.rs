//! What a [`Stack`](crate::Stack) is built from: ports, addresses, routes, static neighbours, bounds.

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::nic::PortId;
use crate::prefix::Prefix;
use crate::time::Duration;
use crate::wire::EthernetAddress;

/// Everything that a stack is told at start.
#[derive(Debug, Clone, Default)]
pub struct StackConfig {
    /// The ports; [`PortId`] is the index.
    pub ports: Vec<PortConfig>,
    /// Routes beside those that the ports' addresses imply.
    pub routes: Vec<Route>,
    /// Neighbours that are not asked for and do not age.
    pub neighbours: Vec<StaticNeighbour>,
    /// Bounds on what the wire can make us hold.
    pub limits: Limits,
    /// Where fragment identifications start; draw it at random (RFC 7739).
    pub seed: u64,
}

/// One port.
#[derive(Debug, Clone)]
pub struct PortConfig {
    /// Hardware address.
    pub mac: EthernetAddress,
    /// Own addresses, each with the size of its link: `10.1.0.1/24`. The IPv6 link-local address is
    /// derived from `mac` and need not be listed.
    pub addresses: Vec<Prefix>,
    /// Largest IP packet in bytes. Taken as at least 576, and for IPv6 at least 1280.
    pub mtu: u16,
}

/// One route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Destinations it is for.
    pub prefix: Prefix,
    /// Next hop; `None` if the destinations are on the link itself.
    pub via: Option<IpAddr>,
    /// Port to leave by.
    pub port: PortId,
    /// Of several routes for the same destinations the one with the least is used whose port has a link.
    pub metric: u32,
}

/// One neighbour that is known beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaticNeighbour {
    /// Port it is reached by.
    pub port: PortId,
    /// Its address.
    pub addr: IpAddr,
    /// Its hardware address.
    pub mac: EthernetAddress,
}

/// Bounds, each with a default for a small gateway.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Neighbours remembered, static ones aside.
    pub neighbours: usize,
    /// Packets that wait for one neighbour to answer.
    pub pending_per_neighbour: usize,
    /// Packets that wait for any neighbour to answer.
    pub pending: usize,
    /// Frames queued per port for transmission.
    pub tx_queue: usize,
    /// Incomplete datagrams.
    pub reassemblies: usize,
    /// Bytes of fragments held, all datagrams together.
    pub reassembly_bytes: usize,
    /// Pieces of one datagram.
    pub reassembly_pieces: usize,
    /// Time that a datagram may stay incomplete (RFC 8200 4.5 says 60 s, RFC 1122 60 to 120 s; less
    /// keeps the memory out of an attacker's hands, Linux uses 30 s for IPv4).
    pub reassembly_time: Duration,
    /// ICMP errors per second in the long run.
    pub errors_per_second: u32,
    /// ICMP errors that may follow at once after a pause.
    pub errors_burst: u32,
    /// Path MTUs remembered.
    pub path_mtus: usize,
    /// Time after which a path MTU is forgotten, to find out whether the path has grown (RFC 1191 6.3).
    pub path_mtu_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            neighbours: 1024,
            pending_per_neighbour: 8,
            pending: 128,
            tx_queue: 256,
            reassemblies: 256,
            reassembly_bytes: 512 * 1024,
            reassembly_pieces: 64,
            reassembly_time: Duration::from_secs(30),
            errors_per_second: 1000,
            errors_burst: 50,
            path_mtus: 1024,
            path_mtu_time: Duration::from_secs(600),
        }
    }
}
