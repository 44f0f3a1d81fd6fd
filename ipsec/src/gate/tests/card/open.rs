//! Packets that a card has opened: the outer header goes, and what is inside is held against the SA as by software.

use super::*;
use crate::wire::ecn;
use net::ip::ipv4;

fn four(tos: u8) -> Vec<u8> {
    ip_packet("10.1.0.1", "10.2.0.1", proto::UDP, tos, &udp(5, 6, 7))
}

fn six(tos: u8) -> Vec<u8> {
    ip_packet("fd00:1::1", "fd00:2::1", proto::UDP, tos, &udp(5, 6, 7))
}

/// The packet that a card hands over, from A4 to B4.
fn opened(next: u8, tos: u8, payload: &[u8]) -> Vec<u8> {
    ip_packet(A4, B4, next, tos, payload)
}

#[test]
fn both_modes_and_families() {
    for ends in [(A4, B4), (A6, B6)] {
        let mut tunnel = carded(true, ends, |_| {});
        for inner in [four(0), six(0xb8)] {
            let outer = tunnel.seal(&inner).unwrap();
            assert_eq!(tunnel.open(outer.bytes()), Ok(inner.clone()));
            // What fills a short frame, and what hides a length (RFC 4303, section 2.7).
            assert_eq!(tunnel.open(&[outer.bytes(), &[0; 9]].concat()), Ok(inner.clone()));
            let next = if inner[0] >> 4 == 4 { proto::IPV4 } else { proto::IPV6 };
            let padded = ip_packet(ends.0, ends.1, next, 0, &[&inner[..], &[7; 100]].concat());
            assert_eq!(tunnel.open(&padded), Ok(inner.clone()));
        }
        let stats = tunnel.pair.b.stats(tunnel.pair.inbound).unwrap();
        let bytes = 3 * (four(0).len() + six(0).len()) as u64 + 200;
        assert_eq!((stats.packets, stats.bytes, stats.drops.total()), (6, bytes, 0));
        let mut transport = carded(false, ends, |_| {});
        for payload in [udp(1, 2, 3), udp(1, 2, 0)] {
            let inner = ip_packet(ends.0, ends.1, proto::UDP, 0x2a, &payload);
            let outer = transport.seal(&inner).unwrap();
            assert_eq!(transport.open(outer.bytes()), Ok(inner.clone()));
            assert_eq!(transport.open(&[outer.bytes(), &[0; 9]].concat()), Ok(inner));
        }
    }
}

/// In tunnel mode the verdict that counts is the one on the packet inside, if there is one; in transport mode there is none
/// inside.
#[test]
fn verified_checksums() {
    for (tunnel, inner_ok) in [(true, false), (true, true), (false, false)] {
        let mut carded = carded(tunnel, (A4, B4), |_| {});
        let inner = ip_packet(A4, B4, proto::UDP, 0, &udp(1, 2, 3));
        let mut packet = carded.seal(&inner).unwrap();
        (packet.meta.checksum_ok, packet.meta.inner_ok) = (true, inner_ok);
        carded.pair.b.open_by_card(NOW, (PORT, carded.b.name(0)), &mut packet).unwrap();
        assert_eq!(packet.meta.checksum_ok, !tunnel || inner_ok);
    }
}

/// RFC 6040, section 4.2, in full; IPv4's header checksum stays right.
#[test]
fn congestion_goes_inside() {
    for make in [four, six] {
        for (within, outside) in (0..4).flat_map(|within| (0..4).map(move |outside| (within, outside))) {
            let mut carded = carded(true, (A4, B4), |_| {});
            let inner = make(0xb8 | within);
            let next = if inner[0] >> 4 == 4 { proto::IPV4 } else { proto::IPV6 };
            let expected = match (within, outside) {
                (ecn::NOT_ECT, ecn::CE) => Err(Cause::EcnInvalid),
                (ecn::NOT_ECT, _) => Ok(make(0xb8)),
                (_, ecn::CE) => Ok(make(0xb8 | ecn::CE)),
                (ecn::ECT_0, ecn::ECT_1) => Ok(make(0xb8 | ecn::ECT_1)),
                _ => Ok(inner.clone()),
            };
            assert_eq!(carded.open(&opened(next, outside, &inner)), expected, "{within} {outside}");
        }
    }
}

#[test]
fn what_a_tunnel_refuses() {
    let broken = four(0)[..24].to_vec();
    let mut options = opened(proto::IPV4, 0, &four(0));
    options[0] = 0x4f;
    let mut fragment = opened(proto::IPV4, 0, &four(0));
    set_flags(&mut fragment, ipv4::MF);
    for (outer, cause) in [
        (opened(proto::UDP, 0, &udp(1, 2, 3)), Cause::WrongMode),
        (opened(proto::ESP, 0, &four(0)), Cause::WrongMode),
        (opened(proto::IPV6, 0, &four(0)), Cause::WrongNextHeader),
        (opened(proto::IPV4, 0, &six(0)), Cause::WrongNextHeader),
        (opened(proto::IPV4, 0, &broken), Cause::InnerMalformed),
        (opened(proto::IPV4, 0, &[]), Cause::InnerMalformed),
        (opened(proto::IPV4, 0, &[0x45]), Cause::InnerMalformed),
        (opened(proto::NO_NEXT, 0, &[1, 2, 3]), Cause::Dummy),
        (opened(proto::IPV4, 0, &four(0))[..30].to_vec(), Cause::Truncated),
        (fragment, Cause::OuterFragment),
        (vec![0x45; 10], Cause::OuterMalformed),
        (vec![], Cause::OuterMalformed),
    ] {
        let mut carded = carded(true, (A4, B4), |_| {});
        assert_eq!(carded.open(&outer), Err(cause), "{outer:02x?}");
        let counted = !matches!(cause, Cause::OuterFragment | Cause::OuterMalformed | Cause::Truncated);
        let stats = carded.pair.b.stats(carded.pair.inbound).unwrap();
        assert_eq!((stats.packets, stats.drops.total()), (u64::from(counted), 1), "authentic, so counted");
    }
}

#[test]
fn what_transport_mode_refuses() {
    let mut fragment = opened(proto::UDP, 0, &udp(1, 2, 16));
    set_flags(&mut fragment, ipv4::MF);
    let within = [&[17, 0, 0, 1, 0, 0, 0, 9][..], &udp(1, 2, 3)].concat();
    for (ends, outer, cause) in [
        ((A4, B4), opened(proto::IPV4, 0, &four(0)), Cause::WrongMode),
        ((A4, B4), opened(proto::IPV6, 0, &six(0)), Cause::WrongMode),
        ((A4, B4), opened(proto::NO_NEXT, 0, &[]), Cause::Dummy),
        ((A4, B4), fragment, Cause::OuterFragment),
        ((A6, B6), ip_packet(A6, B6, proto::FRAGMENT, 0, &within), Cause::OuterFragment),
    ] {
        let mut carded = carded(false, ends, |_| {});
        assert_eq!(carded.open(&outer), Err(cause), "{outer:02x?}");
    }
}

/// The peer is authentic, and sends what it may not.
#[test]
fn selectors_hold() {
    let one = |sa: &mut SaParams| sa.selectors = vec![between("10.2.0.0/16", "10.1.0.0/16")];
    for (tunnel, ends) in [(true, (A4, B4)), (false, ("10.1.0.1", "10.2.0.1"))] {
        let (inside, outside) = match tunnel {
            true => (four(0), ip_packet("10.1.0.1", "10.3.0.1", proto::UDP, 0, &udp(5, 6, 7))),
            false => (four(0), ip_packet("10.9.0.1", "10.2.0.1", proto::UDP, 0, &udp(5, 6, 7))),
        };
        let outer = |inner: &[u8]| match tunnel {
            true => opened(proto::IPV4, 0, inner),
            false => inner.to_vec(),
        };
        let mut carded = carded(tunnel, ends, one);
        assert_eq!(carded.open(&outer(&inside)), Ok(inside.clone()));
        assert_eq!(carded.open(&outer(&outside)), Err(Cause::SelectorMismatch));
        if tunnel {
            assert_eq!(carded.open(&opened(proto::IPV6, 0, &six(0))), Err(Cause::SelectorMismatch));
        }
    }
    let port = |sa: &mut SaParams| {
        let upper = crate::Upper::Ports { src: crate::PortRange::ANY, dst: crate::PortRange::one(5) };
        sa.selectors = vec![crate::Selector { proto: Some(17), upper, ..any4() }];
    };
    let mut carded = carded(true, (A4, B4), port);
    assert_eq!(carded.open(&opened(proto::IPV4, 0, &four(0))), Ok(four(0)));
    let mut fragment = four(0);
    set_flags(&mut fragment, 185);
    assert_eq!(carded.open(&opened(proto::IPV4, 0, &fragment)), Err(Cause::FragmentUnmatched));
}

/// Behind a NAT the checksums of the payload are of other addresses (RFC 3948, section 3.1.2).
#[test]
fn checksums_behind_a_nat() {
    for encap in [None, Some(UdpEncap { local_port: 4500, remote_port: 9 })] {
        let mut carded = carded(false, (A4, B4), |sa| sa.encap = encap);
        let mut datagram = udp(1, 2, 3);
        let sum =
            net::checksum::Sum::new().with_pseudo(ip(A4), ip(B4), proto::UDP, 11).with(&datagram).finish();
        let right = {
            let mut datagram = datagram.clone();
            datagram[6..8].copy_from_slice(&sum);
            opened(proto::UDP, 0, &datagram)
        };
        datagram[6..8].copy_from_slice(&[0xab, 0xcd]);
        let wrong = opened(proto::UDP, 0, &datagram);
        let expected = if encap.is_some() { right } else { wrong.clone() };
        assert_eq!(carded.open(&wrong), Ok(expected));
    }
}

/// A name means the SA of one card and of one life; nothing else opens by it.
#[test]
fn names_of_nobody() {
    let mut carded = carded(true, (A4, B4), |_| {});
    let name = carded.b.name(0);
    let outer = opened(proto::IPV4, 0, &four(0));
    let later = Name(name.0 ^ 1 << Name::INDEX_BITS);
    let unknown = |gate: &mut Ipsec, port, name| {
        let before = gate.drops().of(Cause::UnknownHandle);
        let drop = gate.open_by_card(NOW, (port, name), &mut Packet::from_bytes(&outer)).unwrap_err();
        assert_eq!((drop.cause, drop.spi), (Cause::UnknownHandle, None), "{port:?} {name:?}");
        assert_eq!(gate.drops().of(Cause::UnknownHandle), before + 1);
    };
    let places =
        [(PORT, Name(0)), (PORT, later), (PORT, Name(u32::MAX)), (PortId(0), name), (PortId(200), name)];
    for (port, name) in places {
        unknown(&mut carded.pair.b, port, name);
    }
    assert_eq!(carded.open(&outer), Ok(four(0)));
    carded.pair.b.retire(carded.pair.inbound);
    unknown(&mut carded.pair.b, PORT, name);
    assert_eq!(carded.b.0.borrow().retired, [name]);
}

/// One SA, one engine: what the other one meets of it is dropped.
#[test]
fn no_engine_does_the_others_work() {
    let mut carded = carded(true, (A4, B4), |_| {});
    // The key of [`params`] is known here: an authentic packet that came past the card.
    let mut past = Packet::from_bytes(&forge(1, &with_trailer(&four(0), 4)));
    let drop = carded.pair.b.open(NOW, &mut past).unwrap_err();
    assert_eq!((drop.cause, drop.handle), (Cause::NotByCard, Some(carded.pair.inbound)));
    // An outbound SA opens nothing, whoever says so.
    let name = carded.a.name(0);
    let outer = opened(proto::IPV4, 0, &four(0));
    let drop = carded.pair.a.open_by_card(NOW, (PORT, name), &mut Packet::from_bytes(&outer)).unwrap_err();
    assert_eq!(drop.cause, Cause::WrongDirection);
    // A card that takes the name of an SA which software does.
    let (mut gate, policy, card) = gate(true);
    gate.install(NOW, wanted(Direction::In, tunnel(), policy)).unwrap();
    let mut soft = params(Direction::In, tunnel(), policy);
    soft.spi = Spi(0x999);
    let soft = gate.install(NOW, soft).unwrap();
    gate.cards.bind(PORT, card.name(0), soft);
    let drop = gate.open_by_card(NOW, (PORT, card.name(0)), &mut Packet::from_bytes(&outer)).unwrap_err();
    assert_eq!((drop.cause, drop.handle), (Cause::NotByCard, Some(soft)));
}
