//! Frames between the port and its peer.

use core::net::IpAddr;
use mlx5_model::packet::checksum::{Fill, fill};

pub(crate) const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
pub(crate) const OUR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// A protocol that nobody looks into.
pub(crate) const OPAQUE: u8 = 253;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;

/// An IP packet.
pub(crate) fn ip(source: IpAddr, destination: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            packet.extend([0x45, 0]);
            packet.extend(((20 + payload.len()) as u16).to_be_bytes());
            packet.extend([0x12, 0x34, 0x40, 0, 64, protocol, 0, 0]);
            packet.extend(source.octets());
            packet.extend(destination.octets());
            let sum = net::checksum::of(&packet);
            packet[10..12].copy_from_slice(&sum);
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            packet.extend([0x60, 0, 0, 0]);
            packet.extend((payload.len() as u16).to_be_bytes());
            packet.extend([protocol, 64]);
            packet.extend(source.octets());
            packet.extend(destination.octets());
        }
        _ => panic!("families differ"),
    }
    packet.extend(payload);
    packet
}

/// UDP without checksum.
pub(crate) fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = [source.to_be_bytes(), destination.to_be_bytes()].concat();
    datagram.extend(((8 + payload.len()) as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    datagram
}

/// TCP, sequence number 1, PSH and ACK, without checksum.
pub(crate) fn tcp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut segment = [source.to_be_bytes(), destination.to_be_bytes()].concat();
    segment.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 1, 0, 0, 0, 0, 0]);
    segment.extend(payload);
    segment
}

/// Bytes that are not the same everywhere.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + length) as u8).collect()
}

fn ethertype(packet: &[u8]) -> [u8; 2] {
    if packet.first().is_some_and(|byte| byte >> 4 == 6) { [0x86, 0xdd] } else { [8, 0] }
}

/// The packet as the port sends it to the peer.
pub(crate) fn to_peer(packet: &[u8]) -> Vec<u8> {
    [&PEER_MAC[..], &OUR_MAC, &ethertype(packet), packet].concat()
}

/// The packet as it comes from the peer.
pub(crate) fn from_peer(packet: &[u8]) -> Vec<u8> {
    [&OUR_MAC[..], &PEER_MAC, &ethertype(packet), packet].concat()
}

/// `frame` with a VLAN tag.
pub(crate) fn tagged(frame: &[u8], tci: u16) -> Vec<u8> {
    [&frame[..12], &[0x81, 0], &tci.to_be_bytes(), &frame[12..]].concat()
}

/// With the checksums that a device fills in.
pub(crate) fn filled(mut frame: Vec<u8>) -> Vec<u8> {
    fill(&mut frame, Fill { l3: true, l4: true, ..Fill::default() });
    frame
}
