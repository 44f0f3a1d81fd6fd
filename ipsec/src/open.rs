//! Inbound ESP, in place (RFC 4303 section 3.4, RFC 4301 section 5.2).
//!
//! 1. Find ESP behind the outer headers, UDP included ([`locate`]).
//! 2. SPI → SA; sequence number → replay check, which changes nothing.
//! 3. Verify and decrypt; only then move the window and count the packet.
//! 4. Trailer: dummy packets, padding, next header against mode.
//! 5. Strip: in tunnel mode the outer headers (and their ECN mark goes inside), in transport mode ESP
//!    from between the IP header and its payload.
//! 6. Parse what came out and compare it with the SA's selectors.

use net::flow::{Flow, Parsed};
use net::ip::{be16, be32, proto, udp};
use net::{Instant, Packet};

use crate::cause::Cause;
use crate::headers::{self, Ip};
use crate::outer;
use crate::sa::Spi;
use crate::selector::{Match, Selector};
use crate::state::{Half, Opener, Sa};
use crate::wire::{Encapsulated, ecn, esp};

/// Where ESP is in an outer packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Located {
    pub(crate) spi: Spi,
    /// Lower half of the sequence number.
    pub(crate) sequence: u32,
    /// TOS or Traffic Class of the outer header.
    dscp_ecn: u8,
    /// Bytes of IP headers in front of ESP or UDP.
    ip_len: usize,
    /// The byte that announces ESP or UDP.
    announced_at: usize,
    /// First byte of ESP.
    at: usize,
    /// Behind its last byte.
    end: usize,
    /// Source port of the UDP encapsulation.
    source_port: Option<u16>,
}

/// Step 1. Believes no length that the bytes do not bear out.
pub(crate) fn locate(packet: &[u8]) -> Result<Located, Cause> {
    let ip = Ip::parse(packet).ok_or(Cause::OuterMalformed)?;
    let packet = packet.get(..ip.total_len).ok_or(Cause::Truncated)?;
    let place = headers::payload(packet)?;
    let payload = packet.get(place.at..).ok_or(Cause::Truncated)?;
    let (at, end, source_port) = match place.next {
        proto::ESP => (place.at, packet.len(), None),
        proto::UDP => {
            let source = be16(payload, udp::SRC).ok_or(Cause::Truncated)?;
            let length = usize::from(be16(payload, udp::LENGTH).ok_or(Cause::Truncated)?);
            let datagram = payload.get(udp::HEADER..length).ok_or(Cause::Truncated)?;
            match Encapsulated::of(datagram) {
                Encapsulated::Keepalive => return Err(Cause::Keepalive),
                Encapsulated::Ike => return Err(Cause::NonEspMarker),
                Encapsulated::Short => return Err(Cause::Truncated),
                Encapsulated::Esp => {}
            }
            (place.at + udp::HEADER, place.at + length, Some(source))
        }
        _ => return Err(Cause::NotEsp),
    };
    let esp = packet.get(at..end).filter(|esp| esp.len() >= esp::MIN).ok_or(Cause::Truncated)?;
    //= rfc4303#2.4
    if !(esp.len() - esp::HEADER - esp::ICV).is_multiple_of(esp::ALIGN) {
        return Err(Cause::Misaligned);
    }
    Ok(Located {
        spi: Spi(be32(esp, esp::SPI).ok_or(Cause::Truncated)?),
        sequence: be32(esp, esp::SEQUENCE).ok_or(Cause::Truncated)?,
        dscp_ecn: ip.dscp_ecn,
        ip_len: place.at,
        announced_at: place.announced_at,
        at,
        end,
        source_port,
    })
}

/// What is known of a packet beyond its verdict.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Found {
    /// The full sequence number, once it is known.
    pub(crate) sequence: Option<u64>,
    /// There is something to tell about the SA.
    pub(crate) told: bool,
}

/// Steps 2 to 6 on the SA that the SPI named. On failure the packet is to be dropped; its bytes may have
/// changed.
pub(crate) fn open(
    sa: &mut Sa,
    now: Instant,
    packet: &mut Packet,
    located: &Located,
    found: &mut Found,
) -> Result<Parsed, Cause> {
    let Half::In(inbound) = &mut sa.half else { return Err(Cause::WrongDirection) };
    if sa.lost {
        return Err(Cause::Lost);
    }
    let Opener::Software(key, window) = &mut inbound.opener else { return Err(Cause::NotByCard) };
    if let Err(cause) = sa.meter.allow(now, 0) {
        found.told = true;
        return Err(cause);
    }
    //= rfc4303#3.4.3
    let sequence = if sa.esn { window.extend(located.sequence)? } else { located.sequence.into() };
    found.sequence = Some(sequence);
    window.check(sequence)?;
    let esp = packet.bytes_mut().get_mut(located.at..located.end).ok_or(Cause::Truncated)?;
    key.open(esp, sequence)?;
    let newest = window.commit(sequence);
    if let (true, Some(port), Some(encap)) = (newest, located.source_port, sa.encap) {
        let place = headers::addresses(packet.bytes()).map(|(source, _)| (source, port));
        if place != Some((sa.mode.remote(), encap.remote_port)) && place != inbound.told {
            inbound.moved = place;
            found.told = true;
        }
    }
    let at = located.at + esp::HEADER;
    let text = packet.bytes().get(at..located.end - esp::ICV).ok_or(Cause::Truncated)?;
    let (rest, &[pad, next]) = text.split_last_chunk::<{ esp::TRAILER }>().ok_or(Cause::Truncated)?;
    let length = rest.len().checked_sub(pad.into());
    let kept = if sa.mode.is_tunnel() { 0 } else { located.ip_len };
    found.told |= sa.meter.count(now, 1, kept + length.unwrap_or(0));
    //= rfc4303#2.6
    if next == proto::NO_NEXT {
        return Err(Cause::Dummy);
    }
    let length = length.ok_or(Cause::BadPadding)?;
    //= rfc4303#2.4
    if rest.get(length..) != esp::PADDING.get(..pad.into()) {
        return Err(Cause::BadPadding);
    }
    let payload = Payload { at, length, next };
    let parsed = if sa.mode.is_tunnel() {
        tunnel(packet, located.dscp_ecn, &payload)?
    } else {
        transport(packet, located, &payload)?
    };
    check_selectors(&sa.selectors, &parsed.flow)?;
    // What a device has verified was about the outer packet.
    (packet.meta.checksum_ok, packet.meta.inner_ok) = (false, false);
    Ok(parsed)
}

/// What is left to do to a packet that the card of the SA has verified and opened, and whose ESP headers and trailer it has
/// taken off: the rest of step 5, and step 6. On failure the packet is to be dropped.
pub(crate) fn finish(
    sa: &mut Sa,
    now: Instant,
    packet: &mut Packet,
    found: &mut Found,
) -> Result<Parsed, Cause> {
    let Half::In(inbound) = &mut sa.half else { return Err(Cause::WrongDirection) };
    if sa.lost {
        return Err(Cause::Lost);
    }
    if matches!(inbound.opener, Opener::Software(..)) {
        return Err(Cause::NotByCard);
    }
    let ip = Ip::parse(packet.bytes()).ok_or(Cause::OuterMalformed)?;
    // What is behind has filled the frame.
    if !packet.truncate(ip.total_len) {
        return Err(Cause::Truncated);
    }
    if let Err(cause) = sa.meter.allow(now, 0) {
        found.told = true;
        return Err(cause);
    }
    if let (Some(encap), Some((source, _))) = (sa.encap, headers::addresses(packet.bytes())) {
        let place = Some((source, encap.remote_port));
        if source != sa.mode.remote() && place != inbound.told {
            inbound.moved = place;
            found.told = true;
        }
    }
    let place = headers::payload_of(&ip, packet.bytes())?;
    let length = packet.len() - place.at;
    found.told |= sa.meter.count(now, 1, if sa.mode.is_tunnel() { length } else { packet.len() });
    //= rfc4303#2.6
    if place.next == proto::NO_NEXT {
        return Err(Cause::Dummy);
    }
    let parsed = if sa.mode.is_tunnel() {
        let payload = Payload { at: place.at, length, next: place.next };
        let parsed = tunnel(packet, ip.dscp_ecn, &payload)?;
        packet.meta.checksum_ok = packet.meta.inner_ok;
        parsed
    } else {
        if matches!(place.next, proto::IPV4 | proto::IPV6) {
            return Err(Cause::WrongMode);
        }
        let parsed = Flow::parse(packet.bytes()).map_err(|_| Cause::InnerMalformed)?;
        if parsed.fragment.is_some() {
            return Err(Cause::TransportFragment);
        }
        if sa.encap.is_some() {
            headers::recompute_checksum(packet.bytes_mut(), parsed.header_len, parsed.flow.proto);
        }
        parsed
    };
    check_selectors(&sa.selectors, &parsed.flow)?;
    Ok(parsed)
}

/// A decrypted payload in its packet.
struct Payload {
    at: usize,
    length: usize,
    next: u8,
}

/// Cuts the packet down to the inner packet.
fn tunnel(packet: &mut Packet, outer: u8, payload: &Payload) -> Result<Parsed, Cause> {
    let version = match payload.next {
        proto::IPV4 => 4,
        proto::IPV6 => 6,
        _ => return Err(Cause::WrongMode),
    };
    if !(packet.pull(payload.at) && packet.truncate(payload.length)) {
        return Err(Cause::Truncated);
    }
    if packet.bytes().first().is_some_and(|first| first >> 4 != version) {
        return Err(Cause::WrongNextHeader);
    }
    let mut parsed = Flow::parse(packet.bytes()).map_err(|_| Cause::InnerMalformed)?;
    // Whatever stands behind the inner packet is padding against traffic analysis.
    //= rfc4303#2.7
    if !packet.truncate(parsed.total_len) {
        return Err(Cause::InnerMalformed);
    }
    let before = parsed.dscp_ecn & ecn::MASK;
    let after = outer::decapsulate_ecn(before, outer).ok_or(Cause::EcnInvalid)?;
    if after != before {
        outer::set_ecn(packet.bytes_mut(), after);
        parsed.dscp_ecn = parsed.dscp_ecn & !ecn::MASK | after;
    }
    Ok(parsed)
}

/// Closes the gap between the IP header and the payload.
fn transport(packet: &mut Packet, located: &Located, payload: &Payload) -> Result<Parsed, Cause> {
    if matches!(payload.next, proto::IPV4 | proto::IPV6) {
        return Err(Cause::WrongMode);
    }
    let gap = payload.at - located.ip_len;
    packet.bytes_mut().copy_within(..located.ip_len, gap);
    if !(packet.pull(gap) && packet.truncate(located.ip_len + payload.length)) {
        return Err(Cause::Truncated);
    }
    headers::repair(packet.bytes_mut(), located.announced_at, payload.next);
    let parsed = Flow::parse(packet.bytes()).map_err(|_| Cause::InnerMalformed)?;
    if parsed.fragment.is_some() {
        return Err(Cause::TransportFragment);
    }
    if located.source_port.is_some() {
        headers::recompute_checksum(packet.bytes_mut(), parsed.header_len, parsed.flow.proto);
    }
    Ok(parsed)
}

//= rfc4301#5.2
fn check_selectors(selectors: &[Selector], inner: &Flow) -> Result<(), Cause> {
    let mut verdict = Cause::SelectorMismatch;
    for selector in selectors {
        match selector.matches_inbound(inner) {
            Match::Yes => return Ok(()),
            //= rfc4301#7.3
            Match::Unknown => verdict = Cause::FragmentUnmatched,
            Match::No => {}
        }
    }
    Err(verdict)
}

#[cfg(test)]
mod tests;
