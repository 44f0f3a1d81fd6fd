//! The parser: bytes to [`Headers`]. Ethernet with up to two tags, IPv4 with options, IPv6 with extension headers,
//! TCP, UDP, ICMP, ESP, ESP in UDP, and one level of VXLAN, GRE or IP-in-IP.
//!
//! How a ConnectX classifies odd packets is not documented. Chosen here: a fragment has no transport header, the first
//! one included; `protocol` of IPv6 is the one after all extension headers; UDP with 4500 as either port carries ESP.
//! Left out: MPLS, Geneve, GTP, SCTP, AH, more than two tags.

use super::bytes::{be16, be32, chunk};
use super::extension;
use super::headers::*;
use core::net::IpAddr;

/// 802.1Q.
const CUSTOMER_TAG: u16 = 0x8100;
/// 802.1ad.
const SERVICE_TAG: u16 = 0x88a8;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Transparent Ethernet bridging, inside of GRE.
const ETHERTYPE_BRIDGED: u16 = 0x6558;
const ICMP: u8 = 1;
const IP_IN_IP: u8 = 4;
const TCP: u8 = 6;
const UDP: u8 = 17;
const IPV6_IN_IP: u8 = 41;
const GRE: u8 = 47;
const ESP: u8 = 50;
const ICMPV6: u8 = 58;
/// RFC 3948.
const ESP_IN_UDP_PORT: u16 = 4500;
/// RFC 7348.
const VXLAN_PORT: u16 = 4789;

/// What the parser is told from outside.
#[derive(Clone, Copy, Debug)]
pub struct Parser<'a> {
    /// UDP destination ports of VXLAN.
    pub vxlan_ports: &'a [u16],
    /// Whether length fields are believed. LSO headers come with lengths that say nothing (zero for more than 64 KiB).
    pub lengths: bool,
}

impl Default for Parser<'_> {
    fn default() -> Self {
        Parser { vxlan_ports: &[VXLAN_PORT], lengths: true }
    }
}

impl Headers {
    /// Parses a frame with the default ports.
    pub fn parse(frame: &[u8]) -> Headers {
        Parser::default().parse(frame)
    }
}

impl Parser<'_> {
    /// Parses a frame.
    pub fn parse(&self, frame: &[u8]) -> Headers {
        let outer = self.ethernet(frame, 0, frame.len());
        let (tunnel, inner) = self.tunnel(frame, &outer);
        Headers { length: frame.len(), outer, tunnel, inner }
    }

    /// The IP header at `offset`.
    pub(crate) fn ip_at(&self, frame: &[u8], offset: usize, v6: bool) -> Option<Ip> {
        self.ip(frame, offset, if v6 { 6 } else { 4 }).ip
    }

    fn ethernet(&self, frame: &[u8], offset: usize, end: usize) -> Layers {
        let frame = &frame[..end.min(frame.len())];
        let Some(ethernet) = ethernet_header(frame, offset) else { return Layers::default() };
        let layers = match ethernet.ethertype {
            ETHERTYPE_IPV4 => self.ip(frame, ethernet.end, 4),
            ETHERTYPE_IPV6 => self.ip(frame, ethernet.end, 6),
            _ => Layers::default(),
        };
        Layers { ethernet: Some(ethernet), ..layers }
    }

    /// An IP header of `version`; `frame` ends where it has to end.
    fn ip(&self, frame: &[u8], offset: usize, version: u8) -> Layers {
        let ip = match version {
            4 => self.ipv4(frame, offset),
            _ => self.ipv6(frame, offset),
        };
        match ip {
            None => Layers { malformed: true, ..Layers::default() },
            Some((ip, false)) => Layers { ip: Some(ip), malformed: true, ..Layers::default() },
            Some((ip, true)) => {
                let l4 = if ip.fragment { L4::None } else { transport(frame, &ip) };
                Layers { ip: Some(ip), l4, ..Layers::default() }
            }
        }
    }

    fn ipv4(&self, frame: &[u8], offset: usize) -> Option<(Ip, bool)> {
        let header: [u8; 20] = chunk(frame, offset)?;
        let header_length = usize::from(header[0] & 0xf) * 4;
        if header[0] >> 4 != 4 || header_length < 20 || offset + header_length > frame.len() {
            return None;
        }
        let (end, truncated) = self.end(frame, offset, be16(&header, 2)?, header_length)?;
        let payload = offset + header_length;
        let ip = Ip {
            offset,
            header_length,
            end,
            truncated,
            source: IpAddr::from(chunk::<4>(&header, 12)?),
            destination: IpAddr::from(chunk::<4>(&header, 16)?),
            traffic_class: header[1],
            ttl: header[8],
            flow_label: 0,
            // More fragments, or an offset.
            fragment: be16(&header, 6)? & 0x3fff != 0,
            protocol: header[9],
            protocol_at: offset + 9,
            payload,
            esp: InsertionPoint { offset: payload, next_header_at: offset + 9 },
        };
        Some((ip, true))
    }

    /// The flag is false when the chain of extension headers is broken.
    fn ipv6(&self, frame: &[u8], offset: usize) -> Option<(Ip, bool)> {
        let header: [u8; 40] = chunk(frame, offset)?;
        let word = be32(&header, 0)?;
        if word >> 28 != 6 {
            return None;
        }
        let payload_length = usize::from(be16(&header, 4)?);
        let (end, truncated) = match self.lengths {
            true => (offset + 40 + payload_length, offset + 40 + payload_length > frame.len()),
            false => (frame.len(), false),
        };
        let end = end.min(frame.len());
        let payload = offset + 40;
        let chain = extension::walk(frame, offset + 6, payload, end);
        let start = InsertionPoint { offset: payload, next_header_at: offset + 6 };
        let ip = Ip {
            offset,
            header_length: 40,
            end,
            truncated,
            source: IpAddr::from(chunk::<16>(&header, 8)?),
            destination: IpAddr::from(chunk::<16>(&header, 24)?),
            traffic_class: (word >> 20) as u8,
            ttl: header[7],
            flow_label: word & 0xf_ffff,
            // A fragment header that says "the only one" makes an atomic fragment, which is none (RFC 6946).
            fragment: chain.is_some_and(|chain| chain.fragment.is_some_and(|field| field != 0)),
            protocol: chain.map_or(header[6], |chain| chain.protocol),
            protocol_at: chain.map_or(offset + 6, |chain| chain.protocol_at),
            payload: chain.map_or(payload, |chain| chain.payload),
            esp: chain.map_or(start, |chain| chain.esp),
        };
        Some((ip, chain.is_some()))
    }

    /// Where an IPv4 packet of `total` bytes ends, and whether that is beyond the frame.
    fn end(&self, frame: &[u8], offset: usize, total: u16, header_length: usize) -> Option<(usize, bool)> {
        if !self.lengths {
            return Some((frame.len(), false));
        }
        if usize::from(total) < header_length {
            return None;
        }
        let end = offset + usize::from(total);
        Some((end.min(frame.len()), end > frame.len()))
    }

    fn tunnel(&self, frame: &[u8], outer: &Layers) -> (Tunnel, Option<Layers>) {
        let none = (Tunnel::None, None);
        let Some(ip) = &outer.ip else { return none };
        let inside = &frame[..ip.end];
        match &outer.l4 {
            L4::Udp(udp) if self.vxlan_ports.contains(&udp.destination) => {
                let offset = udp.offset + 8;
                match (be32(inside, offset), be32(inside, offset + 4)) {
                    (Some(flags), Some(word)) if flags & 0x0800_0000 != 0 => {
                        let inner = self.ethernet(frame, offset + 8, ip.end);
                        (Tunnel::Vxlan { offset, vni: word >> 8 }, Some(inner))
                    }
                    _ => none,
                }
            }
            L4::Gre(gre) => match gre.protocol {
                ETHERTYPE_BRIDGED => (Tunnel::Gre, Some(self.ethernet(frame, gre.end, ip.end))),
                ETHERTYPE_IPV4 => (Tunnel::Gre, Some(self.ip(inside, gre.end, 4))),
                ETHERTYPE_IPV6 => (Tunnel::Gre, Some(self.ip(inside, gre.end, 6))),
                _ => none,
            },
            L4::Other if ip.protocol == IP_IN_IP => (Tunnel::IpInIp, Some(self.ip(inside, ip.payload, 4))),
            L4::Other if ip.protocol == IPV6_IN_IP => (Tunnel::IpInIp, Some(self.ip(inside, ip.payload, 6))),
            _ => none,
        }
    }
}

fn ethernet_header(frame: &[u8], offset: usize) -> Option<Ethernet> {
    let mut ethernet = Ethernet {
        offset,
        destination: chunk(frame, offset)?,
        source: chunk(frame, offset + 6)?,
        tags: [None; 2],
        ethertype: be16(frame, offset + 12)?,
        end: offset + 14,
    };
    for slot in 0..ethernet.tags.len() {
        let service = match ethernet.ethertype {
            CUSTOMER_TAG => false,
            SERVICE_TAG => true,
            _ => break,
        };
        let (Some(tci), Some(ethertype)) = (be16(frame, ethernet.end), be16(frame, ethernet.end + 2)) else {
            break;
        };
        ethernet.tags[slot] = Some(Tag { service, tci });
        ethernet.ethertype = ethertype;
        ethernet.end += 4;
    }
    Some(ethernet)
}

fn transport(frame: &[u8], ip: &Ip) -> L4 {
    let bytes = &frame[..ip.end];
    let at = ip.payload;
    let read = match (ip.protocol, ip.source) {
        (TCP, _) => tcp(bytes, at).map(L4::Tcp),
        (UDP, _) => udp(bytes, at).map(L4::Udp),
        (ESP, _) => esp(bytes, at).map(L4::Esp),
        (ICMP, IpAddr::V4(_)) => icmp(bytes, at).map(L4::Icmp),
        (ICMPV6, IpAddr::V6(_)) => icmp(bytes, at).map(L4::Icmpv6),
        // Version 1 is PPTP's.
        (GRE, _) if be16(bytes, at).is_some_and(|flags| flags & 7 == 0) => gre(bytes, at).map(L4::Gre),
        _ => Some(L4::Other),
    };
    read.unwrap_or(L4::Malformed)
}

fn tcp(bytes: &[u8], offset: usize) -> Option<Tcp> {
    let header: [u8; 20] = chunk(bytes, offset)?;
    let header_length = usize::from(header[12] >> 4) * 4;
    if header_length < 20 || offset + header_length > bytes.len() {
        return None;
    }
    Some(Tcp {
        offset,
        header_length,
        source: be16(&header, 0)?,
        destination: be16(&header, 2)?,
        sequence: be32(&header, 4)?,
        acknowledgement: be32(&header, 8)?,
        flags: be16(&header, 12)? & 0x1ff,
        window: be16(&header, 14)?,
    })
}

fn udp(bytes: &[u8], offset: usize) -> Option<Udp> {
    let header: [u8; 8] = chunk(bytes, offset)?;
    let (source, destination) = (be16(&header, 0)?, be16(&header, 2)?);
    let natt = source == ESP_IN_UDP_PORT || destination == ESP_IN_UDP_PORT;
    // A zero word is the non-ESP marker of IKE; a keepalive is one byte and no ESP header.
    let esp = esp(bytes, offset + 8).filter(|esp| natt && esp.spi != 0);
    Some(Udp { offset, source, destination, length: be16(&header, 4)?, esp })
}

fn esp(bytes: &[u8], offset: usize) -> Option<Esp> {
    Some(Esp { offset, spi: be32(bytes, offset)?, sequence: be32(bytes, offset + 4)? })
}

fn icmp(bytes: &[u8], offset: usize) -> Option<Icmp> {
    let header: [u8; 8] = chunk(bytes, offset)?;
    Some(Icmp { offset, kind: header[0], code: header[1], data: be32(&header, 4)? })
}

fn gre(bytes: &[u8], offset: usize) -> Option<Gre> {
    let flags = be16(bytes, offset)?;
    let (checksum, keyed, sequence) = (flags & 0x8000 != 0, flags & 0x2000 != 0, flags & 0x1000 != 0);
    let key_at = offset + 4 + if checksum { 4 } else { 0 };
    let key = match keyed {
        true => Some(be32(bytes, key_at)?),
        false => None,
    };
    let end = key_at + if keyed { 4 } else { 0 } + if sequence { 4 } else { 0 };
    let protocol = be16(bytes, offset + 2)?;
    (end <= bytes.len()).then_some(Gre { offset, checksum, sequence, protocol, key, end })
}
