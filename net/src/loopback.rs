//! A wire between two ports in memory, for tests and stories: deterministic under its seed, with knobs
//! for loss, duplication, reordering and damage. Frames are copied at each end, as a real device
//! does, so that a received frame has its full headroom again.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;

use crate::nic::{Burst, Link, Nic, NicStats};
use crate::packet::{Packet, Pool};
use crate::wire::EthernetAddress;

/// Frames that a direction holds before the sender has to wait.
pub const DEPTH: usize = 1024;

/// How often the wire misbehaves, each in frames per thousand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// Frames that vanish.
    pub loss: u16,
    /// Frames that arrive twice.
    pub duplicate: u16,
    /// Frames that let up to `displacement` later ones pass.
    pub reorder: u16,
    /// How many later frames may pass a reordered one; 0 counts as 1.
    pub displacement: u8,
    /// Frames in which one bit is flipped.
    pub damage: u16,
}

/// Which of the two ports, also: the direction that leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

/// Sees every frame that a port gives to the wire, before anything happens to it.
pub type Tap = Box<dyn FnMut(Side, &[u8])>;

/// The wire itself: a handle for the knobs.
#[derive(Clone)]
pub struct Wire {
    shared: Rc<RefCell<Shared>>,
}

/// One port of the wire.
pub struct Port {
    shared: Rc<RefCell<Shared>>,
    side: Side,
    mac: EthernetAddress,
    mtu: u16,
    stats: NicStats,
}

struct Shared {
    random: u64,
    up: bool,
    pool: Pool,
    tap: Option<Tap>,
    /// By the side that sends.
    directions: [Direction; 2],
}

#[derive(Default)]
struct Direction {
    faults: Faults,
    queue: VecDeque<Packet>,
    /// Reordered frames, each with the number of frames that must still pass it.
    held: Vec<(u8, Packet)>,
    /// Frames that found no buffer, for the receiver's statistics.
    unbuffered: u64,
}

impl Wire {
    /// A faultless wire with its two ports. Received frames take their buffers from `pool`. An IP packet
    /// on it has at most `mtu` bytes.
    pub fn new(seed: u64, pool: Pool, macs: [EthernetAddress; 2], mtu: u16) -> (Self, Port, Port) {
        let shared = Rc::new(RefCell::new(Shared {
            random: seed,
            up: true,
            pool,
            tap: None,
            directions: [Direction::default(), Direction::default()],
        }));
        let port = |side, mac| Port { shared: shared.clone(), side, mac, mtu, stats: NicStats::default() };
        let (a, b) = (port(Side::A, macs[0]), port(Side::B, macs[1]));
        (Self { shared }, a, b)
    }

    /// Sets the faults of what `from` sends.
    pub fn set_faults(&self, from: Side, faults: Faults) {
        self.shared.borrow_mut().directions[from as usize].faults = faults;
    }

    /// Plugs the cable in or out. Out, everything sent is lost.
    pub fn set_up(&self, up: bool) {
        self.shared.borrow_mut().up = up;
    }

    /// Has every frame shown to `tap`. It must not use the wire or its ports.
    pub fn set_tap(&self, tap: Tap) {
        self.shared.borrow_mut().tap = Some(tap);
    }

    /// Frames under way in both directions.
    pub fn in_flight(&self) -> usize {
        self.shared.borrow().directions.iter().map(|d| d.queue.len() + d.held.len()).sum()
    }
}

impl Shared {
    /// SplitMix64: small, and the same on every machine.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn happens(&mut self, per_thousand: u16) -> bool {
        per_thousand != 0 && self.draw() % 1000 < u64::from(per_thousand)
    }

    fn carry(&mut self, side: Side, frame: &[u8]) {
        if let Some(tap) = &mut self.tap {
            tap(side, frame);
        }
        let faults = self.directions[side as usize].faults;
        if !self.up || self.happens(faults.loss) {
            return;
        }
        let copies = 1 + usize::from(self.happens(faults.duplicate));
        for _ in 0..copies {
            let Some(mut packet) = self.copy(frame) else {
                self.directions[side as usize].unbuffered += 1;
                continue;
            };
            if self.happens(faults.damage) && !frame.is_empty() {
                let bit = self.draw() as usize % (frame.len() * 8);
                packet.bytes_mut()[bit / 8] ^= 1 << (bit % 8);
            }
            if self.happens(faults.reorder) {
                let passing = 1 + (self.draw() % u64::from(faults.displacement.max(1))) as u8;
                self.directions[side as usize].held.push((passing, packet));
            } else {
                self.directions[side as usize].deliver(packet);
            }
        }
    }

    /// A copy in a buffer of the pool, or in memory of its own if the frame is larger than those.
    fn copy(&self, frame: &[u8]) -> Option<Packet> {
        let mut packet = self.pool.take()?;
        if packet.tailroom() < frame.len() {
            return Some(Packet::from_bytes(frame));
        }
        packet.append(frame.len())?.copy_from_slice(frame);
        Some(packet)
    }
}

impl Direction {
    /// Queues a frame, and behind it those held ones that it was the last to pass.
    fn deliver(&mut self, packet: Packet) {
        self.queue.push_back(packet);
        for (passing, _) in &mut self.held {
            *passing -= 1;
        }
        while let Some(due) = self.held.iter().position(|(passing, _)| *passing == 0) {
            self.queue.push_back(self.held.remove(due).1);
        }
    }

    /// The next frame to arrive. A silent sender must not keep held frames for ever.
    fn arrive(&mut self) -> Option<Packet> {
        if self.queue.is_empty() {
            self.queue.extend(self.held.drain(..).map(|(_, packet)| packet));
        }
        self.queue.pop_front()
    }
}

impl Side {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

impl Nic for Port {
    fn mac(&self) -> EthernetAddress {
        self.mac
    }

    fn link(&self) -> Link {
        Link { up: self.shared.borrow().up, mtu: self.mtu }
    }

    fn rx(&mut self, out: &mut Burst) -> usize {
        let mut shared = self.shared.borrow_mut();
        let direction = &mut shared.directions[self.side.other() as usize];
        let before = out.len();
        while !out.is_full() {
            let Some(packet) = direction.arrive() else { break };
            self.stats.rx_frames += 1;
            self.stats.rx_bytes += packet.len() as u64;
            let _ = out.push(packet);
        }
        self.stats.rx_drops = direction.unbuffered;
        out.len() - before
    }

    fn tx(&mut self, from: &mut Burst) -> usize {
        let mut shared = self.shared.borrow_mut();
        let room = DEPTH.saturating_sub(shared.directions[self.side as usize].queue.len());
        let count = from.len().min(room);
        for frame in from.drain(..count) {
            // 14 bytes of Ethernet header do not count towards the MTU.
            if frame.len() > usize::from(self.mtu) + 14 {
                self.stats.tx_drops += 1;
                continue;
            }
            self.stats.tx_frames += 1;
            self.stats.tx_bytes += frame.len() as u64;
            shared.carry(self.side, frame.bytes());
        }
        count
    }

    fn arm(&mut self) -> bool {
        let shared = self.shared.borrow();
        let direction = &shared.directions[self.side.other() as usize];
        direction.queue.is_empty() && direction.held.is_empty()
    }

    fn stats(&self) -> NicStats {
        self.stats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(seed: u64) -> (Wire, Port, Port) {
        let macs = [EthernetAddress([2, 0, 0, 0, 0, 1]), EthernetAddress([2, 0, 0, 0, 0, 2])];
        Wire::new(seed, Pool::new(2048), macs, 1500)
    }

    /// Sends `count` numbered frames from A; returns the numbers that B sees, in order.
    fn numbers(count: u16, seed: u64, faults: Faults) -> Vec<u16> {
        let (wire, mut a, mut b) = wire(seed);
        wire.set_faults(Side::A, faults);
        let mut seen = Vec::new();
        for number in 0..count {
            let mut burst = Burst::new();
            burst.push(Packet::from_bytes(&number.to_be_bytes())).unwrap();
            assert_eq!(a.tx(&mut burst), 1);
            if number % 20 == 19 {
                let mut burst = Burst::new();
                while b.rx(&mut burst) > 0 {
                    seen.extend(burst.drain(..).map(|p| u16::from_be_bytes(p.bytes().try_into().unwrap())));
                }
            }
        }
        assert_eq!(wire.in_flight(), 0);
        seen
    }

    #[test]
    fn a_faultless_wire_keeps_order() {
        assert_eq!(numbers(1000, 1, Faults::default()), (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn each_knob_does_its_own_harm_and_repeats_by_seed() {
        let all: Vec<u16> = (0..1000).collect();
        let loss = numbers(1000, 7, Faults { loss: 100, ..Faults::default() });
        assert!((850..950).contains(&loss.len()) && loss.is_sorted());
        let twice = numbers(1000, 7, Faults { duplicate: 100, ..Faults::default() });
        assert!((1050..1150).contains(&twice.len()) && twice.is_sorted());
        let mut mixed = numbers(1000, 7, Faults { reorder: 100, displacement: 4, ..Faults::default() });
        assert_eq!(mixed, numbers(1000, 7, Faults { reorder: 100, displacement: 4, ..Faults::default() }));
        assert_ne!(mixed, numbers(1000, 8, Faults { reorder: 100, displacement: 4, ..Faults::default() }));
        assert!(!mixed.is_sorted());
        // Four frames may pass, and those held at the same time.
        let latest =
            mixed.iter().enumerate().map(|(at, number)| at.saturating_sub(usize::from(*number))).max();
        assert!(latest.is_some_and(|late| (3..=8).contains(&late)), "{latest:?}");
        mixed.sort_unstable();
        assert_eq!(mixed, all);
        let damaged = numbers(1000, 7, Faults { damage: 100, ..Faults::default() });
        let wrong = damaged.iter().zip(&all).filter(|(a, b)| a != b).count();
        assert!(damaged.len() == 1000 && (50..150).contains(&wrong));
    }

    #[test]
    fn buffers_come_home_and_a_full_wire_pushes_back() {
        let pool = Pool::new(DEPTH + 10);
        let macs = [EthernetAddress([2, 0, 0, 0, 0, 1]), EthernetAddress([2, 0, 0, 0, 0, 2])];
        let (_wire, mut a, mut b) = Wire::new(1, pool.clone(), macs, 1500);
        let mut sent = 0;
        loop {
            let mut burst: Burst = (0..32).map(|_| Packet::from_bytes(&[0; 60])).collect();
            let taken = a.tx(&mut burst);
            sent += taken;
            if taken == 0 {
                break;
            }
        }
        assert_eq!(sent, DEPTH);
        assert!(!b.arm());
        let mut burst = Burst::new();
        assert_eq!(b.rx(&mut burst), 32);
        assert_eq!(pool.available(), 10);
        drop(burst);
        assert_eq!(pool.available(), 42);
    }

    #[test]
    fn an_unplugged_wire_carries_nothing_and_the_tap_sees_what_was_sent() {
        let (wire, mut a, mut b) = wire(1);
        let seen = Rc::new(RefCell::new(Vec::new()));
        let tap = seen.clone();
        wire.set_tap(Box::new(move |side, frame| tap.borrow_mut().push((side, frame.to_vec()))));
        wire.set_up(false);
        let mut burst: Burst = core::iter::once(Packet::from_bytes(b"x")).collect();
        a.tx(&mut burst);
        assert_eq!(b.rx(&mut Burst::new()), 0);
        assert!(b.arm() && !b.link().up);
        assert_eq!(*seen.borrow(), [(Side::A, b"x".to_vec())]);
    }
}
