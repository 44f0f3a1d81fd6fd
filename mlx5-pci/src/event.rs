//! Where events come from while a command blocks: the contract between an event queue and those who wait.

use crate::eq::Eq;
use crate::hal::{Bar, DmaMem};

pub use crate::eq::Event;

/// An event queue as blocking commands drain it: the device may ask for pages before it goes on.
pub trait Events<B> {
    /// The next event, if there is one.
    fn next(&mut self, bar: &B) -> Option<Event>;
    /// All events are taken: asks for an interrupt when the next one comes.
    fn arm(&mut self, bar: &B);
}

impl<M: DmaMem, B: Bar> Events<B> for Eq<M> {
    fn next(&mut self, bar: &B) -> Option<Event> {
        Eq::next(self, bar)
    }

    fn arm(&mut self, bar: &B) {
        Eq::arm(self, bar);
    }
}
