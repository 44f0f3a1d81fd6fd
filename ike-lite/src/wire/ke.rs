//! The Key Exchange and Nonce payloads (RFC 7296, sections 3.4 and 3.9). Key exchange data is judged by `group`.

use alloc::vec::Vec;

use super::{Error, PayloadType, Reader};

/// A Key Exchange payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyExchange<'a> {
    /// Number of the Diffie-Hellman group.
    pub group: u16,
    /// The public value.
    pub data: &'a [u8],
}

impl<'a> KeyExchange<'a> {
    /// # Errors
    /// [`Error::Short`].
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(body);
        let mut fields = || {
            let group = reader.u16()?;
            let _reserved = reader.u16()?;
            Some(group)
        };
        let group = fields().ok_or(Error::Short { payload: PayloadType::KE })?;
        Ok(Self { group, data: reader.rest() })
    }

    /// Appends the payload's contents.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.group.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(self.data);
    }
}

/// Octets that a nonce may have.
pub const NONCE_LEN: core::ops::RangeInclusive<usize> = 16..=256;

/// Checks the contents of a Nonce payload.
///
/// # Errors
/// [`Error::Field`] with the nonce's length.
pub fn parse_nonce(body: &[u8]) -> Result<&[u8], Error> {
    //= rfc7296#3.9
    if NONCE_LEN.contains(&body.len()) {
        return Ok(body);
    }
    Err(Error::Field { payload: PayloadType::NONCE, value: u32::try_from(body.len()).unwrap_or(u32::MAX) })
}
