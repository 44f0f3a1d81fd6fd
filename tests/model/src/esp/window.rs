//! Extended sequence numbers (RFC 4303, section 2.2.1 and appendix A2) and the replay window as a bitmap of 256 bits of
//! which the first `size` count. Bit 0 is the highest sequence number that was authentic.
//!
//! The upper half of the sequence number is the driver's to keep: `esn_msb` and `esn_overlap` of the IPsec object, moved
//! on at ESN events (`mlx5e_ipsec_update_esn_state` in Linux's `en_accel/ipsec_offload.c`). That the card takes
//! `esn_msb + 1` for low numbers while `esn_overlap` is set is inferred from there.

/// Half of the space of 32-bit sequence numbers.
const MIDDLE: u32 = 0x8000_0000;

/// ESN fields of an IPsec object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Esn {
    /// `esn_en`.
    pub enabled: bool,
    /// `esn_msb`.
    pub msb: u32,
    /// `esn_overlap`: the lower half is in its upper half, so a low number belongs to the next round.
    pub overlap: bool,
}

impl Esn {
    /// The whole number behind the counter's lower half.
    pub fn extend(&self, low: u32) -> u64 {
        if !self.enabled {
            return u64::from(low);
        }
        let next_round = self.overlap && low < MIDDLE;
        u64::from(self.msb.wrapping_add(u32::from(next_round))) << 32 | u64::from(low)
    }

    /// The whole number of a received packet, with `top` the lower half of the highest one and `size` the window's: as
    /// [`Esn::extend`] has it, but late ones of the round before are found while the window spans both rounds (case B
    /// of appendix A2.2). `None` for one before the first round.
    pub fn infer(&self, top: u32, size: u32, low: u32) -> Option<u64> {
        let bottom = top.wrapping_sub(size.saturating_sub(1));
        let spans_rounds = bottom > top;
        if self.enabled && spans_rounds && low >= bottom {
            let round = (self.extend(top) >> 32).checked_sub(1)?;
            return Some(round << 32 | u64::from(low));
        }
        Some(self.extend(low))
    }
}

/// What the window says about a sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// Not seen yet.
    Fresh,
    /// Seen already.
    Seen,
    /// Too old for the window to know, or zero, which is never sent (RFC 4303, section 3.3.3).
    Stale,
}

/// Which of the last 256 sequence numbers were seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bitmap {
    /// Least significant word first.
    words: [u64; 4],
}

impl Bitmap {
    /// From 32 bytes, most significant bit first.
    pub fn load(bytes: &[u8; 32]) -> Bitmap {
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().rev().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_be_bytes(*bytes);
        }
        Bitmap { words }
    }

    /// As [`Bitmap::load`] takes it.
    pub fn store(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (word, bytes) in self.words.iter().rev().zip(bytes.as_chunks_mut::<8>().0) {
            *bytes = word.to_be_bytes();
        }
        bytes
    }

    /// Judges `sequence` with `top` at bit 0.
    pub fn check(&self, size: u32, top: u64, sequence: u64) -> Replay {
        match top.checked_sub(sequence) {
            _ if sequence == 0 => Replay::Stale,
            None => Replay::Fresh,
            Some(age) if age >= u64::from(size) => Replay::Stale,
            Some(age) if self.is_set(age) => Replay::Seen,
            Some(_) => Replay::Fresh,
        }
    }

    /// Notes `sequence`; the new top.
    pub fn mark(&mut self, size: u32, top: u64, sequence: u64) -> u64 {
        if sequence > top {
            self.shift(sequence - top);
        }
        let top = top.max(sequence);
        let age = top - sequence;
        if age < u64::from(size) {
            self.set(age);
        }
        top
    }

    fn is_set(&self, bit: u64) -> bool {
        self.words.get((bit / 64) as usize).is_some_and(|word| word >> (bit % 64) & 1 != 0)
    }

    fn set(&mut self, bit: u64) {
        if let Some(word) = self.words.get_mut((bit / 64) as usize) {
            *word |= 1 << (bit % 64);
        }
    }

    /// Makes every bit older by `count`.
    fn shift(&mut self, count: u64) {
        let (words, bits) = ((count / 64) as usize, (count % 64) as u32);
        for index in (0..4usize).rev() {
            let from = |back: usize| index.checked_sub(back).and_then(|index| self.words.get(index)).copied();
            let (here, below) = match count < 256 {
                true => (from(words).unwrap_or(0), from(words + 1).unwrap_or(0)),
                false => (0, 0),
            };
            // A shift by 64 is one of nothing.
            self.words[index] = here << bits | below.checked_shr(64 - bits).unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests;
