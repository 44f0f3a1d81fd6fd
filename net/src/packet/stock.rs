//! Bodies of packets that are not in use, as a list in themselves: taking one and putting one back are two moves of
//! pointers. The one that came back last is the first to go, as it is the likeliest to be in the cache.

use alloc::boxed::Box;
use core::cell::Cell;
use core::mem::{forget, replace};

use super::Body;

/// The list.
#[derive(Default)]
pub(super) struct Stock {
    first: Cell<Option<Box<Body>>>,
    count: Cell<usize>,
}

impl Stock {
    /// Takes one, if there is one.
    #[inline]
    pub(super) fn take(&self) -> Option<Box<Body>> {
        let mut body = self.first.take()?;
        // What is replaced here and in `put` is nothing: forgetting it saves looking.
        forget(self.first.replace(body.next.take()));
        self.count.set(self.count.get().wrapping_sub(1));
        Some(body)
    }

    /// Puts one back.
    #[inline]
    pub(super) fn put(&self, mut body: Box<Body>) {
        forget(replace(&mut body.next, self.first.take()));
        forget(self.first.replace(Some(body)));
        self.count.set(self.count.get().wrapping_add(1));
    }

    /// How many there are.
    #[inline]
    pub(super) fn count(&self) -> usize {
        self.count.get()
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        // One after the other: a list that drops itself does so from within the drop of its first.
        while self.take().is_some() {}
    }
}
