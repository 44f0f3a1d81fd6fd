//! Where ESP stands in an IP packet, and the repairs of the IP header when it is put in or taken out in
//! transport mode (RFC 4303 section 3.1.1).

use core::net::IpAddr;

use net::checksum::Sum;
use net::ip::{array, be16, ipv4, ipv6, proto, put, udp};

use crate::cause::Cause;

/// Extension headers that are walked; RFC 8200 section 4.1 recommends at most six.
const HEADERS_MAX: usize = 8;

/// A place between two headers of an IP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// First byte behind the headers.
    pub(crate) at: usize,
    /// The byte that announces what stands there.
    pub(crate) announced_at: usize,
    /// What it announces.
    pub(crate) next: u8,
}

/// What the IP header says, as far as ESP cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ip {
    pub(crate) v6: bool,
    /// The whole TOS or Traffic Class byte.
    pub(crate) dscp_ecn: u8,
    /// The DF bit; true for IPv6.
    pub(crate) dont_fragment: bool,
    /// It is a fragment (IPv4 only; an IPv6 one shows in the chain of headers).
    pub(crate) fragment: bool,
    /// Length by the header; may be more than the bytes there are.
    pub(crate) total_len: usize,
    /// Bytes of the IPv4 header with its options, or of the fixed IPv6 header.
    pub(crate) header_len: usize,
}

impl Ip {
    /// Reads the header that starts at the first byte; nothing if it is not whole or not sound.
    #[inline]
    pub(crate) fn parse(packet: &[u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => {
                let header: &[u8; ipv4::HEADER] = packet.first_chunk()?;
                let header_len = usize::from(header[ipv4::VERSION_IHL] & 0x0f) * 4;
                let total_len = usize::from(be16(header, ipv4::TOTAL_LENGTH)?);
                let flags = be16(header, ipv4::FLAGS)?;
                (header_len >= ipv4::HEADER && header_len <= total_len && header_len <= packet.len())
                    .then_some(Self {
                        v6: false,
                        dscp_ecn: header[ipv4::TOS],
                        dont_fragment: flags & ipv4::DF != 0,
                        fragment: flags & (ipv4::MF | ipv4::OFFSET_MASK) != 0,
                        total_len,
                        header_len,
                    })
            }
            6 => {
                let header: &[u8; ipv6::HEADER] = packet.first_chunk()?;
                Some(Self {
                    v6: true,
                    dscp_ecn: header[0] << 4 | header[1] >> 4,
                    dont_fragment: true,
                    fragment: false,
                    total_len: ipv6::HEADER + usize::from(be16(header, ipv6::PAYLOAD_LENGTH)?),
                    header_len: ipv6::HEADER,
                })
            }
            _ => None,
        }
    }
}

/// The first place behind the IP header and those extension headers that `skip` names and all before
/// them. `fragment` and `malformed` are the causes where there is none.
fn walk(packet: &[u8], skip: &[u8], fragment: Cause, malformed: Cause) -> Result<Place, Cause> {
    let ip = Ip::parse(packet).ok_or(malformed)?;
    let byte = |at: usize| packet.get(at).copied().ok_or(malformed);
    if ip.fragment {
        return Err(fragment);
    }
    let announced_at = if ip.v6 { ipv6::NEXT_HEADER } else { ipv4::PROTOCOL };
    let mut place = Place { at: ip.header_len, announced_at, next: byte(announced_at)? };
    let mut best = place;
    if !ip.v6 {
        return Ok(place);
    }
    for _ in 0..HEADERS_MAX {
        let kind = place.next;
        match kind {
            proto::HOP_BY_HOP | proto::ROUTING | proto::DEST_OPTIONS => {
                let length = (usize::from(byte(place.at + ipv6::EXTENSION_LENGTH)?) + 1) * 8;
                place = Place { at: place.at + length, announced_at: place.at, next: byte(place.at)? };
                if place.at > packet.len() {
                    return Err(malformed);
                }
                if skip.contains(&kind) {
                    best = place;
                }
            }
            proto::FRAGMENT => return Err(fragment),
            _ => return Ok(best),
        }
    }
    Err(malformed)
}

/// Where transport mode inserts ESP: behind hop-by-hop options and routing headers (with what stands
/// before them), in front of destination options that follow.
//= rfc4303#3.1.1
pub(crate) fn insertion(packet: &[u8]) -> Result<Place, Cause> {
    walk(packet, &[proto::HOP_BY_HOP, proto::ROUTING], Cause::TransportFragment, Cause::Malformed)
}

/// What stands behind all extension headers of an outer packet whose header is `ip`.
#[inline]
pub(crate) fn payload_of(ip: &Ip, packet: &[u8]) -> Result<Place, Cause> {
    if ip.v6 {
        return payload(packet);
    }
    if ip.fragment {
        return Err(Cause::OuterFragment);
    }
    let next = packet.get(ipv4::PROTOCOL).copied().ok_or(Cause::OuterMalformed)?;
    Ok(Place { at: ip.header_len, announced_at: ipv4::PROTOCOL, next })
}

/// What stands behind all extension headers of an outer packet.
pub(crate) fn payload(packet: &[u8]) -> Result<Place, Cause> {
    let all = [proto::HOP_BY_HOP, proto::ROUTING, proto::DEST_OPTIONS];
    walk(packet, &all, Cause::OuterFragment, Cause::OuterMalformed)
}

/// Makes the IP header say its packet's length, and that `next` follows at the place announced at
/// `announced_at`.
pub(crate) fn repair(packet: &mut [u8], announced_at: usize, next: u8) {
    let total = packet.len();
    put(packet, announced_at, [next]);
    match packet.first().copied() {
        Some(first) if first >> 4 == 4 => {
            put(packet, ipv4::TOTAL_LENGTH, (total as u16).to_be_bytes());
            put(packet, ipv4::CHECKSUM, [0; 2]);
            let sum = net::checksum::of(packet.get(..usize::from(first & 0x0f) * 4).unwrap_or_default());
            put(packet, ipv4::CHECKSUM, sum);
        }
        _ => {
            put(packet, ipv6::PAYLOAD_LENGTH, (total.saturating_sub(ipv6::HEADER) as u16).to_be_bytes());
        }
    }
}

/// Source and destination of a packet whose header has been found sound.
pub(crate) fn addresses(packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
    match packet.first()? >> 4 {
        4 => {
            Some((IpAddr::from(array::<4>(packet, ipv4::SRC)?), IpAddr::from(array::<4>(packet, ipv4::DST)?)))
        }
        _ => Some((
            IpAddr::from(array::<16>(packet, ipv6::SRC)?),
            IpAddr::from(array::<16>(packet, ipv6::DST)?),
        )),
    }
}

/// Computes the checksum of the TCP segment, UDP datagram or ICMPv6 message anew that starts at `at` and
/// runs to the end of the packet. A UDP datagram over IPv4 without checksum stays without; other
/// protocols have none that covers addresses.
//= rfc3948#3.1.2
pub(crate) fn recompute_checksum(packet: &mut [u8], at: usize, protocol: u8) {
    const TCP_CHECKSUM: usize = 16;
    const ICMPV6_CHECKSUM: usize = 2;
    let Some((src, dst)) = addresses(packet) else { return };
    let field = at
        + match protocol {
            proto::TCP => TCP_CHECKSUM,
            proto::UDP if be16(packet, at + udp::CHECKSUM) == Some(0) && src.is_ipv4() => return,
            proto::UDP => udp::CHECKSUM,
            proto::ICMPV6 => ICMPV6_CHECKSUM,
            _ => return,
        };
    if !put(packet, field, [0; 2]) {
        return;
    }
    let message = packet.get(at..).unwrap_or_default();
    let sum = Sum::new().with_pseudo(src, dst, protocol, message.len() as u32).with(message).finish();
    let none = protocol == proto::UDP && sum == [0; 2];
    put(packet, field, if none { [0xff; 2] } else { sum });
}

#[cfg(test)]
mod tests;
