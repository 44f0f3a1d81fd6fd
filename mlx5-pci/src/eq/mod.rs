//! Event queues (facts E.7): one for what happens to the device, and one for the completions of each core.
//!
//! An EQE is a claim: its type and numbers are handed on as they are, and who acts on them looks them up. Left out:
//! signatures, which devices leave zero.

mod command;
#[cfg(test)]
mod tests;

use crate::hal::{Bar, DmaMem, Function, HalError};
use crate::prm::{Eqe, EventType};
use crate::ring::{Bits, Ring, load, load_owner};
use crate::uar::Uar;

/// Bytes of event data.
const DATA: usize = 28;
/// Dwords of an EQE.
const WORDS: usize = Eqe::SIZE / 4;
/// Where they lie.
const DATA_WORD: usize = 0x20 / 4;
/// The consumer counter is told to the device at least so often, or it could run out of entries that it may write.
const LATEST: u32 = 64;

const OWNER: Bits = Bits::of(Eqe::FIELDS, "owner");
const TYPE: Bits = Bits::of(Eqe::FIELDS, "type_");
const SUB_TYPE: Bits = Bits::of(Eqe::FIELDS, "sub_type");

/// Something that has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub kind: EventType,
    /// What exactly, where the type has sub-types.
    pub sub_kind: u8,
    /// Event data, for the `Eqe…` layouts of `prm`.
    pub data: [u8; DATA],
}

/// An event queue.
pub struct Eq<M> {
    ring: Ring<M, WORDS>,
    number: u8,
    uar: Uar,
    consumer: u32,
    told: u32,
}

impl<M: DmaMem> Eq<M> {
    /// A ring for EQEs; the device does not know of it yet.
    ///
    /// # Errors
    /// When there is no memory.
    fn new<F: Function<Mem = M>>(function: &F, log_size: u8, uar: Uar) -> Result<Self, HalError> {
        let ring = Ring::new(function, log_size)?;
        // An entry of zeroes would look like one that the device has written on its first round.
        ring.fill(OWNER.word, OWNER.put(1));
        Ok(Self { ring, number: 0, uar, consumer: 0, told: 0 })
    }

    /// Its number.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// The next event. The caller arms the queue again when it has taken all.
    pub fn next(&mut self, bar: &impl Bar) -> Option<Event> {
        let entry = self.ring.entry(self.consumer)?;
        if OWNER.get(load_owner(entry, OWNER.word)) != self.ring.lap(self.consumer) {
            return None;
        }
        let head = load(entry, TYPE.word);
        let mut data = [0; DATA];
        let words = entry.iter().skip(DATA_WORD);
        for (place, word) in data.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *place = word.load(core::sync::atomic::Ordering::Relaxed).to_ne_bytes();
        }
        let event = Event { kind: EventType(TYPE.get(head) as u8), sub_kind: SUB_TYPE.get(head) as u8, data };
        self.consumer = self.consumer.wrapping_add(1);
        if self.consumer.wrapping_sub(self.told) >= LATEST.min(self.ring.size() / 2) {
            self.update(bar, false);
        }
        Some(event)
    }

    /// Asks for an interrupt when the next event comes, and for one at once if there is one already.
    pub fn arm(&mut self, bar: &impl Bar) {
        self.update(bar, true);
    }

    fn update(&mut self, bar: &impl Bar, arm: bool) {
        self.told = self.consumer;
        self.uar.update_eq(bar, self.number, self.consumer, arm);
    }
}
