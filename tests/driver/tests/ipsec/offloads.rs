//! What the card does beside ESP: tags, checksums, cutting, and verdicts on checksums of what came out.

use super::case::{Case, SPI, Way, open};
use super::frames::{self, TCP, UDP, filled, tagged, to_peer};
use super::rig::Rig;
use core::net::IpAddr;
use mlx5_driver_tests::Machine;
use mlx5_pci::ipsec::{Family, Handle};
use net::{Fill, Meta, Nic};

const ETHERNET: usize = 14;

fn ip_header(family: Family) -> usize {
    if family == Family::V4 { 20 } else { 40 }
}

/// Transport mode, and tunnels of which software makes the outer header, or the card; once each with UDP.
fn cases() -> Vec<Case> {
    Case::all().into_iter().filter(|case| !case.wide).collect()
}

/// The same packet with all checksums right.
fn right(packet: &[u8]) -> Vec<u8> {
    filled(to_peer(packet))[ETHERNET..].to_vec()
}

/// With checksums that are wrong until they are filled in; IPv4's too.
fn wrong(packet: &[u8], protocol: u8) -> Vec<u8> {
    let mut packet = packet.to_vec();
    let v4 = packet[0] >> 4 == 4;
    let transport = if v4 { 20 } else { 40 };
    if v4 {
        packet[10..12].fill(0xaa);
    }
    let at = transport + if protocol == TCP { 16 } else { 6 };
    packet[at..at + 2].fill(0xbb);
    packet
}

fn meta(handle: Handle) -> Meta {
    Meta { sa_out: Some(handle.bits()), ..Meta::default() }
}

/// What the frames have inside, as software opens them.
fn opened(case: &Case, sent: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let (mut software, _) = case.peer(ipsec::Direction::In);
    sent.iter()
        .map(|frame| open(&mut software, frame).unwrap_or_else(|drop| panic!("{case:?}: {drop}")))
        .collect()
}

#[test]
fn checksums_are_filled_in_before_esp() {
    // Plain, several packets in a WQE, and headers in the WQE.
    for capability in [
        ("ethernet.enhanced_multi_pkt_send_wqe", 0),
        ("ethernet.enhanced_multi_pkt_send_wqe", 1),
        ("ethernet.wqe_inline_mode", 0),
    ] {
        let mut rig = Rig::with(&[capability]);
        for case in cases() {
            let handle = rig.install(&case.sends());
            let packets = [
                (UDP, case.packet_of(true, UDP, &frames::udp(1000, 2000, &[7; 55]))),
                (TCP, case.packet_of(true, TCP, &frames::tcp(1000, 2000, &[8; 401]))),
                (TCP, case.packet_of(true, TCP, &frames::tcp(1001, 2000, &[9; 2]))),
            ];
            let good: Vec<_> = packets.iter().map(|(_, packet)| right(packet)).collect();
            let given: Vec<_> =
                packets.iter().map(|(protocol, packet)| case.given(&wrong(packet, *protocol))).collect();
            let sent = rig.send_as(Meta { fill: Fill::ALL, ..meta(handle) }, &given);
            assert_eq!(opened(&case, &sent), good, "{case:?} {capability:?}");
            // Only what is asked for.
            let given = case.given(&good[1]);
            let sent = rig.send_as(Meta { fill: Fill::ALL, ..meta(handle) }, core::slice::from_ref(&given));
            let untouched = rig.send_as(meta(handle), &[given]);
            assert_eq!((sent.len(), untouched.len()), (1, 1));
            rig.nic.retire(handle).unwrap();
        }
        rig.close();
    }
}

/// `packet`, whose payload begins at `headers`, cut into segments with all checksums right.
fn segments(packet: &[u8], headers: usize, mss: usize) -> Vec<Vec<u8>> {
    let (head, payload) = packet.split_at(headers);
    let count = payload.len().div_ceil(mss);
    let cut = |(index, part): (usize, &[u8])| {
        let mut segment = [head, part].concat();
        let length = segment.len() as u16;
        if segment[0] >> 4 == 4 {
            segment[2..4].copy_from_slice(&length.to_be_bytes());
            segment[4..6].copy_from_slice(&(0x1234 + index as u16).to_be_bytes());
        } else {
            segment[4..6].copy_from_slice(&(length - 40).to_be_bytes());
        }
        let tcp = headers - 20;
        segment[tcp + 4..tcp + 8].copy_from_slice(&(1 + (index * mss) as u32).to_be_bytes());
        if index + 1 < count {
            segment[tcp + 13] &= !0x08;
        }
        right(&segment)
    };
    payload.chunks(mss).enumerate().map(cut).collect()
}

#[test]
fn large_tcp_packets_are_cut_and_each_segment_sealed() {
    for capability in [("ethernet.enhanced_multi_pkt_send_wqe", 1), ("ethernet.wqe_inline_mode", 0)] {
        let mut rig = Rig::with(&[capability]);
        for case in cases() {
            let handle = rig.install(&case.sends());
            let packet = case.packet_of(true, TCP, &frames::tcp(5000, 443, &frames::pattern(8600)));
            let expected = segments(&packet, ip_header(case.inner()) + 20, 1337);
            assert_eq!(expected.len(), 7);
            let sent = rig.send_as(Meta { segment: Some(1337), ..meta(handle) }, &[case.given(&packet)]);
            assert_eq!(opened(&case, &sent), expected, "{case:?} {capability:?}");
            // Each has its own number.
            let number = |frame: &Vec<u8>| case.cipher().open(0, case.esp(frame)).unwrap().number;
            assert_eq!(sent.iter().map(number).collect::<Vec<_>>(), (1..=7).collect::<Vec<_>>());
            // One that is no larger than a segment leaves whole, with checksums.
            let small = case.packet_of(true, TCP, &frames::tcp(5000, 443, &[1; 500]));
            let given = case.given(&wrong(&small, TCP));
            let sent = rig.send_as(Meta { segment: Some(1337), ..meta(handle) }, &[given]);
            let (mut software, _) = case.peer(ipsec::Direction::In);
            assert_eq!(open(&mut software, &sent[0]).unwrap(), right(&small), "{case:?}");
            rig.nic.retire(handle).unwrap();
        }
        rig.close();
    }
}

#[test]
fn what_can_not_be_filled_in_does_not_leave() {
    let mut rig = Rig::with(&[("ethernet.swp", 0)]);
    assert!(!rig.nic.fills_inside() && rig.nic.offloads().transport && rig.nic.offloads().inner_segment == 0);
    let case = Case { way: Way::Software(Family::V4), ..Case::PLAIN };
    let handle = rig.install(&case.sends());
    let packet = case.packet_of(true, TCP, &frames::tcp(1, 2, &[3; 3000]));
    for wish in [Meta { fill: Fill::ALL, ..meta(handle) }, Meta { segment: Some(1000), ..meta(handle) }] {
        assert_eq!(rig.send_as(wish, &[case.given(&packet)]), Vec::<Vec<u8>>::new());
    }
    assert_eq!(rig.nic.stats().tx_drops, 2);
    assert_eq!(rig.seal(handle, &[case.given(&packet)]).len(), 1);
    rig.close();
}

#[test]
fn an_sa_can_be_for_a_vlan() {
    let mut rig = Rig::new();
    for case in cases().into_iter().filter(|case| !matches!(case.way, Way::Card(_))) {
        let handle = rig.install(&case.sends());
        let packet = case.packet_of(true, TCP, &frames::tcp(5000, 443, &frames::pattern(3000)));
        let expected = segments(&packet, ip_header(case.inner()) + 20, 1400);
        // The tag is put on by the card, or is there already.
        let put = Meta { segment: Some(1400), vlan: Some(0x6005), ..meta(handle) };
        let sent = rig.send_as(put, &[case.given(&packet)]);
        let untag = |frame: &Vec<u8>| {
            assert_eq!(frame[12..16], [0x81, 0, 0x60, 5], "{case:?}");
            [&frame[..12], &frame[16..]].concat()
        };
        let sent: Vec<_> = sent.iter().map(untag).collect();
        assert_eq!(opened(&case, &sent), expected, "{case:?}");
        let small = case.packet_of(true, UDP, &frames::udp(1, 2, &[5; 100]));
        let put = Meta { fill: Fill::ALL, vlan: Some(0x6005), ..meta(handle) };
        let sent = [
            rig.send_as(put, &[case.given(&wrong(&small, UDP))]),
            rig.send_as(meta(handle), &[tagged(&case.given(&right(&small)), 0x6005)]),
        ];
        for sent in sent {
            let (mut software, _) = case.peer(ipsec::Direction::In);
            assert_eq!(open(&mut software, &untag(&sent[0])).unwrap(), right(&small), "{case:?}");
        }
        rig.nic.retire(handle).unwrap();

        let mut sa = case.receives();
        sa.vlan = Some(5);
        let handle = rig.install(&sa);
        let esp = |number| case.cipher().seal(SPI, number, protocol(&case), &inner(&case));
        let frame = case.wire(&esp(1));
        assert_eq!(rig.open(&tagged(&frame, 0x6005)).1, Some(handle.bits()), "whatever its priority");
        for other in [frame.clone(), tagged(&frame, 6), tagged(&frame, 0)] {
            assert_eq!(rig.open(&other).1, None, "another VLAN's");
        }
        rig.nic.retire(handle).unwrap();
    }
    rig.close();
}

fn protocol(case: &Case) -> u8 {
    match (case.way, case.inner()) {
        (Way::Transport, _) => UDP,
        (_, Family::V4) => 4,
        (_, Family::V6) => 41,
    }
}

fn inner(case: &Case) -> Vec<u8> {
    let whole = case.packet_of(false, UDP, &frames::udp(7, 8, &[1; 30]));
    if case.way == Way::Transport { whole[ip_header(case.family)..].to_vec() } else { whole }
}

#[test]
fn checksums_of_what_came_out_are_judged() {
    let mut rig = Rig::new();
    for case in cases() {
        let handle = rig.install(&case.receives());
        let cipher = case.cipher();
        let good = right(&case.packet_of(false, TCP, &frames::tcp(443, 5000, &[6; 700])));
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        for (number, (packet, fine)) in (1..).zip([(&good, true), (&bad, false), (&good, true)]) {
            let esp = match case.way {
                Way::Transport => cipher.seal(SPI, number, TCP, &packet[ip_header(case.family)..]),
                _ => cipher.seal(SPI, number, protocol(&case), packet),
            };
            let come = rig.arrive(&case.wire(&esp));
            assert_eq!(come[0].meta.sa_in, Some(handle.bits()));
            assert_eq!((come[0].meta.header_ok, come[0].meta.checksum_ok), (true, fine), "{case:?}");
            // Of a packet inside of what ESP protects; where the card takes the outer header off, there is none.
            let inside = matches!(case.way, Way::Software(_));
            assert_eq!(come[0].meta.inner_ok, fine && inside, "{case:?}");
        }
        rig.nic.retire(handle).unwrap();
    }
    rig.close();
}

#[test]
fn mixed_wishes_in_one_burst_stay_with_their_packets() {
    let mut rig = Rig::new();
    let plain = Case::PLAIN;
    let tunnel = Case { way: Way::Software(Family::V6), ..plain };
    let mut second = tunnel.sends();
    second.spi += 1;
    let [one, two] = [rig.install(&plain.sends()), rig.install(&second)];
    let clear = to_peer(&right(&plain.packet_of(true, UDP, &frames::udp(9, 9, &[4; 80]))));
    let first = plain.packet_of(true, UDP, &frames::udp(1, 2, &[5; 100]));
    let other = tunnel.packet_of(true, TCP, &frames::tcp(1, 2, &[5; 2500]));
    let mut burst = net::Burst::new();
    for _ in 0..4 {
        let wishes = [
            (clear.clone(), Meta::default()),
            (plain.given(&wrong(&first, UDP)), Meta { fill: Fill::ALL, ..meta(one) }),
            (tunnel.given(&other), Meta { segment: Some(1000), ..meta(two) }),
        ];
        for (frame, meta) in wishes {
            let mut packet = rig.packet(&frame);
            packet.meta = meta;
            let _ = burst.push(packet);
        }
    }
    assert_eq!(rig.nic.tx(&mut burst), 12);
    let sent = rig.machine.sent();
    assert_eq!(sent.len(), 4 * (1 + 1 + 3));
    let mut number = 0;
    for (round, frames) in sent.chunks(5).enumerate() {
        assert_eq!(frames[0], clear);
        let inside = plain.cipher().open(0, plain.esp(&frames[1])).unwrap();
        assert_eq!((inside.number, inside.payload), (round as u32 + 1, right(&first)[20..].to_vec()));
        for (frame, segment) in frames[2..].iter().zip(segments(&other, 60, 1000)) {
            number += 1;
            let inside = tunnel.cipher().open(0, tunnel.esp(frame)).unwrap();
            assert_eq!((inside.spi, inside.number, inside.payload), (SPI + 1, number, segment));
        }
    }
    let _: IpAddr = Case::ours(Family::V4);
    rig.close();
}
