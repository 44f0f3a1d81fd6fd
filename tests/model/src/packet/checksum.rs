//! The Internet checksum (RFC 1071) in its four places: verdicts on received headers, the sum over a received packet
//! that the completion carries, checksums filled in on transmit, and the same at offsets that software gives.
//!
//! The receive sum is read off `mlx5e_handle_csum` and `mlx5e_skb_csum_fixup` of Linux's `en_rx.c`: it starts at the
//! IP header (behind VLAN tags, which the driver adds itself) and does not cover what pads the frame; with
//! `cqe_checksum_full` it covers everything behind the 14 bytes of Ethernet.
//! Left out: SCTP's CRC; a routing header's final destination in the IPv6 pseudo-header.

use super::bytes::{be16, cut, put};
use super::headers::{Headers, Ip, L4, Layers};
use super::parse::Parser;
use core::net::IpAddr;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// A ones' complement sum. Every piece but the last has an even length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    /// Adds bytes.
    #[must_use]
    pub fn with(self, bytes: &[u8]) -> Sum {
        let mut sum = self.0;
        let (words, rest) = bytes.as_chunks::<4>();
        for word in words {
            // A frame has far less than 2^32 words.
            sum += u64::from(u32::from_be_bytes(*word));
        }
        let mut last = [0; 4];
        put(&mut last, 0, rest);
        sum += u64::from(u32::from_be_bytes(last));
        Sum((sum & 0xffff_ffff) + (sum >> 32))
    }

    /// Adds the pseudo-header of TCP, UDP and ICMPv6.
    #[must_use]
    pub fn with_pseudo_header(self, ip: &Ip, protocol: u8, length: usize) -> Sum {
        let sum = match (ip.source, ip.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.with(&source.octets()).with(&destination.octets())
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                self.with(&source.octets()).with(&destination.octets())
            }
            _ => self,
        };
        sum.with(&(length as u32).to_be_bytes()).with(&u32::from(protocol).to_be_bytes())
    }

    /// The sum in 16 bits, not complemented.
    pub fn fold(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    /// The checksum: the complement. Zero over data that contains its own right checksum.
    pub fn checksum(self) -> u16 {
        !self.fold()
    }
}

/// What the card found out about one IP header and its transport header: `None` where there is nothing to check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The IP header: checksum (IPv4) and lengths.
    pub l3: Option<bool>,
    /// TCP or UDP with its payload; UDP without checksum is fine over IPv4 and not over IPv6 (RFC 8200, section 8.1).
    pub l4: Option<bool>,
}

/// Checks one IP header and its transport header.
pub fn verify(layers: &Layers, frame: &[u8]) -> Verdict {
    let Some(ip) = &layers.ip else {
        return Verdict { l3: layers.malformed.then_some(false), l4: None };
    };
    let header = cut(frame, ip.offset, ip.offset + ip.header_length);
    let header_good = match ip.source {
        IpAddr::V4(_) => Sum::default().with(header).checksum() == 0,
        IpAddr::V6(_) => true,
    };
    let l3 = Some(header_good && !ip.truncated && !layers.malformed);
    let l4 = match &layers.l4 {
        L4::Tcp(_) => Some(!ip.truncated && sum_l4(ip, frame, TCP, ip.end).checksum() == 0),
        L4::Udp(udp) => {
            let end = ip.payload + usize::from(udp.length);
            let fits = udp.length >= 8 && end <= ip.end;
            let unused = be16(frame, udp.offset + 6) == Some(0);
            Some(
                fits && if unused {
                    ip.source.is_ipv4()
                } else {
                    sum_l4(ip, frame, UDP, end).checksum() == 0
                },
            )
        }
        L4::Malformed => Some(false),
        _ => None,
    };
    Verdict { l3, l4 }
}

/// The sum over the transport header, its payload and the pseudo-header.
fn sum_l4(ip: &Ip, frame: &[u8], protocol: u8, end: usize) -> Sum {
    let bytes = cut(frame, ip.payload, end);
    Sum::default().with_pseudo_header(ip, protocol, bytes.len()).with(bytes)
}

/// `check_sum` of a receive completion, in host order: the sum, not complemented. `full` is `cqe_checksum_full`.
/// Packets that are not IP are summed from behind their Ethernet header; Linux does not look at it.
pub fn complete(headers: &Headers, frame: &[u8], full: bool) -> u16 {
    let range = match (&headers.outer.ip, headers.l2_end()) {
        (Some(ip), _) if !full => ip.offset..ip.end,
        (_, Some(end)) if !full => end..frame.len(),
        _ => 14..frame.len(),
    };
    Sum::default().with(cut(frame, range.start, range.end)).fold()
}

/// The four checksum bits of `cs_flags` in the Ethernet segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fill {
    /// Outer IPv4 header.
    pub l3: bool,
    /// Outer TCP or UDP.
    pub l4: bool,
    /// Inner IPv4 header.
    pub inner_l3: bool,
    /// Inner TCP or UDP.
    pub inner_l4: bool,
}

impl Fill {
    /// From `cs_flags`.
    pub fn from_flags(flags: u8) -> Fill {
        Fill {
            l3: flags & 0x40 != 0,
            l4: flags & 0x80 != 0,
            inner_l3: flags & 0x10 != 0,
            inner_l4: flags & 0x20 != 0,
        }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        *self == Fill::default()
    }
}

/// Fills in the checksums that are asked for, where the parser finds the headers. What stood in the fields before does
/// not matter.
pub fn fill(frame: &mut [u8], fill: Fill) {
    if fill.is_empty() {
        return;
    }
    let headers = Headers::parse(frame);
    fill_parsed(&headers, frame, fill);
}

/// As [`fill`], for headers that are parsed already.
pub fn fill_parsed(headers: &Headers, frame: &mut [u8], fill: Fill) {
    // From the inside out: an outer UDP checksum covers the inner ones.
    if let Some(inner) = &headers.inner {
        fill_layers(inner, frame, fill.inner_l3, fill.inner_l4);
    }
    fill_layers(&headers.outer, frame, fill.l3, fill.l4);
}

fn fill_layers(layers: &Layers, frame: &mut [u8], l3: bool, l4: bool) {
    let Some(ip) = &layers.ip else { return };
    if l4 {
        match layers.l4 {
            L4::Tcp(_) => fill_l4(ip, frame, TCP),
            L4::Udp(_) => fill_l4(ip, frame, UDP),
            _ => {}
        }
    }
    if l3 {
        fill_l3(ip, frame);
    }
}

/// The checksum of an IPv4 header.
pub(crate) fn fill_l3(ip: &Ip, frame: &mut [u8]) {
    if ip.source.is_ipv4() {
        put(frame, ip.offset + 10, &[0, 0]);
        let sum = Sum::default().with(cut(frame, ip.offset, ip.offset + ip.header_length));
        put(frame, ip.offset + 10, &sum.checksum().to_be_bytes());
    }
}

fn fill_l4(ip: &Ip, frame: &mut [u8], protocol: u8) {
    let at = ip.payload + if protocol == TCP { 16 } else { 6 };
    put(frame, at, &[0, 0]);
    let checksum = match sum_l4(ip, frame, protocol, ip.end).checksum() {
        // Zero would say that there is none.
        0 if protocol == UDP => 0xffff,
        checksum => checksum,
    };
    put(frame, at, &checksum.to_be_bytes());
}

/// The software parser's offsets of the Ethernet segment (`swp_*`): in units of two bytes, 0 for "not there".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SoftwareParser {
    /// Outer IP header.
    pub outer_l3: u8,
    /// Outer transport header.
    pub outer_l4: u8,
    /// Inner IP header.
    pub inner_l3: u8,
    /// Inner transport header.
    pub inner_l4: u8,
    /// `swp_flags`: 0x01 inner IPv6, 0x02 inner UDP, 0x10 outer IPv6, 0x20 outer UDP.
    pub flags: u8,
}

impl SoftwareParser {
    /// Whether the work queue entry gives any offset.
    pub fn is_used(&self) -> bool {
        self.outer_l3 | self.outer_l4 | self.inner_l3 | self.inner_l4 != 0
    }

    /// As [`fill`], but with the offsets that software gives. Where an inner transport header has no inner IP header
    /// of its own, the outer one gives the pseudo-header.
    pub fn fill(&self, frame: &mut [u8], fill: Fill) {
        let outer = self.ip(frame, self.outer_l3, self.flags & 0x10 != 0);
        let inner = self.ip(frame, self.inner_l3, self.flags & 0x01 != 0);
        if let (true, Some(ip)) = (fill.inner_l4, inner.clone().or(outer.clone())) {
            self.fill_l4(frame, ip, self.inner_l4, self.flags & 0x02 != 0);
        }
        if let (true, Some(ip)) = (fill.inner_l3, &inner) {
            fill_l3(ip, frame);
        }
        if let (true, Some(ip)) = (fill.l4, outer.clone()) {
            self.fill_l4(frame, ip, self.outer_l4, self.flags & 0x20 != 0);
        }
        if let (true, Some(ip)) = (fill.l3, &outer) {
            fill_l3(ip, frame);
        }
    }

    fn ip(&self, frame: &[u8], units: u8, v6: bool) -> Option<Ip> {
        let parser = Parser::default();
        (units != 0).then(|| parser.ip_at(frame, usize::from(units) * 2, v6)).flatten()
    }

    fn fill_l4(&self, frame: &mut [u8], mut ip: Ip, units: u8, udp: bool) {
        let offset = usize::from(units) * 2;
        if offset > ip.offset && offset < ip.end {
            ip.payload = offset;
            fill_l4(&ip, frame, if udp { UDP } else { TCP });
        }
    }
}

#[cfg(test)]
mod tests;
