//! Frames with right checksums.

use mlx5_model::packet::checksum::{Fill, fill};

/// Destination: an address that is not the card's, so that what is sent to it leaves.
const TO: [u8; 6] = [2, 0, 0, 0, 0, 2];
const FROM: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// A frame of a flow: `flow` is part of addresses and ports.
pub(crate) fn udp(flow: u16, payload: &[u8]) -> Vec<u8> {
    let mut transport = ports(flow);
    transport.extend((8 + payload.len() as u16).to_be_bytes());
    transport.extend([0, 0]);
    transport.extend(payload);
    ipv4(flow, 17, &transport)
}

/// As [`udp`]; sequence number 1, PSH and ACK set.
pub(crate) fn tcp(flow: u16, payload: &[u8]) -> Vec<u8> {
    ipv4(flow, 6, &segment(flow, payload))
}

/// As [`tcp`], over IPv6.
pub(crate) fn tcp6(flow: u16, payload: &[u8]) -> Vec<u8> {
    let transport = segment(flow, payload);
    let mut frame = [TO, FROM].concat();
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
    frame.extend((transport.len().min(0xffff) as u16).to_be_bytes());
    frame.extend([6, 64]);
    for last in [1, 2] {
        frame.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0]);
        frame.extend(flow.to_be_bytes());
        frame.extend([0, last]);
    }
    frame.extend(transport);
    filled(frame)
}

/// ESP with this SPI, always between the same two hosts.
pub(crate) fn esp(spi: u32) -> Vec<u8> {
    ipv4(0, 50, &[&spi.to_be_bytes()[..], &[0, 0, 0, 1], &[0x5a; 40]].concat())
}

/// Not IP.
pub(crate) fn arp() -> Vec<u8> {
    [&[0xff; 6][..], &FROM, &[8, 6], &[0; 46]].concat()
}

/// `frame` with a tag.
pub(crate) fn tagged(frame: &[u8], tci: u16) -> Vec<u8> {
    [&frame[..12], &[0x81, 0], &tci.to_be_bytes(), &frame[12..]].concat()
}

fn ports(flow: u16) -> Vec<u8> {
    [(1000 + flow).to_be_bytes(), 2000u16.to_be_bytes()].concat()
}

fn segment(flow: u16, payload: &[u8]) -> Vec<u8> {
    let mut transport = ports(flow);
    transport.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 1, 0, 0, 0, 0, 0]);
    transport.extend(payload);
    transport
}

fn ipv4(flow: u16, protocol: u8, transport: &[u8]) -> Vec<u8> {
    let mut frame = [TO, FROM].concat();
    frame.extend([8, 0, 0x45, 0]);
    frame.extend(((20 + transport.len()).min(0xffff) as u16).to_be_bytes());
    frame.extend([0x12, 0x34, 0x40, 0, 64, protocol, 0, 0]);
    frame.extend([198, 51]);
    frame.extend(flow.to_be_bytes());
    frame.extend([192, 0, 2, 2]);
    frame.extend(transport);
    filled(frame)
}

/// With the checksums that a device fills in.
pub(crate) fn filled(mut frame: Vec<u8>) -> Vec<u8> {
    fill(&mut frame, Fill { l3: true, l4: true, ..Fill::default() });
    frame
}

/// With checksums that are wrong until they are filled in.
pub(crate) fn unfilled(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let (l3, l4) = (24, if frame[23] == 6 { 50 } else { 40 });
    frame[l3..l3 + 2].fill(0xaa);
    frame[l4..l4 + 2].fill(0xbb);
    frame
}
