//! What the port, the vport and its environment count. The registers and commands that show it only translate.
//!
//! Octets on the port are those of the wire: with FCS. Octets of the vport are those of the frame, without.
//! Left out: errors that only a real medium makes (symbols, FCS, FEC); they stay 0.

/// Priorities that 802.1Q tags can carry.
pub(crate) const PRIORITIES: usize = 8;

/// Bytes of a frame check sequence.
const FCS: u64 = 4;

/// To whom a frame is addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cast {
    /// One station.
    Unicast,
    /// A group.
    Multicast,
    /// All.
    Broadcast,
}

impl Cast {
    /// By destination address.
    pub(crate) fn of(destination: [u8; 6]) -> Cast {
        match destination {
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => Cast::Broadcast,
            [first, ..] if first & 1 == 1 => Cast::Multicast,
            _ => Cast::Unicast,
        }
    }
}

/// Frames and octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// Frames.
    pub(crate) packets: u64,
    /// Their octets.
    pub(crate) octets: u64,
}

impl Traffic {
    /// One more.
    pub(crate) fn add(&mut self, octets: u64) {
        self.packets += 1;
        self.octets += octets;
    }
}

/// One direction by kind of address.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ByCast {
    /// To one station.
    pub(crate) unicast: Traffic,
    /// To a group.
    pub(crate) multicast: Traffic,
    /// To all.
    pub(crate) broadcast: Traffic,
}

impl ByCast {
    pub(crate) fn add(&mut self, cast: Cast, octets: u64) {
        match cast {
            Cast::Unicast => self.unicast.add(octets),
            Cast::Multicast => self.multicast.add(octets),
            Cast::Broadcast => self.broadcast.add(octets),
        }
    }

    /// All three together.
    pub(crate) fn total(&self) -> Traffic {
        let all = [self.unicast, self.multicast, self.broadcast];
        Traffic {
            packets: all.iter().map(|one| one.packets).sum(),
            octets: all.iter().map(|one| one.octets).sum(),
        }
    }
}

/// One direction of the wire.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wire {
    /// Good frames.
    pub(crate) good: ByCast,
    /// By priority of the tag; untagged frames have priority 0.
    pub(crate) priority: [Traffic; PRIORITIES],
    /// By length with FCS: the ten classes of RFC 2819 and its vendor continuation.
    pub(crate) sizes: [u64; 10],
    /// Longer than the port's MTU.
    pub(crate) too_long: u64,
    /// Shorter than an Ethernet header.
    pub(crate) undersize: u64,
    /// Good, but dropped.
    pub(crate) discards: u64,
    /// MAC control frames.
    pub(crate) control: u64,
    /// Of them, PAUSE.
    pub(crate) pause: u64,
    /// MAC control frames whose opcode means nothing here.
    pub(crate) unknown_opcode: u64,
}

/// Upper bounds of the size classes.
const SIZES: [u64; 10] = [64, 127, 255, 511, 1023, 1518, 2047, 4095, 8191, u64::MAX];

impl Wire {
    /// Counts a good frame.
    pub(crate) fn count(&mut self, frame: &[u8]) {
        let octets = frame.len() as u64 + FCS;
        self.good.add(Cast::of(destination(frame)), octets);
        self.priority[priority(frame)].add(octets);
        if let Some(class) = SIZES.iter().position(|bound| octets <= *bound) {
            self.sizes[class] += 1;
        }
        if let Some(opcode) = control_opcode(frame) {
            self.control += 1;
            match opcode {
                PAUSE => self.pause += 1,
                PRIORITY_PAUSE => {}
                _ => self.unknown_opcode += 1,
            }
        }
    }
}

/// MAC control opcode of a PAUSE frame (802.3, annex 31B).
const PAUSE: u16 = 0x0001;
/// MAC control opcode of a priority flow control frame (annex 31D).
const PRIORITY_PAUSE: u16 = 0x0101;
/// EtherType of MAC control.
const CONTROL: u16 = 0x8808;
/// EtherTypes of 802.1Q and 802.1ad tags.
const TAGS: [u16; 2] = [0x8100, 0x88a8];

fn word(frame: &[u8], at: usize) -> Option<u16> {
    frame.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes)
}

/// Destination address; zero when the frame is too short to have one.
pub(crate) fn destination(frame: &[u8]) -> [u8; 6] {
    frame.get(..6).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default()
}

/// Priority in the outer tag.
fn priority(frame: &[u8]) -> usize {
    match word(frame, 12) {
        Some(kind) if TAGS.contains(&kind) => usize::from(word(frame, 14).unwrap_or(0) >> 13),
        _ => 0,
    }
}

/// The opcode if it is a MAC control frame; the MAC keeps these for itself.
pub(crate) fn control_opcode(frame: &[u8]) -> Option<u16> {
    if word(frame, 12) == Some(CONTROL) { word(frame, 14) } else { None }
}

/// The port's counters.
#[derive(Clone, Debug, Default)]
pub(crate) struct PortCounters {
    /// From the wire.
    pub(crate) rx: Wire,
    /// Onto the wire.
    pub(crate) tx: Wire,
    /// How often the link went down.
    pub(crate) link_down: u32,
}

/// The vport's counters, as QUERY_VPORT_COUNTER gives them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct VportCounters {
    /// Received by the vport.
    pub(crate) rx: ByCast,
    /// Sent by the vport.
    pub(crate) tx: ByCast,
    /// Sent frames that came back inside of the device.
    pub(crate) loopback: Traffic,
}

/// What went wrong around the vport, as QUERY_VNIC_ENV gives it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Environment {
    /// Received frames that steering dropped because nothing matched.
    pub(crate) steering_discard: u64,
    /// Received while the vport was down.
    pub(crate) receive_down: u64,
    /// Sent while the vport was down.
    pub(crate) transmit_down: u64,
    /// Refused commands.
    pub(crate) invalid_commands: u32,
    /// Frames that did not fit the receive WQE.
    pub(crate) wqe_too_small: u32,
    /// CQs that overran.
    pub(crate) cq_overrun: u32,
    /// Event queues of completions that overran.
    pub(crate) comp_eq_overrun: u32,
    /// Event queues of asynchronous events that overran.
    pub(crate) async_eq_overrun: u32,
}
