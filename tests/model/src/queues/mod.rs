//! Queues.

use crate::caps::Profile;
use crate::command::Command;

/// State of queues.
#[derive(Debug, Default)]
pub(crate) struct Queues {}

impl Queues {
    /// As after reset.
    pub(crate) fn new(_profile: &Profile) -> Queues {
        Queues::default()
    }
}

/// The commands of this chapter.
pub(crate) const COMMANDS: &[&[Command]] = &[];

use crate::transit::Transit;
use crate::{Device, Memory};
use core::time::Duration;

/// An event for the event queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Event type.
    pub(crate) kind: u8,
    /// Its sub-type.
    pub(crate) sub_kind: u8,
    /// Event data as it stands at 0x20 of the EQE.
    pub(crate) data: [u8; 28],
}

impl Device {
    /// Puts an event into every EQ that has subscribed to its type; raises its vector if armed.
    pub(crate) fn post_event(&mut self, _memory: &dyn Memory, _event: Event) {}

    /// Whether any EQ has subscribed to `kind`.
    pub(crate) fn subscribed(&self, _kind: u8) -> bool {
        false
    }

    /// The driver writes 4, 8 or 64 bytes into UAR page `uar` at `offset`.
    pub(crate) fn ring(&mut self, _memory: &dyn Memory, _uar: u32, _offset: u32, _data: &[u8]) {}

    /// A packet arrives at a TIR.
    pub(crate) fn deliver(&mut self, _memory: &dyn Memory, _tirn: u32, _packet: Transit) {}

    /// Timers of the queues.
    pub(crate) fn advance_queues(&mut self, _memory: &dyn Memory) {}

    /// When the next one is due.
    pub(crate) fn queues_deadline(&self) -> Option<Duration> {
        None
    }
}
