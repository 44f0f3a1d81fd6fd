//! What the profile lets this chapter offer, read once.
//!
//! Capabilities: GENERAL (`general_obj_types`, `log_max_dek`, `ipsec_offload`) and IPSEC (0x15), facts E.5.

use crate::caps::Profile;
use core::ops::RangeInclusive;

/// Object type of encryption keys.
pub(super) const ENCRYPTION_KEY: u16 = 0x0c;
/// Object type of IPsec objects.
pub(super) const IPSEC: u16 = 0x13;

/// Numbers of general objects have at most so many bits: flow metadata holds them.
const LOG_MOST: u8 = 24;

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
    /// What `profile` says. Without `ipsec_offload` there are no IPsec objects, whatever `general_obj_types` says.
    pub(super) fn of(profile: &Profile) -> Limits {
        let (general, ipsec) = (profile.general(), profile.ipsec());
        let up_to = |log: u8| 1 << log.min(LOG_MOST);
        let mut object_types = general.general_obj_types();
        if !general.ipsec_offload() {
            object_types &= !(1 << IPSEC);
        }
        if general.log_max_dek() == 0 {
            object_types &= !(1 << ENCRYPTION_KEY);
        }
        Limits {
            object_types,
            keys: up_to(general.log_max_dek()),
            objects: up_to(ipsec.log_max_ipsec_offload()),
            full_offload: ipsec.ipsec_full_offload(),
            crypto_offload: ipsec.ipsec_crypto_offload(),
            esn: ipsec.ipsec_esn(),
            encrypt: [
                ipsec.ipsec_crypto_esp_aes_gcm_128_encrypt(),
                ipsec.ipsec_crypto_esp_aes_gcm_256_encrypt(),
            ],
            decrypt: [
                ipsec.ipsec_crypto_esp_aes_gcm_128_decrypt(),
                ipsec.ipsec_crypto_esp_aes_gcm_256_decrypt(),
            ],
            log_window: ipsec.min_log_ipsec_full_replay_window()..=ipsec.max_log_ipsec_full_replay_window(),
        }
    }

    /// Whether objects of `kind` can be made.
    pub(super) fn has(&self, kind: u16) -> bool {
        kind < 64 && self.object_types >> kind & 1 == 1
    }
}
