//! What the card lets in, what it drops and under which cause it counts that, for each SA.

use super::case::{Case, SPI, WINDOW};
use super::frames::{self, OPAQUE, TCP, UDP, from_peer, ip, pattern};
use super::rig::{Rig, plain_queues};
use mlx5_driver_tests::Machine;
use mlx5_model::Fault;
use mlx5_pci::ipsec::{Counts, Direction, Family, Handle, Selector};
use mlx5_pci::queues::Settings;

fn counts(rig: &mut Rig, handle: Handle) -> Counts {
    rig.nic.read(handle).unwrap().unwrap().counts
}

/// Packets by cause: all, bad ICV, bad trailer, replay, selector.
fn drops(rig: &mut Rig, handle: Handle) -> [u64; 5] {
    let Counts { all, bad_icv, bad_trailer, replay, selector } = counts(rig, handle);
    [all, bad_icv, bad_trailer, replay, selector].map(|count| count.packets)
}

fn cases() -> [Case; 4] {
    let plain = Case::PLAIN;
    let v6 = Case { family: Family::V6, ..plain };
    [plain, v6, Case { udp: true, ..plain }, Case { udp: true, wide: true, ..v6 }]
}

#[test]
fn what_was_tampered_with_is_dropped_and_counted() {
    let mut rig = Rig::new();
    for case in cases() {
        let handle = rig.install(&case.receives());
        // It is never to blame.
        let mut other = case.receives();
        other.spi = SPI + 1;
        let other = rig.install(&other);
        let good = case.sealed(1, 61);
        let start = good.len() - case.esp(&good).len();
        let mut bad = 0;
        // All but the SPI; a number that was tampered with is one of the associated data.
        for at in start + 4..good.len() {
            let mut frame = good.clone();
            frame[at] ^= 1 << (at % 8);
            assert!(rig.arrive(&frame).is_empty(), "{case:?} byte {at}");
            bad += 1;
        }
        assert_eq!(drops(&mut rig, handle), [bad, bad, 0, 0, 0]);
        assert_eq!(rig.open(&good).1, Some(handle.bits()), "none of them has moved the window");
        assert_eq!(drops(&mut rig, other), [0; 5]);
        for sa in [handle, other] {
            rig.nic.retire(sa).unwrap();
        }
    }
    rig.close();
}

#[test]
fn too_short_for_esp_is_dropped() {
    let mut rig = Rig::new();
    let case = Case::PLAIN;
    let handle = rig.install(&case.receives());
    let whole = case.sealed(1, 30);
    let esp = case.esp(&whole).to_vec();
    let mut dropped = 0;
    for length in 8..esp.len() {
        let come = rig.arrive(&case.wire(&esp[..length]));
        assert!(come.iter().all(|packet| packet.meta.sa_in.is_none()), "{length}");
        dropped += u64::from(come.is_empty());
    }
    assert_eq!(drops(&mut rig, handle)[..2], [dropped; 2]);
    assert!(dropped > 40);
    rig.close();
}

#[test]
fn a_bad_trailer_is_dropped_and_counted() {
    let mut rig = Rig::new();
    for case in cases() {
        let handle = rig.install(&case.receives());
        let cipher = case.cipher();
        // Padding longer than the packet; padding that does not count; padding of zeroes.
        let texts = [
            [&[0x5a; 10][..], &[255, OPAQUE]].concat(),
            [&[0x5a; 8][..], &[9, 9, 2, OPAQUE]].concat(),
            [&[0x5a; 8][..], &[0, 0, 2, OPAQUE]].concat(),
        ];
        for (number, text) in (1..).zip(&texts) {
            assert!(rig.arrive(&case.wire(&cipher.seal_text(SPI, number, text))).is_empty());
        }
        assert_eq!(drops(&mut rig, handle), [3, 0, 3, 0, 0]);
        rig.nic.retire(handle).unwrap();
    }
    let tunnel = Case { way: super::case::Way::Card(Family::V4), ..Case::PLAIN };
    let handle = rig.install(&tunnel.receives());
    // No IP packet inside.
    let frame = tunnel.wire(&tunnel.cipher().seal(SPI, 1, UDP, &frames::udp(1, 2, &[3; 20])));
    assert!(rig.arrive(&frame).is_empty());
    assert_eq!(drops(&mut rig, handle), [1, 0, 1, 0, 0]);
    rig.close();
}

#[test]
fn replays_are_dropped_and_counted() {
    let mut rig = Rig::new();
    for case in cases() {
        let handle = rig.install(&case.receives());
        let mut order: Vec<u64> = vec![1, 3, 2, 40, 7, 41, 200, 199, 137];
        for number in &order {
            assert_eq!(rig.arrive(&case.sealed(*number, 20)).len(), 1, "{number}");
        }
        order.sort_unstable();
        for number in &order {
            assert!(rig.arrive(&case.sealed(*number, 20)).is_empty(), "{number} again");
        }
        // The window spans 137 to 200.
        assert!(rig.arrive(&case.sealed(136, 20)).is_empty(), "too old");
        assert_eq!(rig.arrive(&case.sealed(138, 20)).len(), 1);
        assert_eq!(drops(&mut rig, handle), [20, 0, 0, 10, 0]);
        rig.nic.retire(handle).unwrap();
    }
    rig.close();
}

#[test]
fn windows_are_as_large_as_they_were_asked_for() {
    let mut rig = Rig::new();
    let windows: Vec<u16> = rig.nic.ipsec().unwrap().abilities().windows().collect();
    assert_eq!(windows, [32, 64, 128, 256]);
    let case = Case::PLAIN;
    for window in windows {
        let mut sa = case.receives();
        sa.direction = Direction::Receive { window };
        let handle = rig.install(&sa);
        let (top, window) = (10_000, u64::from(window));
        assert_eq!(rig.arrive(&case.sealed(top, 20)).len(), 1);
        assert!(rig.arrive(&case.sealed(top - window, 20)).is_empty());
        assert_eq!(rig.arrive(&case.sealed(top - window + 1, 20)).len(), 1);
        let state = rig.nic.read(handle).unwrap().unwrap();
        assert_eq!((u64::from(state.window), state.sequence), (window, top - window + 1));
        // Seen: the lowest and the highest of it.
        let seen = |number: u64| {
            let place = (number - state.sequence) as usize;
            state.seen[31 - place / 8] >> (place % 8) & 1 == 1
        };
        let all: Vec<u64> =
            (0..window).map(|at| state.sequence + at).filter(|number| seen(*number)).collect();
        assert_eq!(all, [top - window + 1, top]);
        rig.nic.retire(handle).unwrap();
    }
    rig.close();
}

#[test]
fn what_is_not_the_peers_is_not_opened() {
    let mut rig = Rig::new();
    let case = Case::PLAIN;
    let handle = rig.install(&case.receives());
    let esp = case.cipher().seal(SPI, 1, OPAQUE, &[1; 20]);
    let (ours, peers) = (Case::ours(Family::V4), Case::peers(Family::V4));
    let elsewhere = core::net::Ipv4Addr::new(192, 0, 2, 77).into();
    let unknown = case.cipher().seal(SPI + 9, 1, OPAQUE, &[1; 20]);
    let mut fragment = ip(peers, ours, 50, &esp);
    fragment[6] = 0x20;
    let sum = {
        fragment[10..12].fill(0);
        net::checksum::of(&fragment[..20])
    };
    fragment[10..12].copy_from_slice(&sum);
    for packet in [
        ip(elsewhere, ours, 50, &esp),
        ip(peers, elsewhere, 50, &esp),
        ip(peers, ours, 50, &unknown),
        // In UDP though the SA is not.
        ip(peers, ours, UDP, &frames::udp(4500, 4500, &esp)),
        fragment,
        // In clear, where ESP is expected.
        ip(peers, ours, OPAQUE, &[1; 20]),
        // IKE and a keepalive.
        ip(peers, ours, UDP, &frames::udp(4500, 4500, &[0; 40])),
        ip(peers, ours, UDP, &frames::udp(4500, 4500, &[0xff])),
    ] {
        let frame = from_peer(&packet);
        let (come, sa) = rig.open(&frame);
        // Short frames are padded on the wire.
        assert_eq!((&come[..frame.len()], sa), (&frame[..], None));
    }
    assert_eq!(drops(&mut rig, handle), [0; 5]);
    rig.close();
}

#[test]
fn a_nat_may_change_the_source_of_udp() {
    let mut rig = Rig::new();
    let case = Case { udp: true, ..Case::PLAIN };
    let handle = rig.install(&case.receives());
    let esp = case.cipher().seal(SPI, 1, OPAQUE, &[1; 20]);
    let moved = core::net::Ipv4Addr::new(203, 0, 113, 9).into();
    let frame = from_peer(&ip(moved, Case::ours(Family::V4), UDP, &frames::udp(61_000, 4500, &esp)));
    let (opened, sa) = rig.open(&frame);
    assert_eq!((sa, &opened[14 + 12..14 + 16]), (Some(handle.bits()), &[203, 0, 113, 9][..]));
    rig.close();
}

#[test]
fn only_what_the_selector_takes_comes_out() {
    let mut rig = Rig::new();
    let tcp = |source, destination| (TCP, frames::tcp(source, destination, &[9; 30]));
    let udp = |source, destination| (UDP, frames::udp(source, destination, &[9; 30]));
    let opaque = || (OPAQUE, pattern(30));
    let of = |protocol, source, destination| Selector { protocol, source, destination };
    let stories = [
        (of(TCP, None, None), vec![tcp(1, 2), tcp(3, 4)], vec![udp(1, 2), opaque()]),
        (of(OPAQUE, None, None), vec![opaque()], vec![udp(1, 2), tcp(1, 2)]),
        (of(TCP, Some(1), None), vec![tcp(1, 2), tcp(1, 9)], vec![tcp(2, 1), udp(1, 2)]),
        (of(TCP, None, Some(80)), vec![tcp(1, 80)], vec![tcp(80, 1), udp(1, 80)]),
        (of(TCP, Some(1), Some(80)), vec![tcp(1, 80)], vec![tcp(1, 81), tcp(2, 80)]),
        (of(UDP, Some(7), None), vec![udp(7, 2)], vec![udp(2, 7), tcp(7, 2)]),
        (of(UDP, None, Some(53)), vec![udp(1, 53)], vec![udp(1, 54), tcp(1, 53)]),
        (of(UDP, Some(1), Some(53)), vec![udp(1, 53)], vec![udp(53, 1)]),
    ];
    for case in cases() {
        for (selector, takes, refuses) in &stories {
            let mut sa = case.receives();
            sa.selector = Some(*selector);
            let handle = rig.install(&sa);
            let cipher = case.cipher();
            let mut number = 0;
            let mut come = |rig: &mut Rig, (protocol, payload): &(u8, Vec<u8>)| {
                number += 1;
                rig.arrive(&case.wire(&cipher.seal(SPI, number, *protocol, payload))).len()
            };
            assert!(takes.iter().all(|packet| come(&mut rig, packet) == 1), "{case:?} {selector:?}");
            assert!(refuses.iter().all(|packet| come(&mut rig, packet) == 0), "{case:?} {selector:?}");
            let (takes, refuses) = (takes.len() as u64, refuses.len() as u64);
            assert_eq!(drops(&mut rig, handle), [takes + refuses, 0, 0, 0, refuses]);
            assert_eq!(counts(&mut rig, handle).passed().packets, takes);
            rig.nic.retire(handle).unwrap();
        }
    }
    rig.close();
}

#[test]
fn what_can_not_be_protected_does_not_leave() {
    let mut rig = Rig::new();
    let case = Case::PLAIN;
    let handle = rig.install(&case.sends());
    let good = case.given(&case.packet(true, 40));
    let mut fragment = good.clone();
    fragment[14 + 6] = 0x20;
    let v6 = Case { family: Family::V6, ..case };
    let arp = [&frames::PEER_MAC[..], &frames::OUR_MAC, &[8, 6], &[0; 46]].concat();
    let runt = good[..20].to_vec();
    let frames = [fragment, v6.given(&v6.packet(true, 40)), arp, runt];
    assert_eq!(rig.seal(handle, &frames), Vec::<Vec<u8>>::new());
    for bits in [handle.bits() ^ 1, handle.bits() ^ 1 << 20, 0, u32::MAX, 1 << 31] {
        assert_eq!(
            rig.seal(Handle::from_bits(bits), core::slice::from_ref(&good)),
            Vec::<Vec<u8>>::new(),
            "{bits:#x}"
        );
    }
    let (offload, commands) = rig.nic.ipsec_mut().unwrap();
    let [_, unnamed, left] = offload.count_rest(commands).unwrap();
    assert_eq!((unnamed.packets, left.packets), (9, 0));
    assert_eq!(rig.seal(handle, &[good]).len(), 1);
    rig.close();
}

#[test]
fn clear_traffic_goes_on_beside() {
    let mut rig = Rig::new();
    let case = Case::PLAIN;
    let (out, back) = (rig.install(&case.sends()), rig.install(&case.receives()));
    let clear = case.given(&case.packet(true, 33));
    let mixed: net::Burst = (0..8)
        .map(|at| {
            let mut packet = rig.packet(&clear);
            packet.meta.sa_out = (at % 2 == 0).then_some(out.bits());
            packet
        })
        .collect();
    let mut mixed = mixed;
    assert_eq!(net::Nic::tx(&mut rig.nic, &mut mixed), 8);
    let sent = rig.machine.sent();
    assert_eq!(sent.iter().map(|frame| *frame == clear).collect::<Vec<_>>(), [false, true].repeat(4));
    let come: Vec<_> = (1..5)
        .flat_map(|number| {
            let (_, sealed) = rig.open(&case.sealed(number, 20));
            let (_, clear) = rig.open(&from_peer(&case.packet(false, 20)));
            [sealed, clear]
        })
        .collect();
    assert_eq!(come, [Some(back.bits()), None].repeat(4));
    rig.close();
}

#[test]
fn packets_that_come_together_are_told_apart() {
    let capabilities = [
        ("general.striding_rq", 1),
        ("general.cqe_compression", 1),
        ("general.mini_cqe_resp_stride_index", 1),
    ];
    let case = Case::PLAIN;
    for (striding, compression) in [(false, false), (false, true), (true, false), (true, true)] {
        let queues = Settings { striding, compression, ..plain_queues() };
        let mut rig = Rig::with_queues(&capabilities, queues);
        rig.enable().unwrap();
        let mut other = case.receives();
        other.spi = SPI + 1;
        let (one, two) = (rig.install(&case.receives()), rig.install(&other));
        let clear = from_peer(&case.packet(false, 40));
        let mut wanted = Vec::new();
        // Runs that a card would compress, next to each other.
        for (number, kind) in (1..).zip([0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 1, 2, 1, 0, 0, 0, 0, 0, 1, 1, 2, 2]) {
            let sealed = |spi| case.wire(&case.cipher().seal(spi, number, OPAQUE, &pattern(40)));
            let (frame, sa) = match kind {
                0 => (clear.clone(), None),
                1 => (sealed(SPI), Some(one.bits())),
                _ => (sealed(SPI + 1), Some(two.bits())),
            };
            rig.machine.receive(&frame);
            wanted.push(sa);
        }
        rig.machine.pass(core::time::Duration::from_millis(1));
        let mut burst = net::Burst::new();
        net::Nic::rx(&mut rig.nic, &mut burst);
        assert_eq!(burst.iter().map(|packet| packet.meta.sa_in).collect::<Vec<_>>(), wanted);
        assert!(burst.iter().all(|packet| packet.bytes() == clear));
        drop(burst);
        rig.close();
    }
}

#[test]
fn verdicts_that_the_card_makes_up_are_counted_too() {
    let mut rig = Rig::new();
    let case = Case::PLAIN;
    let handle = rig.install(&case.receives());
    rig.machine.inject(Fault::IcvFailure { count: 1 });
    assert!(rig.arrive(&case.sealed(1, 20)).is_empty());
    rig.machine.inject(Fault::Replay { count: 1 });
    assert!(rig.arrive(&case.sealed(u64::from(WINDOW), 20)).is_empty());
    assert_eq!(drops(&mut rig, handle), [2, 1, 0, 1, 0]);
    rig.close();
}
