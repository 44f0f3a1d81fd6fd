//! The cyclic receive queue: one data segment per WQE, one buffer of the pool per packet.
//!
//! A frame is only handed on against a fresh buffer, so the ring stays full; with an empty pool the frame is dropped and
//! its buffer posted again. Left out: packets that are scattered over several buffers; a pool for the port's MTU has
//! large enough ones.

use super::{Counters, ETHERNET, Receive};
use crate::cq::{Cq, Failure, Received};
use crate::hal::{Function, Loan, Way};
use crate::ring::{Ring, store};
use crate::wqe::{self, SEGMENT};
use alloc::boxed::Box;
use net::{Packet, Pool};

/// Dwords of a WQE.
const WORDS: usize = SEGMENT / 4;

/// A cyclic receive queue.
pub(crate) struct Cyclic<F: Function> {
    ring: Ring<F::Mem, WORDS>,
    number: u32,
    lkey: u32,
    pool: Pool,
    /// What the device fills, by slot. Every slot has a buffer once the queue is filled.
    lent: Box<[Option<F::Loan>]>,
    /// The WQE whose completion is next; as many as the ring has are posted from there on.
    next: u16,
    failure: Option<Failure>,
    counters: Counters,
}

impl<F: Function> Cyclic<F> {
    pub(super) fn new(ring: Ring<F::Mem, WORDS>, number: u32, lkey: u32, pool: Pool) -> Self {
        let lent = (0..ring.size()).map(|_| None).collect();
        Self { ring, number, lkey, pool, lent, next: 0, failure: None, counters: Counters::default() }
    }

    /// Posts a buffer in every slot; how many are missing.
    fn fill(&mut self, function: &F) -> usize {
        for slot in 0..self.lent.len() {
            let Some(buffer) = self.pool.take() else { return self.lent.len() - slot };
            self.lend(function, slot, buffer);
        }
        0
    }

    #[inline(always)]
    fn lend(&mut self, function: &F, slot: usize, buffer: Packet) -> Option<F::Loan> {
        let loan = function.lend(buffer, Way::FromDevice);
        let segment = wqe::data(loan.len() as u32, self.lkey, loan.iova());
        if let Some(place) = self.ring.segments().get(slot) {
            store(place, segment);
        }
        self.lent.get_mut(slot)?.replace(loan)
    }

    /// Posts everything in a queue that is new or was in reset; how many buffers are missing.
    pub(super) fn start(&mut self, function: &F) -> usize {
        let posted = self.lent.iter().all(Option::is_some);
        let missing = if posted { 0 } else { self.fill(function) };
        if missing == 0 {
            Receive::<F>::publish(self);
        }
        missing
    }

    /// Everything is as after [`Cyclic::fill`]: the device has forgotten what was posted, it is in reset.
    pub(super) fn clear(&mut self, cq: &mut Cq<F::Mem>) {
        super::drain(cq);
        self.next = 0;
        self.ring.set_first(0);
        self.failure = None;
    }

    /// Its number.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// What it has counted.
    pub(super) fn counted(&self) -> Counters {
        self.counters
    }

    /// Why it receives nothing, if it does not.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.failure
    }
}

impl<F: Function> Receive<F> for Cyclic<F> {
    #[inline(always)]
    fn take(&mut self, function: &F, received: &Received) -> Option<Packet> {
        let skipped = received.counter.wrapping_sub(self.next);
        if u32::from(skipped) >= self.ring.size() {
            self.counters.strange += 1;
            return None;
        }
        // The buffers of lost completions are still in their slots: posting them again is counting on.
        self.counters.drops += u64::from(skipped);
        self.next = received.counter.wrapping_add(1);
        let slot = self.ring.slot(received.counter.into());
        let bytes = received.bytes as usize;
        let sound =
            bytes >= ETHERNET && self.lent.get(slot)?.as_ref().is_some_and(|loan| bytes <= loan.len());
        let fresh = if sound { self.pool.take() } else { None };
        let Some(fresh) = fresh else {
            self.counters.drops += 1;
            return None;
        };
        Some(self.lend(function, slot, fresh)?.take_back(bytes))
    }

    #[inline]
    fn publish(&mut self) {
        let posted = self.next.wrapping_add(self.ring.size() as u16);
        self.ring.set_first(posted.into());
    }

    #[inline(always)]
    fn counters(&mut self) -> &mut Counters {
        &mut self.counters
    }

    #[cold]
    fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }
}
