//! AES-GCM with a 16-octet ICV as the SK payload uses it (RFC 5282): a key, 4 octets of salt, 8 octets of IV.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use zeroize::Zeroizing;

/// Octets of the explicit IV.
pub const IV_LEN: usize = 8;
/// Octets of the integrity check value.
pub const ICV_LEN: usize = 16;
/// Octets of salt after the key.
pub const SALT_LEN: usize = 4;

enum Cipher {
    Aes128(Aes128Gcm),
    Aes256(Aes256Gcm),
}

/// A keyed AEAD of one direction.
pub struct Aead {
    cipher: Cipher,
    salt: Zeroizing<[u8; SALT_LEN]>,
}

impl Aead {
    /// From a key of 16 or 32 octets and its salt; `None` for any other length.
    pub fn new(key: &[u8]) -> Option<Self> {
        let (key, salt) = key.split_last_chunk::<SALT_LEN>()?;
        let cipher = match key.len() {
            16 => Cipher::Aes128(Aes128Gcm::new_from_slice(key).ok()?),
            32 => Cipher::Aes256(Aes256Gcm::new_from_slice(key).ok()?),
            _ => return None,
        };
        Some(Self { cipher, salt: Zeroizing::new(*salt) })
    }

    fn nonce(&self, iv: [u8; IV_LEN]) -> [u8; SALT_LEN + IV_LEN] {
        let mut nonce = [0; SALT_LEN + IV_LEN];
        let (salt, rest) = nonce.split_at_mut(SALT_LEN);
        salt.copy_from_slice(&*self.salt);
        rest.copy_from_slice(&iv);
        nonce
    }

    /// Encrypts `text` in place and returns the ICV.
    pub fn seal(&self, iv: [u8; IV_LEN], aad: &[u8], text: &mut [u8]) -> [u8; ICV_LEN] {
        let nonce = self.nonce(iv);
        let tag = match &self.cipher {
            Cipher::Aes128(cipher) => cipher.encrypt_inout_detached((&nonce).into(), aad, text.into()),
            Cipher::Aes256(cipher) => cipher.encrypt_inout_detached((&nonce).into(), aad, text.into()),
        };
        // AES-GCM refuses only texts of 64 GiB and more, and no message is that long.
        tag.map(Into::into).expect("an IKE message is shorter than GCM's limit")
    }

    /// Decrypts `text` in place; false, and `text` is worthless, if the ICV is wrong.
    #[must_use]
    pub fn open(&self, iv: [u8; IV_LEN], aad: &[u8], text: &mut [u8], icv: &[u8; ICV_LEN]) -> bool {
        let nonce = self.nonce(iv);
        let opened = match &self.cipher {
            Cipher::Aes128(cipher) => {
                cipher.decrypt_inout_detached((&nonce).into(), aad, text.into(), icv.into())
            }
            Cipher::Aes256(cipher) => {
                cipher.decrypt_inout_detached((&nonce).into(), aad, text.into(), icv.into())
            }
        };
        opened.is_ok()
    }
}
