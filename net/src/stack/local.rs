//! Packets to our own addresses: echo, ICMP errors about what we sent, UDP for the caller.

use core::net::{IpAddr, SocketAddr};

use super::Stack;
use crate::cause::Cause;
use crate::checksum::Sum;
use crate::extension;
use crate::flow::{Parsed, Ports};
use crate::icmp;
use crate::ip::{array, be16, ipv6, proto, udp};
use crate::packet::Packet;
use crate::time::Instant;
use crate::verdict::{Local, Udp};

impl Stack {
    /// Handles a packet for which [`Stack::is_local`] holds. It must be whole: fragments go through
    /// [`Stack::reassemble`] first.
    pub fn local(&mut self, _now: Instant, packet: Packet, parsed: &Parsed) -> Local {
        match self.try_local(packet, parsed) {
            Ok(local) => local,
            Err(cause) => Local::Dropped(self.counters.count(cause)),
        }
    }

    fn try_local(&mut self, packet: Packet, parsed: &Parsed) -> Result<Local, Cause> {
        if parsed.flow.dst.is_ipv6() && parsed.header_len > ipv6::HEADER {
            check_extensions(packet.bytes())?;
        }
        let is_icmp = matches!(
            (parsed.flow.dst, parsed.flow.proto),
            (IpAddr::V4(_), proto::ICMP) | (IpAddr::V6(_), proto::ICMPV6)
        );
        // ICMPv6 echo to a group is answered (RFC 4443 4.2), ICMP echo is not (RFC 1122 3.2.2.6).
        let answers_group = is_icmp && parsed.flow.dst.is_ipv6();
        if self.is_group(parsed.flow.dst) && !answers_group {
            return Err(Cause::GroupUnwanted);
        }
        if is_icmp {
            return self.local_icmp(packet, parsed);
        }
        match parsed.flow.proto {
            proto::UDP => {
                let udp = check_udp(&packet, parsed)?;
                Ok(Local::Udp(packet, udp))
            }
            _ => Ok(Local::Other(packet)),
        }
    }

    fn local_icmp(&mut self, packet: Packet, parsed: &Parsed) -> Result<Local, Cause> {
        let Ports::Icmp { kind, code } = parsed.flow.ports else { return Err(Cause::IcmpMalformed) };
        if parsed.total_len < parsed.header_len + icmp::HEADER {
            return Err(Cause::IcmpMalformed);
        }
        if !icmp::is_intact(packet.bytes(), parsed) {
            return Err(Cause::IcmpChecksum);
        }
        if let Some(reply) = icmp::echo_reply(parsed.flow.src, kind)
            && code == 0
        {
            return self.echo(packet, parsed, reply).map(Local::Reply);
        }
        match icmp::parse_error(packet.bytes(), parsed) {
            Some(error) if self.is_own(error.quoted_src) => Ok(Local::Error(error)),
            _ => Err(Cause::IcmpUnhandled),
        }
    }

    /// Turns an echo request into its reply, in place; IP options and extension headers are left off.
    fn echo(&mut self, mut packet: Packet, parsed: &Parsed, kind: u8) -> Result<Packet, Cause> {
        let dst = parsed.flow.src;
        let src = if parsed.flow.dst.is_multicast() {
            self.source_on(packet.meta.port, dst).ok_or(Cause::GroupUnwanted)?
        } else {
            parsed.flow.dst
        };
        if !packet.truncate(parsed.total_len) || !packet.pull(parsed.header_len) {
            return Err(Cause::IcmpMalformed);
        }
        *packet.bytes_mut().first_mut().ok_or(Cause::IcmpMalformed)? = kind;
        packet.meta.checksum_ok = false;
        packet.meta.sa_in = None;
        let ident = self.idents.draw() as u16;
        icmp::finish(&mut packet, src, dst, parsed.dscp_ecn, icmp::HOP_LIMIT, ident)
            .ok_or(Cause::NoHeadroom)?;
        Ok(packet)
    }
}

/// As the destination of the packet: no routing header may have segments left, and no destination option
/// that we do not know may forbid to skip it (RFC 8200 4.2). Left out: the parameter problem messages
/// that some of those would deserve.
fn check_extensions(packet: &[u8]) -> Result<(), Cause> {
    let next = *packet.get(ipv6::NEXT_HEADER).ok_or(Cause::IpShort)?;
    let chain = extension::walk(packet, next)?;
    if chain.segments_left {
        return Err(Cause::ExtensionRefused);
    }
    let (mut kind, mut at) = (next, ipv6::HEADER);
    while at < chain.end {
        let [following, units] = array(packet, at).ok_or(Cause::ExtensionHeaders)?;
        let length = if kind == proto::FRAGMENT { 8 } else { (usize::from(units) + 1) * 8 };
        if matches!(kind, proto::HOP_BY_HOP | proto::DEST_OPTIONS) {
            check_destination_options(packet.get(at + 2..at + length).ok_or(Cause::ExtensionHeaders)?)?;
        }
        kind = following;
        at += length;
    }
    Ok(())
}

fn check_destination_options(mut options: &[u8]) -> Result<(), Cause> {
    const PAD_1: u8 = 0;
    /// The two upper bits of an option's type: what to do who does not know it. Zero is "skip".
    const ACTION: u8 = 0xc0;
    while let Some(&kind) = options.first() {
        let length = match (kind, options.get(1)) {
            (PAD_1, _) => 1,
            (_, Some(&length)) => 2 + usize::from(length),
            (_, None) => return Err(Cause::ExtensionHeaders),
        };
        if kind & ACTION != 0 {
            return Err(Cause::ExtensionRefused);
        }
        options = options.get(length..).ok_or(Cause::ExtensionHeaders)?;
    }
    Ok(())
}

/// Checks length and checksum of the UDP datagram in `packet` (RFC 768; RFC 8200 8.1: over IPv6 the
/// checksum is not optional).
fn check_udp(packet: &Packet, parsed: &Parsed) -> Result<Udp, Cause> {
    let at = parsed.header_len;
    let segment = packet.bytes().get(at..parsed.total_len).ok_or(Cause::UdpMalformed)?;
    let length = usize::from(be16(segment, udp::LENGTH).ok_or(Cause::UdpMalformed)?);
    let datagram = segment.get(..length).filter(|_| length >= udp::HEADER).ok_or(Cause::UdpMalformed)?;
    let Ports::Ports { src, dst } = parsed.flow.ports else { return Err(Cause::UdpMalformed) };
    let checksum = be16(datagram, udp::CHECKSUM).ok_or(Cause::UdpMalformed)?;
    let unprotected = checksum == 0 && parsed.flow.src.is_ipv4();
    if !unprotected && !packet.meta.checksum_ok {
        let pseudo = Sum::new().with_pseudo(parsed.flow.src, parsed.flow.dst, proto::UDP, length as u32);
        if checksum == 0 || !pseudo.with(datagram).is_valid() {
            return Err(Cause::UdpChecksum);
        }
    }
    Ok(Udp {
        src: SocketAddr::new(parsed.flow.src, src),
        dst: SocketAddr::new(parsed.flow.dst, dst),
        payload: at + udp::HEADER..at + length,
    })
}
