//! The Authentication payload (RFC 7296, section 3.8).

use alloc::vec::Vec;

use super::{Error, PayloadType, Reader};

/// Shared Key Message Integrity Code: the only method here.
pub const SHARED_KEY: u8 = 2;

/// An Authentication payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Auth<'a> {
    /// How it was made.
    pub method: u8,
    /// The code itself.
    pub data: &'a [u8],
}

impl<'a> Auth<'a> {
    /// # Errors
    /// [`Error::Short`].
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(body);
        let [method, _, _, _] = reader.array::<4>().ok_or(Error::Short { payload: PayloadType::AUTH })?;
        Ok(Self { method, data: reader.rest() })
    }

    /// Appends the payload's contents.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.method, 0, 0, 0]);
        out.extend_from_slice(self.data);
    }
}
