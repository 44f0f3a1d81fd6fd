//! Trains of TCP segments: to a card as one, to software one by one or not at all; and what most packets go by, which says the
//! same as what all go by.

use super::*;
use crate::sa::{Lifetimes, Limits};
use net::Trains;
use net::train::Came;

/// Three segments of 100, 100 and 60 bytes that follow each other.
fn train() -> Packet {
    let mut trains = Trains::default();
    let mut left = None;
    for (index, (payload, flags)) in [(100usize, 0x10u8), (100, 0x10), (60, 0x18)].into_iter().enumerate() {
        let mut tcp =
            [&[0, 1, 0, 2], &(100 * index as u32).to_be_bytes()[..], &[0, 0, 0, 0, 0x50, flags]].concat();
        tcp.resize(20 + payload, 7);
        let packet = ip_packet("fd00:1::1", "fd00:2::1", proto::TCP, 0, &tcp);
        let mut packet = Packet::from_bytes(&packet);
        packet.meta.checksum_ok = true;
        let parsed = Flow::parse(packet.bytes()).unwrap();
        left = trains.offer(packet, parsed, Came::default()).pop();
    }
    left.unwrap().0
}

const BYTES: u64 = 3 * 60 + 260;

fn limited(packets: u64) -> Lifetimes {
    Lifetimes { hard: Limits { packets: Some(packets), ..Limits::default() }, ..Lifetimes::default() }
}

#[test]
fn a_card_takes_a_train_and_each_segment_counts() {
    let mut carded = carded(true, (A4, B4), |_| {});
    let (a, out) = (&mut carded.pair.a, carded.pair.out);
    let mut packet = train();
    assert!(a.takes_train(NOW, out, &packet));
    a.seal(NOW, out, &mut packet).unwrap();
    assert_eq!((packet.count(), packet.meta.sa_out), (3, Some(carded.a.name(0).0)));
    let stats = a.stats(out).unwrap();
    assert_eq!((stats.packets, stats.bytes), (3, BYTES));
    // Outer identifications are each segment's own.
    let ident = |packet: &Packet| u16::from_be_bytes([packet.bytes()[4], packet.bytes()[5]]);
    let first = ident(&packet);
    assert_eq!(
        ident(&carded.seal(&ip_packet("10.1.0.1", "10.2.0.1", proto::UDP, 0, &udp(1, 2, 3))).unwrap()),
        first + 3
    );
}

#[test]
fn near_a_limit_segments_go_one_by_one() {
    for (limit, takes) in [(2, false), (3, true), (4, true)] {
        let mut carded = carded(true, (A4, B4), |sa| sa.lifetime = limited(limit));
        let (a, out) = (&mut carded.pair.a, carded.pair.out);
        let mut packet = train();
        assert_eq!(a.takes_train(NOW, out, &packet), takes);
        let outcome = a.seal(NOW, out, &mut packet).map_err(|drop| drop.cause);
        assert_eq!(outcome, if takes { Ok(()) } else { Err(Cause::Train) });
        assert_eq!(a.drops().of(Cause::Train), if takes { 0 } else { 3 });
    }
}

#[test]
fn software_seals_no_train() {
    let mut software = pair(true, (A4, B4), |_| {});
    let mut packet = train();
    assert!(!software.a.takes_train(NOW, software.out, &packet));
    let refused = software.a.seal(NOW, software.out, &mut packet).unwrap_err();
    assert_eq!((refused.cause, software.a.drops().of(Cause::Train)), (Cause::Train, 3));
}

/// With what is known of the header and without, up to limits and beyond.
#[test]
fn the_short_way_says_what_the_long_one_says() {
    let inner = ip_packet("10.1.0.1", "10.2.0.1", proto::UDP, 0xb9, &udp(1, 2, 3));
    for ends in [(A4, B4), (A6, B6)] {
        for lifetime in [Lifetimes::default(), limited(3)] {
            let change = |sa: &mut SaParams| sa.lifetime = lifetime;
            let (mut long, mut short) = (carded(true, ends, change), carded(true, ends, change));
            for _ in 0..5 {
                let by_long = long.seal(&inner).map(|packet| (packet.bytes().to_vec(), packet.meta));
                let mut packet = Packet::from_bytes(&inner);
                let parsed = Flow::parse(&inner).unwrap();
                let outcome = short.pair.a.seal_parsed(NOW, short.pair.out, &mut packet, &parsed);
                let by_short =
                    outcome.map(|()| (packet.bytes().to_vec(), packet.meta)).map_err(|drop| drop.cause);
                assert_eq!(by_short, by_long);
                let stats = |carded: &Carded| carded.pair.a.stats(carded.pair.out);
                let told =
                    |carded: &Carded| stats(carded).map(|sa| (sa.packets, sa.bytes, sa.drops, sa.expired));
                assert_eq!(told(&short), told(&long));
                assert_eq!(short.pair.a.next_wake(), long.pair.a.next_wake());
            }
        }
    }
}

#[test]
fn what_joins_a_train_is_counted_only_far_from_limits() {
    let mut carded = carded(true, (A4, B4), |sa| sa.lifetime = limited(3));
    let (b, inbound) = (&mut carded.pair.b, carded.pair.inbound);
    let counts: Vec<bool> = (0..4).map(|_| b.count_opened(NOW, inbound.bits(), 100)).collect();
    assert_eq!(counts, [true, true, false, false]);
    assert_eq!(b.stats(inbound).map(|sa| (sa.packets, sa.bytes)), Some((2, 200)));
    assert!(!b.count_opened(NOW, inbound.bits() + 1, 1), "no such SA");
    let mut software = pair(true, (A4, B4), |_| {});
    assert!(!software.b.count_opened(NOW, software.inbound.bits(), 1), "software opens one by one");
    assert!(!software.a.count_opened(NOW, software.out.bits(), 1), "the other direction");
}
