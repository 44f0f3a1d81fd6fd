//! What the device hands to its front end: frames, interrupts, and copies of packets at the crypto.

/// Where a tapped packet was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Before encryption or after decryption, as the host sees it.
    Host,
    /// As it is on the wire.
    Wire,
}

/// A copy of a packet, for pcap files. One that no crypto touches is seen on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tap {
    /// Where it was seen.
    pub side: Side,
    /// Whether the host sent it.
    pub outbound: bool,
    /// The whole frame without FCS.
    pub frame: Vec<u8>,
}

/// Filled by the device, emptied by the front end after every call.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Frames for the wire, in order, without FCS.
    pub frames: Vec<Vec<u8>>,
    /// MSI-X vectors to raise. The device has already looked at mask bits.
    pub vectors: Vec<u16>,
    /// Copies for captures; only filled while [`Outbox::tapping`] is set.
    pub taps: Vec<Tap>,
    /// Whether anybody wants `taps`.
    pub tapping: bool,
}

impl Outbox {
    /// Notes a packet for captures.
    pub(crate) fn tap(&mut self, side: Side, outbound: bool, frame: &[u8]) {
        if self.tapping {
            self.taps.push(Tap { side, outbound, frame: frame.to_vec() });
        }
    }

    /// Notes a packet that no crypto has touched: both sides see the same.
    pub(crate) fn tap_both(&mut self, outbound: bool, frame: &[u8]) {
        self.tap(Side::Host, outbound, frame);
        self.tap(Side::Wire, outbound, frame);
    }
}
