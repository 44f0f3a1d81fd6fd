//! The frame allocator: 4 KiB frames, contiguous and aligned as a device asks for. One bit per frame, first
//! fit from the bottom, because allocation is rare (boot, heap growth, rings) and memory is small.

use core::ops::Range;

use super::FRAME;

/// Frames of RAM from address 0 up. A set bit is a frame that cannot be given out.
#[derive(Debug)]
pub struct Frames<'a> {
    taken: &'a mut [u64],
    total: u64,
    free: u64,
    /// No free frame below this one.
    lowest: u64,
}

/// A range that was never given out, or was given back before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAllocated {
    /// First address of the range.
    pub address: u64,
    /// Frames in it.
    pub count: u64,
}

impl<'a> Frames<'a> {
    /// Words of bitmap needed for memory up to address `end`.
    pub fn words(end: u64) -> usize {
        (end / FRAME).div_ceil(64) as usize
    }

    /// An allocator over `usable`, whose bounds are rounded inwards to frames.
    pub fn new(taken: &'a mut [u64], usable: &[Range<u64>]) -> Self {
        taken.fill(u64::MAX);
        let mut frames = Self { taken, total: 0, free: 0, lowest: 0 };
        let limit = frames.taken.len() as u64 * 64;
        for range in usable {
            for frame in range.start.div_ceil(FRAME)..(range.end / FRAME).min(limit) {
                if frames.is_taken(frame) {
                    frames.set(frame, false);
                    frames.free += 1;
                }
            }
        }
        frames.total = frames.free;
        frames
    }

    /// Frames that were usable at the start.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Frames that can still be given out.
    pub fn free(&self) -> u64 {
        self.free
    }

    /// Marks every frame that touches `range` as in use.
    pub fn take(&mut self, range: Range<u64>) {
        let limit = self.taken.len() as u64 * 64;
        for frame in range.start / FRAME..range.end.div_ceil(FRAME).min(limit) {
            if !self.is_taken(frame) {
                self.set(frame, true);
                self.free -= 1;
            }
        }
    }

    /// `count` contiguous frames, the first at a multiple of `align` frames (a power of two); returns their
    /// address. `None` if there is no such run, or for a count of zero.
    pub fn allocate(&mut self, count: u64, align: u64) -> Option<u64> {
        if count == 0 || count > self.free || !align.is_power_of_two() {
            return None;
        }
        let limit = self.taken.len() as u64 * 64;
        while self.lowest < limit && self.is_taken(self.lowest) {
            self.lowest +=
                if self.lowest.is_multiple_of(64) && self.word(self.lowest) == u64::MAX { 64 } else { 1 };
        }
        let mut first = self.lowest.checked_next_multiple_of(align)?;
        loop {
            let end = first.checked_add(count).filter(|&end| end <= limit)?;
            // The last frame in the way decides where the next candidate can begin.
            match (first..end).rev().find(|&frame| self.is_taken(frame)) {
                Some(taken) => first = (taken + 1).checked_next_multiple_of(align)?,
                None => break,
            }
        }
        self.take(first * FRAME..(first + count) * FRAME);
        Some(first * FRAME)
    }

    /// Takes back `count` frames at `address`.
    pub fn release(&mut self, address: u64, count: u64) -> Result<(), NotAllocated> {
        let error = NotAllocated { address, count };
        let first = address / FRAME;
        let end = first.checked_add(count).filter(|&end| end <= self.taken.len() as u64 * 64).ok_or(error)?;
        if !address.is_multiple_of(FRAME) || !(first..end).all(|frame| self.is_taken(frame)) {
            return Err(error);
        }
        for frame in first..end {
            self.set(frame, false);
        }
        self.free += count;
        self.lowest = self.lowest.min(first);
        Ok(())
    }

    fn word(&self, frame: u64) -> u64 {
        self.taken[(frame / 64) as usize]
    }

    fn is_taken(&self, frame: u64) -> bool {
        self.word(frame) >> (frame % 64) & 1 != 0
    }

    fn set(&mut self, frame: u64, taken: bool) {
        let word = &mut self.taken[(frame / 64) as usize];
        let bit = 1 << (frame % 64);
        *word = if taken { *word | bit } else { *word & !bit };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn ranges(range: Range<u64>) -> [Range<u64>; 1] {
        [range]
    }

    fn words() -> Vec<u64> {
        vec![0; Frames::words(16 * MIB)]
    }

    #[test]
    fn gives_out_only_usable_frames_and_each_once() {
        let mut words = words();
        let mut frames =
            Frames::new(&mut words, &[MIB + 1..MIB + 4 * FRAME, 8 * MIB..8 * MIB + 2 * FRAME - 1]);
        assert_eq!(frames.free(), 4);
        let mut got: Vec<_> = core::iter::from_fn(|| frames.allocate(1, 1)).collect();
        got.sort_unstable();
        assert_eq!(got, [MIB + FRAME, MIB + 2 * FRAME, MIB + 3 * FRAME, 8 * MIB]);
        assert_eq!(frames.free(), 0);
    }

    #[test]
    fn runs_are_contiguous_and_aligned() {
        let mut words = words();
        let mut frames = Frames::new(&mut words, &ranges(MIB..4 * MIB));
        assert_eq!(frames.allocate(1, 1), Some(MIB));
        assert_eq!(frames.allocate(16, 512), Some(2 * MIB));
        assert_eq!(frames.allocate(255, 1), Some(MIB + FRAME));
        assert_eq!(frames.allocate(1, 1), Some(2 * MIB + 16 * FRAME));
        assert_eq!(frames.allocate(512, 512), None);
        assert_eq!(frames.allocate(0, 1), None);
        assert_eq!(frames.allocate(u64::MAX, 1), None);
    }

    #[test]
    fn released_frames_come_back_and_only_once() {
        let mut words = words();
        let mut frames = Frames::new(&mut words, &ranges(MIB..2 * MIB));
        let all = frames.allocate(256, 1).unwrap();
        assert_eq!(frames.allocate(1, 1), None);
        assert_eq!(frames.release(all + FRAME, 2), Ok(()));
        assert!(frames.release(all + FRAME, 1).is_err());
        assert!(frames.release(all + 1, 1).is_err());
        assert!(frames.release(1 << 60, 1).is_err());
        assert_eq!(frames.free(), 2);
        assert_eq!(frames.allocate(2, 1), Some(all + FRAME));
    }
}
