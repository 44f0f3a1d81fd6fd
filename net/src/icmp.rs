//! ICMP (RFC 792, 1812 4.3) and ICMPv6 (RFC 4443): when an error is allowed, what it quotes, how it is built;
//! echo replies; reading errors about our own packets. Leaves out redirects, source quench, timestamps
//! and extended messages (RFC 4884).

use core::net::IpAddr;

use crate::address;
use crate::checksum::Sum;
use crate::extension;
use crate::flow::Parsed;
use crate::ip::{array, be16, be32, ipv4, ipv6, proto};
use crate::packet::Packet;
use crate::time::Instant;
use crate::verdict::{ErrorKind, IcmpError, Unreachable};

/// Length of the fixed part of every message, in bytes.
pub(crate) const HEADER: usize = 8;
const CHECKSUM: usize = 2;
/// The four bytes whose meaning depends on the type: MTU, pointer, identifier and sequence number.
const REST: usize = 4;
/// Hop limit of what we send.
pub(crate) const HOP_LIMIT: u8 = 64;
/// Precedence "internetwork control" (RFC 1812 4.3.2.5).
const TOS_ERROR: u8 = 0xc0;
/// Longest ICMP error over IPv4, in bytes, IP header included (RFC 1812 4.3.2.3).
const ERROR_MAX_V4: usize = 576;
/// Longest ICMP error over IPv6 (RFC 4443 2.4(c)).
const ERROR_MAX_V6: usize = ipv6::MIN_MTU as usize;

/// Message types of ICMP.
mod v4 {
    pub(super) const ECHO_REPLY: u8 = 0;
    pub(super) const UNREACHABLE: u8 = 3;
    pub(super) const SOURCE_QUENCH: u8 = 4;
    pub(super) const REDIRECT: u8 = 5;
    pub(super) const ECHO: u8 = 8;
    pub(super) const TIME_EXCEEDED: u8 = 11;
    pub(super) const PARAMETER_PROBLEM: u8 = 12;
    /// Code of [`UNREACHABLE`]: fragmentation needed and DF set.
    pub(super) const NEEDS_FRAGMENTATION: u8 = 4;
}

/// Message types of ICMPv6.
mod v6 {
    pub(super) const UNREACHABLE: u8 = 1;
    pub(super) const TOO_BIG: u8 = 2;
    pub(super) const TIME_EXCEEDED: u8 = 3;
    pub(super) const PARAMETER_PROBLEM: u8 = 4;
    pub(super) const ECHO: u8 = 128;
    pub(super) const ECHO_REPLY: u8 = 129;
    pub(super) const REDIRECT: u8 = 137;
    /// Types below are errors.
    pub(super) const INFORMATIONAL: u8 = 128;
}

/// What we may have to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Report {
    TooBig(u16),
    Unreachable(Unreachable),
    HopLimit,
    ReassemblyTime,
}

impl Report {
    /// Type, code, and the four bytes behind the checksum.
    fn header(self, packet: &[u8]) -> (u8, u8, u32) {
        let is_v4 = packet.first().is_some_and(|byte| byte >> 4 == 4);
        if is_v4 {
            match self {
                Self::TooBig(mtu) => (v4::UNREACHABLE, v4::NEEDS_FRAGMENTATION, u32::from(mtu)),
                Self::Unreachable(why) => {
                    let code = match why {
                        Unreachable::NoRoute => 0,
                        Unreachable::Host => 1,
                        Unreachable::Protocol => 2,
                        Unreachable::Port => 3,
                        Unreachable::Prohibited => 13,
                    };
                    (v4::UNREACHABLE, code, 0)
                }
                Self::HopLimit => (v4::TIME_EXCEEDED, 0, 0),
                Self::ReassemblyTime => (v4::TIME_EXCEEDED, 1, 0),
            }
        } else {
            match self {
                // A link below the minimum must cope by itself (RFC 8200 5).
                Self::TooBig(mtu) => (v6::TOO_BIG, 0, u32::from(mtu.max(ipv6::MIN_MTU))),
                Self::Unreachable(Unreachable::Protocol) => {
                    let next = packet.get(ipv6::NEXT_HEADER).copied().unwrap_or(proto::NO_NEXT);
                    let pointer = extension::walk(packet, next).map_or(0, |chain| chain.announced_at);
                    (v6::PARAMETER_PROBLEM, 1, pointer as u32)
                }
                Self::Unreachable(why) => {
                    let code = match why {
                        Unreachable::NoRoute | Unreachable::Protocol => 0,
                        Unreachable::Prohibited => 1,
                        Unreachable::Host => 3,
                        Unreachable::Port => 4,
                    };
                    (v6::UNREACHABLE, code, 0)
                }
                Self::HopLimit => (v6::TIME_EXCEEDED, 0, 0),
                Self::ReassemblyTime => (v6::TIME_EXCEEDED, 1, 0),
            }
        }
    }
}

/// Whether an error about the packet is allowed by its own header. Broadcast and multicast by link
/// or subnet are the caller's to exclude.
pub(crate) fn may_report(packet: &[u8], parsed: &Parsed) -> bool {
    //= rfc1812#4.3.2.7
    //= rfc4443#2.4
    let flow = &parsed.flow;
    let is_first = parsed.fragment.is_none_or(|fragment| fragment.offset == 0);
    let kind = packet.get(parsed.header_len).copied();
    let is_error = match (flow.src, flow.proto) {
        (IpAddr::V4(_), proto::ICMP) => kind.is_none_or(|kind| {
            let errors = [v4::UNREACHABLE, v4::SOURCE_QUENCH, v4::REDIRECT, v4::TIME_EXCEEDED];
            errors.contains(&kind) || kind == v4::PARAMETER_PROBLEM
        }),
        (IpAddr::V6(_), proto::ICMPV6) => {
            kind.is_none_or(|kind| kind < v6::INFORMATIONAL || kind == v6::REDIRECT)
        }
        _ => false,
    };
    let to_one = address::is_destination(flow.dst)
        && !flow.dst.is_multicast()
        && flow.dst != IpAddr::V4(core::net::Ipv4Addr::BROADCAST);
    is_first && !is_error && to_one && address::is_source(flow.src)
}

/// Writes the error about `quoted` into the empty packet `out`: from `src` to the sender of `quoted`.
/// `None` if `out` is too small.
pub(crate) fn emit_error(
    out: &mut Packet,
    report: Report,
    quoted: &[u8],
    src: IpAddr,
    dst: IpAddr,
    ident: u16,
) -> Option<()> {
    let (max, ip_header) = match src {
        IpAddr::V4(_) => (ERROR_MAX_V4, ipv4::HEADER),
        IpAddr::V6(_) => (ERROR_MAX_V6, ipv6::HEADER),
    };
    let quote = &quoted[..quoted.len().min(max - ip_header - HEADER)];
    let (kind, code, rest) = report.header(quoted);
    let message = out.append(HEADER + quote.len())?;
    let (header, body) = message.split_at_mut(HEADER);
    header[0] = kind;
    header[1] = code;
    header[CHECKSUM..REST].fill(0);
    header[REST..].copy_from_slice(&rest.to_be_bytes());
    body.copy_from_slice(quote);
    finish(out, src, dst, TOS_ERROR, HOP_LIMIT, ident)
}

/// Sets the checksum of the ICMP message that `packet` is, and puts an IP header in front.
pub(crate) fn finish(
    packet: &mut Packet,
    src: IpAddr,
    dst: IpAddr,
    tos: u8,
    hop_limit: u8,
    ident: u16,
) -> Option<()> {
    let length = u16::try_from(packet.len()).ok()?;
    let bytes = packet.bytes_mut();
    bytes.get_mut(CHECKSUM..REST)?.fill(0);
    let sum = match src {
        IpAddr::V4(_) => Sum::new(),
        IpAddr::V6(_) => Sum::new().with_pseudo(src, dst, proto::ICMPV6, u32::from(length)),
    };
    let sum = sum.with(bytes).finish();
    bytes.get_mut(CHECKSUM..REST)?.copy_from_slice(&sum);
    crate::ip::push_header(packet, src, dst, tos, hop_limit, ident)
}

/// Whether the checksum of the ICMP message in `packet` is right.
pub(crate) fn is_intact(packet: &[u8], parsed: &Parsed) -> bool {
    let Some(message) = packet.get(parsed.header_len..parsed.total_len) else { return false };
    let sum = match parsed.flow.src {
        IpAddr::V4(_) => Sum::new(),
        IpAddr::V6(_) => {
            Sum::new().with_pseudo(parsed.flow.src, parsed.flow.dst, proto::ICMPV6, message.len() as u32)
        }
    };
    message.len() >= HEADER && sum.with(message).is_valid()
}

/// The reply type, if `kind` is an echo request.
pub(crate) fn echo_reply(src: IpAddr, kind: u8) -> Option<u8> {
    match (src, kind) {
        (IpAddr::V4(_), v4::ECHO) => Some(v4::ECHO_REPLY),
        (IpAddr::V6(_), v6::ECHO) => Some(v6::ECHO_REPLY),
        _ => None,
    }
}

/// Reads an ICMP error; `None` for other messages and where too little of our packet is quoted.
pub(crate) fn parse_error(packet: &[u8], parsed: &Parsed) -> Option<IcmpError> {
    let message = packet.get(parsed.header_len..parsed.total_len)?;
    let [kind, code] = array(message, 0)?;
    let from = parsed.flow.src;
    let kind = match from {
        IpAddr::V4(_) => match (kind, code) {
            (v4::UNREACHABLE, v4::NEEDS_FRAGMENTATION) => ErrorKind::TooBig(be16(message, REST + 2)?),
            (v4::UNREACHABLE, code) => ErrorKind::Unreachable(code),
            (v4::TIME_EXCEEDED, code) => ErrorKind::TimeExceeded(code),
            (v4::PARAMETER_PROBLEM, code) => ErrorKind::ParameterProblem(code),
            _ => return None,
        },
        IpAddr::V6(_) => match kind {
            v6::TOO_BIG => ErrorKind::TooBig(u16::try_from(be32(message, REST)?).unwrap_or(u16::MAX)),
            v6::UNREACHABLE => ErrorKind::Unreachable(code),
            v6::TIME_EXCEEDED => ErrorKind::TimeExceeded(code),
            v6::PARAMETER_PROBLEM => ErrorKind::ParameterProblem(code),
            _ => return None,
        },
    };
    let quote = message.get(HEADER..)?;
    let (quoted_src, quoted_dst, quoted_proto, end) = quoted_header(quote, from)?;
    Some(IcmpError { from, kind, quoted_dst, quoted_src, quoted_proto, quoted: array(quote, end)? })
}

/// The header of a packet that is cut off: source, destination, protocol, where its payload starts.
fn quoted_header(quote: &[u8], family: IpAddr) -> Option<(IpAddr, IpAddr, u8, usize)> {
    let version = quote.first()? >> 4;
    if family.is_ipv4() && version == 4 {
        let end = usize::from(quote.first()? & 0x0f) * 4;
        let is_first = be16(quote, ipv4::FLAGS)? & ipv4::OFFSET_MASK == 0;
        let src = IpAddr::from(array::<4>(quote, ipv4::SRC)?);
        let dst = IpAddr::from(array::<4>(quote, ipv4::DST)?);
        let protocol = *quote.get(ipv4::PROTOCOL)?;
        (is_first && end >= ipv4::HEADER).then_some((src, dst, protocol, end))
    } else if family.is_ipv6() && version == 6 {
        let chain = extension::walk(quote, *quote.get(ipv6::NEXT_HEADER)?).ok()?;
        let is_first = chain.fragment.is_none_or(|header| header.fragment.offset == 0);
        let src = IpAddr::from(array::<16>(quote, ipv6::SRC)?);
        let dst = IpAddr::from(array::<16>(quote, ipv6::DST)?);
        is_first.then_some((src, dst, chain.proto, chain.end))
    } else {
        None
    }
}

/// Limits the rate of errors (RFC 1812 4.3.2.8, RFC 4443 2.4(f)).
#[derive(Debug)]
pub(crate) struct TokenBucket {
    /// In millionths of a token: a microsecond at one token per second brings one.
    level: u64,
    per_second: u64,
    burst: u64,
    last: Instant,
}

impl TokenBucket {
    const TOKEN: u64 = 1_000_000;

    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let burst = u64::from(burst) * Self::TOKEN;
        Self { level: burst, per_second: u64::from(per_second), burst, last: Instant::ZERO }
    }

    /// Takes a token, if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let elapsed = now.0.saturating_sub(self.last.0);
        self.last = self.last.max(now);
        self.level = self.level.saturating_add(elapsed.saturating_mul(self.per_second)).min(self.burst);
        let enough = self.level >= Self::TOKEN;
        if enough {
            self.level -= Self::TOKEN;
        }
        enough
    }
}

#[cfg(test)]
mod tests;
