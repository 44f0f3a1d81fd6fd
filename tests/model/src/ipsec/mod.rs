//! Ipsec.

use crate::caps::Profile;
use crate::command::Command;

/// State of ipsec.
#[derive(Debug, Default)]
pub(crate) struct Ipsec {}

impl Ipsec {
    /// As after reset.
    pub(crate) fn new(_profile: &Profile) -> Ipsec {
        Ipsec::default()
    }
}

/// The commands of this chapter.
pub(crate) const COMMANDS: &[&[Command]] = &[];

use crate::transit::Transit;
use crate::{Device, Memory};

/// How a crypto action ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crypto {
    /// The packet was changed and goes on (on receive also when the ICV failed: the syndrome says so).
    Done,
    /// The packet must not go on (hard lifetime reached, object in error, wrong protocol).
    Dropped,
}

impl Device {
    /// CRYPTO_ENCRYPT with an ESP reformat: `packet` becomes ESP.
    pub(crate) fn encrypt(
        &mut self,
        _memory: &dyn Memory,
        _object: u32,
        _reformat: (u8, &[u8]),
        _packet: &mut Transit,
    ) -> Crypto {
        Crypto::Dropped
    }

    /// CRYPTO_DECRYPT with an ESP reformat: `packet` becomes plaintext; syndrome and ASO return register are set.
    pub(crate) fn decrypt(
        &mut self,
        _memory: &dyn Memory,
        _object: u32,
        _reformat: (u8, &[u8]),
        _packet: &mut Transit,
    ) -> Crypto {
        Crypto::Dropped
    }

    /// An ACCESS_ASO work queue entry of 64 bytes from an SQ in protection domain `pd`; `Err` is the CQE's syndrome.
    pub(crate) fn access_aso(&mut self, _memory: &dyn Memory, _pd: u32, _wqe: &[u8; 64]) -> Result<(), u8> {
        Err(0x02)
    }
}
