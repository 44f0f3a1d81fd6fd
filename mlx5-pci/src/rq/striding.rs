//! The striding receive queue: a WQE is a slab of strides that many packets share (multi-packet WQE).
//!
//! 1. WQEs form a linked list, as Linux has it: 16 bytes that name the next one, and one data segment for the slab.
//! 2. A packet takes one or more strides; its CQE names the WQE, the first stride, how many, and the length.
//! 3. What is left when the next packet does not fit comes back as a filler: strides without a packet.
//! 4. A slab whose last stride is used is let go, and a fresh one is posted. The packets in it live as long as they like.
//!
//! Packets are not copied: each is a view into the slab, with the end of the stride before it as headroom (see
//! [`net::Slab`], which holds against any device that no two packets share a byte).

use super::{Counters, ETHERNET, Receive};
use crate::cq::{Cq, Failure, Received, strides};
use crate::hal::{Function, Region};
use crate::ring::{Ring, store};
use crate::wqe::{self, SEGMENT};
use alloc::boxed::Box;
use net::{Packet, Slabs};

/// Dwords of a WQE.
pub(super) const WORDS: usize = 2 * SEGMENT / 4;
/// Set in the length of a CQE that stands for strides without a packet.
const FILLER: u32 = 1 << 31;
/// The length itself.
const LENGTH: u32 = 0xffff;

/// How slabs are cut up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strides {
    /// log2 of their number in a slab.
    pub(crate) log_count: u8,
    /// log2 of their bytes.
    pub(crate) log_size: u8,
}

impl Strides {
    /// Bytes of a slab.
    pub(crate) fn bytes(self) -> usize {
        1 << (self.log_count + self.log_size)
    }
}

/// A striding receive queue.
pub(crate) struct Striding<F: Function> {
    ring: Ring<F::Mem, WORDS>,
    number: u32,
    lkey: u32,
    strides: Strides,
    /// Strides of a slab.
    count: u32,
    slabs: Slabs,
    lent: Box<[Option<F::Region>]>,
    /// WQEs posted, and WQEs whose strides are all used.
    posted: u16,
    done: u16,
    /// Strides used of the WQE that is being filled.
    used: u32,
    failure: Option<Failure>,
    counters: Counters,
}

impl<F: Function> Striding<F> {
    pub(super) fn new(
        ring: Ring<F::Mem, WORDS>,
        number: u32,
        lkey: u32,
        strides: Strides,
        slabs: Slabs,
    ) -> Self {
        for counter in 0..ring.size() {
            let next = ring.slot(counter + 1) as u32;
            if let Some(place) = ring.segments().get(2 * ring.slot(counter)) {
                store(place, [next, 0, 0, 0]);
            }
        }
        let lent = (0..ring.size()).map(|_| None).collect();
        let counters = Counters::default();
        Self {
            ring,
            number,
            lkey,
            strides,
            count: 1 << strides.log_count,
            slabs,
            lent,
            posted: 0,
            done: 0,
            used: 0,
            failure: None,
            counters,
        }
    }

    /// Posts slabs as long as there are places and slabs; how many places are empty.
    fn fill(&mut self, function: &F) -> usize {
        while u32::from(self.posted.wrapping_sub(self.done)) < self.ring.size() {
            let slot = self.ring.slot(self.posted.into());
            let Some(place) = self.lent.get_mut(slot) else { break };
            if place.is_none() {
                let Some(slab) = self.slabs.take() else { break };
                let region = function.lend_slab(slab);
                let segment = wqe::data(region.len() as u32, self.lkey, region.iova());
                if let Some(at) = self.ring.segments().get(2 * slot + 1) {
                    store(at, segment);
                }
                *place = Some(region);
            }
            self.posted = self.posted.wrapping_add(1);
        }
        self.ring.size() as usize - usize::from(self.posted.wrapping_sub(self.done))
    }

    /// Posts what there is in a queue that is new or was in reset; 1 if that is nothing.
    pub(super) fn start(&mut self, function: &F) -> usize {
        let empty = self.fill(function);
        Receive::<F>::publish(self);
        usize::from(empty == self.lent.len())
    }

    /// As after [`Striding::new`]: the device has forgotten what was posted, it is in reset. Slabs of which something was
    /// used are let go.
    pub(super) fn clear(&mut self, cq: &mut Cq<F::Mem>) {
        super::drain(cq);
        self.lent.fill_with(|| None);
        (self.posted, self.done, self.used) = (0, 0, 0);
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

    /// The WQE that is being filled is done.
    fn finish(&mut self) {
        let slot = self.ring.slot(self.done.into());
        if let Some(place) = self.lent.get_mut(slot) {
            *place = None;
        }
        self.done = self.done.wrapping_add(1);
        self.used = 0;
    }

    /// Makes the WQE in `slot` the one that is being filled; false if it cannot be.
    #[cold]
    fn skip_to(&mut self, slot: usize) -> bool {
        let outstanding = u32::from(self.posted.wrapping_sub(self.done));
        let ahead = self.ring.slot((slot as u32).wrapping_sub(self.done.into())) as u32;
        // Completions of a whole WQE may be lost, but one that was done long ago looks like one that is far ahead.
        if slot >= self.lent.len() || ahead >= outstanding || ahead > self.ring.size() / 2 {
            return false;
        }
        for _ in 0..ahead {
            self.counters.drops += 1;
            self.finish();
        }
        true
    }
}

impl<F: Function> Striding<F> {
    /// The packet in strides `first` to `end` of the slab in `slot`; `told` is what the CQE says in place of a length.
    #[inline(always)]
    fn packet(&mut self, slot: usize, first: u32, end: u32, told: u32) -> Option<Packet> {
        if told & FILLER != 0 {
            return None;
        }
        let bytes = (told & LENGTH) as usize;
        let (start, end) =
            ((first as usize) << self.strides.log_size, (end as usize) << self.strides.log_size);
        if bytes >= ETHERNET
            && bytes <= end - start
            && let Some(Some(region)) = self.lent.get_mut(slot)
            && let Some(packet) = region.take(start, end, bytes)
        {
            return Some(packet);
        }
        self.counters.drops += 1;
        None
    }
}

impl<F: Function> Receive<F> for Striding<F> {
    #[inline(always)]
    fn take(&mut self, _: &F, received: &Received) -> Option<Packet> {
        let slot = usize::from(received.wqe);
        let (first, used) = (u32::from(received.counter), u32::from(strides(received.bytes)));
        let end = first + used;
        let current = slot == self.ring.slot(self.done.into()) && self.posted != self.done;
        if used == 0 || end > self.count || !(current || self.skip_to(slot)) || first < self.used {
            self.counters.strange += 1;
            return None;
        }
        self.used = end;
        let packet = self.packet(slot, first, end, received.bytes);
        if end == self.count {
            self.finish();
        }
        packet
    }

    #[inline]
    fn publish(&mut self) {
        self.ring.set_first(self.posted.into());
    }

    #[inline]
    fn refill(&mut self, function: &F) -> bool {
        let before = self.posted;
        if u32::from(self.posted.wrapping_sub(self.done)) < self.ring.size() {
            self.fill(function);
        }
        self.posted != before
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
