//! Packets, ports, neighbours, routes, ICMP and fragments: the part of the data path that knows
//! nothing of IPsec and nothing of the machine.
//!
//! Everything here is sans-IO: time comes in as [`Instant`], bytes as owned [`Packet`]s, and what the
//! caller has to do next comes out as a value. No function blocks, reads a clock or draws randomness.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;

pub mod nic;
pub mod packet;
pub mod time;
pub mod virtio;

pub use nic::{Burst, Link, Nic, NicStats, PortId};
pub use packet::{Meta, Packet, Pool};
pub use smoltcp::wire;
pub use time::{Duration, Instant};
