//! The payload chain (RFC 7296, sections 2.5 and 3.2): each payload says what the next one is. A [`Chain`] has been
//! checked once as a whole, so that walking it can't fail. The contents of the payloads are not looked at here.

use alloc::vec::Vec;
use core::fmt;

use super::header::ChainParts;
use super::{Error, Reader};

/// A payload type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PayloadType(pub u8);

impl PayloadType {
    /// No next payload.
    pub const NONE: Self = Self(0);
    /// Security Association.
    pub const SA: Self = Self(33);
    /// Key Exchange.
    pub const KE: Self = Self(34);
    /// Identification of the initiator.
    pub const ID_I: Self = Self(35);
    /// Identification of the responder.
    pub const ID_R: Self = Self(36);
    /// Authentication.
    pub const AUTH: Self = Self(39);
    /// Nonce.
    pub const NONCE: Self = Self(40);
    /// Notify.
    pub const NOTIFY: Self = Self(41);
    /// Delete.
    pub const DELETE: Self = Self(42);
    /// Traffic selectors of the initiator.
    pub const TS_I: Self = Self(44);
    /// Traffic selectors of the responder.
    pub const TS_R: Self = Self(45);
    /// Encrypted and Authenticated.
    pub const SK: Self = Self(46);
    /// Last type that RFC 7296 defines (EAP); the first is SA.
    const LAST: Self = Self(48);

    /// Whether RFC 7296 defines it: then the critical bit has no meaning.
    fn is_defined(self) -> bool {
        (Self::SA..=Self::LAST).contains(&self)
    }
}

impl fmt::Display for PayloadType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "payload {}", self.0)
    }
}

/// One payload of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload<'a> {
    /// Its type.
    pub kind: PayloadType,
    /// Type of the payload after it; for SK, of the first one inside it.
    pub next: PayloadType,
    /// Its contents, without the generic header.
    pub body: &'a [u8],
}

/// A payload chain that has been checked.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'a> {
    first: PayloadType,
    octets: &'a [u8],
}

/// Octets of the generic payload header.
pub const GENERIC_HEADER: usize = 4;
const CRITICAL: u8 = 0x80;

struct Walk<'a> {
    kind: PayloadType,
    reader: Reader<'a>,
}

impl<'a> Walk<'a> {
    /// The next payload and whether it is marked critical; `Ok(None)` at the end.
    fn step(&mut self) -> Result<Option<(Payload<'a>, bool)>, Error> {
        if self.kind == PayloadType::NONE {
            return Ok(None);
        }
        let kind = self.kind;
        let short = Error::Short { payload: kind };
        let mut fields = || {
            let next = PayloadType(self.reader.u8()?);
            let critical = self.reader.u8()? & CRITICAL != 0;
            let length = usize::from(self.reader.u16()?);
            let body = self.reader.take(length.checked_sub(GENERIC_HEADER)?)?;
            Some((Payload { kind, next, body }, critical))
        };
        let (payload, critical) = fields().ok_or(short)?;
        // The SK payload is always the last; its field names the first payload inside.
        self.kind = if kind == PayloadType::SK { PayloadType::NONE } else { payload.next };
        Ok(Some((payload, critical)))
    }
}

impl<'a> Chain<'a> {
    /// Checks the chain that begins with a payload of type `first` and fills `octets`.
    ///
    /// # Errors
    /// [`Error::Short`] if a payload doesn't fit, [`Error::Field`] with the number of octets that belong to no
    /// payload, [`Error::UnsupportedCritical`].
    pub fn check(first: PayloadType, octets: &'a [u8]) -> Result<Self, Error> {
        let mut walk = Walk { kind: first, reader: Reader::new(octets) };
        let mut unsupported = None;
        while let Some((payload, critical)) = walk.step()? {
            //= rfc7296#2.5
            if critical && !payload.kind.is_defined() && unsupported.is_none() {
                unsupported = Some(payload.kind);
            }
        }
        if !walk.reader.is_empty() {
            let value = u32::try_from(walk.reader.len()).unwrap_or(u32::MAX);
            return Err(Error::Field { payload: PayloadType::NONE, value });
        }
        match unsupported {
            Some(payload) => Err(Error::UnsupportedCritical { payload }),
            None => Ok(Self { first, octets }),
        }
    }

    /// All payloads in order, unknown ones included.
    pub fn payloads(&self) -> impl Iterator<Item = Payload<'a>> + use<'a> {
        let mut walk = Walk { kind: self.first, reader: Reader::new(self.octets) };
        core::iter::from_fn(move || walk.step().ok().flatten().map(|(payload, _)| payload))
    }

    /// Contents of the first payload of this type.
    pub fn find(&self, kind: PayloadType) -> Option<&'a [u8]> {
        self.payloads().find(|payload| payload.kind == kind).map(|payload| payload.body)
    }

    /// Contents of the first payload of this type, which has to be there.
    ///
    /// # Errors
    /// [`Error::Missing`].
    pub fn require(&self, kind: PayloadType) -> Result<&'a [u8], Error> {
        self.find(kind).ok_or(Error::Missing { payload: kind })
    }
}

/// Builds a payload chain.
#[derive(Debug, Clone)]
pub struct ChainBuilder {
    first: PayloadType,
    /// Where the type of the next payload has to be written.
    next_field: Option<usize>,
    octets: Vec<u8>,
}

impl Default for ChainBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl ChainBuilder {
    /// An empty chain.
    pub const fn new() -> Self {
        Self { first: PayloadType::NONE, next_field: None, octets: Vec::new() }
    }

    /// Appends a payload whose contents `emit` writes.
    pub fn push(&mut self, kind: PayloadType, emit: impl FnOnce(&mut Vec<u8>)) {
        match self.next_field.and_then(|at| self.octets.get_mut(at)) {
            Some(next) => *next = kind.0,
            None => self.first = kind,
        }
        let start = self.octets.len();
        self.next_field = Some(start);
        self.octets.extend_from_slice(&[PayloadType::NONE.0, 0, 0, 0]);
        emit(&mut self.octets);
        let length = u16::try_from(self.octets.len() - start).unwrap_or(u16::MAX);
        if let Some(field) = self.octets.get_mut(start + 2..start + GENERIC_HEADER) {
            field.copy_from_slice(&length.to_be_bytes());
        }
    }

    /// Type of the first payload, and all octets.
    pub fn parts(&self) -> ChainParts<'_> {
        ChainParts { first: self.first, octets: &self.octets }
    }
}
