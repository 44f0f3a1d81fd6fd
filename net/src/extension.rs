//! The chain of IPv6 extension headers (RFC 8200 4), walked within bounds. Hop-by-hop options are
//! skipped, as RFC 8200 4 lets forwarding nodes do; ESP and AH end the chain (RFC 4301 4.4.1.1).

use crate::flow::{Fragment, Malformed};
use crate::ip::{be16, be32, ipv6, proto};

/// Extension headers that one packet may carry; more is refused. The longest chain that RFC 8200 4.1
/// recommends has six.
pub(crate) const HEADERS_MAX: usize = 8;

/// A chain that was walked to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chain {
    /// What follows the chain.
    pub(crate) proto: u8,
    /// Where it starts.
    pub(crate) end: usize,
    /// The fragment header, if there is one.
    pub(crate) fragment: Option<FragmentHeader>,
    /// Where a fragment header would go: the byte that announces it, and its first byte. Behind hop-by-hop
    /// options, routing header and the destination options before that (RFC 8200 4.5).
    pub(crate) per_fragment: (usize, usize),
    /// The byte that announces `proto`.
    pub(crate) announced_at: usize,
    /// Some routing header has segments left: not yet at its final destination.
    pub(crate) segments_left: bool,
}

/// The place of a fragment header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FragmentHeader {
    /// Its first byte.
    pub(crate) at: usize,
    /// The byte of the header before it that announces it.
    pub(crate) announced_at: usize,
    /// What it says.
    pub(crate) fragment: Fragment,
}

impl Chain {
    /// No extension header at all.
    pub(crate) const fn bare(proto: u8) -> Self {
        let end = ipv6::HEADER;
        let announced_at = ipv6::NEXT_HEADER;
        Self {
            proto,
            end,
            fragment: None,
            per_fragment: (announced_at, end),
            announced_at,
            segments_left: false,
        }
    }
}

/// Walks the chain of `packet` (from its IPv6 header to its total length), whose fixed header announces
/// `next`. A non-first fragment ends the walk, for what follows its fragment header is payload.
pub(crate) fn walk(packet: &[u8], next: u8) -> Result<Chain, Malformed> {
    let mut chain = Chain::bare(next);
    for count in 0..=HEADERS_MAX {
        let kind = chain.proto;
        let malformed = Malformed::Extension(kind);
        let at = chain.end;
        let length = match kind {
            //= rfc8200#4.1
            proto::HOP_BY_HOP if count != 0 => return Err(malformed),
            proto::HOP_BY_HOP | proto::ROUTING | proto::DEST_OPTIONS => {
                let units = packet.get(at + ipv6::EXTENSION_LENGTH).ok_or(malformed)?;
                (usize::from(*units) + 1) * 8
            }
            proto::FRAGMENT => ipv6::FRAGMENT_HEADER,
            _ => return Ok(chain),
        };
        if count == HEADERS_MAX {
            break;
        }
        let header = packet.get(at..at + length).ok_or(malformed)?;
        match kind {
            proto::ROUTING => {
                let [routing_type, left] = [ipv6::ROUTING_TYPE, ipv6::ROUTING_SEGMENTS_LEFT]
                    .map(|field| header.get(field).copied().unwrap_or(0));
                //= rfc5095#3
                if routing_type == 0 {
                    return Err(Malformed::SourceRoute);
                }
                chain.segments_left |= left != 0;
            }
            proto::FRAGMENT if chain.fragment.is_some() => return Err(malformed),
            proto::FRAGMENT => {
                let offset = be16(header, ipv6::FRAGMENT_OFFSET).ok_or(malformed)?;
                let ident = be32(header, ipv6::FRAGMENT_IDENT).ok_or(malformed)?;
                let fragment = Fragment { ident, offset: offset & 0xfff8, more: offset & 1 != 0 };
                chain.fragment = Some(FragmentHeader { at, announced_at: chain.announced_at, fragment });
            }
            _ => {}
        }
        chain.announced_at = at;
        chain.proto = *header.first().ok_or(malformed)?;
        chain.end = at + length;
        if matches!(kind, proto::HOP_BY_HOP | proto::ROUTING) && chain.fragment.is_none() {
            chain.per_fragment = (at, chain.end);
        }
        if chain.fragment.is_some_and(|header| header.fragment.offset != 0) {
            return Ok(chain);
        }
    }
    Err(Malformed::Extension(chain.proto))
}
