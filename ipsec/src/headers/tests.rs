use super::*;
use crate::testing::{A4, A6, B4, B6, ip, ip_packet, set_flags, udp as udp_datagram};
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

const HOP: u8 = proto::HOP_BY_HOP;
const ROUTE: u8 = proto::ROUTING;
const DEST: u8 = proto::DEST_OPTIONS;

/// An IPv6 packet with these extension headers of 8 bytes (routing: 24), and UDP behind them.
fn chain(kinds: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (i, &kind) in kinds.iter().enumerate() {
        let next = kinds.get(i + 1).copied().unwrap_or(proto::UDP);
        let units = if kind == ROUTE { 2 } else { 0 };
        let mut header = vec![0; (units + 1) * 8];
        header[..3].copy_from_slice(&[next, units as u8, 2]);
        payload.extend(header);
    }
    payload.extend(udp_datagram(1, 2, 3));
    ip_packet(A6, B6, kinds.first().copied().unwrap_or(proto::UDP), 0, &payload)
}

#[test]
fn places_in_a_chain() {
    for (kinds, at, announced_at, next, end) in [
        (&[][..], 40, 6, proto::UDP, 40),
        (&[HOP], 48, 40, proto::UDP, 48),
        (&[ROUTE], 64, 40, proto::UDP, 64),
        (&[HOP, ROUTE], 72, 48, proto::UDP, 72),
        // Destination options for the final destination stay behind ESP.
        (&[DEST], 40, 6, DEST, 48),
        (&[HOP, DEST], 48, 40, DEST, 56),
        (&[HOP, ROUTE, DEST], 72, 48, DEST, 80),
        // Those for the nodes that the routing header names stay in front.
        (&[DEST, ROUTE], 72, 48, proto::UDP, 72),
        (&[HOP, DEST, ROUTE, DEST], 80, 56, DEST, 88),
    ] {
        let packet = chain(kinds);
        assert_eq!(insertion(&packet), Ok(Place { at, announced_at, next }), "{kinds:?}");
        let place = payload(&packet).unwrap();
        assert_eq!((place.at, place.next), (end, proto::UDP), "{kinds:?}");
    }
    assert_eq!(payload(&chain(&[DEST; 7])).map(|place| place.at), Ok(96));
    assert_eq!(payload(&chain(&[DEST; 8])), Err(Cause::OuterMalformed));
    assert_eq!(insertion(&chain(&[HOP, proto::FRAGMENT])), Err(Cause::TransportFragment));
    assert_eq!(payload(&chain(&[HOP, proto::FRAGMENT])), Err(Cause::OuterFragment));
}

#[test]
fn ipv4_places() {
    let mut packet = ip_packet(A4, B4, proto::TCP, 0, &[0; 8]);
    assert_eq!(insertion(&packet), Ok(Place { at: 20, announced_at: 9, next: proto::TCP }));
    set_flags(&mut packet, ipv4::DF);
    assert!(insertion(&packet).is_ok());
    for flags in [ipv4::MF, 1, ipv4::MF | 5] {
        set_flags(&mut packet, flags);
        assert_eq!(insertion(&packet), Err(Cause::TransportFragment));
        assert_eq!(payload(&packet), Err(Cause::OuterFragment));
    }
    packet[0] = 0x44;
    assert_eq!(payload(&packet), Err(Cause::OuterMalformed));
}

#[test]
fn repair_writes_lengths_and_checksum() {
    for ends in [(A4, B4), (A6, B6)] {
        let mut packet = ip_packet(ends.0, ends.1, proto::TCP, 0, &[1; 30]);
        let place = insertion(&packet).unwrap();
        packet.extend([0; 5]);
        repair(&mut packet, place.announced_at, proto::ESP);
        let parsed = net::Flow::parse(&packet).unwrap();
        assert_eq!((parsed.total_len, parsed.flow.proto), (packet.len(), proto::ESP));
    }
}

/// Checksums are right afterwards, whatever was in their place.
#[test]
fn checksums_after_nat() {
    for (ends, protocol, field) in [
        ((A4, B4), proto::TCP, 16),
        ((A6, B6), proto::TCP, 16),
        ((A4, B4), proto::UDP, 6),
        ((A6, B6), proto::UDP, 6),
        ((A6, B6), proto::ICMPV6, 2),
    ] {
        let mut message: Vec<u8> = (1..=41).collect();
        message[4..6].copy_from_slice(&[0, 41]);
        let mut packet = ip_packet(ends.0, ends.1, protocol, 0, &message);
        let at = packet.len() - message.len();
        recompute_checksum(&mut packet, at, protocol);
        assert_ne!(packet[at + field..at + field + 2], message[field..field + 2]);
        let sum = Sum::new().with_pseudo(ip(ends.0), ip(ends.1), protocol, 41).with(&packet[at..]);
        assert!(sum.is_valid(), "{protocol}");
        let mut only = packet.clone();
        only[at + field..at + field + 2].copy_from_slice(&message[field..field + 2]);
        assert_eq!(only[at..], message, "nothing else has changed");
    }
    for (ends, protocol, message) in [
        // UDP without checksum, ICMP (whose checksum covers no addresses), anything else, too short.
        ((A4, B4), proto::UDP, udp_datagram(1, 2, 9)),
        ((A4, B4), proto::ICMP, vec![9; 20]),
        ((A4, B4), 47, vec![9; 20]),
        ((A4, B4), proto::TCP, vec![9; 17]),
        ((A6, B6), proto::UDP, vec![9; 7]),
    ] {
        let mut packet = ip_packet(ends.0, ends.1, protocol, 0, &message);
        let (before, at) = (packet.clone(), packet.len() - message.len());
        recompute_checksum(&mut packet, at, protocol);
        assert_eq!(packet, before);
    }
}

proptest! {
    #[test]
    fn any_bytes_do_no_harm(mut bytes: Vec<u8>, first in prop_oneof![Just(0x45u8), Just(0x60), any::<u8>()],
                            kinds in prop::collection::vec(prop::sample::select(&[HOP, ROUTE, DEST, 44, 50][..]), 0..9),
                            cut in 0usize..200) {
        if let Some(byte) = bytes.first_mut() {
            *byte = first;
        }
        let mut packet = chain(&kinds);
        packet.truncate(cut);
        for bytes in [&mut bytes, &mut packet] {
            let _ = Ip::parse(bytes);
            let _ = (payload(bytes), addresses(bytes));
            if let Ok(place) = insertion(bytes) {
                prop_assert!(place.at <= bytes.len() && place.announced_at < place.at);
            }
            for protocol in [proto::TCP, proto::UDP, proto::ICMPV6] {
                recompute_checksum(bytes, cut, protocol);
            }
            repair(bytes, cut, 7);
        }
    }
}
