//! Tests of flow steering.

mod bench;
mod contexts;
mod entries;
mod ipsec;
mod lookup;
mod loopback;
mod rewriting;
mod snapshot;
mod stories;
mod tables;
mod tunnels;
