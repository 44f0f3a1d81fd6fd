//! Slabs: memory that a device fills with many packets, each of which is handed on as a [`View`] while the device goes on
//! filling what lies behind it. Nothing is copied, and the slab is free again when the last view is dropped.
//!
//! ```text
//!   | headroom | stride | stride | stride | stride | ...
//!              ^ lent to the device from here on
//!   | view of packet 0  |  view of packet 1        |     a view: its packet, and room of the stride before it
//! ```
//!
//! This is the only unsafe part of the packet buffer, and it rests on one rule: [`Slab::take`] only ever gives out bytes
//! behind all that it has given out before. A device that names the same place twice gets nothing for the second time.
//!
//! Left out: sharing between cores; a slab belongs to the queue of one core, like the packets in it.
#![allow(unsafe_code)]

use alloc::{boxed::Box, collections::VecDeque, rc::Rc};
use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use super::HEADROOM;
use super::stock::Stock;

/// Bytes of a cache line.
const LINE: usize = 64;

/// A cache line, so that strides begin at the start of one.
#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "reached by a pointer to all lines")] UnsafeCell<[u8; LINE]>);

/// The memory of a slab.
struct Memory {
    lines: Box<[Line]>,
    /// Where the bodies of packets come from, and go back to.
    bodies: Rc<Stock>,
}

impl Memory {
    fn new(bytes: usize, bodies: &Rc<Stock>) -> Rc<Self> {
        let lines = (0..bytes.div_ceil(LINE)).map(|_| Line(UnsafeCell::new([0; LINE]))).collect();
        Rc::new(Self { lines, bodies: bodies.clone() })
    }

    fn len(&self) -> usize {
        self.lines.len() * LINE
    }

    #[inline]
    fn start(&self) -> NonNull<u8> {
        // Lines lie one behind another without gaps, so a pointer to all of them reaches each byte.
        NonNull::from(&*self.lines).cast()
    }
}

/// Memory that a device fills from its start to its end. What has been taken from it belongs to others.
pub struct Slab {
    memory: Rc<Memory>,
    /// Its first byte, and how many there are: at hand, as every packet asks for them.
    start: NonNull<u8>,
    len: usize,
    /// Where what may still be taken begins.
    next: usize,
}

impl Slab {
    /// Where the CPU sees the first byte that the device may fill.
    pub fn address(&self) -> usize {
        self.start.as_ptr() as usize + HEADROOM
    }

    /// Bytes that the device may fill.
    pub fn len(&self) -> usize {
        self.len - HEADROOM
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The view of a packet of which the device says that it lies at `start`, and whose last stride ends at `end`. The
    /// packet has [`HEADROOM`] bytes of the stride before it, and leaves as many of its own last stride to the next one;
    /// a packet of `bytes` that needs them keeps them. `None` when any of it has been taken already or lies outside.
    #[inline]
    pub fn take(&mut self, start: usize, end: usize, bytes: usize) -> Option<View> {
        let packet = start.checked_add(HEADROOM)?;
        let last = packet.checked_add(bytes)?;
        // Where the stride ends, less the headroom of the next packet.
        let end = end.max(last);
        if packet < self.next || last > self.len || end > self.len {
            return None;
        }
        let first = start.max(self.next);
        self.next = end;
        // SAFETY: inside the memory, by the check above.
        let start = unsafe { self.start.add(first) };
        let part = Part { start, len: end - first, memory: self.memory.clone() };
        Some(View { part, packet: packet - first })
    }

    /// Writes where nothing has been taken yet, `at` bytes behind the start: for machines whose devices do not reach this
    /// memory themselves. False, and nothing is written, where that cannot be.
    pub fn fill(&mut self, at: usize, bytes: &[u8]) -> bool {
        let Some(first) = at.checked_add(HEADROOM) else { return false };
        let sound = first >= self.next && first.checked_add(bytes.len()).is_some_and(|end| end <= self.len);
        if sound {
            // SAFETY: inside the memory, and behind everything that a view covers, by the check above; `self` is borrowed
            // exclusively, so nobody else writes there.
            unsafe {
                core::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.add(first).as_ptr(), bytes.len());
            }
        }
        sound
    }
}

/// A part of a slab that belongs to one packet alone, on its way to become that packet.
pub struct View {
    pub(super) part: Part,
    /// Where the packet begins in it.
    pub(super) packet: usize,
}

/// The bytes of a view.
pub(super) struct Part {
    start: NonNull<u8>,
    len: usize,
    /// Keeps them alive.
    memory: Rc<Memory>,
}

impl Part {
    /// Where the packet's body comes from, and goes back to.
    #[inline]
    pub(super) fn bodies(&self) -> &Stock {
        &self.memory.bodies
    }
}

impl Deref for Part {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: `len` bytes from `start` on are inside the memory, which lives as long as this value. No other view covers these bytes
        // (`Slab::take`), and `Slab::fill` stays behind them. The device was told of them once, and is done with them.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for Part {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and this value is borrowed exclusively.
        unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

/// A fixed stock of slabs.
pub struct Slabs {
    all: VecDeque<Rc<Memory>>,
    bytes: usize,
}

impl Slabs {
    /// Allocates `count` slabs of which a device may fill `bytes` each. What packets in them need beside their bytes is
    /// allocated when there have never been so many before.
    pub fn new(count: usize, bytes: usize) -> Self {
        let bodies = Rc::default();
        Self { all: (0..count).map(|_| Memory::new(HEADROOM + bytes, &bodies)).collect(), bytes }
    }

    /// A slab of which nothing is in use, or nothing if all are.
    pub fn take(&mut self) -> Option<Slab> {
        // The one that was taken longest ago is the likeliest to be free.
        for _ in 0..self.all.len() {
            self.all.rotate_left(1);
            if let Some(memory) = self.all.back().filter(|memory| Rc::strong_count(memory) == 1) {
                let (start, len) = (memory.start(), memory.len());
                return Some(Slab { memory: memory.clone(), start, len, next: 0 });
            }
        }
        None
    }

    /// Slabs of which nothing is in use.
    pub fn available(&self) -> usize {
        self.all.iter().filter(|memory| Rc::strong_count(memory) == 1).count()
    }

    /// Bytes that a device may fill of each.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Packet;
    use proptest::prelude::*;

    const STRIDE: usize = 256;

    #[test]
    fn packets_of_a_slab_are_views_that_do_not_touch() {
        let mut slabs = Slabs::new(1, 4 * STRIDE);
        let mut slab = slabs.take().unwrap();
        assert!(slabs.take().is_none());
        let base = slab.address();
        assert!(slab.fill(0, &[1; 100]) && slab.fill(STRIDE, &[2; 200]) && slab.fill(2 * STRIDE, &[3; 300]));
        let mut first = Packet::from(slab.take(0, STRIDE, 100).unwrap());
        let mut second = Packet::from(slab.take(STRIDE, 2 * STRIDE, 200).unwrap());
        assert!(first.append(100).is_some() && second.append(200).is_some());
        assert_eq!((first.headroom(), first.tailroom()), (HEADROOM, STRIDE - HEADROOM - 100));
        // The second needs more of its stride than it should, and keeps it: the third has less headroom.
        assert_eq!((second.headroom(), second.tailroom()), (HEADROOM, 0));
        let mut third = Packet::from(slab.take(2 * STRIDE, 4 * STRIDE, 300).unwrap());
        assert!(third.append(300).is_some());
        assert_eq!(third.headroom(), STRIDE - 200);
        assert_eq!(first.bytes().as_ptr() as usize, base);
        first.push(HEADROOM).unwrap().fill(9);
        first.append(first.tailroom()).unwrap().fill(9);
        assert_eq!(second.bytes(), [2; 200]);
        second.push(HEADROOM).unwrap().fill(8);
        third.push(STRIDE - 200).unwrap().fill(7);
        assert_eq!(&second.bytes()[HEADROOM..], [2; 200]);
        assert_eq!(&third.bytes()[STRIDE - 200..], [3; 300]);
        drop((slab, first, second));
        assert!(slabs.take().is_none());
        drop(third);
        assert!(slabs.take().is_some());
    }

    #[test]
    fn what_was_taken_cannot_be_taken_or_filled_again() {
        let mut slabs = Slabs::new(1, 4 * STRIDE);
        let mut slab = slabs.take().unwrap();
        let _second = slab.take(STRIDE, 2 * STRIDE, 60).unwrap();
        assert!(slab.take(STRIDE, 2 * STRIDE, 60).is_none());
        assert!(slab.take(0, STRIDE, 60).is_none());
        assert!(!slab.fill(STRIDE, &[0; 10]));
        assert!(slab.take(4 * STRIDE, 5 * STRIDE, 1).is_none());
        assert!(slab.take(usize::MAX, usize::MAX, usize::MAX).is_none());
        assert!(slab.take(3 * STRIDE, usize::MAX, 60).is_none());
        assert!(!slab.fill(4 * STRIDE, &[1]) && !slab.fill(usize::MAX, &[1]));
        assert!(slab.take(3 * STRIDE, 4 * STRIDE, 60).is_some());
    }

    proptest! {
        #[test]
        fn views_never_overlap(claims in proptest::collection::vec((0usize..5000, 0usize..5000, 0usize..3000), 0..20)) {
            let mut slabs = Slabs::new(1, 4096);
            let mut slab = slabs.take().unwrap();
            let mut views: alloc::vec::Vec<Part> = alloc::vec::Vec::new();
            for (start, end, bytes) in claims {
                views.extend(slab.take(start, end, bytes).map(|view| view.part));
            }
            for (mark, view) in views.iter_mut().enumerate() {
                view.fill(mark as u8);
            }
            for (mark, view) in views.iter().enumerate() {
                prop_assert!(view.iter().all(|byte| *byte == mark as u8));
            }
        }
    }
}
