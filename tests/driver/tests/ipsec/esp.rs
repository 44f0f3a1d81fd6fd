//! ESP with AES-GCM by hand (RFC 4303, RFC 4106) on `ring`, so that what the card makes is read, and what it gets is made,
//! by neither its own code nor ours.

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// SPI and sequence number; the IV.
const HEADER: usize = 8;
const IV: usize = 8;
const ICV: usize = 16;

/// Key and salt of one SA.
pub(crate) struct Cipher {
    key: LessSafeKey,
    salt: [u8; 4],
    esn: bool,
}

/// What was in an ESP packet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Inside {
    pub(crate) spi: u32,
    /// As it stands in the header.
    pub(crate) number: u32,
    pub(crate) iv: [u8; 8],
    pub(crate) next: u8,
    pub(crate) payload: Vec<u8>,
}

impl Cipher {
    pub(crate) fn new(key: &[u8], salt: [u8; 4], esn: bool) -> Self {
        let algorithm = if key.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
        Self { key: LessSafeKey::new(UnboundKey::new(algorithm, key).unwrap()), salt, esn }
    }

    fn nonce(&self, iv: [u8; 8]) -> Nonce {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&self.salt);
        nonce[4..].copy_from_slice(&iv);
        Nonce::assume_unique_for_key(nonce)
    }

    fn associated(&self, spi: u32, number: u64) -> Aad<Vec<u8>> {
        let number = number.to_be_bytes();
        Aad::from([&spi.to_be_bytes()[..], if self.esn { &number[..] } else { &number[4..] }].concat())
    }

    /// What `esp`, which begins with the SPI, has inside if its number has this upper half. Padding must be 1, 2, 3 ….
    pub(crate) fn open(&self, upper: u32, esp: &[u8]) -> Option<Inside> {
        let (header, rest) = esp.split_at_checked(HEADER)?;
        let (iv, sealed) = rest.split_first_chunk::<IV>()?;
        let [spi, number] =
            [&header[..4], &header[4..]].map(|part| u32::from_be_bytes(part.try_into().unwrap()));
        let aad = self.associated(spi, u64::from(upper) << 32 | u64::from(number));
        let mut text = sealed.to_vec();
        let text = self.key.open_in_place(self.nonce(*iv), aad, &mut text).ok()?;
        let (rest, [pad, next]) = text.split_last_chunk()?;
        let (payload, padding) = rest.split_at_checked(rest.len().checked_sub(usize::from(*pad))?)?;
        assert!(padding.iter().copied().eq(1..=*pad) && text.len() % 4 == 0, "padding");
        Some(Inside { spi, number, iv: *iv, next: *next, payload: payload.to_vec() })
    }

    /// ESP around `text`, which is payload, padding and trailer.
    pub(crate) fn seal_text(&self, spi: u32, number: u64, text: &[u8]) -> Vec<u8> {
        let iv = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        let mut esp = [spi.to_be_bytes(), (number as u32).to_be_bytes()].concat();
        esp.extend(iv);
        let mut sealed = text.to_vec();
        self.key.seal_in_place_append_tag(self.nonce(iv), self.associated(spi, number), &mut sealed).unwrap();
        assert_eq!(sealed.len(), text.len() + ICV);
        esp.extend(sealed);
        esp
    }

    /// ESP around `payload`.
    pub(crate) fn seal(&self, spi: u32, number: u64, next: u8, payload: &[u8]) -> Vec<u8> {
        let pad = (payload.len() + 2).next_multiple_of(4) - payload.len() - 2;
        let text = [payload, &(1..=pad as u8).collect::<Vec<_>>(), &[pad as u8, next]].concat();
        self.seal_text(spi, number, &text)
    }
}
