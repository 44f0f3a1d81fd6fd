//! What can go wrong with a command: one value that names opcode, status and syndrome.

use crate::hal::HalError;
use crate::health::Illness;
use crate::prm::{CmdStatus, DeliveryStatus, Opcode};
use core::fmt;
use core::time::Duration;

/// A command that did not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CmdError {
    /// The command.
    pub opcode: Opcode,
    /// Its `op_mod`.
    pub op_mod: u16,
    /// Why.
    pub cause: Cause,
}

/// Why a command failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The firmware carried it out and says no. The syndrome is the only diagnosis that one gets.
    Refused {
        /// The kind of refusal.
        status: CmdStatus,
        /// The firmware's own number for the check that failed.
        syndrome: u32,
    },
    /// The firmware could not read it.
    Undelivered(DeliveryStatus),
    /// No answer came in time. The slot and its mailboxes stay with the device until it answers or is reset.
    Timeout(Duration),
    /// The device died before it answered.
    Dead(Illness),
    /// Every slot waits for an answer that does not come.
    NoSlot,
    /// The answer cannot be one to this command.
    Nonsense,
    /// There is no memory for mailboxes.
    Memory(HalError),
}

impl CmdError {
    /// The status that the firmware gave, if it gave one.
    pub fn status(&self) -> Option<CmdStatus> {
        match self.cause {
            Cause::Refused { status, .. } => Some(status),
            _ => None,
        }
    }

    /// Whether the device may still act on the command, or on memory that it names.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.cause, Cause::Timeout(_) | Cause::Dead(_) | Cause::Nonsense)
    }
}

impl fmt::Display for CmdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({:#x}) op_mod {:#x}: ", self.opcode, self.opcode.0, self.op_mod)?;
        match self.cause {
            Cause::Refused { status, syndrome } => {
                write!(f, "status {status}({:#x}), syndrome {syndrome:#010x}", status.0)
            }
            Cause::Undelivered(status) => write!(f, "not delivered: {status}({:#x})", status.0),
            Cause::Timeout(after) => write!(f, "no answer within {after:?}"),
            Cause::Dead(illness) => write!(f, "the device died: {illness}"),
            Cause::NoSlot => f.write_str("every command slot waits for an answer"),
            Cause::Nonsense => f.write_str("the answer makes no sense"),
            Cause::Memory(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for CmdError {}
