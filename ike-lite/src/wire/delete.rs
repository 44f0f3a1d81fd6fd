//! The Delete payload (RFC 7296, section 3.11).

use alloc::vec::Vec;

use super::sa::Protocol;
use super::{Error, PayloadType, Reader};

/// A Delete payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delete<'a> {
    /// What kind of SA ends. For [`Protocol::IKE`] it is the one that carries the message.
    pub protocol: Protocol,
    /// The sender's inbound SPIs of 4 octets each.
    spis: &'a [u8],
}

const SPI_LEN: usize = 4;

impl<'a> Delete<'a> {
    /// # Errors
    /// [`Error::Short`]; [`Error::Field`] with the SPI size, if it isn't that of the protocol.
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(body);
        let mut fields = || Some((Protocol(reader.u8()?), reader.u8()?, reader.u16()?));
        let short = Error::Short { payload: PayloadType::DELETE };
        let (protocol, size, count) = fields().ok_or(short)?;
        let expected = if protocol == Protocol::IKE { 0 } else { SPI_LEN };
        if usize::from(size) != expected {
            return Err(Error::Field { payload: PayloadType::DELETE, value: size.into() });
        }
        let spis = reader.take(expected * usize::from(count)).ok_or(short)?;
        if !reader.is_empty() {
            return Err(Error::Field { payload: PayloadType::DELETE, value: count.into() });
        }
        Ok(Self { protocol, spis })
    }

    /// The SPIs of the SAs that end.
    pub fn spis(&self) -> impl Iterator<Item = u32> + use<'a> {
        let (chunks, _) = self.spis.as_chunks::<SPI_LEN>();
        chunks.iter().map(|octets| u32::from_be_bytes(*octets))
    }
}

/// Appends the contents of a payload that deletes the IKE SA.
pub fn emit_ike(out: &mut Vec<u8>) {
    out.extend_from_slice(&[Protocol::IKE.0, 0, 0, 0]);
}

/// Appends the contents of a payload that deletes ESP SAs.
pub fn emit_esp(spis: &[u32], out: &mut Vec<u8>) {
    out.extend_from_slice(&[Protocol::ESP.0, SPI_LEN as u8]);
    out.extend_from_slice(&u16::try_from(spis.len()).unwrap_or(u16::MAX).to_be_bytes());
    spis.iter().for_each(|spi| out.extend_from_slice(&spi.to_be_bytes()));
}
