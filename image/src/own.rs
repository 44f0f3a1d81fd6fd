//! UDP datagrams of our own: IKE and NAT keepalives. They bypass the policies, as they must: without them
//! there would be no SA to protect anything (RFC 4301, section 4.4.1: the SPD entries for IKE).

use core::net::{IpAddr, SocketAddr};

use net::checksum::Sum;
use net::ip::{ipv4, ipv6, proto, put, udp};
use net::{Instant, Packet};

use crate::gateway::Gateway;

/// TTL of packets of our own (RFC 1340's recommendation, and everybody's default).
const HOP_LIMIT: u8 = 64;
/// First byte of an IPv4 header of 20 bytes.
const VERSION_4: u8 = 0x45;
/// First byte of an IPv6 header with traffic class 0.
const VERSION_6: u8 = 0x60;
/// Room behind the payload of a packet in memory of its own.
const SPARE: usize = 64;

impl Gateway {
    /// Sends a datagram that consists of `parts`. A failure is counted by the stack.
    pub(crate) fn send_udp(&mut self, now: Instant, src: SocketAddr, dst: SocketAddr, parts: [&[u8]; 2]) {
        self.ident = self.ident.wrapping_add(1);
        if let Some(packet) = self.udp(src, dst, parts) {
            let _ = self.stack.send(now, packet);
        }
    }

    /// Clears DF of an outer IPv4 packet and gives it an identification, which only packets that are cut
    /// need (RFC 6864, section 4). Other packets stay as they are.
    pub(crate) fn allow_cutting(&mut self, packet: &mut Packet) {
        let bytes = packet.bytes_mut();
        if bytes.first() != Some(&VERSION_4) {
            return;
        }
        self.ident = self.ident.wrapping_add(1);
        put(bytes, ipv4::IDENT, self.ident.to_be_bytes());
        put(bytes, ipv4::FLAGS, [0, 0]);
        put(bytes, ipv4::CHECKSUM, [0, 0]);
        let sum = net::checksum::of(bytes.get(..ipv4::HEADER).unwrap_or_default());
        put(bytes, ipv4::CHECKSUM, sum);
    }

    fn udp(&self, src: SocketAddr, dst: SocketAddr, parts: [&[u8]; 2]) -> Option<Packet> {
        let payload: usize = parts.iter().map(|part| part.len()).sum();
        let header = if src.is_ipv4() { ipv4::HEADER } else { ipv6::HEADER };
        let total = header + udp::HEADER + payload;
        let mut packet = self
            .pool
            .take()
            .filter(|packet| packet.tailroom() >= total)
            .unwrap_or_else(|| Packet::with_capacity(total + SPARE));
        let bytes = packet.append(total)?;
        bytes.fill(0);
        let (ip, datagram) = bytes.split_at_mut(header);
        let length = u16::try_from(udp::HEADER + payload).ok()?;
        put(datagram, udp::SRC, src.port().to_be_bytes());
        put(datagram, udp::DST, dst.port().to_be_bytes());
        put(datagram, udp::LENGTH, length.to_be_bytes());
        let mut at = udp::HEADER;
        for part in parts {
            datagram.get_mut(at..at + part.len())?.copy_from_slice(part);
            at += part.len();
        }
        let sum =
            Sum::new().with_pseudo(src.ip(), dst.ip(), proto::UDP, length.into()).with(datagram).finish();
        // Zero says "no checksum"; its other spelling is used instead (RFC 768).
        put(datagram, udp::CHECKSUM, if sum == [0, 0] { [0xff, 0xff] } else { sum });
        match (src.ip(), dst.ip()) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                put(ip, ipv4::VERSION_IHL, [VERSION_4]);
                put(ip, ipv4::TOTAL_LENGTH, u16::try_from(total).ok()?.to_be_bytes());
                put(ip, ipv4::IDENT, self.ident.to_be_bytes());
                put(ip, ipv4::TTL, [HOP_LIMIT]);
                put(ip, ipv4::PROTOCOL, [proto::UDP]);
                put(ip, ipv4::SRC, src.octets());
                put(ip, ipv4::DST, dst.octets());
                let sum = net::checksum::of(ip);
                put(ip, ipv4::CHECKSUM, sum);
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                put(ip, ipv6::VERSION_CLASS_FLOW, [VERSION_6]);
                put(ip, ipv6::PAYLOAD_LENGTH, length.to_be_bytes());
                put(ip, ipv6::NEXT_HEADER, [proto::UDP]);
                put(ip, ipv6::HOP_LIMIT, [HOP_LIMIT]);
                put(ip, ipv6::SRC, src.octets());
                put(ip, ipv6::DST, dst.octets());
            }
            _ => return None,
        }
        Some(packet)
    }
}
