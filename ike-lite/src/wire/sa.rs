//! The Security Association payload (RFC 7296, section 3.3): proposals, transforms, attributes. Views only, so that
//! a peer's huge offer costs no memory; choosing is in `suite`.

use alloc::vec::Vec;

use super::{Error, PayloadType, Reader};

/// A protocol identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Protocol(pub u8);

impl Protocol {
    /// None, in a Notify payload.
    pub const NONE: Self = Self(0);
    /// IKE itself.
    pub const IKE: Self = Self(1);
    /// ESP.
    pub const ESP: Self = Self(3);
}

/// A transform type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TransformType(pub u8);

impl TransformType {
    /// Encryption algorithm.
    pub const ENCR: Self = Self(1);
    /// Pseudorandom function.
    pub const PRF: Self = Self(2);
    /// Integrity algorithm.
    pub const INTEG: Self = Self(3);
    /// Diffie-Hellman group.
    pub const DH: Self = Self(4);
    /// Extended sequence numbers.
    pub const ESN: Self = Self(5);
}

/// Key length of a transform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyLength {
    /// Not given.
    None,
    /// This many bits.
    Bits(u16),
    /// Attributes that aren't understood, or contradict each other: the transform is not acceptable.
    Invalid,
}

/// One transform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Transform {
    /// What it is for.
    pub kind: TransformType,
    /// Which one.
    pub id: u16,
    /// Its key length.
    pub key_length: KeyLength,
}

/// One proposal that has been checked.
#[derive(Debug, Clone, Copy)]
pub struct Proposal<'a> {
    /// Its number.
    pub number: u8,
    /// IKE or ESP.
    pub protocol: Protocol,
    /// The sender's SPI; empty in IKE_SA_INIT.
    pub spi: &'a [u8],
    transforms: &'a [u8],
}

/// A Security Association payload that has been checked.
#[derive(Debug, Clone, Copy)]
pub struct SaPayload<'a>(&'a [u8]);

const MORE_PROPOSALS: u8 = 2;
const MORE_TRANSFORMS: u8 = 3;
const PROPOSAL_HEADER: usize = 8;
const TRANSFORM_HEADER: usize = 8;
const ATTRIBUTE_TV: u16 = 0x8000;
const ATTRIBUTE_KEY_LENGTH: u16 = 14;

const SHORT: Error = Error::Short { payload: PayloadType::SA };

fn field<T: Into<u32>>(value: T) -> Error {
    Error::Field { payload: PayloadType::SA, value: value.into() }
}

fn step_proposal<'a>(reader: &mut Reader<'a>) -> Result<(Proposal<'a>, u8), Error> {
    let mut fields = || {
        let [last, _, length_high, length_low, number, protocol, spi_size, transforms] =
            reader.array::<8>()?;
        let length = usize::from(u16::from_be_bytes([length_high, length_low]));
        let mut body = Reader::new(reader.take(length.checked_sub(PROPOSAL_HEADER)?)?);
        let spi = body.take(spi_size.into())?;
        let proposal = Proposal { number, protocol: Protocol(protocol), spi, transforms: body.rest() };
        Some((proposal, last, transforms))
    };
    let (proposal, last, count) = fields().ok_or(SHORT)?;
    if last != if reader.is_empty() { 0 } else { MORE_PROPOSALS } {
        return Err(field(last));
    }
    Ok((proposal, count))
}

fn step_transform(reader: &mut Reader<'_>) -> Result<Transform, Error> {
    let mut fields = || {
        let [last, _, length_high, length_low, kind, _, id_high, id_low] = reader.array::<8>()?;
        let length = usize::from(u16::from_be_bytes([length_high, length_low]));
        let attributes = Reader::new(reader.take(length.checked_sub(TRANSFORM_HEADER)?)?);
        let id = u16::from_be_bytes([id_high, id_low]);
        Some((last, TransformType(kind), id, key_length(attributes)?))
    };
    let (last, kind, id, key_length) = fields().ok_or(SHORT)?;
    if last != if reader.is_empty() { 0 } else { MORE_TRANSFORMS } {
        return Err(field(last));
    }
    Ok(Transform { kind, id, key_length })
}

fn key_length(mut attributes: Reader<'_>) -> Option<KeyLength> {
    let mut found = KeyLength::None;
    while !attributes.is_empty() {
        let (kind, value) = (attributes.u16()?, attributes.u16()?);
        let attribute = if kind == ATTRIBUTE_TV | ATTRIBUTE_KEY_LENGTH {
            KeyLength::Bits(value)
        } else {
            if kind & ATTRIBUTE_TV == 0 {
                attributes.take(value.into())?;
            }
            KeyLength::Invalid
        };
        //= rfc7296#3.3.6
        found = match found {
            KeyLength::None => attribute,
            same if same == attribute => same,
            _ => KeyLength::Invalid,
        };
    }
    Some(found)
}

impl<'a> SaPayload<'a> {
    /// Checks all proposals down to their attributes.
    ///
    /// # Errors
    /// [`Error::Short`] if something doesn't fit into what contains it; [`Error::Field`] with a "last" field or a
    /// count that is wrong.
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let mut proposals = Reader::new(body);
        if proposals.is_empty() {
            return Err(SHORT);
        }
        while !proposals.is_empty() {
            let (proposal, count) = step_proposal(&mut proposals)?;
            let mut transforms = Reader::new(proposal.transforms);
            for _ in 0..count {
                step_transform(&mut transforms)?;
            }
            if !transforms.is_empty() {
                return Err(field(count));
            }
        }
        Ok(Self(body))
    }

    /// The proposals, the sender's favourite first.
    pub fn proposals(&self) -> impl Iterator<Item = Proposal<'a>> + use<'a> {
        let mut reader = Reader::new(self.0);
        core::iter::from_fn(move || step_proposal(&mut reader).ok().map(|(proposal, _)| proposal))
    }
}

impl<'a> Proposal<'a> {
    /// The transforms.
    pub fn transforms(&self) -> impl Iterator<Item = Transform> + use<'a> {
        let mut reader = Reader::new(self.transforms);
        core::iter::from_fn(move || step_transform(&mut reader).ok())
    }
}

/// Appends one proposal; `last` if none follows.
pub fn emit_proposal(
    number: u8,
    protocol: Protocol,
    spi: &[u8],
    transforms: &[Transform],
    last: bool,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    out.extend_from_slice(&[if last { 0 } else { MORE_PROPOSALS }, 0, 0, 0, number, protocol.0]);
    out.push(u8::try_from(spi.len()).unwrap_or(0));
    out.push(u8::try_from(transforms.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(spi);
    for (index, transform) in transforms.iter().enumerate() {
        let more = if index + 1 == transforms.len() { 0 } else { MORE_TRANSFORMS };
        let bits = if let KeyLength::Bits(bits) = transform.key_length { Some(bits) } else { None };
        let length = TRANSFORM_HEADER as u8 + if bits.is_some() { 4 } else { 0 };
        out.extend_from_slice(&[more, 0, 0, length, transform.kind.0, 0]);
        out.extend_from_slice(&transform.id.to_be_bytes());
        if let Some(bits) = bits {
            out.extend_from_slice(&(ATTRIBUTE_TV | ATTRIBUTE_KEY_LENGTH).to_be_bytes());
            out.extend_from_slice(&bits.to_be_bytes());
        }
    }
    let length = u16::try_from(out.len() - start).unwrap_or(u16::MAX);
    if let Some(slot) = out.get_mut(start + 2..start + 4) {
        slot.copy_from_slice(&length.to_be_bytes());
    }
}
