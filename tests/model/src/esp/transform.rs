//! ESP packets out of plain ones and back (RFC 4303, sections 2, 3.1 and 3.3 to 3.4), frame to frame.
//!
//! Seal: 1. find the place of ESP (behind IPv4 options; behind hop-by-hop, destination-before-routing, routing and
//! fragment headers of IPv6); 2. headers, IV, payload, padding 1, 2, 3 … to a multiple of 4, next header; 3. encrypt,
//! append the ICV; 4. lengths, protocol and checksums of the headers in front. Open goes back.
//! Left out: padding against traffic analysis, dummy packets on transmit, fragmentation: what is too long is refused.

use super::cipher::{Associated, Cipher, ICV};
use super::form::{Form, Removal};
use crate::packet::bytes::{chunk, cut, put};
use crate::packet::checksum::fill_l3;
use crate::packet::{Esp, Headers, InsertionPoint, Ip, L4, Parser};

const ETHERNET: usize = 14;
const IPV4_IN_IP: u8 = 4;
const UDP: u8 = 17;
const IPV6_IN_IP: u8 = 41;
const ESP_PROTOCOL: u8 = 50;
/// SPI and sequence number.
const ESP_HEADER: usize = 8;
const IV: usize = 8;
/// Pad length and next header.
const TRAILER: usize = 2;

/// Why a packet can't be made ESP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealError {
    /// No IP packet of the family that the form is for, or a broken one.
    NotIp,
    /// A fragment, in transport mode (RFC 4303, section 3.3.4: ESP is applied to whole packets only).
    Fragment,
    /// The result would be longer than an IP packet can be.
    TooLong,
}

/// Why a packet is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// It is not ESP in the form that the reformat removes.
    NotEsp,
    /// It is not authentic: `ipsec_syndrome` 1.
    Icv,
    /// It is authentic, but padding or next header are wrong: `ipsec_syndrome` 2.
    Trailer,
}

/// Makes ESP out of a frame. `sequence` has its upper half only with `esn`. Padding of the Ethernet frame goes.
pub fn seal(
    cipher: &Cipher,
    esn: bool,
    form: &Form,
    sequence: u64,
    frame: &[u8],
) -> Result<Vec<u8>, SealError> {
    let headers = Headers::parse(frame);
    let outer = &headers.outer;
    let ip = outer.ip.as_ref().filter(|ip| !ip.truncated && !outer.malformed).ok_or(SealError::NotIp)?;
    if !form.takes(&headers) {
        return Err(SealError::NotIp);
    }
    if ip.fragment && !matches!(form, Form::Tunnel { .. }) {
        return Err(SealError::Fragment);
    }
    let mut out = Vec::with_capacity(frame.len() + 96);
    // Where the IP header starts, where its payload does, and what goes into ESP.
    let (start, point, payload, next) = match form {
        Form::Transport { .. } | Form::Udp { .. } => {
            let InsertionPoint { offset, next_header_at } = ip.esp;
            let [next] = chunk(frame, next_header_at).ok_or(SealError::NotIp)?;
            out.extend_from_slice(cut(frame, 0, offset));
            (ip.offset, ip.esp, cut(frame, offset, ip.end), next)
        }
        Form::Tunnel { v6, headers: front, .. } => {
            out.extend_from_slice(front);
            let next = if ip.source.is_ipv4() { IPV4_IN_IP } else { IPV6_IN_IP };
            let next_header_at = ETHERNET + if *v6 { 6 } else { 9 };
            let point = InsertionPoint { offset: front.len(), next_header_at };
            (ETHERNET, point, cut(frame, ip.offset, ip.end), next)
        }
    };
    let protocol = if let Form::Udp { source, destination, .. } = form {
        out.extend(source.to_be_bytes());
        out.extend(destination.to_be_bytes());
        // Length follows; the checksum stays zero (RFC 3948, section 2.1).
        out.extend([0; 4]);
        UDP
    } else {
        ESP_PROTOCOL
    };
    let iv = cipher.iv(sequence);
    out.extend(form.spi().to_be_bytes());
    out.extend((sequence as u32).to_be_bytes());
    out.extend(iv);
    let text = out.len();
    out.extend_from_slice(payload);
    let mut pad = 0;
    while !(out.len() - text + TRAILER).is_multiple_of(4) {
        pad += 1;
        out.push(pad);
    }
    out.extend([pad, next]);
    let associated = Associated { spi: form.spi(), sequence, esn };
    let icv = cipher.seal(iv, &associated, &mut out[text..]).ok_or(SealError::TooLong)?;
    out.extend(icv);
    put(&mut out, point.next_header_at, &[protocol]);
    if protocol == UDP {
        let length = u16::try_from(out.len() - point.offset).map_err(|_| SealError::TooLong)?;
        put(&mut out, point.offset + 4, &length.to_be_bytes());
    }
    set_length(&mut out, start).ok_or(SealError::TooLong)?;
    Ok(out)
}

/// What `open` needs to know before: where ESP is, its SPI and its sequence number.
fn find<'a>(headers: &'a Headers, removal: &Removal) -> Option<(&'a Ip, Esp, usize, usize)> {
    let ip = headers.outer.ip.as_ref()?;
    match (&headers.outer.l4, removal) {
        (L4::Esp(esp), Removal::Transport | Removal::Tunnel { .. }) => Some((ip, *esp, esp.offset, ip.end)),
        (L4::Udp(udp), Removal::Udp) => {
            let end = ip.end.min(udp.offset + usize::from(udp.length));
            udp.esp.map(|esp| (ip, esp, udp.offset, end))
        }
        _ => None,
    }
}

/// Takes an ESP frame apart. `sequence` is the whole sequence number, whose upper half the receiver has inferred.
pub fn open(
    cipher: &Cipher,
    esn: bool,
    removal: &Removal,
    sequence: u64,
    frame: &[u8],
) -> Result<Vec<u8>, OpenError> {
    let headers = Headers::parse(frame);
    let (ip, esp, front_end, end) = find(&headers, removal).ok_or(OpenError::NotEsp)?;
    let iv = chunk(cut(frame, 0, end), esp.offset + ESP_HEADER).ok_or(OpenError::Icv)?;
    let front: &[u8] = match removal {
        Removal::Transport | Removal::Udp => cut(frame, 0, front_end),
        Removal::Tunnel { ethernet } => ethernet,
    };
    let mut out = Vec::with_capacity(frame.len());
    out.extend_from_slice(front);
    out.extend_from_slice(cut(frame, esp.offset + ESP_HEADER + IV, end));
    let text = front.len();
    if out.len() - text < ICV {
        return Err(OpenError::Icv);
    }
    let associated = Associated { spi: esp.spi, sequence, esn };
    let length = cipher.open(iv, &associated, &mut out[text..]).ok_or(OpenError::Icv)?;
    out.truncate(text + length);
    let next = remove_trailer(&mut out, text).ok_or(OpenError::Trailer)?;
    match removal {
        Removal::Tunnel { .. } if !matches!(next, IPV4_IN_IP | IPV6_IN_IP) => Err(OpenError::Trailer),
        Removal::Tunnel { .. } => Ok(out),
        Removal::Transport | Removal::Udp => {
            put(&mut out, ip.protocol_at, &[next]);
            set_length(&mut out, ip.offset).ok_or(OpenError::NotEsp)?;
            Ok(out)
        }
    }
}

/// Cuts padding, pad length and next header off the text that starts at `text`; the next header.
fn remove_trailer(out: &mut Vec<u8>, text: usize) -> Option<u8> {
    let [pad, next] = *out[text..].last_chunk()?;
    let end = out.len() - TRAILER;
    let start = end.checked_sub(usize::from(pad)).filter(|start| *start >= text)?;
    let expected = 1..=pad;
    if !out[start..end].iter().copied().eq(expected) {
        return None;
    }
    out.truncate(start);
    Some(next)
}

/// Makes the IP header at `start` say that its packet ends where the frame does.
fn set_length(frame: &mut [u8], start: usize) -> Option<()> {
    let length = frame.len() - start;
    let v6 = frame.get(start)? >> 4 == 6;
    if v6 {
        let length = u16::try_from(length.checked_sub(40)?).ok()?;
        put(frame, start + 4, &length.to_be_bytes());
    } else {
        let length = u16::try_from(length).ok()?;
        put(frame, start + 2, &length.to_be_bytes());
        let ip = Parser::default().ip_at(frame, start, false)?;
        fill_l3(&ip, frame);
    }
    Some(())
}

/// SPI and lower half of the sequence number of a frame that `removal` would open.
pub fn sequence(removal: &Removal, headers: &Headers) -> Option<(u32, u32)> {
    find(headers, removal).map(|(_, esp, ..)| (esp.spi, esp.sequence))
}
