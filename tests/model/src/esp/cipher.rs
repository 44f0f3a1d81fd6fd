//! AES-GCM with a 16-byte ICV as ESP uses it (RFC 4106): nonce of salt and IV, associated data of SPI and sequence
//! number. The cipher is `ring`'s, which the product's data path does not use.

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// Length of the ICV.
pub const ICV: usize = 16;

/// Key, salt and implicit IV of an SA.
#[derive(Debug)]
pub struct Cipher {
    key: LessSafeKey,
    salt: [u8; 4],
    implicit_iv: u64,
}

/// Associated data: SPI, then the sequence number in 32 bits, or in 64 with ESN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Associated {
    /// SPI.
    pub spi: u32,
    /// The whole sequence number.
    pub sequence: u64,
    /// Whether its upper half is authenticated.
    pub esn: bool,
}

impl Associated {
    fn bytes(&self) -> ([u8; 12], usize) {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&self.spi.to_be_bytes());
        match self.esn {
            true => bytes[4..].copy_from_slice(&self.sequence.to_be_bytes()),
            false => bytes[4..8].copy_from_slice(&(self.sequence as u32).to_be_bytes()),
        }
        (bytes, if self.esn { 12 } else { 8 })
    }
}

impl Cipher {
    /// `key` has 16 or 32 bytes; salt and implicit IV are the object's bytes.
    pub fn new(key: &[u8], salt: [u8; 4], implicit_iv: [u8; 8]) -> Option<Cipher> {
        let algorithm = match key.len() {
            16 => &AES_128_GCM,
            32 => &AES_256_GCM,
            _ => return None,
        };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?);
        Some(Cipher { key, salt, implicit_iv: u64::from_be_bytes(implicit_iv) })
    }

    /// The IV that a packet with this sequence number carries. How a ConnectX derives it is not documented; as Linux's
    /// `seqiv`, from which the implicit IV comes: the exclusive or of the two.
    pub fn iv(&self, sequence: u64) -> [u8; 8] {
        (self.implicit_iv ^ sequence).to_be_bytes()
    }

    fn nonce(&self, iv: [u8; 8]) -> Nonce {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&self.salt);
        nonce[4..].copy_from_slice(&iv);
        Nonce::assume_unique_for_key(nonce)
    }

    /// Encrypts in place; the ICV comes back. `None` for more than AES-GCM can take, which no packet is.
    pub fn seal(&self, iv: [u8; 8], associated: &Associated, text: &mut [u8]) -> Option<[u8; ICV]> {
        let (bytes, length) = associated.bytes();
        let aad = Aad::from(&bytes[..length]);
        let tag = self.key.seal_in_place_separate_tag(self.nonce(iv), aad, text).ok()?;
        tag.as_ref().try_into().ok()
    }

    /// Decrypts ciphertext and ICV in place; the length of the plaintext, or `None` if it is not authentic. The bytes
    /// are worthless then.
    pub fn open(&self, iv: [u8; 8], associated: &Associated, text: &mut [u8]) -> Option<usize> {
        let (bytes, length) = associated.bytes();
        let aad = Aad::from(&bytes[..length]);
        self.key.open_in_place(self.nonce(iv), aad, text).ok().map(|plain| plain.len())
    }
}
