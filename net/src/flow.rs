//! What a policy asks about an IP packet: addresses, protocol, ports; and what the forwarding path asks
//! about its header. One pass over the header (RFC 791 3.1, RFC 8200 3), total for any bytes.
//!
//! Fragments show no ports, not even the first: all fragments of a datagram must meet the same policy
//! (RFC 4301 7). Leaves out jumbograms (RFC 2675), and looks into neither ESP nor AH, which
//! count as the next-layer protocol.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::cause::Cause;
use crate::checksum;
use crate::extension::{self, Chain};
use crate::ip::{array, be16, ipv4, ipv6, proto};

/// The selectors of one packet (RFC 4301 4.4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// The protocol behind the IP header and its extension headers. In a non-first IPv6 fragment, what
    /// its fragment header names, which may be another extension header.
    pub proto: u8,
    /// Ports, or what the protocol has in their place.
    pub ports: Ports,
}

/// Ports of a flow, in host order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ports {
    /// TCP, UDP, SCTP, DCCP, UDP-Lite.
    Ports {
        /// Source port.
        src: u16,
        /// Destination port.
        dst: u16,
    },
    /// ICMP and ICMPv6.
    Icmp {
        /// Message type.
        kind: u8,
        /// Message code.
        code: u8,
    },
    /// The protocol has none.
    None,
    /// The protocol has them, but this packet does not show them: a fragment, or cut off.
    Opaque,
}

/// A packet's place in its fragmented datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fragment {
    /// Identification of the datagram; 16 bits in IPv4.
    pub ident: u32,
    /// Where this fragment's payload belongs, in bytes.
    pub offset: u16,
    /// Whether more fragments follow.
    pub more: bool,
}

/// The header of a packet that was found sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parsed {
    /// Addresses, protocol, ports.
    pub flow: Flow,
    /// Bytes before the payload: the IPv4 header with options, or the IPv6 header with its extension
    /// headers. `flow.proto` starts here (in a fragment: the piece of it).
    pub header_len: usize,
    /// Bytes of the packet as its header says; never more than were given.
    pub total_len: usize,
    /// The whole TOS or Traffic Class byte: DSCP in the upper six bits, ECN in the lower two.
    pub dscp_ecn: u8,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// Present on every fragment, the first included. An IPv6 "atomic" fragment (offset zero, nothing
    /// follows; RFC 6946) is one too.
    pub fragment: Option<Fragment>,
    /// The DF bit; always true for IPv6, which routers never fragment.
    pub dont_fragment: bool,
}

/// Why bytes are not an IP packet that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// Fewer bytes than a header.
    Short,
    /// Neither version 4 nor 6.
    Version(u8),
    /// IPv4 header length in bytes, below 20 or beyond the total length.
    HeaderLength(usize),
    /// The header says `claimed` bytes, which is less than itself or more than the `present` ones.
    TotalLength {
        /// Bytes by the header.
        claimed: usize,
        /// Bytes given.
        present: usize,
    },
    /// Wrong IPv4 header checksum.
    Checksum,
    /// IPv6 extension header of this type truncated, misplaced, or one too many.
    Extension(u8),
    /// Routing header type 0 (RFC 5095).
    SourceRoute,
    /// Fragment whose payload of this many bytes is empty or, not being the last, no multiple of eight.
    FragmentLength(usize),
    /// Fragment that ends at this byte, beyond 65,535.
    FragmentBeyond(usize),
    /// First fragment of this protocol without the whole transport header.
    FragmentTiny(u8),
}

impl From<Malformed> for Cause {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::Short => Self::IpShort,
            Malformed::Version(_) => Self::IpVersion,
            Malformed::HeaderLength(_) => Self::IpHeaderLength,
            Malformed::TotalLength { .. } => Self::IpTotalLength,
            Malformed::Checksum => Self::IpChecksum,
            Malformed::Extension(_) => Self::ExtensionHeaders,
            Malformed::SourceRoute => Self::SourceRoute,
            Malformed::FragmentLength(_) => Self::FragmentLength,
            Malformed::FragmentBeyond(_) => Self::FragmentBeyond,
            Malformed::FragmentTiny(_) => Self::FragmentTiny,
        }
    }
}

impl Flow {
    /// Reads the packet that starts at the first byte; bytes behind its total length are ignored.
    /// Verifies everything that the header alone decides, the IPv4 header checksum included.
    #[inline]
    pub fn parse(packet: &[u8]) -> Result<Parsed, Malformed> {
        match packet.first().map(|byte| byte >> 4) {
            Some(4) => parse_v4(packet),
            Some(6) => parse_v6(packet),
            Some(version) => Err(Malformed::Version(version)),
            None => Err(Malformed::Short),
        }
    }

    /// The flow of the answers: addresses and ports exchanged, ICMP type and code as they are.
    #[must_use]
    pub fn reversed(self) -> Self {
        let ports = match self.ports {
            Ports::Ports { src, dst } => Ports::Ports { src: dst, dst: src },
            other => other,
        };
        Self { src: self.dst, dst: self.src, proto: self.proto, ports }
    }
}

fn parse_v4(packet: &[u8]) -> Result<Parsed, Malformed> {
    let header: &[u8; ipv4::HEADER] = packet.first_chunk().ok_or(Malformed::Short)?;
    let header_len = usize::from(header[ipv4::VERSION_IHL] & 0x0f) * 4;
    let field = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let total_len = usize::from(field(ipv4::TOTAL_LENGTH));
    if header_len < ipv4::HEADER {
        return Err(Malformed::HeaderLength(header_len));
    }
    if total_len > packet.len() || total_len < ipv4::HEADER {
        return Err(Malformed::TotalLength { claimed: total_len, present: packet.len() });
    }
    let packet = &packet[..total_len];
    //= rfc1812#5.2.2
    let whole = packet.get(..header_len).ok_or(Malformed::HeaderLength(header_len))?;
    if !checksum::is_valid(whole) {
        return Err(Malformed::Checksum);
    }
    let payload = &packet[header_len..];
    let protocol = header[ipv4::PROTOCOL];
    let flags = field(ipv4::FLAGS);
    let offset = (flags & ipv4::OFFSET_MASK) * 8;
    let more = flags & ipv4::MF != 0;
    let fragment = if more || offset != 0 {
        check_fragment(header_len, payload, protocol, offset, more)?;
        Some(Fragment { ident: u32::from(field(ipv4::IDENT)), offset, more })
    } else {
        None
    };
    let address = |at: usize| Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]);
    let flow = Flow {
        src: IpAddr::V4(address(ipv4::SRC)),
        dst: IpAddr::V4(address(ipv4::DST)),
        proto: protocol,
        ports: ports(protocol, proto::ICMP, fragment.is_none().then_some(payload)),
    };
    Ok(Parsed {
        flow,
        header_len,
        total_len,
        dscp_ecn: header[ipv4::TOS],
        hop_limit: header[ipv4::TTL],
        fragment,
        dont_fragment: flags & ipv4::DF != 0,
    })
}

fn parse_v6(packet: &[u8]) -> Result<Parsed, Malformed> {
    let header: &[u8; ipv6::HEADER] = packet.first_chunk().ok_or(Malformed::Short)?;
    let payload_len = u16::from_be_bytes([header[ipv6::PAYLOAD_LENGTH], header[ipv6::PAYLOAD_LENGTH + 1]]);
    let total_len = ipv6::HEADER + usize::from(payload_len);
    if total_len > packet.len() {
        return Err(Malformed::TotalLength { claimed: total_len, present: packet.len() });
    }
    let packet = &packet[..total_len];
    let chain = match header[ipv6::NEXT_HEADER] {
        // The common case has no extension header.
        next @ (proto::TCP | proto::UDP | proto::ESP | proto::ICMPV6) => Chain::bare(next),
        next => extension::walk(packet, next)?,
    };
    let payload = packet.get(chain.end..).ok_or(Malformed::Extension(chain.proto))?;
    let fragment = chain.fragment.map(|header| header.fragment);
    if let (Some(fragment), Some(place)) = (fragment, chain.fragment) {
        // Offsets count from behind the fragment header, where the rest of the chain may stand.
        let fragmentable = packet.get(place.at + ipv6::FRAGMENT_HEADER..).unwrap_or(&[]);
        let end = usize::from(fragment.offset) + fragmentable.len();
        let odd = fragment.more && !fragmentable.len().is_multiple_of(8);
        let empty = fragmentable.is_empty() && (fragment.more || fragment.offset != 0);
        if odd || empty {
            return Err(Malformed::FragmentLength(fragmentable.len()));
        }
        if place.at - ipv6::HEADER + end > usize::from(u16::MAX) {
            return Err(Malformed::FragmentBeyond(end));
        }
        if fragment.offset == 0 && fragment.more && payload.len() < least_first(chain.proto) {
            return Err(Malformed::FragmentTiny(chain.proto));
        }
    }
    // An atomic fragment is a whole packet.
    let shows_ports = fragment.is_none_or(|f| f.offset == 0 && !f.more);
    let class_hi = header[ipv6::VERSION_CLASS_FLOW] << 4;
    let class_lo = header[ipv6::VERSION_CLASS_FLOW + 1] >> 4;
    let flow = Flow {
        src: IpAddr::V6(address6(header, ipv6::SRC)),
        dst: IpAddr::V6(address6(header, ipv6::DST)),
        proto: chain.proto,
        ports: ports(chain.proto, proto::ICMPV6, shows_ports.then_some(payload)),
    };
    Ok(Parsed {
        flow,
        header_len: chain.end,
        total_len,
        dscp_ecn: class_hi | class_lo,
        hop_limit: header[ipv6::HOP_LIMIT],
        fragment,
        dont_fragment: true,
    })
}

fn address6(header: &[u8; ipv6::HEADER], at: usize) -> Ipv6Addr {
    // Both offsets lie inside the fixed header; the array says so, the fallback is never taken.
    Ipv6Addr::from(array::<16>(header, at).unwrap_or_default())
}

/// What IPv4 fragments must satisfy on their own.
fn check_fragment(
    header_len: usize,
    payload: &[u8],
    protocol: u8,
    offset: u16,
    more: bool,
) -> Result<(), Malformed> {
    let end = usize::from(offset) + payload.len();
    let odd = more && !payload.len().is_multiple_of(8);
    if odd || payload.is_empty() {
        return Err(Malformed::FragmentLength(payload.len()));
    }
    if header_len + end > usize::from(u16::MAX) {
        return Err(Malformed::FragmentBeyond(end));
    }
    //= rfc1858#3.2
    // With offset 8 (in bytes) a TCP fragment overlays the flags of a header cut short (RFC 3128).
    let beside = protocol == proto::TCP && offset == 8;
    if beside || (offset == 0 && payload.len() < least_first(protocol)) {
        return Err(Malformed::FragmentTiny(protocol));
    }
    Ok(())
}

/// Bytes of payload that the first fragment of a datagram must hold.
fn least_first(protocol: u8) -> usize {
    match protocol {
        proto::TCP => 20,
        proto::UDP | proto::UDP_LITE | proto::ICMP | proto::ICMPV6 | proto::ESP => 8,
        proto::SCTP | proto::DCCP => 12,
        _ => 0,
    }
}

fn ports(protocol: u8, icmp: u8, payload: Option<&[u8]>) -> Ports {
    let pair = |at: usize| payload.and_then(|payload| be16(payload, at));
    match protocol {
        proto::TCP | proto::UDP | proto::UDP_LITE | proto::SCTP | proto::DCCP => match (pair(0), pair(2)) {
            (Some(src), Some(dst)) => Ports::Ports { src, dst },
            _ => Ports::Opaque,
        },
        _ if protocol == icmp => match pair(0) {
            Some(both) => {
                let [kind, code] = both.to_be_bytes();
                Ports::Icmp { kind, code }
            }
            None => Ports::Opaque,
        },
        // What a non-first IPv6 fragment names may hide any protocol.
        proto::HOP_BY_HOP | proto::ROUTING | proto::DEST_OPTIONS if payload.is_none() => Ports::Opaque,
        _ => Ports::None,
    }
}

#[cfg(test)]
mod tests;
