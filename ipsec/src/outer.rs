//! The outer headers of tunnel mode, prepared at installation so that a packet costs a copy and five
//! fields (RFC 4301 section 5.1.2), the UDP header of RFC 3948, and ECN across the tunnel (RFC 6040).

use core::net::IpAddr;

use net::checksum::Sum;
use net::ip::{be16, ipv4, ipv6, proto, put, udp};

use crate::sa::{Df, Dscp, Ecn, Mode, Outer, UdpEncap};
use crate::wire::ecn;

/// Longest outer header: IPv6 and UDP.
const LEN_MAX: usize = ipv6::HEADER + udp::HEADER;

/// What the outer header takes from the inner packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Copied {
    /// The whole TOS or Traffic Class byte.
    pub(crate) dscp_ecn: u8,
    /// The DF bit; set for IPv6.
    pub(crate) dont_fragment: bool,
}

/// An outer header without what differs from packet to packet.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    bytes: [u8; LEN_MAX],
    /// Bytes of the IP header.
    ip_len: usize,
    /// The sum of the words of an IPv4 header, without the protocol.
    sum: u32,
    udp: bool,
    options: Outer,
}

impl Template {
    /// The header between the ends of `mode`, which must be of one family.
    pub(crate) fn new(mode: &Mode, encap: Option<UdpEncap>, options: Outer) -> Option<Self> {
        let mut bytes = [0; LEN_MAX];
        let mut sum = 0;
        let next = if encap.is_some() { proto::UDP } else { proto::ESP };
        let ip_len = match (mode.local(), mode.remote()) {
            (IpAddr::V4(local), IpAddr::V4(remote)) => {
                bytes[ipv4::VERSION_IHL] = 0x45;
                bytes[ipv4::TTL] = options.hop_limit;
                put(&mut bytes, ipv4::SRC, local.octets());
                put(&mut bytes, ipv4::DST, remote.octets());
                let words = bytes[..ipv4::HEADER].as_chunks().0.iter();
                sum = words.map(|word| u32::from(u16::from_be_bytes(*word))).sum();
                bytes[ipv4::PROTOCOL] = next;
                ipv4::HEADER
            }
            (IpAddr::V6(local), IpAddr::V6(remote)) => {
                bytes[ipv6::VERSION_CLASS_FLOW] = 0x60;
                bytes[ipv6::HOP_LIMIT] = options.hop_limit;
                bytes[ipv6::NEXT_HEADER] = next;
                put(&mut bytes, ipv6::SRC, local.octets());
                put(&mut bytes, ipv6::DST, remote.octets());
                ipv6::HEADER
            }
            _ => return None,
        };
        if let Some(encap) = encap {
            put(&mut bytes, ip_len + udp::SRC, encap.local_port.to_be_bytes());
            put(&mut bytes, ip_len + udp::DST, encap.remote_port.to_be_bytes());
        }
        Some(Self { bytes, ip_len, sum, udp: encap.is_some(), options })
    }

    /// Length in bytes of the IP header alone.
    pub(crate) fn bare_len(&self) -> usize {
        self.ip_len
    }

    /// Length in bytes, UDP included.
    pub(crate) fn len(&self) -> usize {
        self.ip_len + if self.udp { udp::HEADER } else { 0 }
    }

    /// Whether the outer packet, whose headers and payload are `total` bytes, can say its length.
    pub(crate) fn fits(&self, total: usize) -> bool {
        let counted = if self.ip_len == ipv6::HEADER { total - ipv6::HEADER } else { total };
        counted <= usize::from(u16::MAX)
    }

    /// Writes the headers at the front of `packet`, whose payload is complete and which
    /// [`Template::fits`]. `ident` becomes the IPv4 identification.
    pub(crate) fn emit(&self, packet: &mut [u8], inner: Copied, ident: u16) {
        if self.udp
            && let (Some(to), Some(from)) =
                (packet.get_mut(self.ip_len..self.len()), self.bytes.get(self.ip_len..self.len()))
        {
            to.copy_from_slice(from);
        }
        self.emit_bare(packet, inner, ident, if self.udp { proto::UDP } else { proto::ESP });
        if self.udp {
            finish_udp(packet, self.ip_len);
        }
    }

    /// As [`Template::emit`], for a packet into which a card puts ESP behind the IP header, and UDP if there is any: `next`
    /// follows until then.
    #[inline]
    pub(crate) fn emit_bare(&self, packet: &mut [u8], inner: Copied, ident: u16, next: u8) {
        let total = packet.len();
        let dscp_ecn = self.dscp_ecn(inner.dscp_ecn);
        if self.ip_len == ipv6::HEADER {
            let Some(front) = packet.first_chunk_mut::<{ ipv6::HEADER }>() else { return };
            front.copy_from_slice(&self.bytes[..ipv6::HEADER]);
            front[0] |= dscp_ecn >> 4;
            front[1] |= dscp_ecn << 4;
            put(front, ipv6::PAYLOAD_LENGTH, ((total - ipv6::HEADER) as u16).to_be_bytes());
            front[ipv6::NEXT_HEADER] = next;
            return;
        }
        //= rfc4301#8.1
        let df = match self.options.df {
            Df::Copy => inner.dont_fragment,
            Df::Set => true,
            Df::Clear => false,
        };
        let flags = if df { ipv4::DF } else { 0 };
        let Some(front) = packet.first_chunk_mut::<{ ipv4::HEADER }>() else { return };
        front.copy_from_slice(&self.bytes[..ipv4::HEADER]);
        front[ipv4::TOS] = dscp_ecn;
        front[ipv4::PROTOCOL] = next;
        put(front, ipv4::TOTAL_LENGTH, (total as u16).to_be_bytes());
        put(front, ipv4::IDENT, ident.to_be_bytes());
        put(front, ipv4::FLAGS, flags.to_be_bytes());
        // Those that change are added to the sum of the others; carries come back in twice at most.
        let sum = self.sum
            + u32::from(total as u16)
            + u32::from(ident)
            + u32::from(flags)
            + u32::from(dscp_ecn)
            + u32::from(next);
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = (sum & 0xffff) + (sum >> 16);
        put(front, ipv4::CHECKSUM, (!(sum as u16)).to_be_bytes());
    }

    //= rfc6040#4.1
    #[inline]
    fn dscp_ecn(&self, inner: u8) -> u8 {
        if self.options.dscp == Dscp::Copy && self.options.ecn == Ecn::Normal {
            return inner;
        }
        let dscp = match self.options.dscp {
            Dscp::Copy => inner & !ecn::MASK,
            Dscp::Set(value) => value << 2,
        };
        match self.options.ecn {
            Ecn::Normal => dscp | inner & ecn::MASK,
            Ecn::Compatibility => dscp,
        }
    }
}

/// Writes length and checksum of the UDP header at `at`, which runs to the end of the IP packet.
pub(crate) fn finish_udp(packet: &mut [u8], at: usize) {
    let length = packet.len().saturating_sub(at) as u16;
    put(packet, at + udp::LENGTH, length.to_be_bytes());
    //= rfc3948#2.1
    put(packet, at + udp::CHECKSUM, [0; 2]);
    if packet.first().is_some_and(|byte| byte >> 4 == 6) {
        //= rfc8200#8.1
        let sum = pseudo_sum_v6(packet, proto::UDP, length.into());
        let sum = sum.with(packet.get(at..).unwrap_or_default()).finish();
        // Zero would say "none" (RFC 768); its other form says the same number.
        put(packet, at + udp::CHECKSUM, if sum == [0; 2] { [0xff; 2] } else { sum });
    }
}

/// The sum of the pseudo-header of `packet`, an IPv6 packet.
fn pseudo_sum_v6(packet: &[u8], next: u8, length: u32) -> Sum {
    let addresses = packet.get(ipv6::SRC..ipv6::HEADER).unwrap_or_default();
    Sum::new().with(addresses).with(&length.to_be_bytes()).with_u16(next.into())
}

/// What decapsulation makes of an ECN field; nothing where the packet must be dropped.
//= rfc6040#4.2
pub(crate) fn decapsulate_ecn(inner: u8, outer: u8) -> Option<u8> {
    match (inner & ecn::MASK, outer & ecn::MASK) {
        (ecn::NOT_ECT, ecn::CE) => None,
        (ecn::NOT_ECT, _) => Some(ecn::NOT_ECT),
        (_, ecn::CE) => Some(ecn::CE),
        (ecn::ECT_0, ecn::ECT_1) => Some(ecn::ECT_1),
        (inner, _) => Some(inner),
    }
}

/// Replaces the ECN field of the IP packet, whose header has been found sound, keeping its IPv4 header
/// checksum right.
pub(crate) fn set_ecn(packet: &mut [u8], field: u8) {
    match packet {
        [first, class, ..] if *first >> 4 == 6 => *class = *class & !(ecn::MASK << 4) | field << 4,
        [first, tos, ..] => {
            let old = u16::from_be_bytes([*first, *tos]);
            *tos = *tos & !ecn::MASK | field;
            let new = u16::from_be_bytes([*first, *tos]);
            if let Some(sum) = be16(packet, ipv4::CHECKSUM) {
                let sum = net::checksum::adjust(sum, old, new);
                put(packet, ipv4::CHECKSUM, sum.to_be_bytes());
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
