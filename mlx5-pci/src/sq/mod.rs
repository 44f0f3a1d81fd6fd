//! Send queues (facts E.9): packets that the device reads, from the doorbell to their way back.
//!
//! 1. Each packet is lent as a whole; its slot holds the loan until a completion covers it.
//! 2. WQEs are built in `post`; only the last one of a burst asks for a CQE, which stands for all before it.
//! 3. The record, then one doorbell per burst; a single WQE of one block goes along with it (BlueFlame).
//!
//! What a CQE says is only believed where a WQE that asks for one is outstanding: another number changes nothing. After
//! an error nothing is sent until the queue is repaired. A train (`net::train`) is one WQE and as many packets as it has
//! segments, each of them lent by itself.

mod command;
mod post;
#[cfg(test)]
mod tests;

use crate::cq::{Completion, Cq, Failure};
use crate::hal::{Function, Loan};
use crate::ring::{Ring, load};
use crate::uar::Uar;
use crate::wqe::{BLOCK, BLOCK_SEGMENTS, SIGNALLED};
use alloc::boxed::Box;
use core::sync::atomic::Ordering::Relaxed;
use net::Burst;
use post::Open;

/// Dwords of a block.
const WORDS: usize = BLOCK / 4;

/// What the capabilities allow a send queue to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Abilities {
    /// Several packets in a WQE.
    pub(crate) enhanced: bool,
    /// How much of each frame must lie in its WQE: 0 nothing, 1 the Ethernet header, 2 and 3 all headers.
    pub(crate) min_inline: u8,
    /// Payload bytes of the largest packet that is cut; 0: none is.
    pub(crate) max_lso: usize,
    /// Checksums are filled in.
    pub(crate) checksums: bool,
    /// VLAN tags are inserted.
    pub(crate) vlan: bool,
    /// It lets itself be told where the headers of a packet inside are, for checksums and for cutting.
    pub(crate) inside: (bool, bool),
}

/// A WQE that asks for a CQE.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// Its first block.
    index: u16,
    /// The block after it.
    end: u16,
    /// Packets posted with it and before it.
    packets: u32,
}

/// What a send queue has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Frames handed to the device.
    pub(crate) frames: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Packets that cannot be sent as their metadata wants, and those that a repair threw away.
    pub(crate) drops: u64,
    /// CQEs that cannot be.
    pub(crate) strange: u64,
}

/// A send queue and its completion queue.
pub(crate) struct Sq<F: Function> {
    ring: Ring<F::Mem, WORDS>,
    cq: Cq<F::Mem>,
    number: u32,
    lkey: u32,
    uar: Uar,
    /// Which half of the BlueFlame register is next.
    half: bool,
    abilities: Abilities,
    /// The device has rules that protect packets which name an SA, or drop them.
    protects: bool,
    /// Blocks posted and blocks that the device is done with.
    producer: u16,
    consumer: u16,
    /// The first block of the WQE that was posted last.
    last: u16,
    /// Packets posted and packets that the device is done with.
    posted: u32,
    freed: u32,
    lent: Box<[Option<F::Loan>]>,
    marks: Box<[Option<Mark>]>,
    failure: Option<Failure>,
    counters: Counters,
}

impl<F: Function> Sq<F> {
    fn new(
        ring: Ring<F::Mem, WORDS>,
        cq: Cq<F::Mem>,
        number: u32,
        lkey: u32,
        uar: Uar,
        abilities: Abilities,
    ) -> Self {
        let size = ring.size() as usize;
        Self {
            ring,
            cq,
            number,
            lkey,
            uar,
            half: false,
            abilities,
            protects: false,
            producer: 0,
            consumer: 0,
            last: 0,
            posted: 0,
            freed: 0,
            lent: (0..size).map(|_| None).collect(),
            marks: (0..size).map(|_| None).collect(),
            failure: None,
            counters: Counters::default(),
        }
    }

    /// Takes packets from the front of `from`, as many as there is room for, and rings once.
    #[inline]
    pub(crate) fn post(&mut self, function: &F, bar: &F::Bar, from: &mut Burst) -> usize {
        self.reap();
        if self.failure.is_some() {
            return 0;
        }
        let taken = self.room_for(from);
        let (before, posted) = (self.producer, self.posted);
        let mut open = Open::default();
        for packet in from.drain(..taken) {
            self.put(function, &mut open, packet);
        }
        self.close(&mut open);
        self.counters.frames += u64::from(self.posted.wrapping_sub(posted));
        self.counters.bytes += open.bytes;
        if self.producer != before {
            self.ring(bar, before);
        }
        taken
    }

    /// How many packets of the front of `from` there is room for, whatever their WQEs look like.
    #[inline]
    fn room_for(&self, from: &Burst) -> usize {
        let size = self.ring.size();
        let mut blocks = size.saturating_sub(u32::from(self.producer.wrapping_sub(self.consumer)));
        let mut slots = size.saturating_sub(self.posted.wrapping_sub(self.freed));
        let mut count = 0;
        for packet in from {
            let (most, places) = (self.blocks_at_most(packet), packet.count() as u32);
            if blocks < most || slots < places {
                break;
            }
            (blocks, slots) = (blocks - most, slots - places);
            count += 1;
        }
        count
    }

    /// Tells the device of everything since block `before`.
    #[inline]
    fn ring(&mut self, bar: &F::Bar, before: u16) {
        let at = (usize::from(self.last) * BLOCK_SEGMENTS) & self.segment_mask();
        let Some(control) = self.ring.segments().get(at) else { return };
        control[SIGNALLED.0].store(SIGNALLED.1.to_be(), Relaxed);
        let mark = Mark { index: self.last, end: self.producer, packets: self.posted };
        if let Some(place) = self.marks.get_mut(self.ring.slot(self.last.into())) {
            *place = Some(mark);
        }
        self.ring.set_second(self.producer.into());
        // Orders the record before the doorbell, as it is ordered after the WQEs.
        core::sync::atomic::fence(core::sync::atomic::Ordering::Release);
        let single = self.producer.wrapping_sub(before) == 1;
        if single
            && self.uar.has_blueflame()
            && let Some(block) = self.ring.entry(before.into())
        {
            let mut bytes = [0; BLOCK];
            for (place, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(block) {
                *place = word.load(Relaxed).to_ne_bytes();
            }
            self.uar.push_sq(bar, self.half, &bytes);
        } else {
            self.uar.ring_sq(bar, self.half, [load(control, 0), load(control, 1)]);
        }
        self.half = !self.half;
    }

    fn segment_mask(&self) -> usize {
        self.ring.size() as usize * BLOCK_SEGMENTS - 1
    }

    /// Takes back what the device is done with.
    #[inline]
    pub(crate) fn reap(&mut self) {
        let mut any = false;
        while let Some(completion) = self.cq.next() {
            any = true;
            match completion {
                Completion::Sent(index) => self.complete(index),
                Completion::Failed(failure) if failure.request => {
                    self.failure.get_or_insert(failure);
                }
                _ => self.counters.strange += 1,
            }
        }
        if any {
            self.cq.publish();
        }
    }

    fn complete(&mut self, index: u16) {
        let mark = self.marks.get(self.ring.slot(index.into())).copied().flatten();
        let outstanding = self.posted.wrapping_sub(self.freed);
        let Some(mark) = mark.filter(|mark| {
            let packets = mark.packets.wrapping_sub(self.freed);
            mark.index == index && (1..=outstanding).contains(&packets)
        }) else {
            self.counters.strange += 1;
            return;
        };
        self.consumer = mark.end;
        self.free(mark.packets);
    }

    /// Ends the loans of all packets up to the one numbered `packets`.
    #[inline]
    fn free(&mut self, packets: u32) {
        while self.freed != packets {
            let slot = self.ring.slot(self.freed);
            if let Some(loan) = self.lent.get_mut(slot).and_then(Option::take) {
                drop(loan.take_back(0));
            }
            self.freed = self.freed.wrapping_add(1);
        }
    }

    /// Packets that the device holds.
    pub(crate) fn outstanding(&self) -> u32 {
        self.posted.wrapping_sub(self.freed)
    }

    /// From now on packets that name an SA are handed to the device; it has rules for all of them, see `ipsec`.
    pub(crate) fn protect(&mut self) {
        self.protects = true;
    }

    /// Why the queue sends nothing, if it does not.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.failure
    }

    /// The queue is in error, an event says.
    pub(crate) fn fail(&mut self) {
        self.failure.get_or_insert(Failure::UNTOLD);
    }

    /// What it has counted.
    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }

    /// Its number.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Forgets everything that was posted, as the device has: it is in reset.
    fn clear(&mut self) {
        while self.cq.next().is_some() {}
        self.cq.publish();
        self.counters.drops += u64::from(self.outstanding());
        self.free(self.posted);
        self.marks.fill(None);
        (self.producer, self.consumer, self.last) = (0, 0, 0);
        self.ring.set_second(0);
        self.failure = None;
    }
}
