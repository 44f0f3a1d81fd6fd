//! Port.

use crate::caps::Profile;
use crate::command::Command;

/// State of port.
#[derive(Debug, Default)]
pub(crate) struct Port {}

impl Port {
    /// As after reset.
    pub(crate) fn new(_profile: &Profile) -> Port {
        Port::default()
    }
}

/// The commands of this chapter.
pub(crate) const COMMANDS: &[&[Command]] = &[];

use crate::{Device, Memory};

impl Port {
    /// Function-level reset.
    pub(crate) fn reset(&mut self, _profile: &Profile) {}
}

impl Device {
    /// A frame reaches the port from the wire: counted; `None` when link, MTU or loopback rules stop it.
    pub(crate) fn arrive(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        Some(frame.to_vec())
    }

    /// A frame leaves steering: counted, looped back or put on the wire, or dropped while the link is down.
    pub(crate) fn depart(&mut self, _memory: &dyn Memory, packet: crate::transit::Transit) {
        self.out.frames.push(packet.bytes);
    }
}

impl Device {
    /// The link goes up or down.
    pub fn set_link(&mut self, _memory: &dyn Memory, _up: bool) {}
}
