//! The upper half of 64-bit sequence numbers (facts B.8, C.8): the card counts the lower one and says whenever it enters
//! the other half of its space, the driver keeps the upper one.
//!
//! While `esn_overlap` is set, small numbers belong to `esn_msb` + 1 already. It has to be set while the count is in the
//! upper half of the space, and `esn_msb` moves when the count begins anew. There are 2^31 packets of time for each step.

const HALF: u32 = 1 << 31;

/// What the card was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Esn {
    /// `esn_msb`.
    pub(super) upper: u32,
    /// `esn_overlap`.
    pub(super) overlap: bool,
}

impl Esn {
    /// For a count that begins with `number`.
    pub(super) fn new(number: u64) -> Self {
        Self { upper: (number >> 32) as u32, overlap: number as u32 >= HALF }
    }

    /// What the card has to be told now that the count is at `lower`.
    pub(super) fn follow(self, lower: u32) -> Option<Self> {
        match (self.overlap, lower >= HALF) {
            (false, true) => Some(Self { overlap: true, ..self }),
            (true, false) => Some(Self { upper: self.upper.wrapping_add(1), overlap: false }),
            _ => None,
        }
    }

    /// The whole number whose lower half is the count, `lower`.
    pub(super) fn whole(self, lower: u32) -> u64 {
        let ahead = u32::from(self.overlap && lower < HALF);
        u64::from(self.upper.wrapping_add(ahead)) << 32 | u64::from(lower)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_a_count_through_both_crossings() {
        let mut esn = Esn::new(1);
        let mut number = 1u64;
        // Steps of less than half the space, as the time that there is for each crossing.
        for _ in 0..1000 {
            number += 0x7001_0003;
            assert_eq!(esn.whole(number as u32), number, "before the card is told, too");
            esn = esn.follow(number as u32).unwrap_or(esn);
            assert_eq!(esn.whole(number as u32), number);
            assert_eq!(esn, Esn::new(number));
            assert_eq!(esn.follow(number as u32), None);
        }
    }
}
