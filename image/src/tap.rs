//! A window into the data path, for captures and tests. Without a tap a point costs one comparison.

use net::{Instant, PortId};

/// Where in the data path a packet is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Point {
    /// An Ethernet frame as it came in.
    FrameIn(PortId),
    /// An Ethernet frame as it goes out.
    FrameOut(PortId),
    /// An IP packet before ESP is put around it.
    BeforeSeal,
    /// The outer IP packet.
    AfterSeal,
    /// An IP packet with ESP that is ours to open.
    BeforeOpen,
    /// What came out of it.
    AfterOpen,
}

/// Sees packets go by. `net::pcap::Writer` makes a capture of them.
pub trait Tap {
    /// A packet passed `point`.
    fn packet(&mut self, now: Instant, point: Point, bytes: &[u8]);
}
