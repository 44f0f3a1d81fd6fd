//! Large send (LSO): one frame with headers and more payload than fits, cut into frames.
//!
//! 1. The headers in front of the payload are those that the work queue entry has inline.
//! 2. Every segment gets them and up to `mss` bytes.
//! 3. Lengths of IP and UDP are those of the segment, outer and inner; IPv4 identifications count up.
//! 4. TCP: the sequence number moves on; FIN and PSH stay on the last segment only, CWR on the first (RFC 3168, section
//!    6.1.2).
//!
//! Checksums are left to `checksum::fill`, as the work queue entry asks for them. Left out: GRE with checksum or sequence
//! number.

use super::bytes::{be16, cut, put};
use super::headers::{Headers, Ip, L4, Layers, Tcp};
use super::parse::Parser;

/// Why a frame can't be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutError {
    /// The maximum segment size is zero.
    Mss,
    /// The headers end in neither TCP nor UDP.
    NotTransport,
    /// The inline headers end elsewhere than the TCP or UDP header does.
    HeaderLength {
        /// Where that is.
        expected: usize,
    },
    /// A segment would be longer than an IP packet can be.
    TooLong,
}

/// Cuts a frame whose first `header_length` bytes are headers. Lengths in them say nothing.
pub fn cut_frame(frame: &[u8], header_length: usize, mss: u16) -> Result<Vec<Vec<u8>>, CutError> {
    let mss = usize::from(mss);
    if mss == 0 {
        return Err(CutError::Mss);
    }
    let headers = parse(frame);
    let expected = end_of_headers(&headers).ok_or(CutError::NotTransport)?;
    if expected != header_length {
        return Err(CutError::HeaderLength { expected });
    }
    let (head, payload) = (cut(frame, 0, header_length), cut(frame, header_length, frame.len()));
    let count = payload.len().div_ceil(mss).max(1);
    let mut segments = Vec::with_capacity(count);
    for index in 0..count {
        let part = cut(payload, index * mss, (index + 1) * mss);
        let mut segment = Vec::with_capacity(header_length + part.len());
        segment.extend_from_slice(head);
        segment.extend_from_slice(part);
        let place = Place { index, offset: index * mss, last: index + 1 == count };
        let layers = [Some(&headers.outer), headers.inner.as_ref()];
        for layers in layers.into_iter().flatten() {
            adjust(layers, &mut segment, &place).ok_or(CutError::TooLong)?;
        }
        segments.push(segment);
    }
    Ok(segments)
}

/// Which segment it is.
struct Place {
    index: usize,
    /// Payload bytes before it.
    offset: usize,
    last: bool,
}

fn adjust(layers: &Layers, segment: &mut [u8], place: &Place) -> Option<()> {
    let end = segment.len();
    if let Some(ip) = &layers.ip {
        adjust_ip(ip, segment, place)?;
    }
    match &layers.l4 {
        L4::Tcp(tcp) => adjust_tcp(tcp, segment, place),
        L4::Udp(udp) => {
            let length = u16::try_from(end - udp.offset).ok()?;
            put(segment, udp.offset + 4, &length.to_be_bytes());
        }
        _ => {}
    }
    Some(())
}

fn adjust_ip(ip: &Ip, segment: &mut [u8], place: &Place) -> Option<()> {
    let length = segment.len() - ip.offset;
    if ip.source.is_ipv4() {
        put(segment, ip.offset + 2, &u16::try_from(length).ok()?.to_be_bytes());
        let first = be16(segment, ip.offset + 4)?;
        put(segment, ip.offset + 4, &first.wrapping_add(place.index as u16).to_be_bytes());
    } else {
        put(segment, ip.offset + 4, &u16::try_from(length - 40).ok()?.to_be_bytes());
    }
    Some(())
}

fn adjust_tcp(tcp: &Tcp, segment: &mut [u8], place: &Place) {
    let sequence = tcp.sequence.wrapping_add(place.offset as u32);
    put(segment, tcp.offset + 4, &sequence.to_be_bytes());
    let mut drop = 0;
    if !place.last {
        drop |= Tcp::FIN | Tcp::PSH;
    }
    if place.index != 0 {
        drop |= Tcp::CWR;
    }
    if let Some(word) = be16(segment, tcp.offset + 12) {
        put(segment, tcp.offset + 12, &(word & !drop).to_be_bytes());
    }
}

/// Where the headers of a large send end: what its work queue entry must have inline.
pub fn header_length(frame: &[u8]) -> Option<usize> {
    end_of_headers(&parse(frame))
}

fn parse(frame: &[u8]) -> Headers {
    Parser { lengths: false, ..Parser::default() }.parse(frame)
}

fn end_of_headers(headers: &Headers) -> Option<usize> {
    match &headers.innermost().l4 {
        L4::Tcp(tcp) => Some(tcp.offset + tcp.header_length),
        L4::Udp(udp) => Some(udp.offset + 8),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
