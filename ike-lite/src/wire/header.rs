//! The IKE header (RFC 7296, section 3.1).

use alloc::vec::Vec;

use super::{Error, PayloadType, Reader};

/// An exchange type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Exchange(pub u8);

impl Exchange {
    /// Agrees on algorithms and keys.
    pub const IKE_SA_INIT: Self = Self(34);
    /// Authenticates, and makes the first child.
    pub const IKE_AUTH: Self = Self(35);
    /// Makes and rekeys SAs.
    pub const CREATE_CHILD_SA: Self = Self(36);
    /// Deletes, and asks for life.
    pub const INFORMATIONAL: Self = Self(37);
}

/// The major version that this crate speaks.
pub const MAJOR_VERSION: u8 = 2;

/// The IKE header, without its length field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Chosen by the original initiator of the IKE SA.
    pub spi_i: u64,
    /// Chosen by the original responder; 0 in the first message.
    pub spi_r: u64,
    /// Type of the first payload.
    pub next_payload: PayloadType,
    /// Major version in the upper four bits, minor in the lower.
    pub version: u8,
    /// Exchange type.
    pub exchange: Exchange,
    /// Whether the sender is the original initiator of the IKE SA.
    pub initiator: bool,
    /// Whether this is a response.
    pub response: bool,
    /// Message ID.
    pub message_id: u32,
}

const FLAG_INITIATOR: u8 = 0x08;
const FLAG_RESPONSE: u8 = 0x20;

impl Header {
    /// Octets of the header.
    pub const LEN: usize = 28;
    /// Offset of the length field.
    const LENGTH: usize = 24;

    /// The header of a message, and the octets after it. Versions are not judged here.
    ///
    /// # Errors
    /// [`Error::ShortHeader`], [`Error::Length`].
    pub fn parse(message: &[u8]) -> Result<(Self, &[u8]), Error> {
        let short = Error::ShortHeader { octets: message.len() };
        let mut reader = Reader::new(message);
        let mut fields = || {
            let spi_i = reader.u64()?;
            let spi_r = reader.u64()?;
            let next_payload = PayloadType(reader.u8()?);
            let version = reader.u8()?;
            let exchange = Exchange(reader.u8()?);
            let flags = reader.u8()?;
            let message_id = reader.u32()?;
            let header = Self {
                spi_i,
                spi_r,
                next_payload,
                version,
                exchange,
                initiator: flags & FLAG_INITIATOR != 0,
                response: flags & FLAG_RESPONSE != 0,
                message_id,
            };
            Some((header, reader.u32()?))
        };
        let (header, length) = fields().ok_or(short)?;
        if usize::try_from(length) != Ok(message.len()) {
            return Err(Error::Length { field: length, octets: message.len() });
        }
        Ok((header, reader.rest()))
    }

    /// The major version.
    pub const fn major(&self) -> u8 {
        self.version >> 4
    }

    /// Appends the header of a message whose `body` octets follow it.
    pub fn emit(&self, body: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.spi_i.to_be_bytes());
        out.extend_from_slice(&self.spi_r.to_be_bytes());
        out.push(self.next_payload.0);
        out.push(self.version);
        out.push(self.exchange.0);
        let initiator = if self.initiator { FLAG_INITIATOR } else { 0 };
        let response = if self.response { FLAG_RESPONSE } else { 0 };
        out.push(initiator | response);
        out.extend_from_slice(&self.message_id.to_be_bytes());
        debug_assert_eq!(out.len() % Self::LEN, Self::LENGTH);
        out.extend_from_slice(&u32::try_from(Self::LEN + body).unwrap_or(u32::MAX).to_be_bytes());
    }

    /// A whole message in the clear.
    pub fn message(mut self, chain: ChainParts<'_>) -> Vec<u8> {
        self.next_payload = chain.first;
        let mut out = Vec::with_capacity(Self::LEN + chain.octets.len());
        self.emit(chain.octets.len(), &mut out);
        out.extend_from_slice(chain.octets);
        out
    }

    /// The header of the response to this request, with version 2.0.
    pub const fn reply(&self) -> Self {
        Self { initiator: !self.initiator, response: true, version: MAJOR_VERSION << 4, ..*self }
    }
}

/// A finished payload chain: the type of its first payload, and its octets.
#[derive(Debug, Clone, Copy)]
pub struct ChainParts<'a> {
    /// Type of the first payload.
    pub first: PayloadType,
    /// All payloads, with their generic headers.
    pub octets: &'a [u8],
}
