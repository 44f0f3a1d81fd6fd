//! Rings that driver and device share (facts E.7–E.9): entries of equal size, free-running counters, the doorbell record
//! behind them.
//!
//! One block of memory holds a ring and, in the cache line after it, its doorbell record. What an index picks is always
//! inside: counters are cut to the ring, whatever the device says. Left out: rings that lie on scattered pages.

mod bits;

use crate::hal::{DmaExt, DmaMem, Function, HalError};
use alloc::vec::Vec;
use core::sync::atomic::{
    AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};

pub(crate) use bits::Bits;

/// Bytes of a page of the device.
const PAGE: usize = 4096;
/// Bytes kept for the doorbell record, so that it shares its cache line with nothing.
const RECORD: usize = 64;

/// `2^log_size` entries of `WORDS` dwords, and a doorbell record.
pub(crate) struct Ring<M, const WORDS: usize> {
    memory: M,
    log_size: u8,
    mask: u32,
}

impl<M: DmaMem, const WORDS: usize> Ring<M, WORDS> {
    /// A ring of zeroes.
    ///
    /// # Errors
    /// When there is no memory.
    pub(crate) fn new<F: Function<Mem = M>>(function: &F, log_size: u8) -> Result<Self, HalError> {
        let bytes = Self::bytes_of(log_size).next_multiple_of(RECORD) + RECORD;
        let memory = function.alloc(bytes, PAGE)?;
        // The memory is the machine's to give: too little of it would only be found out by the device.
        if memory.bytes() < bytes {
            return Err(HalError::OutOfMemory { bytes });
        }
        Ok(Self { memory, log_size, mask: (1 << log_size) - 1 })
    }

    const fn bytes_of(log_size: u8) -> usize {
        (WORDS * 4) << log_size
    }

    /// The block of memory.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> &M {
        &self.memory
    }

    /// Number of entries.
    #[inline]
    pub(crate) fn size(&self) -> u32 {
        self.mask + 1
    }

    /// log2 of the number of entries.
    #[inline]
    pub(crate) fn log_size(&self) -> u8 {
        self.log_size
    }

    /// The entry that a counter points at.
    #[inline(always)]
    pub(crate) fn slot(&self, counter: u32) -> usize {
        (counter & self.mask) as usize
    }

    /// Whether `counter` is on an odd round of the ring: the owner bit of what the device writes there.
    #[inline(always)]
    pub(crate) fn lap(&self, counter: u32) -> u32 {
        counter >> self.log_size & 1
    }

    /// The entry that a counter points at.
    #[inline(always)]
    pub(crate) fn entry(&self, counter: u32) -> Option<&[AtomicU32; WORDS]> {
        self.memory.words().as_chunks::<WORDS>().0.get(self.slot(counter))
    }

    /// All dwords in parts of four, the segments of WQEs.
    #[inline(always)]
    pub(crate) fn segments(&self) -> &[[AtomicU32; 4]] {
        self.memory.words().as_chunks::<4>().0
    }

    /// Sets dword `word` of every entry.
    pub(crate) fn fill(&self, word: usize, value: u32) {
        let entries = self.memory.words().as_chunks::<WORDS>().0;
        for entry in entries.iter().take(self.size() as usize) {
            if let Some(place) = entry.get(word) {
                place.store(value.to_be(), Relaxed);
            }
        }
    }

    /// The pages of the ring, as commands list them.
    pub(crate) fn pages(&self) -> Vec<u8> {
        let pages = Self::bytes_of(self.log_size).div_ceil(PAGE);
        (0..pages).flat_map(|page| (self.memory.iova() + (page * PAGE) as u64).to_be_bytes()).collect()
    }

    fn record_at(&self) -> usize {
        Self::bytes_of(self.log_size).next_multiple_of(RECORD)
    }

    /// Where the device finds the doorbell record.
    pub(crate) fn record(&self) -> u64 {
        self.memory.iova() + self.record_at() as u64
    }

    /// Writes dword 0 of the record, after everything before it: the receive counter, the consumer counter of a CQ.
    #[inline]
    pub(crate) fn set_first(&self, value: u32) {
        self.memory.set_word(self.record_at(), value);
    }

    /// Writes dword 1 of the record, after everything before it: the send counter, the arming word of a CQ.
    #[inline]
    pub(crate) fn set_second(&self, value: u32) {
        self.memory.set_word(self.record_at() + 4, value);
    }
}

/// Reads a dword of an entry.
#[inline(always)]
pub(crate) fn load<const WORDS: usize>(entry: &[AtomicU32; WORDS], word: usize) -> u32 {
    u32::from_be(entry[word].load(Relaxed))
}

/// Reads the dword of an entry that says whose it is, before everything that follows.
#[inline(always)]
pub(crate) fn load_owner<const WORDS: usize>(entry: &[AtomicU32; WORDS], word: usize) -> u32 {
    u32::from_be(entry[word].load(Acquire))
}

/// Writes the dword of an entry that says whose it is, after everything before it.
#[inline(always)]
pub(crate) fn store_owner<const WORDS: usize>(entry: &[AtomicU32; WORDS], word: usize, value: u32) {
    entry[word].store(value.to_be(), Release);
}

/// Writes a segment of 16 bytes.
#[inline(always)]
pub(crate) fn store(place: &[AtomicU32; 4], segment: [u32; 4]) {
    for (place, word) in place.iter().zip(segment) {
        place.store(word.to_be(), Relaxed);
    }
}

#[cfg(test)]
mod tests;
