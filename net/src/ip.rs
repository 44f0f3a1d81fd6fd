//! Layouts of the headers of the data path, declared once: IPv4 (RFC 791 3.1), IPv6 and its extension
//! headers (RFC 8200 3, 4), protocol numbers, and reads of big-endian fields that cannot leave the
//! slice. Deliberately no views: the hot path reads a header once, by offset.

use core::net::IpAddr;

use crate::checksum;
use crate::packet::Packet;

/// Protocol numbers (IPv4 protocol, IPv6 next header).
pub mod proto {
    /// IPv6 hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// IPv4 inside IP.
    pub const IPV4: u8 = 4;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// DCCP.
    pub const DCCP: u8 = 33;
    /// IPv6 inside IP.
    pub const IPV6: u8 = 41;
    /// IPv6 routing header.
    pub const ROUTING: u8 = 43;
    /// IPv6 fragment header.
    pub const FRAGMENT: u8 = 44;
    /// Encapsulating Security Payload.
    pub const ESP: u8 = 50;
    /// Authentication Header.
    pub const AH: u8 = 51;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
    /// IPv6 "no next header".
    pub const NO_NEXT: u8 = 59;
    /// IPv6 destination options.
    pub const DEST_OPTIONS: u8 = 60;
    /// SCTP.
    pub const SCTP: u8 = 132;
    /// UDP-Lite.
    pub const UDP_LITE: u8 = 136;
}

/// Field offsets of the IPv4 header.
pub mod ipv4 {
    /// Version (upper half) and header length in words (lower half).
    pub const VERSION_IHL: usize = 0;
    /// DSCP and ECN.
    pub const TOS: usize = 1;
    /// Length of header and payload in bytes.
    pub const TOTAL_LENGTH: usize = 2;
    /// Identification.
    pub const IDENT: usize = 4;
    /// Flags and fragment offset.
    pub const FLAGS: usize = 6;
    /// Time to live.
    pub const TTL: usize = 8;
    /// Protocol.
    pub const PROTOCOL: usize = 9;
    /// Header checksum.
    pub const CHECKSUM: usize = 10;
    /// Source address.
    pub const SRC: usize = 12;
    /// Destination address.
    pub const DST: usize = 16;
    /// Length of a header without options, in bytes.
    pub const HEADER: usize = 20;
    /// Longest header, in bytes.
    pub const HEADER_MAX: usize = 60;
    /// Don't-fragment bit of the flags field.
    pub const DF: u16 = 0x4000;
    /// More-fragments bit of the flags field.
    pub const MF: u16 = 0x2000;
    /// Fragment offset, in units of eight bytes, of the flags field.
    pub const OFFSET_MASK: u16 = 0x1fff;
}

/// Field offsets of the IPv6 header and its extension headers.
pub mod ipv6 {
    /// Version, traffic class, flow label.
    pub const VERSION_CLASS_FLOW: usize = 0;
    /// Bytes after the fixed header.
    pub const PAYLOAD_LENGTH: usize = 4;
    /// Next header.
    pub const NEXT_HEADER: usize = 6;
    /// Hop limit.
    pub const HOP_LIMIT: usize = 7;
    /// Source address.
    pub const SRC: usize = 8;
    /// Destination address.
    pub const DST: usize = 24;
    /// Length of the fixed header, in bytes.
    pub const HEADER: usize = 40;
    /// Length of a fragment header, in bytes.
    pub const FRAGMENT_HEADER: usize = 8;
    /// Offset and more-flag within a fragment header.
    pub const FRAGMENT_OFFSET: usize = 2;
    /// Identification within a fragment header.
    pub const FRAGMENT_IDENT: usize = 4;
    /// Length, in units of eight bytes without the first, within the other extension headers.
    pub const EXTENSION_LENGTH: usize = 1;
    /// Type within a routing header.
    pub const ROUTING_TYPE: usize = 2;
    /// Segments left within a routing header.
    pub const ROUTING_SEGMENTS_LEFT: usize = 3;
    /// Smallest MTU of any IPv6 link.
    pub const MIN_MTU: u16 = 1280;
}

/// Field offsets of the UDP header (RFC 768).
pub mod udp {
    /// Source port.
    pub const SRC: usize = 0;
    /// Destination port.
    pub const DST: usize = 2;
    /// Length of header and payload in bytes.
    pub const LENGTH: usize = 4;
    /// Checksum; zero where the sender computed none.
    pub const CHECKSUM: usize = 6;
    /// Length of the header, in bytes.
    pub const HEADER: usize = 8;
}

/// The big-endian 16-bit field at `at`, if the slice holds it.
#[inline]
pub fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_be_bytes(*b))
}

/// The big-endian 32-bit field at `at`, if the slice holds it.
#[inline]
pub fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_be_bytes(*b))
}

/// The `N` bytes at `at`, if the slice holds them.
#[inline]
pub fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// Writes `value` at `at`; false (and no change) if the slice does not hold the field.
#[inline]
pub fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) -> bool {
    match bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<N>()) {
        Some(field) => {
            *field = value;
            true
        }
        None => false,
    }
}

/// Puts an IP header without options in front of `packet`, which is its payload: ICMP of the family's
/// version. `None` (and no change of the payload) where there is no room or the families differ.
pub(crate) fn push_header(
    packet: &mut Packet,
    src: IpAddr,
    dst: IpAddr,
    tos: u8,
    hop_limit: u8,
    ident: u16,
) -> Option<()> {
    let payload = packet.len();
    match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let length = u16::try_from(payload + ipv4::HEADER).ok()?;
            let header = packet.push(ipv4::HEADER)?;
            header.fill(0);
            header[ipv4::VERSION_IHL] = 0x45;
            header[ipv4::TOS] = tos;
            header[ipv4::TTL] = hop_limit;
            header[ipv4::PROTOCOL] = proto::ICMP;
            put(header, ipv4::TOTAL_LENGTH, length.to_be_bytes());
            put(header, ipv4::IDENT, ident.to_be_bytes());
            put(header, ipv4::SRC, src.octets());
            put(header, ipv4::DST, dst.octets());
            let sum = checksum::of(header);
            put(header, ipv4::CHECKSUM, sum);
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let length = u16::try_from(payload).ok()?;
            let header = packet.push(ipv6::HEADER)?;
            let class_flow = (6u32 << 28) | (u32::from(tos) << 20);
            put(header, ipv6::VERSION_CLASS_FLOW, class_flow.to_be_bytes());
            put(header, ipv6::PAYLOAD_LENGTH, length.to_be_bytes());
            header[ipv6::NEXT_HEADER] = proto::ICMPV6;
            header[ipv6::HOP_LIMIT] = hop_limit;
            put(header, ipv6::SRC, src.octets());
            put(header, ipv6::DST, dst.octets());
        }
        _ => return None,
    }
    Some(())
}
