//! The Encrypted and Authenticated payload (RFC 7296, section 3.14) with an AEAD (RFC 5282).
//!
//! 1. IKE header and the SK payload's generic header are the associated data, as sent.
//! 2. An explicit IV of 8 octets; the nonce is the key's 4 octets of salt, then the IV.
//! 3. The payloads, padding, and one octet with the length of the padding: encrypted.
//! 4. An ICV of 16 octets.

use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::chain::GENERIC_HEADER;
use super::header::ChainParts;
use super::{Chain, Error, Header, PayloadType};
use crate::aead::{Aead, ICV_LEN, IV_LEN};

/// Why an SK payload could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenError {
    /// The chain outside is broken, or there is no SK payload in it.
    Outer(Error),
    /// The ICV is wrong.
    Integrity,
    /// Authentic, but its padding is longer than the payload.
    Padding,
}

/// The decrypted payloads of a message, not yet checked as a chain.
pub struct Opened {
    first: PayloadType,
    octets: Zeroizing<Vec<u8>>,
}

impl Opened {
    /// Checks the chain inside.
    ///
    /// # Errors
    /// As [`Chain::check`].
    pub fn chain(&self) -> Result<Chain<'_>, Error> {
        Chain::check(self.first, &self.octets)
    }
}

/// A whole message whose payloads `inner` are encrypted under `aead` with the IV `iv`, which must be new.
pub fn seal(header: Header, inner: ChainParts<'_>, aead: &Aead, iv: [u8; IV_LEN]) -> Vec<u8> {
    let body = GENERIC_HEADER + IV_LEN + inner.octets.len() + 1 + ICV_LEN;
    let mut out = Vec::with_capacity(Header::LEN + body);
    Header { next_payload: PayloadType::SK, ..header }.emit(body, &mut out);
    out.extend_from_slice(&[inner.first.0, 0]);
    out.extend_from_slice(&u16::try_from(body).unwrap_or(u16::MAX).to_be_bytes());
    let mut text = Vec::with_capacity(inner.octets.len() + 1);
    text.extend_from_slice(inner.octets);
    // No padding: an AEAD has no block to fill.
    text.push(0);
    let icv = aead.seal(iv, &out, &mut text);
    out.extend_from_slice(&iv);
    out.extend_from_slice(&text);
    out.extend_from_slice(&icv);
    out
}

/// Opens the SK payload of `message`, whose header has been parsed.
///
/// # Errors
/// [`OpenError`].
pub fn open(message: &[u8], header: &Header, aead: &Aead) -> Result<Opened, OpenError> {
    let outer = message.get(Header::LEN..).unwrap_or_default();
    let chain = Chain::check(header.next_payload, outer).map_err(OpenError::Outer)?;
    let missing = OpenError::Outer(Error::Missing { payload: PayloadType::SK });
    let sk = chain.payloads().find(|payload| payload.kind == PayloadType::SK).ok_or(missing)?;
    let short = OpenError::Outer(Error::Short { payload: PayloadType::SK });
    // SK is the last payload, so its contents are the message's last octets.
    let (aad, _) = message.split_at_checked(message.len().saturating_sub(sk.body.len())).ok_or(short)?;
    let (iv, sealed) = sk.body.split_first_chunk::<IV_LEN>().ok_or(short)?;
    let (text, icv) = sealed.split_last_chunk::<ICV_LEN>().ok_or(short)?;
    let mut octets = Zeroizing::new(text.to_vec());
    if !aead.open(*iv, aad, &mut octets, icv) {
        return Err(OpenError::Integrity);
    }
    let padding = octets.pop().ok_or(OpenError::Padding)?;
    let length = octets.len().checked_sub(padding.into()).ok_or(OpenError::Padding)?;
    octets.truncate(length);
    Ok(Opened { first: sk.next, octets })
}
