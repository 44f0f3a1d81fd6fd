//! IKE messages on the wire (RFC 7296, section 3): the header here, the payload chain in [`chain`], one payload
//! per module. Every parser is total: any octets give a value or an [`Error`].

pub mod auth;
pub mod chain;
pub mod delete;
pub mod header;
pub mod id;
pub mod ke;
pub mod notify;
mod reader;
pub mod sa;
pub mod sk;
pub mod ts;

pub use chain::{Chain, ChainBuilder, Payload, PayloadType};
pub use header::{Exchange, Header};
pub(crate) use reader::Reader;

/// Why octets are not the message that they claim to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// Fewer octets than an IKE header has.
    ShortHeader {
        /// How many.
        octets: usize,
    },
    /// The header's length field isn't the length of the datagram.
    Length {
        /// The field.
        field: u32,
        /// The datagram.
        octets: usize,
    },
    /// A payload ends before its contents do.
    Short {
        /// Which payload.
        payload: PayloadType,
    },
    /// A field of a payload has a value that is not allowed.
    Field {
        /// Which payload.
        payload: PayloadType,
        /// The value.
        value: u32,
    },
    /// A payload that this exchange needs is not there.
    Missing {
        /// Which payload.
        payload: PayloadType,
    },
    /// The sender insists that we understand this payload, and we don't.
    UnsupportedCritical {
        /// Which payload.
        payload: PayloadType,
    },
}

#[cfg(test)]
mod tests;
