//! Packets for the lab, built and read with smoltcp's wire types rather than with `net`'s own.

use core::net::IpAddr;

use net::wire::{Icmpv4Packet, Icmpv6Packet, IpProtocol, Ipv4Packet, Ipv6Packet, UdpPacket};

/// IP protocol numbers.
pub mod proto {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// UDP.
    pub const UDP: u8 = 17;
    /// ESP.
    pub const ESP: u8 = 50;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
}

/// What an IP header is to say beside addresses and protocol.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    /// TTL or hop limit.
    pub hops: u8,
    /// DF (IPv4).
    pub df: bool,
    /// TOS or traffic class.
    pub tos: u8,
    /// Identification (IPv4).
    pub ident: u16,
}

impl Default for Header {
    fn default() -> Self {
        Self { hops: 64, df: false, tos: 0, ident: 7 }
    }
}

/// An IP packet with `payload`.
pub fn ip(header: Header, src: IpAddr, dst: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let mut bytes = vec![0; 20 + payload.len()];
            let length = bytes.len() as u16;
            let mut packet = Ipv4Packet::new_unchecked(&mut bytes);
            packet.set_version(4);
            packet.set_header_len(20);
            packet.set_total_len(length);
            packet.set_ident(header.ident);
            packet.set_dont_frag(header.df);
            packet.set_hop_limit(header.hops);
            packet.set_dscp(header.tos >> 2);
            packet.set_ecn(header.tos & 3);
            packet.set_next_header(IpProtocol::from(protocol));
            packet.set_src_addr(src);
            packet.set_dst_addr(dst);
            packet.payload_mut().copy_from_slice(payload);
            packet.fill_checksum();
            bytes
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let mut bytes = vec![0; 40 + payload.len()];
            let mut packet = Ipv6Packet::new_unchecked(&mut bytes);
            packet.set_version(6);
            packet.set_payload_len(payload.len() as u16);
            packet.set_traffic_class(header.tos);
            packet.set_hop_limit(header.hops);
            packet.set_next_header(IpProtocol::from(protocol));
            packet.set_src_addr(src);
            packet.set_dst_addr(dst);
            packet.payload_mut().copy_from_slice(payload);
            bytes
        }
        _ => panic!("{src} and {dst}"),
    }
}

/// A UDP datagram in an IP packet.
pub fn udp(header: Header, src: (IpAddr, u16), dst: (IpAddr, u16), payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 8 + payload.len()];
    let length = bytes.len() as u16;
    let mut datagram = UdpPacket::new_unchecked(&mut bytes);
    datagram.set_src_port(src.1);
    datagram.set_dst_port(dst.1);
    datagram.set_len(length);
    datagram.payload_mut().copy_from_slice(payload);
    datagram.fill_checksum(&src.0.into(), &dst.0.into());
    ip(header, src.0, dst.0, proto::UDP, &bytes)
}

/// An ICMP or ICMPv6 message: type, code, the four octets behind the checksum, and what follows.
pub fn icmp(header: Header, src: IpAddr, dst: IpAddr, head: (u8, u8, u32), rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![head.0, head.1, 0, 0];
    bytes.extend(head.2.to_be_bytes());
    bytes.extend(rest);
    match (src, dst) {
        (IpAddr::V4(_), _) => {
            Icmpv4Packet::new_unchecked(&mut bytes).fill_checksum();
            ip(header, src, dst, proto::ICMP, &bytes)
        }
        (IpAddr::V6(s), IpAddr::V6(d)) => {
            Icmpv6Packet::new_unchecked(&mut bytes).fill_checksum(&s, &d);
            ip(header, src, dst, proto::ICMPV6, &bytes)
        }
        _ => panic!("{src} and {dst}"),
    }
}

/// An echo request with `length` octets of data.
pub fn echo(src: IpAddr, dst: IpAddr, sequence: u16, length: usize) -> Vec<u8> {
    let kind = if src.is_ipv4() { 8 } else { 128 };
    let data: Vec<u8> = (0..length).map(|i| i as u8).collect();
    icmp(Header::default(), src, dst, (kind, 0, 0x1234_0000 | u32::from(sequence)), &data)
}

/// An IP packet as read: everything that a story asks about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Source.
    pub src: IpAddr,
    /// Destination.
    pub dst: IpAddr,
    /// Protocol (IPv6: the next header, no extension header is skipped).
    pub proto: u8,
    /// TTL or hop limit.
    pub hops: u8,
    /// TOS or traffic class.
    pub tos: u8,
    /// DF (IPv4).
    pub df: bool,
    /// More fragments, or a fragment offset (IPv4).
    pub is_fragment: bool,
    /// Behind the IP header.
    pub payload: Vec<u8>,
    /// Length of the whole packet.
    pub len: usize,
}

/// Reads an IP packet; panics if its header or checksum is wrong.
pub fn read(bytes: &[u8]) -> Seen {
    if bytes[0] >> 4 == 4 {
        let packet = Ipv4Packet::new_checked(bytes).expect("IPv4 header");
        assert!(packet.verify_checksum(), "IPv4 header checksum");
        assert_eq!(usize::from(packet.total_len()), bytes.len(), "IPv4 total length");
        Seen {
            src: packet.src_addr().into(),
            dst: packet.dst_addr().into(),
            proto: packet.next_header().into(),
            hops: packet.hop_limit(),
            tos: packet.dscp() << 2 | packet.ecn(),
            df: packet.dont_frag(),
            is_fragment: packet.more_frags() || packet.frag_offset() > 0,
            payload: packet.payload().to_vec(),
            len: bytes.len(),
        }
    } else {
        let packet = Ipv6Packet::new_checked(bytes).expect("IPv6 header");
        assert_eq!(packet.total_len(), bytes.len(), "IPv6 length");
        Seen {
            src: packet.src_addr().into(),
            dst: packet.dst_addr().into(),
            proto: packet.next_header().into(),
            hops: packet.hop_limit(),
            tos: packet.traffic_class(),
            df: true,
            is_fragment: packet.next_header() == IpProtocol::Ipv6Frag,
            payload: packet.payload().to_vec(),
            len: bytes.len(),
        }
    }
}

impl Seen {
    /// Type and code, if this is an ICMP message; panics if its checksum is wrong.
    pub fn icmp(&self) -> Option<(u8, u8)> {
        match (self.src, self.dst, self.proto) {
            (_, _, proto::ICMP) => {
                let message = Icmpv4Packet::new_checked(&self.payload[..]).expect("ICMP");
                assert!(message.verify_checksum(), "ICMP checksum");
            }
            (IpAddr::V6(src), IpAddr::V6(dst), proto::ICMPV6) => {
                let message = Icmpv6Packet::new_checked(&self.payload[..]).expect("ICMPv6");
                assert!(message.verify_checksum(&src, &dst), "ICMPv6 checksum");
            }
            _ => return None,
        }
        Some((self.payload[0], self.payload[1]))
    }

    /// The MTU that "fragmentation needed" or "packet too big" reports.
    pub fn mtu(&self) -> Option<u32> {
        let word = u32::from_be_bytes(self.payload[4..8].try_into().expect("ICMP header"));
        match (self.proto, self.icmp()) {
            (proto::ICMP, Some((3, 4))) => Some(word & 0xffff),
            (proto::ICMPV6, Some((2, 0))) => Some(word),
            _ => None,
        }
    }
}
