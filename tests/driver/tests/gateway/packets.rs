//! Packets of hosts: IPv4 and IPv6, of every kind that a gateway looks at.

use crate::site::{host_mac, host4, host6};
use core::net::IpAddr;

/// What a host sends to the one behind the other gateway.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) v6: bool,
    pub(crate) protocol: u8,
    /// DSCP and ECN.
    pub(crate) class: u8,
    pub(crate) hops: u8,
    /// Don't fragment, for IPv4.
    pub(crate) df: bool,
    /// For IPv4: more fragments follow, and where this one begins, in units of 8 bytes.
    pub(crate) fragment: (bool, u16),
    /// Bytes behind the IP header.
    pub(crate) payload: usize,
    /// What tells it from others.
    pub(crate) mark: u8,
}

impl Sent {
    /// UDP that nothing is special about.
    pub(crate) fn plain(v6: bool, payload: usize) -> Self {
        Self { v6, protocol: 17, class: 0, hops: 64, df: true, fragment: (false, 0), payload, mark: 0x5a }
    }

    /// The frame in which the host at `side` gives it to its gateway.
    pub(crate) fn frame(&self, side: usize, gateway: [u8; 6]) -> Vec<u8> {
        frame(&self.packet(side), side, gateway)
    }

    /// The IP packet.
    pub(crate) fn packet(&self, side: usize) -> Vec<u8> {
        let other = 1 - side;
        let ends: (IpAddr, IpAddr) = if self.v6 {
            (host6(side).into(), host6(other).into())
        } else {
            (host4(side).into(), host4(other).into())
        };
        let mut packet = Vec::new();
        if self.v6 {
            packet.extend([0x60 | self.class >> 4, self.class << 4, 0, 0]);
            packet.extend((self.payload as u16).to_be_bytes());
            packet.extend([self.protocol, self.hops]);
            packet.extend([host6(side).octets(), host6(other).octets()].concat());
        } else {
            let flags = u16::from(self.df) << 14 | u16::from(self.fragment.0) << 13 | self.fragment.1;
            packet.extend([0x45, self.class]);
            packet.extend((20 + self.payload as u16).to_be_bytes());
            packet.extend([0x12, self.mark]);
            packet.extend(flags.to_be_bytes());
            packet.extend([self.hops, self.protocol, 0, 0]);
            packet.extend([host4(side).octets(), host4(other).octets()].concat());
            let sum = net::checksum::Sum::new().with(&packet).finish();
            packet[10..12].copy_from_slice(&sum);
        }
        packet.extend(self.upper(ends));
        packet
    }

    /// What is behind the IP header, cut to its length where that has no room for a header.
    fn upper(&self, (source, destination): (IpAddr, IpAddr)) -> Vec<u8> {
        let mut upper: Vec<u8> = (0..self.payload).map(|at| self.mark.wrapping_add(at as u8)).collect();
        let header: (&[u8], usize) = match self.protocol {
            17 => (&[0x30, 0x39, 0, 7, (self.payload >> 8) as u8, self.payload as u8, 0, 0], 6),
            6 => (&[0x30, 0x39, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0], 16),
            1 => (&[8, 0, 0, 0, 0, 1, 0, 1], 2),
            58 => (&[128, 0, 0, 0, 0, 1, 0, 1], 2),
            _ => (&[], 0),
        };
        let (bytes, checksum) = header;
        let count = bytes.len().min(self.payload);
        upper[..count].copy_from_slice(&bytes[..count]);
        if count == bytes.len() && count > 0 && self.fragment == (false, 0) {
            let mut sum = net::checksum::Sum::new();
            if self.protocol != 1 {
                sum = sum.with_pseudo(source, destination, self.protocol, self.payload as u32);
            }
            let sum = sum.with(&upper).finish();
            upper[checksum..checksum + 2].copy_from_slice(&sum);
        }
        upper
    }
}

/// The frame in which the host at `side` gives an IP packet to its gateway.
pub(crate) fn frame(packet: &[u8], side: usize, gateway: [u8; 6]) -> Vec<u8> {
    let mut frame = [gateway, host_mac(side)].concat();
    frame.extend(if packet[0] >> 4 == 6 { [0x86, 0xdd] } else { [8, 0] });
    frame.extend(packet);
    frame
}

/// A TCP segment of the stream `port` from the host at `side` to the other one.
pub(crate) fn tcp(
    v6: bool,
    side: usize,
    port: u8,
    sequence: u32,
    ident: u16,
    flags: u8,
    payload: usize,
) -> Vec<u8> {
    let plain = Sent { protocol: 6, ..Sent::plain(v6, 20 + payload) };
    let mut packet = plain.packet(side);
    let at = packet.len() - 20 - payload;
    if !v6 {
        packet[4..6].copy_from_slice(&ident.to_be_bytes());
        packet[10..12].fill(0);
        let sum = net::checksum::Sum::new().with(&packet[..20]).finish();
        packet[10..12].copy_from_slice(&sum);
    }
    packet[at + 1] = port;
    packet[at + 4..at + 8].copy_from_slice(&sequence.to_be_bytes());
    packet[at + 13] = flags;
    packet[at + 16..at + 18].fill(0);
    let ends: (IpAddr, IpAddr) = if v6 {
        (host6(side).into(), host6(1 - side).into())
    } else {
        (host4(side).into(), host4(1 - side).into())
    };
    let sum = net::checksum::Sum::new().with_pseudo(ends.0, ends.1, 6, (20 + payload) as u32);
    let sum = sum.with(&packet[at..]).finish();
    packet[at + 16..at + 18].copy_from_slice(&sum);
    packet
}
