//! The Ethernet II header (RFC 894, RFC 2464 2) and the group addresses that IP maps to.
//! VLAN tags and LLC are not read.

use core::net::{Ipv4Addr, Ipv6Addr};

use crate::packet::Packet;
use crate::wire::EthernetAddress;

/// Destination address.
pub const DST: usize = 0;
/// Source address.
pub const SRC: usize = 6;
/// Ethernet type.
pub const TYPE: usize = 12;
/// Length of the header, in bytes.
pub const HEADER: usize = 14;

/// Ethernet type of IPv4.
pub const IPV4: u16 = 0x0800;
/// Ethernet type of ARP.
pub const ARP: u16 = 0x0806;
/// Ethernet type of IPv6.
pub const IPV6: u16 = 0x86dd;

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Receiver.
    pub dst: EthernetAddress,
    /// Sender.
    pub src: EthernetAddress,
    /// What follows.
    pub kind: u16,
}

impl Header {
    /// Reads the header of `frame`; `None` if it is shorter than that.
    #[inline]
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, k0, k1] = *frame.first_chunk::<HEADER>()?;
        Some(Self {
            dst: EthernetAddress([d0, d1, d2, d3, d4, d5]),
            src: EthernetAddress([s0, s1, s2, s3, s4, s5]),
            kind: u16::from_be_bytes([k0, k1]),
        })
    }

    /// Puts the header in front of `packet`; false (and no change) if there is no room.
    #[inline]
    #[must_use]
    pub fn push(&self, packet: &mut Packet) -> bool {
        let Some(header) = packet.push(HEADER) else { return false };
        header[DST..SRC].copy_from_slice(&self.dst.0);
        header[SRC..TYPE].copy_from_slice(&self.src.0);
        header[TYPE..].copy_from_slice(&self.kind.to_be_bytes());
        true
    }
}

/// Whether the address names many stations.
#[inline]
pub(crate) fn is_group(addr: EthernetAddress) -> bool {
    addr.0[0] & 1 != 0
}

/// Where an IPv4 multicast packet goes (RFC 1112 6.4).
pub fn multicast_v4(group: Ipv4Addr) -> EthernetAddress {
    let [_, b, c, d] = group.octets();
    EthernetAddress([0x01, 0x00, 0x5e, b & 0x7f, c, d])
}

/// Where an IPv6 multicast packet goes (RFC 2464 7).
pub fn multicast_v6(group: Ipv6Addr) -> EthernetAddress {
    let [.., a, b, c, d] = group.octets();
    EthernetAddress([0x33, 0x33, a, b, c, d])
}
