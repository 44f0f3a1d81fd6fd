//! Outbound packets for a card: named, dressed with the outer header of tunnel mode, and else as they were.

use super::*;
use crate::sa::{Df, Dscp, Ecn, Outer};
use net::ip::{ipv4, ipv6};

const TOS: [u8; 4] = [0, 0x02, 0xb9, 0xff];

fn six(tos: u8) -> Vec<u8> {
    ip_packet("fd00:1::1", "fd00:2::1", proto::UDP, tos, &udp(5, 6, 7))
}

/// The outer IPv4 or IPv6 header without what tells the engines apart: length, checksum, next header, identification.
fn common(outer: &[u8]) -> Vec<u8> {
    let (length, fields): (_, &[usize]) =
        if outer[0] >> 4 == 4 { (20, &[2, 3, 4, 5, 9, 10, 11]) } else { (40, &[4, 5, 6]) };
    let mut header = outer[..length].to_vec();
    fields.iter().for_each(|&at| header[at] = 0);
    header
}

/// Every option of the outer header, both families outside and inside: the header is that of software, the rest the packet.
#[test]
fn tunnel_mode_writes_the_outer_header_only() {
    let mut outers = Vec::new();
    for dscp in [Dscp::Copy, Dscp::Set(46)] {
        for ecn in [Ecn::Normal, Ecn::Compatibility] {
            outers.extend([Df::Copy, Df::Set, Df::Clear].map(|df| Outer { dscp, ecn, df, hop_limit: 77 }));
        }
    }
    let encaps = [None, Some(UdpEncap { local_port: 4500, remote_port: 9 })];
    for ends in [(A4, B4), (A6, B6)] {
        for (outer, encap) in outers.iter().flat_map(|&outer| encaps.map(|encap| (outer, encap))) {
            let change = |sa: &mut SaParams| (sa.outer, sa.encap) = (outer, encap);
            let mut carded = carded(true, ends, change);
            let mut software = pair(true, ends, change);
            for inner in TOS.into_iter().flat_map(|tos| {
                let mut cut = ip_packet("10.1.0.1", "10.2.0.1", proto::UDP, tos, &udp(1, 2, 3));
                let whole = cut.clone();
                set_flags(&mut cut, ipv4::DF);
                [whole, cut, six(tos)]
            }) {
                let packet = carded.seal(&inner).unwrap();
                let by_software = software.seal(&inner).unwrap();
                let bytes = packet.bytes();
                let front = bytes.len() - inner.len();
                assert_eq!(bytes[front..], inner[..]);
                assert_eq!(common(bytes), common(&by_software));
                let next = if inner[0] >> 4 == 4 { proto::IPV4 } else { proto::IPV6 };
                let (announced, length) = if ends.0 == A4 {
                    assert_eq!((front, net::checksum::of(&bytes[..20])), (20, [0; 2]), "a sound header");
                    (bytes[ipv4::PROTOCOL], usize::from(u16::from_be_bytes([bytes[2], bytes[3]])))
                } else {
                    assert_eq!(front, 40);
                    (bytes[ipv6::NEXT_HEADER], 40 + usize::from(u16::from_be_bytes([bytes[4], bytes[5]])))
                };
                assert_eq!((announced, length), (next, bytes.len()));
                assert_eq!((packet.meta.sa_out, packet.meta.port), (Some(carded.a.name(0).0), PORT));
            }
        }
    }
}

/// The packet is as it was; only its name is on it.
#[test]
fn transport_mode_changes_no_byte() {
    for (ends, payload) in [((A4, B4), udp(1, 2, 12)), ((A6, B6), vec![]), ((A6, B6), udp(1, 2, 1400))] {
        let mut carded = carded(false, ends, |_| {});
        for tos in TOS {
            let inner = ip_packet(ends.0, ends.1, proto::UDP, tos, &payload);
            let packet = carded.seal(&inner).unwrap();
            assert_eq!(packet.bytes(), inner);
            assert_eq!((packet.meta.sa_out, packet.meta.port), (Some(carded.a.name(0).0), PORT));
        }
        let stats = carded.pair.a.stats(carded.pair.out).unwrap();
        assert_eq!((stats.packets, stats.sequence, stats.drops.total()), (4, 4, 0));
    }
}

/// A refused packet has no name, and is counted once.
fn refused(carded: &mut Carded, inner: &[u8], cause: Cause) {
    let before = carded.pair.a.stats(carded.pair.out).unwrap();
    let mut packet = Packet::from_bytes(inner);
    let drop = carded.pair.a.seal(NOW, carded.pair.out, &mut packet).unwrap_err();
    assert_eq!((drop.cause, drop.handle, drop.spi), (cause, Some(carded.pair.out), Some(SPI)));
    assert_eq!(packet.meta.sa_out, None, "a dropped packet that gets away is no ESP");
    let after = carded.pair.a.stats(carded.pair.out).unwrap();
    assert_eq!((after.packets, after.drops.of(cause)), (before.packets, before.drops.of(cause) + 1));
}

#[test]
fn what_transport_mode_refuses() {
    let mut four = carded(false, (A4, B4), |_| {});
    let plain = |payload: &[u8]| ip_packet(A4, B4, proto::UDP, 0, payload);
    refused(&mut four, &ip_packet(A4, "192.0.2.9", proto::UDP, 0, &udp(1, 2, 3)), Cause::NotEndpoint);
    refused(&mut four, &ip_packet("192.0.2.9", B4, proto::UDP, 0, &udp(1, 2, 3)), Cause::NotEndpoint);
    refused(&mut four, &ip_packet(A6, B6, proto::UDP, 0, &udp(1, 2, 3)), Cause::NotEndpoint);
    // One option word: no operation, four times.
    let mut options = plain(&[&[1; 4][..], &udp(1, 2, 3)].concat());
    options[0] = 0x46;
    refused(&mut four, &options, Cause::CardShape);
    for flags in [ipv4::MF, 1, ipv4::MF | 185] {
        let mut fragment = plain(&udp(1, 2, 16));
        set_flags(&mut fragment, flags);
        refused(&mut four, &fragment, Cause::TransportFragment);
    }
    let mut long = plain(&udp(1, 2, 3));
    long.push(0);
    refused(&mut four, &long, Cause::Malformed);
    refused(&mut four, &[], Cause::Malformed);
    let mut six = carded(false, (A6, B6), |_| {});
    for kind in [proto::HOP_BY_HOP, proto::ROUTING, proto::DEST_OPTIONS] {
        // Eight bytes, the rest of them one PadN.
        let extended = ip_packet(A6, B6, kind, 0, &[&[17, 0, 1, 4, 0, 0, 0, 0][..], &udp(1, 2, 3)].concat());
        refused(&mut six, &extended, Cause::CardShape);
    }
    let fragment =
        ip_packet(A6, B6, proto::FRAGMENT, 0, &[&[17, 0, 0, 1, 0, 0, 0, 9][..], &udp(1, 2, 3)].concat());
    refused(&mut six, &fragment, Cause::TransportFragment);
    refused(&mut six, &ip_packet(A6, B6, proto::HOP_BY_HOP, 0, &[17, 9, 0, 0]), Cause::Malformed);
}

/// The largest packet that ESP can still say the length of, to the byte as software has it.
#[test]
fn no_longer_than_lengths_can_say() {
    for (ends, encap) in [((A4, B4), false), ((A4, B4), true), ((A6, B6), false), ((A6, B6), true)] {
        let change = |sa: &mut SaParams| {
            sa.encap = encap.then_some(UdpEncap { local_port: 4500, remote_port: 4500 });
        };
        let (mut card, mut software) = (carded(true, ends, change), pair(true, ends, change));
        // Headers of 20 or 40 (which its length leaves out) and 8, ESP's 16 + 16, and a trailer that ends on a word.
        let room = 65_535 - if ends.0 == A4 { 20 } else { 0 } - if encap { 8 } else { 0 } - 32;
        let mut longest = 0;
        for length in room - 8..=room + 4 {
            let inner = ip_packet("10.1.0.1", "10.2.0.1", proto::UDP, 0, &vec![0; length - 20]);
            let by_card = card.seal(&inner).map(|_| ());
            assert_eq!(by_card, software.seal(&inner).map(|_| ()), "{ends:?} {encap} {length}");
            match by_card {
                Ok(()) => longest = length,
                Err(cause) => assert_eq!(cause, Cause::NoRoom),
            }
        }
        assert_eq!(longest, room / 4 * 4 - 2, "{ends:?} {encap}");
    }
}

/// Limits are the gate's, on the card as in software.
#[test]
fn limits_hold_on_the_card() {
    let mut carded = carded(true, (A4, B4), |sa| {
        sa.lifetime.soft.packets = Some(2);
        sa.lifetime.hard.packets = Some(3);
    });
    let (handle, spi, direction) = (carded.pair.out, SPI, Direction::Out);
    for expected in [
        vec![],
        vec![Event::SoftLimit { handle, spi, direction }],
        vec![Event::HardLimit { handle, spi, direction }],
    ] {
        carded.seal(&inner()).unwrap();
        assert_eq!(events(&mut carded.pair.a, NOW), expected);
    }
    refused(&mut carded, &inner(), Cause::Expired);
    assert_eq!(carded.pair.a.outbound(NOW, &flow()), Outbound::NeedSa(carded.pair.policy));
    let inbound = carded.pair.inbound;
    let drop = carded.pair.b.seal(NOW, inbound, &mut Packet::from_bytes(&inner())).unwrap_err();
    assert_eq!(drop.cause, Cause::WrongDirection);
}
