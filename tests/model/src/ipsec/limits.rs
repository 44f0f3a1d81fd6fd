//! What the profile lets this chapter offer, read once.
//!
//! Capabilities: GENERAL (`general_obj_types`, `log_max_dek`, `ipsec_offload`) and IPSEC (0x15), facts E.5.

use crate::caps::Profile;
use core::ops::RangeInclusive;

/// Object type of encryption keys.
pub(super) const ENCRYPTION_KEY: u16 = 0x0c;
/// Object type of IPsec objects.
pub(super) const IPSEC: u16 = 0x13;

/// Limits and switches of general objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// The object types that exist, by bit number.
    pub(super) object_types: u64,
    /// How many encryption keys there may be.
    pub(super) keys: u32,
    /// How many IPsec objects there may be.
    pub(super) objects: u32,
    /// Packet offload: the card makes and takes away headers.
    pub(super) full_offload: bool,
    /// Crypto offload: the driver makes headers and room for the trailer.
    pub(super) crypto_offload: bool,
    /// Extended sequence numbers.
    pub(super) esn: bool,
    /// Encryption with keys of 128 and 256 bits.
    pub(super) encrypt: [bool; 2],
    /// Decryption with keys of 128 and 256 bits.
    pub(super) decrypt: [bool; 2],
    /// Logarithms of the sizes that a replay window may have.
    pub(super) log_window: RangeInclusive<u8>,
}

impl Limits {
    /// What `profile` says.
    pub(super) fn of(_profile: &Profile) -> Limits {
        Limits {
            object_types: 1 << ENCRYPTION_KEY | 1 << IPSEC,
            keys: 1 << 12,
            objects: 1 << 12,
            full_offload: true,
            crypto_offload: false,
            esn: true,
            encrypt: [true; 2],
            decrypt: [true; 2],
            log_window: 5..=8,
        }
    }

    /// Whether objects of `kind` can be made.
    pub(super) fn has(&self, kind: u16) -> bool {
        kind < 64 && self.object_types >> kind & 1 == 1
    }
}
