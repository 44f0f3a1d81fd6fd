//! The AEADs of ESP: AES-GCM with a 16-byte ICV (RFC 4106) and ChaCha20-Poly1305 (RFC 7634), and the one
//! type that may encrypt.
//!
//! Law 1, one encryptor per SA: a [`SealingKey`] owns the key and the counter together, cannot be cloned,
//! and takes the IV from the counter that is also the sequence number. So no second encryptor exists,
//! and no nonce comes twice.
//!
//! ```text
//!   ESP packet:  | SPI 4 | sequence 4 | IV 8 | ciphertext … | ICV 16 |
//!   nonce:       | salt 4 | IV 8 |
//!   AAD:         | SPI 4 | sequence 4 |            or with ESN
//!                | SPI 4 | upper sequence 4 | sequence 4 |
//! ```

use alloc::boxed::Box;

use aes_gcm::aead::{AeadInOut, KeyInit, Nonce, Tag, inout::InOutBuf};
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use chacha20poly1305::ChaCha20Poly1305;
use zeroize::Zeroizing;

use crate::cause::Cause;
use crate::sa::Spi;
use crate::wire::esp;

/// The AEAD of an SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// AES-GCM with a 128-bit key and a 16-byte ICV.
    AesGcm128,
    /// AES-GCM with a 256-bit key and a 16-byte ICV.
    AesGcm256,
    /// ChaCha20-Poly1305.
    ChaCha20Poly1305,
}

impl Algorithm {
    /// Bytes of keying material: the cipher's key and four bytes of salt.
    //= rfc4106#8.1
    //= rfc7634#2
    pub const fn key_len(self) -> usize {
        match self {
            Self::AesGcm128 => 16 + SALT,
            Self::AesGcm256 | Self::ChaCha20Poly1305 => 32 + SALT,
        }
    }

    /// The name in proposal strings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesGcm128 => "aes128gcm16",
            Self::AesGcm256 => "aes256gcm16",
            Self::ChaCha20Poly1305 => "chacha20poly1305",
        }
    }
}

/// Bytes of salt at the end of the keying material.
const SALT: usize = 4;
/// Longest keying material.
const KEY_MAX: usize = 32 + SALT;

/// Keying material: the cipher's key, then four bytes of salt. Not cloneable; wiped on drop.
pub struct Key {
    bytes: Zeroizing<[u8; KEY_MAX]>,
    len: usize,
}

impl Key {
    /// Takes a copy of `material`, which the caller should wipe; nothing if it is longer than any
    /// algorithm's.
    pub fn new(material: &[u8]) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; KEY_MAX]);
        bytes.get_mut(..material.len())?.copy_from_slice(material);
        Some(Self { bytes, len: material.len() })
    }

    /// Hands the cipher's key and the salt to `take`, for an engine that is not this crate's; the key is wiped then. An empty
    /// key and salt if there are not even bytes for the salt.
    pub fn consume<R>(self, take: impl FnOnce(&[u8], [u8; SALT]) -> R) -> R {
        let material = self.bytes.get(..self.len).unwrap_or_default();
        match material.split_last_chunk::<SALT>() {
            Some((key, salt)) => take(key, *salt),
            None => take(&[], [0; SALT]),
        }
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Key({} bytes)", self.len)
    }
}

/// A cipher with its key schedule computed. The schedules wipe themselves on drop.
enum Cipher {
    Gcm128(Box<Aes128Gcm>),
    Gcm256(Box<Aes256Gcm>),
    ChaCha(ChaCha20Poly1305),
}

/// A cipher and the salt of its nonces.
pub(crate) struct Aead {
    cipher: Cipher,
    salt: u32,
}

impl Aead {
    /// Computes the key schedule; nothing if the length of `key` is not the algorithm's.
    pub(crate) fn new(algorithm: Algorithm, key: &Key) -> Option<Self> {
        let material = key.bytes.get(..key.len)?;
        let (key, salt) = material.split_last_chunk::<SALT>()?;
        let cipher = match algorithm {
            Algorithm::AesGcm128 => Cipher::Gcm128(Box::new(Aes128Gcm::new_from_slice(key).ok()?)),
            Algorithm::AesGcm256 => Cipher::Gcm256(Box::new(Aes256Gcm::new_from_slice(key).ok()?)),
            Algorithm::ChaCha20Poly1305 => Cipher::ChaCha(ChaCha20Poly1305::new_from_slice(key).ok()?),
        };
        Some(Self { cipher, salt: u32::from_be_bytes(*salt) })
    }

    fn nonce(&self, iv: u64) -> [u8; 12] {
        // One 16-byte store: assembling salt and IV by parts would stall the cipher's first load.
        let [_, _, _, _, nonce @ ..] = (u128::from(self.salt) << 64 | u128::from(iv)).to_be_bytes();
        nonce
    }

    /// Encrypts `text` in place and returns the ICV; nothing if the text is too long for the cipher.
    pub(crate) fn seal(&self, iv: u64, aad: &[u8], text: &mut [u8]) -> Option<[u8; esp::ICV]> {
        let nonce = Nonce::<Aes128Gcm>::from(self.nonce(iv));
        let text = InOutBuf::from(text);
        match &self.cipher {
            Cipher::Gcm128(cipher) => cipher.encrypt_inout_detached(&nonce, aad, text),
            Cipher::Gcm256(cipher) => cipher.encrypt_inout_detached(&nonce, aad, text),
            Cipher::ChaCha(cipher) => cipher.encrypt_inout_detached(&nonce, aad, text),
        }
        .map(Into::into)
        .ok()
    }

    /// Verifies the ICV and decrypts `text` in place. False, with `text` unchanged, if it is not
    /// authentic.
    #[must_use]
    pub(crate) fn open(&self, iv: u64, aad: &[u8], text: &mut [u8], icv: &[u8; esp::ICV]) -> bool {
        let nonce = Nonce::<Aes128Gcm>::from(self.nonce(iv));
        let tag = Tag::<Aes128Gcm>::from(*icv);
        let text = InOutBuf::from(text);
        match &self.cipher {
            Cipher::Gcm128(cipher) => cipher.decrypt_inout_detached(&nonce, aad, text, &tag),
            Cipher::Gcm256(cipher) => cipher.decrypt_inout_detached(&nonce, aad, text, &tag),
            Cipher::ChaCha(cipher) => cipher.decrypt_inout_detached(&nonce, aad, text, &tag),
        }
        .is_ok()
    }
}

/// The associated data of one packet.
struct Aad {
    bytes: [u8; 12],
    len: usize,
}

impl Aad {
    //= rfc4106#5
    fn new(spi: Spi, sequence: u64, esn: bool) -> Self {
        let low = sequence & u64::from(u32::MAX);
        let (wide, len) = if esn { (sequence, 12) } else { (low << 32, 8) };
        // Built in one integer for the same reason as the nonce.
        let [bytes @ .., _, _, _, _] = (u128::from(spi.0) << 96 | u128::from(wide) << 32).to_be_bytes();
        Self { bytes, len }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }
}

/// The key of an outbound SA together with its counter. See the module's first paragraph.
///
/// There is no second one of the same key:
/// ```compile_fail,E0277
/// fn cloneable<T: Clone>() {}
/// cloneable::<ipsec::aead::SealingKey>();
/// ```
/// nor of the parameters that carry it:
/// ```compile_fail,E0277
/// fn cloneable<T: Clone>() {}
/// cloneable::<ipsec::SaParams>();
/// ```
/// ```compile_fail,E0277
/// fn cloneable<T: Clone>() {}
/// cloneable::<ipsec::Key>();
/// ```
pub struct SealingKey {
    aead: Aead,
    spi: Spi,
    esn: bool,
    /// Sequence number of the last packet; zero before the first.
    last: u64,
}

impl SealingKey {
    /// Consumes the keying material; nothing if its length is not the algorithm's.
    pub fn new(algorithm: Algorithm, key: Key, spi: Spi, esn: bool) -> Option<Self> {
        Some(Self { aead: Aead::new(algorithm, &key)?, spi, esn, last: 0 })
    }

    /// Sequence number of the last packet; zero before the first.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The highest sequence number this SA may send.
    pub fn limit(&self) -> u64 {
        if self.esn { u64::MAX } else { u64::from(u32::MAX) }
    }

    /// Turns the space for an ESP packet into one: writes SPI, sequence number, IV and ICV around the
    /// payload and trailer that stand between them, and encrypts those. Returns the sequence number.
    pub fn seal(&mut self, packet: &mut [u8]) -> Result<u64, Cause> {
        let (header, rest) = packet.split_first_chunk_mut::<{ esp::HEADER }>().ok_or(Cause::NoRoom)?;
        let (text, icv) = rest.split_last_chunk_mut::<{ esp::ICV }>().ok_or(Cause::NoRoom)?;
        //= rfc4303#3.3.3
        if self.last >= self.limit() {
            return Err(Cause::SequenceExhausted);
        }
        let sequence = self.last + 1;
        // Counted before use: whatever happens below, this number is spent.
        self.last = sequence;
        let fields = u128::from(self.spi.0) << 96
            | u128::from(sequence & u64::from(u32::MAX)) << 64
            | u128::from(sequence);
        *header = fields.to_be_bytes();
        let aad = Aad::new(self.spi, sequence, self.esn);
        *icv = self.aead.seal(sequence, aad.as_bytes(), text).ok_or(Cause::NoRoom)?;
        Ok(sequence)
    }

    #[cfg(test)]
    pub(crate) fn skip_to(&mut self, last: u64) {
        assert!(last >= self.last);
        self.last = last;
    }
}

/// The key of an inbound SA.
pub struct OpeningKey {
    aead: Aead,
    spi: Spi,
    esn: bool,
}

impl OpeningKey {
    /// Consumes the keying material; nothing if its length is not the algorithm's.
    pub fn new(algorithm: Algorithm, key: Key, spi: Spi, esn: bool) -> Option<Self> {
        Some(Self { aead: Aead::new(algorithm, &key)?, spi, esn })
    }

    /// Verifies and decrypts an ESP packet in place, whose full sequence number is `sequence`. On success
    /// the bytes between IV and ICV are payload and trailer; on failure nothing has changed.
    pub fn open(&self, packet: &mut [u8], sequence: u64) -> Result<(), Cause> {
        let (header, rest) = packet.split_first_chunk_mut::<{ esp::HEADER }>().ok_or(Cause::Truncated)?;
        let (text, icv) = rest.split_last_chunk_mut::<{ esp::ICV }>().ok_or(Cause::Truncated)?;
        // The IV is the lower half of the header.
        let iv = u128::from_be_bytes(*header) as u64;
        let aad = Aad::new(self.spi, sequence, self.esn);
        if self.aead.open(iv, aad.as_bytes(), text, icv) { Ok(()) } else { Err(Cause::BadIcv) }
    }
}

#[cfg(test)]
mod tests;
