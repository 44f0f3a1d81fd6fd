//! Why a command was refused: the firmware's status, and a syndrome that names the check.
//!
//! Real firmware's syndromes are undocumented numbers. Ours are `check << 16 | byte offset`, so that the number alone
//! says which check failed and where in the command.

use core::fmt;
use mlx5_pci::prm::CmdStatus;

/// What was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum Check {
    /// The opcode is not one that this device knows.
    Opcode = 1,
    /// The input has not the length that the command has.
    InputLength = 2,
    /// The output has no room for the answer.
    OutputLength = 3,
    /// A reserved bit is set.
    Reserved = 4,
    /// A user context is named; the model has none.
    Uid = 5,
    /// `op_mod` is not one of the command's.
    OpMod = 6,
    /// The command does not belong into this stage of bring-up.
    Stage = 7,
    /// A field's value is not one that is allowed.
    Value = 8,
    /// A capability that this needs is not offered.
    Capability = 9,
    /// A value is larger than a capability allows.
    Limit = 10,
    /// An object that is named does not exist.
    NoObject = 11,
    /// An object that is named is of another owner, domain or kind.
    Mismatch = 12,
    /// An object is still used by another.
    InUse = 13,
    /// An object is in a state in which this is not possible.
    State = 14,
    /// An address is not aligned as it has to be.
    Alignment = 15,
    /// An address lies outside guest memory.
    Unmapped = 16,
    /// There is no room for another object.
    Full = 17,
    /// Two things that exclude one another are asked for.
    Conflict = 18,
    /// A bit outside of the mask is set.
    Unmasked = 19,
    /// A fault that a script asked for.
    Injected = 20,
}

/// A refused command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status that firmware answers with.
    pub status: CmdStatus,
    /// The check that failed.
    pub check: Check,
    /// The field that was wrong, by its name in the layout.
    pub field: &'static str,
    /// Its byte offset in the input.
    pub offset: u16,
}

impl Refusal {
    /// A refusal because of `field` at `offset`.
    pub const fn new(status: CmdStatus, check: Check, field: &'static str, offset: u16) -> Refusal {
        Refusal { status, check, field, offset }
    }

    /// A value that is not allowed: BAD_PARAM.
    pub const fn value(field: &'static str, offset: u16) -> Refusal {
        Refusal::new(CmdStatus::BAD_PARAM, Check::Value, field, offset)
    }

    /// A named object that does not exist: BAD_RES.
    pub const fn no_object(field: &'static str, offset: u16) -> Refusal {
        Refusal::new(CmdStatus::BAD_RES, Check::NoObject, field, offset)
    }

    /// The dword 1 of the output.
    pub const fn syndrome(&self) -> u32 {
        (self.check as u32) << 16 | self.offset as u32
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {:?} of {} at {:#x}", self.status, self.check, self.field, self.offset)
    }
}
