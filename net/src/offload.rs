//! What a port can do to a frame by itself, and where the headers are that it does it to.
//!
//! Headers are looked for as a device does it: Ethernet II with at most one 802.1Q tag, IPv4 with options, IPv6 with
//! extension headers, TCP or UDP. Fragments and all else have no transport header here. Lengths in the headers are not
//! believed and not needed: a frame that is still to be cut has none that is right.

use crate::ethernet;
use crate::ip::{be16, ipv4, ipv6, proto};

/// Ethernet type of an 802.1Q tag, and what the tag adds to a frame.
pub const VLAN: u16 = 0x8100;
/// Bytes of a tag.
pub const TAG: usize = 4;

/// What a port does with the wishes in [`Meta`](crate::packet::Meta) of what it sends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Offloads {
    /// It fills in the checksum of IPv4 headers.
    pub header: bool,
    /// It fills in the checksums of TCP and UDP.
    pub transport: bool,
    /// It cuts TCP packets with up to so many bytes of payload; 0: none.
    pub segment: usize,
    /// The same of TCP packets inside of others that name an outbound SA: those that get their outer IP header from
    /// software, and ESP from the device.
    pub inner_segment: usize,
    /// It inserts 802.1Q tags.
    pub vlan: bool,
    /// It protects packets that name an outbound SA, and sends no other packet of such.
    pub esp: bool,
}

impl Offloads {
    /// Nothing.
    pub const NONE: Self =
        Self { header: false, transport: false, segment: 0, inner_segment: 0, vlan: false, esp: false };
}

/// Where the headers of a TCP or UDP frame are, in bytes from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headers {
    /// The IP header.
    pub network: usize,
    /// The TCP or UDP header.
    pub transport: usize,
    /// The payload.
    pub payload: usize,
    /// Whether it is IPv4.
    pub v4: bool,
    /// TCP or UDP.
    pub proto: u8,
}

/// Bytes of the Ethernet header with its tag, if `frame` has one; no more than there are.
#[inline]
pub fn ethernet_len(frame: &[u8]) -> usize {
    let tagged = be16(frame, ethernet::TYPE) == Some(VLAN);
    (ethernet::HEADER + if tagged { TAG } else { 0 }).min(frame.len())
}

impl Headers {
    /// Bytes of TCP's fixed header, and of UDP's.
    const TCP: usize = 20;
    const UDP: usize = 8;
    /// Where TCP says how long its header is.
    const DATA_OFFSET: usize = 12;

    /// The headers of `frame`; `None` when it is neither TCP nor UDP, a fragment, or cut off within its headers.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let network = ethernet_len(frame);
        match be16(frame, network.checked_sub(2)?)? {
            ethernet::IPV4 => Self::at(frame, network, true),
            ethernet::IPV6 => Self::at(frame, network, false),
            _ => None,
        }
    }

    /// The headers of the packet inside of `frame`, whose outer headers are Ethernet and IPv4 or IPv6 without extension
    /// headers, and whether those are IPv4; `None` when there is none, or it is nothing for [`Headers::parse`].
    pub fn parse_inner(frame: &[u8]) -> Option<(bool, Self)> {
        let network = ethernet_len(frame);
        let packet = frame.get(network..)?;
        let (v4, length, proto) = match be16(frame, network.checked_sub(2)?)? {
            ethernet::IPV4 => (true, v4_header(packet)?, *packet.get(ipv4::PROTOCOL)?),
            ethernet::IPV6 => (false, ipv6::HEADER, *packet.get(ipv6::NEXT_HEADER)?),
            _ => return None,
        };
        let inner = match proto {
            proto::IPV4 => true,
            proto::IPV6 => false,
            _ => return None,
        };
        Some((v4, Self::at(frame, network + length, inner)?))
    }

    /// The headers of `frame` from the IP header at `network` on.
    pub(crate) fn at(frame: &[u8], network: usize, v4: bool) -> Option<Self> {
        let packet = frame.get(network..)?;
        let (length, proto) =
            if v4 { (v4_header(packet)?, *packet.get(ipv4::PROTOCOL)?) } else { v6_header(packet)? };
        let transport = network + length;
        let segment = frame.get(transport..)?;
        let header = match proto {
            proto::TCP => usize::from(segment.get(Self::DATA_OFFSET)? >> 4) * 4,
            proto::UDP => Self::UDP,
            _ => return None,
        };
        let sound = header <= segment.len() && (proto == proto::UDP || header >= Self::TCP);
        sound.then_some(Self { network, transport, payload: transport + header, v4, proto })
    }
}

fn v4_header(packet: &[u8]) -> Option<usize> {
    let length = usize::from(packet.first()? & 0x0f) * 4;
    let whole = be16(packet, ipv4::FLAGS)? & (ipv4::MF | ipv4::OFFSET_MASK) == 0;
    (length >= ipv4::HEADER && whole).then_some(length)
}

fn v6_header(packet: &[u8]) -> Option<(usize, u8)> {
    let mut proto = *packet.get(ipv6::NEXT_HEADER)?;
    let mut length = ipv6::HEADER;
    while matches!(proto, proto::HOP_BY_HOP | proto::ROUTING | proto::DEST_OPTIONS) {
        let [next, units] = *packet.get(length..)?.first_chunk()?;
        proto = next;
        length += (usize::from(units) + 1) * 8;
    }
    Some((length, proto))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{ATOMIC6, ESP4, EXTENSIONS6, OPTIONS4, TCP4, UDP6, hex};
    use alloc::vec::Vec;

    fn frame(tag: &str, kind: &str, packet: &str) -> Vec<u8> {
        [hex("020000000001020000000002"), hex(tag), hex(kind), hex(packet)].concat()
    }

    #[test]
    fn headers_are_where_they_are() {
        for (tag, kind, packet, network, transport, payload) in [
            ("", "0800", TCP4, 14, 34, 54),
            ("81000064", "0800", TCP4, 18, 38, 58),
            ("", "0800", OPTIONS4, 14, 38, 46),
            ("", "86dd", UDP6, 14, 54, 62),
            ("", "86dd", EXTENSIONS6, 14, 70, 78),
        ] {
            let found = Headers::parse(&frame(tag, kind, packet)).unwrap();
            assert_eq!((found.network, found.transport, found.payload), (network, transport, payload));
            assert_eq!(found.v4, kind == "0800");
        }
    }

    #[test]
    fn what_has_no_whole_transport_header_has_none() {
        let whole = frame("", "0800", TCP4);
        for length in 0..whole.len() {
            assert_eq!(Headers::parse(&whole[..length]), None, "{length}");
        }
        assert_eq!(Headers::parse(&frame("", "0800", ESP4)), None);
        assert_eq!(Headers::parse(&frame("", "86dd", ATOMIC6)), None);
        assert_eq!(Headers::parse(&frame("", "0806", TCP4)), None);
        let mut fragment = whole;
        fragment[20] = 0x20;
        assert_eq!(Headers::parse(&fragment), None);
    }
}
