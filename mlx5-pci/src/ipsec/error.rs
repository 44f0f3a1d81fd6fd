//! Why an SA could not be installed.

use super::refusal::Refusal;
use crate::cmd::CmdError;
use crate::error::Error;
use crate::prm::CmdStatus;
use core::fmt;

/// Why an SA is not on the card. Nothing of it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstallError {
    /// The card can't do it.
    Refused(Refusal),
    /// There is one with this destination and SPI already.
    Exists,
    /// As many SAs as fit are installed.
    Full,
    /// A command failed.
    Device(Error),
    /// The port is down, or offers no IPsec.
    Down,
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Exists => f.write_str("an SA with this destination and SPI is on the card already"),
            Self::Full => f.write_str("no more SAs fit on the card"),
            Self::Device(error) => error.fmt(f),
            Self::Down => f.write_str("the card is down"),
        }
    }
}

impl core::error::Error for InstallError {}

impl InstallError {
    /// What `error` of a command means. Capabilities tell how much there is of each thing, and not how much of it is in
    /// use by others.
    pub(super) fn of(error: Error) -> Self {
        match error {
            Error::Cmd(error) if matches!(error.status(), Some(CmdStatus::NO_RES | CmdStatus::LIM_ERR)) => {
                Self::Full
            }
            error => Self::Device(error),
        }
    }
}

impl From<Refusal> for InstallError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Error> for InstallError {
    fn from(error: Error) -> Self {
        Self::Device(error)
    }
}

impl From<CmdError> for InstallError {
    fn from(error: CmdError) -> Self {
        Self::Device(error.into())
    }
}
