//! Steering.

use crate::caps::Profile;
use crate::command::Command;

/// State of steering.
#[derive(Debug, Default)]
pub(crate) struct Steering {}

impl Steering {
    /// As after reset.
    pub(crate) fn new(_profile: &Profile) -> Steering {
        Steering::default()
    }
}

/// The commands of this chapter.
pub(crate) const COMMANDS: &[&[Command]] = &[];

use crate::transit::Transit;
use crate::{Device, Memory};

impl Device {
    /// A packet from the wire (or looped back) enters NIC_RX: delivered to TIRs or dropped and counted.
    pub(crate) fn steer_in(&mut self, _memory: &dyn Memory, _packet: Transit) {}

    /// A packet from an SQ enters NIC_TX: handed to [`Device::depart`] or dropped and counted.
    pub(crate) fn steer_out(&mut self, memory: &dyn Memory, packet: Transit) {
        self.depart(memory, packet);
    }
}
