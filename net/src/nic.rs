//! What the gateway asks of a network port: bursts of owned packets in and out.

use crate::offload::Offloads;
use crate::packet::Packet;
use smoltcp::wire::EthernetAddress;

/// Packets handled per call: enough to pay for a doorbell, few enough to stay in the first cache.
pub const BURST: usize = 32;

/// A burst of packets on their way in or out.
pub type Burst = heapless::Vec<Packet, BURST>;

/// A port of this gateway, by its place in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct PortId(pub u8);

/// State of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Carrier present.
    pub up: bool,
    /// Largest IP packet in bytes that the port takes and delivers.
    pub mtu: u16,
}

/// What a port has counted since it was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NicStats {
    /// Frames received and handed on.
    pub rx_frames: u64,
    /// Bytes of those frames, without the frame check sequence.
    pub rx_bytes: u64,
    /// Frames lost on receive: no buffer, or damaged.
    pub rx_drops: u64,
    /// Frames given to the wire.
    pub tx_frames: u64,
    /// Bytes of those frames, without the frame check sequence.
    pub tx_bytes: u64,
    /// Frames the device refused.
    pub tx_drops: u64,
}

/// A network port. Frames start at the Ethernet destination address and carry no frame check sequence.
pub trait Nic {
    /// The port's own hardware address.
    fn mac(&self) -> EthernetAddress;
    /// The state of the wire, as last seen.
    fn link(&self) -> Link;
    /// Moves received frames into `out` until it is full or none is left; returns how many.
    fn rx(&mut self, out: &mut Burst) -> usize;
    /// Takes frames from the front of `from`, in order, as many as fit; leaves the rest; returns how
    /// many it took.
    fn tx(&mut self, from: &mut Burst) -> usize;
    /// Asks for a wake-up when a frame arrives. Returns false if one is there already: then the caller
    /// must poll once more instead of sleeping.
    fn arm(&mut self) -> bool;
    /// Counters since start.
    fn stats(&self) -> NicStats;
    /// What it does by itself with the wishes in the metadata of frames that it sends. All else has to be done before,
    /// see [`Complete`](crate::software::Complete).
    fn offloads(&self) -> Offloads {
        Offloads::NONE
    }
}
