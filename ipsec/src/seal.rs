//! Outbound ESP, in place (RFC 4303 section 3.3, RFC 4301 section 5.1.2).
//!
//! ```text
//!   tunnel:                       | inner IP packet                     |
//!     | outer IP | UDP? | ESP IV  | inner IP packet | pad len next | ICV |
//!   transport:        | IP header | payload                              |
//!     | IP header | UDP? | ESP IV | payload         | pad len next | ICV |
//! ```
//! 1. Read what the IP header says; refuse what is not one whole IP packet.
//! 2. Compute sizes; refuse what does not fit, before anything has changed.
//! 3. Append padding, trailer and room for the ICV.
//! 4. Push room for the new headers; in transport mode move the IP header to the front.
//! 5. Seal.
//! 6. Write the headers in front of ESP.

use net::ip::{ipv4, ipv6, proto, put, udp};
use net::{Instant, Packet, Parsed};

use crate::aead::SealingKey;
use crate::cause::Cause;
use crate::headers::{self, Ip};
use crate::outer::{self, Copied, Template};
use crate::sa::{Mode, UdpEncap};
use crate::state::{Carded, Half, Meter, Outbound, Sa, Sealer};
use crate::wire::esp;

/// A packet of so many bytes fits behind any outer headers, ESP's included.
const SURELY_FITS: usize = 65_000;

/// Bytes behind a payload of this length.
fn trailer_len(payload: usize) -> usize {
    esp::padding(payload) + esp::TRAILER + esp::ICV
}

/// Step 3. The caller has made sure of the room.
fn append_trailer(packet: &mut Packet, payload: usize, next: u8) -> Result<(), Cause> {
    let pad = esp::padding(payload);
    let trailer = packet.append(trailer_len(payload)).ok_or(Cause::NoRoom)?;
    let (padding, rest) = trailer.split_at_mut_checked(pad).ok_or(Cause::NoRoom)?;
    //= rfc4303#2.4
    padding.copy_from_slice(esp::PADDING.get(..pad).ok_or(Cause::NoRoom)?);
    put(rest, 0, [pad as u8, next]);
    Ok(())
}

fn check_room(packet: &Packet, front: usize, behind: usize) -> Result<(), Cause> {
    let enough = packet.headroom() >= front && packet.tailroom() >= behind;
    if enough { Ok(()) } else { Err(Cause::NoRoom) }
}

/// Turns an IP packet into the ESP packet that protects it. Returns whether there is something to tell
/// about the SA. `ident` is the IPv4 identification of the outer header, or of the first one of a train. On failure the packet is to be
/// dropped; its bytes may have changed.
pub(crate) fn seal(sa: &mut Sa, now: Instant, packet: &mut Packet, ident: u16) -> Result<bool, Cause> {
    let Half::Out(out) = &mut sa.half else { return Err(Cause::WrongDirection) };
    let ip = Ip::parse(packet.bytes()).filter(|ip| ip.total_len == packet.len()).ok_or(Cause::Malformed)?;
    let length = packet.len();
    if sa.lost {
        return Err(Cause::Lost);
    }
    if packet.is_train() && !takes_train(&out.sealer, &sa.meter, now, packet) {
        return Err(Cause::Train);
    }
    sa.meter.allow(now, length)?;
    let key = match &mut out.sealer {
        Sealer::Software(key) => key,
        Sealer::Card(carded) => {
            let (packets, bytes) = (packet.count(), packet.total());
            address_to_card(carded, out.template.as_ref(), &sa.mode, (packet, &ip), ident)?;
            return Ok(sa.meter.count(now, packets, bytes));
        }
    };
    match &out.template {
        Some(template) => tunnel(key, template, packet, &ip, ident)?,
        None => transport(key, &sa.mode, sa.encap, packet)?,
    }
    let last = key.last() == key.limit();
    if last {
        out.exhausted_due = true;
        sa.meter.stop();
    }
    Ok(sa.meter.count(now, 1, length) || last)
}

/// [`seal`] for what most packets are: alone, in tunnel mode by a card, and far from every limit. False if it is something else;
/// then nothing has changed.
#[inline]
pub(crate) fn hand_over(sa: &mut Sa, now: Instant, packet: &mut Packet, parsed: &Parsed, ident: u16) -> bool {
    let Half::Out(Outbound { sealer: Sealer::Card(carded), template: Some(template), .. }) = &sa.half else {
        return false;
    };
    let (length, front) = (packet.len(), template.bare_len());
    let plain = length == parsed.total_len && length <= SURELY_FITS && !packet.is_train();
    if !plain || packet.headroom() < front || !sa.meter.pass(now, length) {
        return false;
    }
    // There is room.
    let _ = packet.push(front);
    let next = if parsed.flow.src.is_ipv6() { proto::IPV6 } else { proto::IPV4 };
    let copied = Copied { dscp_ecn: parsed.dscp_ecn, dont_fragment: parsed.dont_fragment };
    template.emit_bare(packet.bytes_mut(), copied, ident, next);
    packet.meta.sa_out = Some(carded.name.0);
    packet.meta.port = carded.port;
    true
}

/// Whether an SA takes a train: software seals packets one by one, and one by one they are counted near a limit.
pub(crate) fn takes_train(sealer: &Sealer, meter: &Meter, now: Instant, train: &Packet) -> bool {
    matches!(sealer, Sealer::Card(_)) && meter.has_room(now, train.count(), train.total())
}

/// Makes `packet` one that its card turns into ESP on its way out.
fn address_to_card(
    carded: &Carded,
    template: Option<&Template>,
    mode: &Mode,
    (packet, ip): (&mut Packet, &Ip),
    ident: u16,
) -> Result<(), Cause> {
    if let Some(template) = template {
        let front = template.bare_len();
        // The card makes the packet longer, and may not make it too long to say so.
        if !template.fits(template.len() + esp::HEADER + ip.total_len + trailer_len(ip.total_len)) {
            return Err(Cause::NoRoom);
        }
        packet.push(front).ok_or(Cause::NoRoom)?;
        let next = if ip.v6 { proto::IPV6 } else { proto::IPV4 };
        let copied = Copied { dscp_ecn: ip.dscp_ecn, dont_fragment: ip.dont_fragment };
        template.emit_bare(packet.bytes_mut(), copied, ident, next);
    } else {
        if headers::addresses(packet.bytes()) != Some((mode.local(), mode.remote())) {
            return Err(Cause::NotEndpoint);
        }
        let place = headers::payload(packet.bytes()).map_err(|cause| match cause {
            Cause::OuterFragment => Cause::TransportFragment,
            _ => Cause::Malformed,
        })?;
        if place.at != if ip.v6 { ipv6::HEADER } else { ipv4::HEADER } {
            return Err(Cause::CardShape);
        }
        if ip.total_len + udp::HEADER + esp::HEADER + trailer_len(ip.total_len - place.at)
            > usize::from(u16::MAX)
        {
            return Err(Cause::NoRoom);
        }
    }
    packet.meta.sa_out = Some(carded.name.0);
    packet.meta.port = carded.port;
    Ok(())
}

fn tunnel(
    key: &mut SealingKey,
    template: &Template,
    packet: &mut Packet,
    ip: &Ip,
    ident: u16,
) -> Result<(), Cause> {
    let (front, behind) = (template.len() + esp::HEADER, trailer_len(ip.total_len));
    if !template.fits(front + ip.total_len + behind) {
        return Err(Cause::NoRoom);
    }
    check_room(packet, front, behind)?;
    append_trailer(packet, ip.total_len, if ip.v6 { proto::IPV6 } else { proto::IPV4 })?;
    packet.push(front).ok_or(Cause::NoRoom)?;
    let bytes = packet.bytes_mut();
    key.seal(bytes.get_mut(template.len()..).ok_or(Cause::NoRoom)?)?;
    template.emit(bytes, Copied { dscp_ecn: ip.dscp_ecn, dont_fragment: ip.dont_fragment }, ident);
    Ok(())
}

fn transport(
    key: &mut SealingKey,
    mode: &Mode,
    encap: Option<UdpEncap>,
    packet: &mut Packet,
) -> Result<(), Cause> {
    let place = headers::insertion(packet.bytes())?;
    if headers::addresses(packet.bytes()) != Some((mode.local(), mode.remote())) {
        return Err(Cause::NotEndpoint);
    }
    let payload = packet.len() - place.at;
    let udp_len = if encap.is_some() { udp::HEADER } else { 0 };
    let (front, behind) = (udp_len + esp::HEADER, trailer_len(payload));
    if packet.len() + front + behind > usize::from(u16::MAX) {
        return Err(Cause::NoRoom);
    }
    check_room(packet, front, behind)?;
    append_trailer(packet, payload, place.next)?;
    packet.push(front).ok_or(Cause::NoRoom)?;
    let bytes = packet.bytes_mut();
    bytes.copy_within(front..front + place.at, 0);
    key.seal(bytes.get_mut(place.at + udp_len..).ok_or(Cause::NoRoom)?)?;
    let next = if encap.is_some() { proto::UDP } else { proto::ESP };
    headers::repair(bytes, place.announced_at, next);
    if let Some(encap) = encap {
        put(bytes, place.at + udp::SRC, encap.local_port.to_be_bytes());
        put(bytes, place.at + udp::DST, encap.remote_port.to_be_bytes());
        outer::finish_udp(bytes, place.at);
    }
    Ok(())
}

/// The largest IP packet whose ESP packet is at most `mtu` bytes long; zero if there is none.
pub(crate) fn max_inner(sa: &Sa, mtu: u16) -> u16 {
    let udp_len = if sa.encap.is_some() { udp::HEADER } else { 0 };
    let ip = if sa.mode.local().is_ipv4() { net::ip::ipv4::HEADER } else { net::ip::ipv6::HEADER };
    // In transport mode the header stays; options and extension headers in it are multiples of ESP's
    // alignment and change nothing.
    let kept = if sa.mode.is_tunnel() { 0 } else { ip };
    let room = usize::from(mtu).saturating_sub(ip + udp_len + esp::HEADER + esp::ICV);
    let payload = (room - room % esp::ALIGN).checked_sub(esp::TRAILER);
    payload.map_or(0, |payload| (kept + payload) as u16)
}

#[cfg(test)]
mod tests;
