//! The chain of IPv6 extension headers (RFC 8200, section 4) up to the upper-layer header, and the place where a
//! transport-mode ESP header goes (RFC 4303, section 3.1.1).
//!
//! Left out: AH and mobility headers, which end the walk like an upper layer does.

use super::bytes::chunk;
use super::headers::InsertionPoint;

/// Hop-by-hop options.
const HOP_BY_HOP: u8 = 0;
/// Routing header.
const ROUTING: u8 = 43;
/// Fragment header.
const FRAGMENT: u8 = 44;
/// Destination options.
const DESTINATION: u8 = 60;

/// What the walk found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    /// The first next-header value that is no extension header.
    pub(super) protocol: u8,
    /// Where that value stands.
    pub(super) protocol_at: usize,
    /// Offset of the header that it names.
    pub(super) payload: usize,
    /// Offset field and more-fragments flag of a fragment header, as the 16 bits on the wire without reserved ones.
    pub(super) fragment: Option<u16>,
    /// Where an ESP header would go.
    pub(super) esp: InsertionPoint,
}

/// Walks from `payload`, whose kind stands at `protocol_at`, to `end`. A header that does not fit ends the walk.
pub(super) fn walk(bytes: &[u8], protocol_at: usize, payload: usize, end: usize) -> Option<Chain> {
    let [protocol] = chunk(bytes, protocol_at)?;
    let esp = InsertionPoint { offset: payload, next_header_at: protocol_at };
    let mut chain = Chain { protocol, protocol_at, payload, fragment: None, esp };
    loop {
        let kind = chain.protocol;
        if !matches!(kind, HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION) {
            return Some(chain);
        }
        let [next, units, high, low] = chunk(bytes, chain.payload)?;
        let length = if kind == FRAGMENT { 8 } else { (usize::from(units) + 1) * 8 };
        if chain.payload + length > end {
            return None;
        }
        if kind == FRAGMENT {
            chain.fragment = Some(u16::from_be_bytes([high, low]) & 0xfff9);
        }
        chain.protocol = next;
        chain.protocol_at = chain.payload;
        chain.payload += length;
        // Destination options only stand outside of ESP when a routing header follows.
        if kind != DESTINATION {
            chain.esp = InsertionPoint { offset: chain.payload, next_header_at: chain.protocol_at };
        }
    }
}
