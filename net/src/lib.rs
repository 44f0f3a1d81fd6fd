//! Packets, ports, neighbours, routes, ICMP and fragments: the part of the data path that knows
//! nothing of IPsec and nothing of the machine.
//!
//! Everything here is sans-IO: time comes in as [`Instant`], bytes as owned [`Packet`]s, and what the
//! caller has to do next comes out as a value. No function blocks, reads a clock or draws randomness.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;

pub mod address;
mod arp;
pub mod cause;
mod causes;
pub mod checksum;
pub mod config;
pub mod ethernet;
mod extension;
#[cfg(test)]
mod fixture;
pub mod flow;
mod fragment;
mod icmp;
pub mod ip;
pub mod loopback;
mod nd;
mod neighbour;
pub mod nic;
pub mod offload;
pub mod packet;
mod path_mtu;
pub mod pcap;
pub mod prefix;
mod reassembly;
pub mod route;
pub mod software;
pub mod stack;
pub mod time;
pub mod train;
pub mod verdict;
pub mod virtio;

pub use cause::{Cause, Counters};
pub use config::{Limits, PortConfig, Route, StackConfig, StaticNeighbour};
pub use flow::{Flow, Fragment, Malformed, Parsed, Ports};
pub use nic::{Burst, Link, Nic, NicStats, PortId};
pub use offload::{Headers, Offloads};
pub use packet::{Fill, Meta, Packet, Pool, Slab, Slabs};
pub use prefix::{Prefix, PrefixError};
pub use smoltcp::wire;
pub use stack::{Hop, Stack};
pub use time::{Duration, Instant};
pub use train::Trains;
pub use verdict::{Egress, ErrorKind, IcmpError, Local, Reassembled, Received, Udp, Unreachable};
