//! Packets as the card's parser and its stateless offloads see them: pure functions over bytes.
//!
//! Everything here is total: no bytes, however broken, make it panic. Device state, queues and tables are elsewhere.

pub(crate) mod bytes;
pub mod checksum;
mod extension;
pub mod fields;
pub mod hash;
mod headers;
pub mod merge;
mod parse;
pub mod segment;
pub mod vlan;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use fields::{MatchParam, dwords, match_param};
pub use headers::{
    Esp, Ethernet, Gre, Headers, Icmp, InsertionPoint, Ip, L3, L4, Layers, Tag, Tcp, Tunnel, Udp,
};
pub use parse::Parser;
