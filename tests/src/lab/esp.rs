//! ESP as a peer does it (RFC 4303, RFC 4106, RFC 7634), written for the tests: another author, another
//! AEAD library, no line in common with the `ipsec` crate. Slow and plain; every field can be chosen.

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

/// AEADs by their names in proposals.
pub const ALGORITHMS: [&str; 3] = ["aes128gcm16", "aes256gcm16", "chacha20poly1305"];
/// Next header of an IPv4 packet in tunnel mode.
pub const IPV4: u8 = 4;
/// Next header of an IPv6 packet in tunnel mode.
pub const IPV6: u8 = 41;

/// One direction of an SA.
pub struct Sa {
    key: LessSafeKey,
    salt: [u8; 4],
    /// SPI.
    pub spi: u32,
    /// Extended sequence numbers.
    pub esn: bool,
    /// Last sequence number sent.
    pub sequence: u64,
}

/// What came out of an ESP packet.
#[derive(Debug, PartialEq, Eq)]
pub struct Payload {
    /// Lower half of the sequence number.
    pub sequence: u32,
    /// Next header.
    pub next: u8,
    /// The payload without padding.
    pub bytes: Vec<u8>,
}

/// Octets of key and salt that an algorithm takes.
pub fn key_len(algorithm: &str) -> usize {
    if algorithm.starts_with("aes128") { 20 } else { 36 }
}

impl Sa {
    /// An SA with `material`: key, then four octets of salt.
    pub fn new(algorithm: &str, material: &[u8], spi: u32, esn: bool) -> Self {
        let (key, salt) = material.split_at(material.len() - 4);
        let algorithm = match algorithm {
            "aes128gcm16" => &AES_128_GCM,
            "aes256gcm16" => &AES_256_GCM,
            "chacha20poly1305" => &CHACHA20_POLY1305,
            other => panic!("no algorithm {other}"),
        };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key).expect("key length"));
        Self { key, salt: salt.try_into().expect("salt"), spi, esn, sequence: 0 }
    }

    fn aad(&self, sequence: u64) -> Vec<u8> {
        let mut aad = self.spi.to_be_bytes().to_vec();
        match self.esn {
            true => aad.extend(sequence.to_be_bytes()),
            false => aad.extend((sequence as u32).to_be_bytes()),
        }
        aad
    }

    fn nonce(&self, iv: &[u8]) -> Nonce {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&self.salt);
        nonce[4..].copy_from_slice(iv);
        Nonce::assume_unique_for_key(nonce)
    }

    /// An ESP packet with the next sequence number.
    pub fn seal(&mut self, next: u8, payload: &[u8]) -> Vec<u8> {
        self.sequence += 1;
        self.seal_as(self.sequence, next, payload)
    }

    /// An ESP packet with a sequence number of the caller's choice.
    pub fn seal_as(&self, sequence: u64, next: u8, payload: &[u8]) -> Vec<u8> {
        // Any unique IV will do; this one is not the sequence number, as the receiver must not expect it.
        let iv = (sequence ^ 0x5a5a_0000_0000_a5a5).to_be_bytes();
        let mut text = payload.to_vec();
        let mut pad = 0u8;
        while !(text.len() + 2).is_multiple_of(4) {
            pad += 1;
            text.push(pad);
        }
        text.extend([pad, next]);
        let aad = Aad::from(self.aad(sequence));
        self.key.seal_in_place_append_tag(self.nonce(&iv), aad, &mut text).expect("seal");
        let mut packet = self.spi.to_be_bytes().to_vec();
        packet.extend((sequence as u32).to_be_bytes());
        packet.extend(iv);
        packet.extend(text);
        packet
    }

    /// Reads an ESP packet; an error names what is wrong with it. `high` is the upper half of the sequence
    /// number with ESN.
    pub fn open(&self, esp: &[u8], high: u32) -> Result<Payload, &'static str> {
        if esp.len() < 16 + 4 + 16 {
            return Err("short");
        }
        let (header, text) = esp.split_at(16);
        if header[..4] != self.spi.to_be_bytes() {
            return Err("another SPI");
        }
        let sequence = u32::from_be_bytes(header[4..8].try_into().expect("4 octets"));
        let full = u64::from(high) << 32 | u64::from(sequence);
        let mut text = text.to_vec();
        let plain = self
            .key
            .open_in_place(self.nonce(&header[8..16]), Aad::from(self.aad(full)), &mut text)
            .map_err(|_| "not authentic")?;
        let (rest, trailer) = plain.split_at(plain.len() - 2);
        let (pad, next) = (usize::from(trailer[0]), trailer[1]);
        let length = rest.len().checked_sub(pad).ok_or("padding too long")?;
        if rest[length..].iter().zip(1u8..).any(|(octet, expected)| *octet != expected) {
            return Err("padding is not 1, 2, 3");
        }
        if !(plain.len()).is_multiple_of(4) {
            return Err("not aligned");
        }
        Ok(Payload { sequence, next, bytes: rest[..length].to_vec() })
    }
}
