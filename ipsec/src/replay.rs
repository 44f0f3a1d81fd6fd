//! Sequence numbers of an inbound SA: the anti-replay window (RFC 4303 section 3.4.3) and the upper half
//! of extended sequence numbers (RFC 4303 appendix A2).
//!
//! The window is a ring of 64-bit words, one bit per sequence number, so that moving it costs a few
//! cleared words instead of a shift of the whole map.
//!
//! Left out: resynchronisation after the loss of 2^32 or more packets in a row (RFC 4303 appendix A3);
//! such an SA is dead until it is rekeyed.

use alloc::boxed::Box;
use alloc::vec;

use crate::cause::Cause;

const WORD: u64 = u64::BITS as u64;

/// The highest sequence number received, and which of those before it.
#[derive(Debug)]
pub struct Window {
    /// Highest authenticated sequence number; zero before the first packet.
    top: u64,
    /// Sequence numbers the window spans, `top` included. Zero: no replay protection.
    size: u32,
    /// One word more than the window needs, so that advancing never clears a bit inside it. The length
    /// is a power of two.
    bits: Box<[u64]>,
}

impl Window {
    /// Smallest window.
    pub const MIN: u32 = 32;
    /// Largest window.
    pub const MAX: u32 = 4096;

    /// An empty window over `size` sequence numbers: zero for none at all, or [`Self::MIN`] to
    /// [`Self::MAX`]; nothing for any other size.
    pub fn new(size: u32) -> Option<Self> {
        if size != 0 && !(Self::MIN..=Self::MAX).contains(&size) {
            return None;
        }
        let words = (size as usize).div_ceil(WORD as usize) + 1;
        Some(Self { top: 0, size, bits: vec![0; words.next_power_of_two()].into_boxed_slice() })
    }

    /// Highest authenticated sequence number; zero before the first packet.
    pub fn top(&self) -> u64 {
        self.top
    }

    /// Sequence numbers the window spans.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// The sequence number whose lower half is `low`: the one nearest to the window that is not
    /// implausibly old (RFC 4303 appendix A2.2). Fails with [`Cause::Stale`] where it would lie before
    /// the first or behind the last sequence number there is.
    pub fn extend(&self, low: u32) -> Result<u64, Cause> {
        let (top_high, top_low) = ((self.top >> 32) as u32, self.top as u32);
        let bottom = top_low.wrapping_sub(self.size.saturating_sub(1));
        let high = if top_low >= self.size.saturating_sub(1) {
            // The window lies within one subspace of 2^32 numbers.
            if low >= bottom { Some(top_high) } else { top_high.checked_add(1) }
        } else {
            // The window spans two subspaces.
            if low >= bottom { top_high.checked_sub(1) } else { Some(top_high) }
        };
        let high = high.ok_or(Cause::Stale)?;
        Ok(u64::from(high) << 32 | u64::from(low))
    }

    /// Whether a packet with this sequence number may still be accepted. Changes nothing: the number is
    /// not authentic before the integrity check.
    pub fn check(&self, sequence: u64) -> Result<(), Cause> {
        if self.size == 0 {
            return Ok(());
        }
        // Zero is never sent (RFC 4303 section 3.3.3), and lies before every window.
        if sequence == 0 {
            return Err(Cause::Stale);
        }
        if sequence > self.top {
            return Ok(());
        }
        if self.top - sequence >= u64::from(self.size) {
            return Err(Cause::Stale);
        }
        let (word, bit) = self.place(sequence);
        let seen = self.bits.get(word).is_some_and(|word| word & bit != 0);
        if seen { Err(Cause::Replayed) } else { Ok(()) }
    }

    /// Records an authenticated sequence number that [`Self::check`] accepted. Returns whether it is the
    /// highest so far.
    pub fn commit(&mut self, sequence: u64) -> bool {
        let newest = sequence > self.top;
        if newest {
            let (from, to) = (self.top / WORD, sequence / WORD);
            let count = (to - from).min(self.bits.len() as u64);
            let mask = self.bits.len() - 1;
            for word in 0..count {
                if let Some(word) = self.bits.get_mut((to - word) as usize & mask) {
                    *word = 0;
                }
            }
            self.top = sequence;
        }
        let (word, bit) = self.place(sequence);
        if let Some(word) = self.bits.get_mut(word) {
            *word |= bit;
        }
        newest
    }

    fn place(&self, sequence: u64) -> (usize, u64) {
        ((sequence / WORD) as usize & (self.bits.len() - 1), 1 << (sequence % WORD))
    }
}

#[cfg(test)]
mod tests;
