//! Names of SAs: a place, and the generation of its tenant, so that the name of an SA that is gone is not the name of
//! the one after it. They are ours and not the numbers of the card's objects.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;

/// Bits of the place. The generation has the rest, up to the marker.
pub(super) const SLOT_BITS: u8 = 20;
const GENERATIONS: u32 = 1 << (31 - SLOT_BITS);
/// So many places lie idle before one is given out again, as long as there are fresh ones: the more, the longer a name is
/// not seen again.
const IDLE: usize = 64;

/// The name of an SA on a card: 31 bits, never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle(u32);

impl Handle {
    /// As it goes into `net::Meta`, WQEs and CQEs.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// What [`Handle::bits`] gave out. A name that no SA has is refused where it is used.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    pub(super) const fn slot(self) -> u32 {
        self.0 & ((1 << SLOT_BITS) - 1)
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot(), self.0 >> SLOT_BITS)
    }
}

/// Which places are free, and how often each was given out.
#[derive(Debug, Default)]
pub(super) struct Names {
    most: u32,
    generations: Vec<u16>,
    /// The one that is free for longest is in front.
    free: VecDeque<u32>,
}

impl Names {
    /// `most` places, all free.
    pub(super) fn new(most: u32) -> Self {
        Self { most, ..Self::default() }
    }

    /// A name that was not given out for as long as possible.
    pub(super) fn take(&mut self) -> Option<Handle> {
        let fresh = self.generations.len() as u32;
        let slot = if fresh < self.most && self.free.len() < IDLE {
            self.generations.push(0);
            fresh
        } else {
            self.free.pop_front()?
        };
        // 0 is no generation, or the first place's first name would be 0.
        let generation = self.generations.get_mut(slot as usize)?;
        *generation = (*generation % (GENERATIONS as u16 - 1)) + 1;
        Some(Handle(u32::from(*generation) << SLOT_BITS | slot))
    }

    /// The place of `handle` is free.
    pub(super) fn give_back(&mut self, handle: Handle) {
        self.free.push_back(handle.slot());
    }

    /// All places are free, and have other names from now on; there are `most` of them.
    pub(super) fn forget(self, most: u32) -> Self {
        let mut names = Self { most, generations: self.generations, free: VecDeque::new() };
        names.generations.truncate(most as usize);
        names.free = (0..names.generations.len() as u32).collect();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_place_has_another_name_each_time() {
        let mut names = Names::new(2);
        let mut seen = BTreeSet::new();
        let other = names.take().unwrap();
        for _ in 1..GENERATIONS {
            let handle = names.take().unwrap();
            assert!(handle.bits() != 0 && handle.bits() < 1 << 31 && handle != other);
            assert!(seen.insert(handle), "{handle}");
            assert_eq!(names.take(), None, "no more places");
            names.give_back(handle);
        }
        assert!(seen.contains(&names.take().unwrap()), "after {GENERATIONS} generations it begins anew");
        let mut names = names.forget(2);
        assert!(![names.take().unwrap(), names.take().unwrap()].contains(&other));
    }

    #[test]
    fn the_name_that_was_given_back_last_comes_last() {
        let mut names = Names::new(1 << SLOT_BITS);
        let mut seen = BTreeSet::new();
        for _ in 0..IDLE * (GENERATIONS as usize - 1) {
            let handle = names.take().unwrap();
            assert!(seen.insert(handle), "{handle}");
            names.give_back(handle);
        }
    }
}
