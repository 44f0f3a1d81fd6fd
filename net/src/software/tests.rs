//! A port that can do nothing, or some things, behind what does the rest.

use super::*;
use crate::checksum;
use crate::fixture::{OPTIONS4, TCP4, UDP6, hex};
use alloc::vec::Vec;

/// Takes so many frames at once.
struct Wire {
    can: Offloads,
    room: usize,
    sent: Vec<Packet>,
}

impl Nic for Wire {
    fn mac(&self) -> EthernetAddress {
        EthernetAddress([2, 0, 0, 0, 0, 1])
    }

    fn link(&self) -> Link {
        Link { up: true, mtu: 1500 }
    }

    fn rx(&mut self, _: &mut Burst) -> usize {
        0
    }

    fn tx(&mut self, from: &mut Burst) -> usize {
        let taken = from.len().min(self.room);
        self.room -= taken;
        self.sent.extend(from.drain(..taken));
        taken
    }

    fn arm(&mut self) -> bool {
        true
    }

    fn stats(&self) -> NicStats {
        NicStats::default()
    }

    fn offloads(&self) -> Offloads {
        self.can
    }
}

const EVERYTHING: Offloads = Offloads {
    header: true,
    transport: true,
    segment: 1 << 16,
    inner_segment: 1 << 16,
    vlan: true,
    esp: false,
};

fn port(can: Offloads) -> Complete<Wire> {
    Complete::new(Wire { can, room: usize::MAX, sent: Vec::new() }, Pool::new(64))
}

fn frame(kind: [u8; 2], packet: &[u8]) -> Vec<u8> {
    [&hex("020000000001020000000002")[..], &kind, packet].concat()
}

/// A TCP frame with `payload` bytes that count up, FIN, PSH, ACK and CWR set, and no checksums.
fn tcp(v4: bool, payload: usize) -> Packet {
    let mut packet = if v4 { hex(TCP4) } else { [&hex(UDP6)[..40], &hex(TCP4)[20..]].concat() };
    let at = if v4 { 20 } else { 40 };
    if v4 {
        packet[10..12].fill(0xee);
    } else {
        packet[6] = proto::TCP;
    }
    packet[at + TCP_SEQUENCE..][..4].copy_from_slice(&0xffff_fff0u32.to_be_bytes());
    packet[at + TCP_FLAGS] = FIN_PSH | CWR | 0x10;
    packet[at + TCP_CHECKSUM..][..2].fill(0xee);
    packet.extend((0..payload).map(|n| n as u8));
    let mut frame = Packet::from_bytes(&frame(if v4 { [8, 0] } else { [0x86, 0xdd] }, &packet));
    frame.meta.segment = Some(1000);
    frame
}

fn send(port: &mut Complete<Wire>, packets: impl IntoIterator<Item = Packet>) -> usize {
    port.tx(&mut packets.into_iter().collect())
}

#[test]
fn checksums_are_those_of_scapy() {
    for (kind, packet, header, transport) in
        [([8, 0], TCP4, 24, 50), ([8, 0], OPTIONS4, 24, 44), ([0x86, 0xdd], UDP6, 0, 60)]
    {
        let good = frame(kind, &hex(packet));
        let mut wrong = good.clone();
        if header != 0 {
            wrong[header..header + 2].fill(0xaa);
        }
        wrong[transport..transport + 2].fill(0xbb);
        let mut packet = Packet::from_bytes(&wrong);
        packet.meta.fill = Fill::ALL;
        let mut port = port(Offloads::NONE);
        assert_eq!(send(&mut port, [packet]), 1);
        let sent = &port.inner().sent[0];
        assert_eq!((sent.bytes(), sent.meta.fill), (&good[..], Fill::NONE));
    }
}

#[test]
fn what_is_inside_of_a_sealed_packet_is_cut_by_the_device() {
    let inner = tcp(true, 3000).bytes()[14..].to_vec();
    // Outer IPv6 with protocol 4.
    let outer = [&hex(UDP6)[..6], &[4, 64], &hex(UDP6)[8..40], &inner].concat();
    let can = Offloads { esp: true, ..EVERYTHING };
    for (can, sa, sent) in [
        (can, Some(7), 1),
        (can, None, 0),
        (EVERYTHING, Some(7), 0),
        (Offloads { inner_segment: 2000, ..can }, Some(7), 0),
    ] {
        // A tag that the port does not put in, so that the packet is not left to it as it is.
        let mut port = port(Offloads { vlan: false, ..can });
        let mut packet = Packet::from_bytes(&frame([0x86, 0xdd], &outer));
        (packet.meta.segment, packet.meta.sa_out, packet.meta.vlan) = (Some(1000), sa, Some(9));
        send(&mut port, [packet]);
        let left = &port.inner().sent;
        assert_eq!(left.len(), sent, "{can:?} {sa:?}");
        assert!(left.iter().all(|packet| packet.meta.segment == Some(1000) && packet.meta.sa_out == Some(7)));
        assert_eq!(port.stats().tx_drops, 1 - sent as u64);
    }
}

#[test]
fn what_the_port_does_is_left_to_it() {
    let mut port = port(EVERYTHING);
    let mut packet = tcp(true, 5000);
    packet.meta.vlan = Some(9);
    let before = packet.bytes().to_vec();
    send(&mut port, [packet]);
    let sent = &port.inner().sent[0];
    assert_eq!((sent.bytes(), sent.meta.segment, sent.meta.vlan), (&before[..], Some(1000), Some(9)));
}

/// Whether the transport checksum is right.
fn is_sound(frame: &[u8]) -> bool {
    let headers = Headers::parse(frame).unwrap();
    let segment = &frame[headers.transport..];
    let (src, dst) = if headers.v4 {
        let at = |at| IpAddr::from(array::<4>(frame, headers.network + at).unwrap());
        (at(12), at(16))
    } else {
        let at = |at| IpAddr::from(array::<16>(frame, headers.network + at).unwrap());
        (at(8), at(24))
    };
    let sum = Sum::new().with_pseudo(src, dst, headers.proto, segment.len() as u32).with(segment);
    sum.is_valid() && (!headers.v4 || checksum::is_valid(&frame[headers.network..headers.transport]))
}

#[test]
fn large_packets_are_cut() {
    for v4 in [true, false] {
        let mut port = port(Offloads::NONE);
        let mut packet = tcp(v4, 2500);
        packet.meta.vlan = Some(0x2005);
        send(&mut port, [packet]);
        let sent: Vec<_> = port.inner().sent.iter().map(Packet::bytes).collect();
        let header = if v4 { 58 } else { 78 };
        assert_eq!(sent.iter().map(|frame| frame.len() - header).collect::<Vec<_>>(), [1000, 1000, 500]);
        let payload: Vec<u8> = sent.iter().flat_map(|frame| &frame[header..]).copied().collect();
        assert_eq!(payload, (0..2500).map(|n| n as u8).collect::<Vec<_>>());
        for (index, frame) in sent.iter().enumerate() {
            assert_eq!(frame[12..16], [0x81, 0, 0x20, 5]);
            assert!(is_sound(frame), "{index}");
            let at = header - 20;
            let sequence = u32::from_be_bytes(array(frame, at + TCP_SEQUENCE).unwrap());
            assert_eq!(sequence, 0xffff_fff0u32.wrapping_add(1000 * index as u32));
            let flags = [CWR | 0x10, 0x10, FIN_PSH | 0x10][index];
            assert_eq!(frame[at + TCP_FLAGS], flags);
            if v4 {
                assert_eq!(be16(frame, 18 + ipv4::IDENT), Some(0x1234 + index as u16));
            }
        }
        assert_eq!(port.stats().tx_drops, 0);
    }
}

#[test]
fn more_segments_than_a_burst_wait_for_room() {
    let mut port = port(Offloads { segment: 0, ..EVERYTHING });
    port.inner().room = 10;
    let last = Packet::from_bytes(&[1; 60]);
    let mut burst: Burst = [tcp(true, 64_000), last].into_iter().collect();
    port.tx(&mut burst);
    assert_eq!((port.inner().sent.len(), burst.len()), (10, 1));
    assert!(!port.arm(), "what waits must not be slept over");
    while !burst.is_empty() || !port.arm() {
        port.inner().room += 7;
        port.tx(&mut burst);
    }
    let sent = &port.inner().sent;
    assert_eq!((sent.len(), sent[64].bytes()), (65, &[1; 60][..]));
    assert!(sent[..64].iter().all(|frame| frame.len() == 1054 && frame.meta.fill == Fill::ALL));
}

#[test]
fn what_cannot_be_done_is_dropped_and_counted() {
    let mut port = port(Offloads::NONE);
    let mut endless = tcp(true, 2000);
    endless.meta.segment = Some(0);
    let mut no_tcp = Packet::from_bytes(&frame([0x86, 0xdd], &hex(UDP6)));
    no_tcp.meta.segment = Some(10);
    let mut no_room = Packet::from_bytes(&[1; 60]);
    no_room.meta.vlan = Some(1);
    assert!(no_room.push(no_room.headroom()).is_some());
    assert_eq!(send(&mut port, [endless, no_tcp, no_room]), 3);
    assert_eq!((port.inner().sent.len(), port.stats().tx_drops), (0, 3));
    // The pool runs dry in the middle of a packet.
    let hoard: Vec<_> = core::iter::from_fn(|| port.pool.take()).skip(2).collect();
    send(&mut port, [tcp(true, 2500)]);
    assert_eq!(port.stats().tx_drops, 4);
    drop(hoard);
}

/// Three segments as they came, and the train of them, with `front` put on it.
fn train(front: &[u8]) -> (Vec<Vec<u8>>, Packet) {
    let mut whole = tcp(true, 2500);
    whole.bytes_mut()[14 + 6] = 0x40;
    whole.bytes_mut()[14 + 20 + TCP_FLAGS] = 0x10 | 0x08;
    let mut cutting = port(Offloads::NONE);
    send(&mut cutting, [whole]);
    let segments: Vec<Vec<u8>> =
        cutting.inner().sent.iter().map(|frame| frame.bytes()[14..].to_vec()).collect();
    let mut trains = crate::Trains::default();
    let mut left = None;
    for segment in &segments {
        let mut packet = Packet::from_bytes(segment);
        packet.meta.checksum_ok = true;
        let parsed = crate::Flow::parse(segment).unwrap();
        left = trains.offer(packet, parsed, crate::train::Came::default()).pop();
    }
    let (mut packet, _) = left.unwrap();
    packet.push(front.len()).unwrap().copy_from_slice(front);
    (segments, packet)
}

#[test]
fn a_train_comes_apart_where_the_port_does_not_cut() {
    let front = &frame([8, 0], &[]);
    for (segment, whole) in [(0, false), (2000, false), (1 << 16, true)] {
        let (segments, mut packet) = train(front);
        packet.meta.vlan = Some(5);
        let can = Offloads { segment, vlan: false, ..EVERYTHING };
        let mut port = port(can);
        assert_eq!(send(&mut port, [packet]), 1);
        let sent = &port.inner().sent;
        assert_eq!(sent.len(), if whole { 1 } else { 3 });
        assert_eq!(sent[0].is_train(), whole);
        for (frame, segment) in sent.iter().zip(&segments) {
            assert_eq!((&frame.bytes()[12..16], &frame.bytes()[18..]), (&[0x81, 0, 0, 5][..], &segment[..]));
        }
    }
}

#[test]
fn a_train_inside_of_what_a_device_protects_comes_apart_before_it() {
    let mut outer = hex(TCP4)[..20].to_vec();
    outer[9] = proto::IPV4;
    let front = frame([8, 0], &outer);
    for (can, sent, trains) in [
        (Offloads { esp: true, inner_segment: 0, ..EVERYTHING }, 3, false),
        (Offloads { esp: true, ..EVERYTHING }, 1, true),
        // In clear it must not leave at all.
        (EVERYTHING, 0, false),
    ] {
        let (segments, mut packet) = train(&front);
        packet.meta.sa_out = Some(3);
        let mut port = port(can);
        assert_eq!(send(&mut port, [packet]), 1);
        assert_eq!(port.stats().tx_drops, if sent == 0 { 3 } else { 0 });
        let left = &port.inner().sent;
        assert_eq!(left.len(), sent);
        for (frame, segment) in left.iter().zip(&segments) {
            assert_eq!((frame.is_train(), frame.meta.sa_out), (trains, Some(3)));
            assert_eq!(frame.bytes()[34..], segment[..]);
        }
    }
}

#[test]
fn a_train_comes_apart_as_the_port_has_room() {
    let (segments, packet) = train(&frame([8, 0], &[]));
    let mut port = port(Offloads::NONE);
    port.inner().room = 2;
    assert_eq!(send(&mut port, [packet]), 1);
    assert_eq!(port.inner().sent.len(), 2);
    assert!(!port.arm());
    port.inner().room = 9;
    send(&mut port, []);
    assert_eq!(port.inner().sent.len(), segments.len());
    assert!(port.arm());
}
