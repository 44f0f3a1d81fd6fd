//! What the device tells by itself, and where it comes from: the contract between event queues and those who wait.

use crate::prm::EventType;

/// Bytes of event data.
pub const DATA: usize = 28;

/// Something that has happened. It is a claim of the device: who acts on its numbers looks them up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub kind: EventType,
    /// What exactly, where the type has sub-types.
    pub sub_kind: u8,
    /// Event data, for the `Eqe…` layouts of `prm`.
    pub data: [u8; DATA],
}

/// An event queue as blocking commands drain it: the device may ask for pages before it goes on.
pub trait Events<B> {
    /// The next event, if there is one.
    fn next(&mut self, bar: &B) -> Option<Event>;
    /// All events are taken: asks for an interrupt when the next one comes.
    fn arm(&mut self, bar: &B);
}
