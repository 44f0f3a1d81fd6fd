//! What can go wrong while a function is brought up, used and taken down.

use crate::cmd::CmdError;
use crate::hal::HalError;
use crate::health::Illness;
use crate::pci::ResetError;
use core::fmt;
use core::time::Duration;

/// An error of the driver's control path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The machine could not give something.
    Hal(HalError),
    /// The function could not be reset.
    Reset(ResetError),
    /// A command failed.
    Cmd(CmdError),
    /// The firmware did not become ready.
    NotReady(Duration),
    /// The device is not alive.
    Ill(Illness),
    /// The command interface is of a revision that this driver does not speak.
    Revision(u16),
    /// The command queue has a shape that this driver can't use: `cmdq_addr_l_sz` as it read.
    QueueShape(u32),
    /// The firmware does not offer ISSI 1: what it offers.
    Issi(u32),
    /// The device does not offer what the driver can't do without.
    Lacks(&'static str),
    /// So many pages were not given back at teardown.
    PagesKept(usize),
    /// The device is down.
    Down,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hal(error) => error.fmt(f),
            Self::Reset(error) => error.fmt(f),
            Self::Cmd(error) => error.fmt(f),
            Self::NotReady(after) => write!(f, "the firmware is still initializing after {after:?}"),
            Self::Ill(illness) => illness.fmt(f),
            Self::Revision(revision) => write!(f, "the command interface has revision {revision}, not 5"),
            Self::QueueShape(register) => write!(f, "command queue of unusable shape ({register:#010x})"),
            Self::Issi(offered) => {
                write!(f, "ISSI 1 is not among those that the firmware offers ({offered:#x})")
            }
            Self::Lacks(what) => write!(f, "the device lacks {what}"),
            Self::PagesKept(count) => write!(f, "the device kept {count} pages"),
            Self::Down => f.write_str("the device is down"),
        }
    }
}

impl core::error::Error for Error {}

impl From<HalError> for Error {
    fn from(error: HalError) -> Self {
        Self::Hal(error)
    }
}

impl From<ResetError> for Error {
    fn from(error: ResetError) -> Self {
        Self::Reset(error)
    }
}

impl From<CmdError> for Error {
    fn from(error: CmdError) -> Self {
        Self::Cmd(error)
    }
}
