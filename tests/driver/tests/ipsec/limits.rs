//! Lifetimes: in packets by the card, in bytes by looking; and what an SA says of itself meanwhile.

use super::case::{Case, SPI};
use super::frames::OPAQUE;
use super::rig::Rig;
use core::time::Duration;
use mlx5_pci::ipsec::{Event, Expiry, Family, Handle, Limits};
use std::collections::HashSet;

fn cases() -> [Case; 3] {
    let plain = Case::PLAIN;
    [plain, Case { family: Family::V6, ..plain }, Case { udp: true, esn: false, ..plain }]
}

#[test]
fn packets_that_are_sent_end_to_the_packet() {
    let mut rig = Rig::new();
    for case in cases() {
        let mut sa = case.sends();
        sa.packets = Limits { soft: Some(5), hard: Some(9) };
        let handle = rig.install(&sa);
        let frame = [case.given(&case.packet(true, 20))];
        let mut sent = Vec::new();
        let mut events = Vec::new();
        for packet in 1..=12 {
            sent.push(rig.seal(handle, &frame).len());
            events.extend(rig.events().into_iter().map(|event| (packet, event)));
        }
        assert_eq!(sent, [[1; 9].as_slice(), &[0; 3]].concat());
        let (soft, hard) = (Event::Soft(handle, Expiry::Packets), Event::Hard(handle, Expiry::Packets));
        assert_eq!(events, [(5, soft), (9, hard)]);
        assert_eq!(rig.nic.read(handle).unwrap().unwrap().left, Some(0));
        assert_eq!(rig.nic.retire(handle).unwrap().unwrap().all.packets, 9);
    }
    rig.close();
}

#[test]
fn the_card_stops_by_itself_when_nobody_looks() {
    let mut rig = Rig::new();
    for case in cases() {
        let mut sa = case.sends();
        sa.packets = Limits { soft: None, hard: Some(9) };
        let handle = rig.install(&sa);
        let frames = vec![case.given(&case.packet(true, 20)); 20];
        assert_eq!(rig.seal(handle, &frames).len(), 9);
        assert_eq!(rig.events(), [Event::Hard(handle, Expiry::Packets)]);
        assert_eq!(rig.seal(handle, &frames).len(), 0);
        rig.nic.retire(handle).unwrap();
    }
    rig.close();
}

#[test]
fn the_card_tells_of_many_at_once() {
    let mut rig = Rig::new();
    let case = Case::PLAIN;
    let mut sa = case.sends();
    sa.packets = Limits { soft: Some(3), hard: Some(9) };
    let handles: Vec<Handle> = (0..200)
        .map(|number| {
            sa.spi = 0x1000 + number;
            rig.install(&sa)
        })
        .collect();
    let frame = case.given(&case.packet(true, 20));
    let mut told = |count: usize, event: fn(Handle, Expiry) -> Event| {
        let frames = vec![frame.clone(); count];
        assert!(handles.iter().all(|handle| rig.seal(*handle, &frames).len() == count));
        // Before all have had their turn.
        let told: HashSet<String> = rig.events().iter().map(|event| format!("{event:?}")).collect();
        let wanted = handles.iter().map(|handle| format!("{:?}", event(*handle, Expiry::Packets)));
        assert_eq!(told, wanted.collect());
    };
    told(3, Event::Soft);
    told(6, Event::Hard);
    rig.close();
}

#[test]
fn only_authentic_packets_count_on_receive() {
    let mut rig = Rig::new();
    for case in cases() {
        let mut sa = case.receives();
        sa.packets = Limits { soft: Some(2), hard: Some(4) };
        let handle = rig.install(&sa);
        let mut come = Vec::new();
        let mut events = Vec::new();
        for number in 1..=6 {
            let good = case.sealed(number, 20);
            let mut bad = good.clone();
            *bad.last_mut().unwrap() ^= 1;
            let through = rig.arrive(&bad);
            assert!(through.iter().all(|packet| packet.meta.sa_in.is_none()));
            come.push(rig.arrive(&good).iter().filter(|packet| packet.meta.sa_in.is_some()).count());
            events.extend(rig.events().into_iter().map(|event| (number, event)));
        }
        assert_eq!(come, [1, 1, 1, 1, 0, 0]);
        let (soft, hard) = (Event::Soft(handle, Expiry::Packets), Event::Hard(handle, Expiry::Packets));
        assert_eq!(events, [(2, soft), (4, hard)]);
        rig.nic.retire(handle).unwrap();
    }
    rig.close();
}

#[test]
fn what_is_left_of_a_long_life_is_told() {
    let mut rig = Rig::new();
    let case = Case::PLAIN;
    for hard in [1 << 31, (1 << 32) - 1, 1 << 32, (1 << 33) + 7, 1 << 40] {
        let mut sa = case.sends();
        sa.packets = Limits { soft: Some(hard - 2), hard: Some(hard) };
        let handle = rig.install(&sa);
        let frames = vec![case.given(&case.packet(true, 20)); 10];
        rig.seal(handle, &frames);
        assert_eq!(rig.events(), []);
        assert_eq!(rig.nic.read(handle).unwrap().unwrap().left, Some(hard - 10));
        rig.nic.retire(handle).unwrap();
    }
    rig.close();
}

#[test]
fn bytes_are_found_out_by_looking() {
    let mut rig = Rig::new();
    let second = Duration::from_secs(1);
    for case in cases() {
        let mut sa = case.sends();
        sa.octets = Limits { soft: Some(1000), hard: Some(3000) };
        let handle = rig.install(&sa);
        let frame = case.given(&case.packet(true, 100));
        let each = frame.len();
        let of = |bytes: usize| vec![frame.clone(); bytes.div_ceil(each)];
        rig.seal(handle, &of(500));
        assert_eq!(rig.events_after(second), []);
        rig.seal(handle, &of(600));
        assert_eq!(rig.events(), [], "not yet looked at");
        assert_eq!(rig.events_after(second), [Event::Soft(handle, Expiry::Octets)]);
        assert_eq!(rig.events_after(second), [], "once");
        assert_eq!(rig.seal(handle, &of(3000)).len(), of(3000).len());
        assert_eq!(rig.events_after(second), [Event::Hard(handle, Expiry::Octets)]);
        assert_eq!(rig.seal(handle, &of(100)).len(), 0);
        assert_eq!(rig.events_after(second), []);
        rig.nic.retire(handle).unwrap();
    }
    rig.close();
}

#[test]
fn an_sa_tells_what_it_has_done() {
    let mut rig = Rig::new();
    let case = Case::PLAIN;
    let (out, back) = (rig.install(&case.sends()), rig.install(&case.receives()));
    let frames: Vec<_> = (0..20).map(|length| case.given(&case.packet(true, 30 + length))).collect();
    let sealed = rig.seal(out, &frames);
    assert_eq!(sealed.len(), 20);
    let state = rig.nic.read(out).unwrap().unwrap();
    let octets: usize = frames.iter().map(Vec::len).sum();
    assert_eq!((state.counts.all.packets, state.counts.all.octets), (20, octets as u64));
    assert_eq!((state.sequence, state.window, state.left), (21, 0, None));
    let mut octets = 0;
    for number in 1..=70 {
        let frame = case.wire(&case.cipher().seal(SPI, number, OPAQUE, &[3; 40]));
        octets += frame.len();
        rig.open(&frame);
    }
    let state = rig.nic.read(back).unwrap().unwrap();
    assert_eq!((state.counts.all.packets, state.counts.all.octets), (70, octets as u64));
    assert_eq!((state.sequence, state.window), (7, 64));
    assert_eq!(state.seen[24..], [0xff; 8]);
    // All at once tells the same.
    let (offload, commands) = rig.nic.ipsec_mut().unwrap();
    let all = offload.count_all(commands).unwrap();
    let of = |handle| all.iter().find(|(named, _)| *named == handle).unwrap().1;
    assert_eq!((of(out).all.packets, of(back)), (20, state.counts));
    rig.close();
}
