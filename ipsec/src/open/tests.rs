use super::*;
use crate::sa::UdpEncap;
use crate::testing::*;
use alloc::vec;
use alloc::vec::Vec;
use net::Ports;
use proptest::prelude::*;

fn echo() -> Vec<u8> {
    ip_packet("10.1.0.1", "10.2.0.1", proto::ICMP, 0, &[8, 0, 0xf7, 0xff, 0, 0, 0, 0])
}

fn inner6(tos: u8) -> Vec<u8> {
    ip_packet("fd00:1::1", "fd00:2::1", proto::UDP, tos, &udp(5, 6, 7))
}

/// The plaintext of an echo request in tunnel mode.
fn text() -> Vec<u8> {
    with_trailer(&echo(), proto::IPV4)
}

#[test]
fn one_packet() {
    let mut pair = tunnel4();
    assert_eq!(pair.open(&forge(1, &text())), Ok(echo()));
    let stats = pair.b.stats(pair.inbound).unwrap();
    assert_eq!((stats.packets, stats.bytes, stats.sequence), (1, 28, 1));
}

#[test]
fn replayed_and_stale() {
    // With ESN, a number to the left of the window is taken for one in the next subspace.
    let (mut esn, mut plain) = (tunnel4(), pair(true, (A4, B4), |sa| sa.esn = false));
    for (pair, left) in [(&mut esn, Cause::BadIcv), (&mut plain, Cause::Stale)] {
        replay(pair, left);
    }
}

fn replay(pair: &mut Pair, left: Cause) {
    let packets: Vec<_> = (1..=100).map(|_| pair.seal(&echo()).unwrap()).collect();
    for at in [0, 99, 98, 37] {
        assert_eq!(pair.open(&packets[at]), Ok(echo()));
    }
    for (at, cause) in [(99, Cause::Replayed), (98, Cause::Replayed), (37, Cause::Replayed), (35, left)] {
        assert_eq!(pair.open(&packets[at]), Err(cause), "number {}", at + 1);
    }
    assert_eq!(pair.open(&packets[36]), Ok(echo()), "the last inside");
    let drops = pair.b.stats(pair.inbound).unwrap().drops;
    assert_eq!((drops.of(Cause::Replayed), drops.of(left), drops.total()), (3, 1, 4));
    assert_eq!(drops, *pair.b.drops());
}

/// A forged number far ahead must not move the window.
#[test]
fn the_window_moves_after_the_icv_only() {
    let mut pair = tunnel4();
    let first = pair.seal(&echo()).unwrap();
    let mut ahead = first.clone();
    ahead[24..28].copy_from_slice(&0x00ff_ffffu32.to_be_bytes());
    assert_eq!(pair.open(&ahead), Err(Cause::BadIcv));
    let mut same = first.clone();
    same[40] ^= 1;
    assert_eq!(pair.open(&same), Err(Cause::BadIcv));
    assert_eq!(pair.open(&first), Ok(echo()));
}

#[test]
fn esn_crosses_in_both_directions() {
    for reorder in [false, true] {
        let mut pair = tunnel4();
        pair.skip_to((1 << 32) - 3);
        let mut packets: Vec<_> = (0..6).map(|_| pair.seal(&echo()).unwrap()).collect();
        if reorder {
            packets.reverse();
        }
        for packet in &packets {
            assert_eq!(pair.open(packet), Ok(echo()), "{reorder}");
        }
        assert_eq!(pair.open(&packets[5]), Err(Cause::Replayed));
        assert_eq!(pair.b.stats(pair.inbound).unwrap().sequence, (1 << 32) + 2);
    }
}

#[test]
fn trailers() {
    let payload = echo();
    let trailer = |pad: &[u8], tail: [u8; 2]| [&payload[..], pad, &tail].concat();
    let whole: Vec<u8> = (1..=254).collect();
    for (text, expected) in [
        (trailer(&[1, 2], [2, 4]), Ok(())),
        (trailer(&[1, 2, 3, 4, 5, 6], [6, 4]), Ok(())),
        (trailer(&whole, [254, 4]), Ok(())),
        (trailer(&[2, 1], [2, 4]), Err(Cause::BadPadding)),
        (trailer(&[0, 0], [2, 4]), Err(Cause::BadPadding)),
        (trailer(&[1, 2, 3, 4, 5, 7], [6, 4]), Err(Cause::BadPadding)),
        (trailer(&[1, 2], [255, 4]), Err(Cause::BadPadding)),
        (trailer(&[1, 2], [31, 4]), Err(Cause::BadPadding)),
        (vec![0, 0, 0, 4], Err(Cause::WrongNextHeader)),
        (vec![1, 2, 2, 4], Err(Cause::InnerMalformed)),
        // Dummies need not make sense otherwise (RFC 4303 section 2.6).
        (vec![0, 0, 0, 59], Err(Cause::Dummy)),
        (trailer(&[9, 9], [200, 59]), Err(Cause::Dummy)),
        (trailer(&[1, 2], [2, 41]), Err(Cause::WrongNextHeader)),
        (trailer(&[1, 2], [2, 6]), Err(Cause::WrongMode)),
        (trailer(&[1, 2], [2, 50]), Err(Cause::WrongMode)),
        (with_trailer(&inner6(0), 4), Err(Cause::WrongNextHeader)),
        (with_trailer(&inner6(0), 41), Ok(())),
        (with_trailer(&payload[..24], 4), Err(Cause::InnerMalformed)),
        (with_trailer(&payload[..19], 4), Err(Cause::InnerMalformed)),
        (with_trailer(&[0x55; 40], 4), Err(Cause::WrongNextHeader)),
        (with_trailer(&[], 4), Err(Cause::InnerMalformed)),
    ] {
        let mut pair = tunnel4();
        assert_eq!(pair.open(&forge(1, &text)).map(|_| ()), expected, "{text:02x?}");
        let stats = pair.b.stats(pair.inbound).unwrap();
        assert_eq!((stats.packets, stats.sequence), (1, 1), "authentic, so counted");
        assert_eq!(stats.drops.total(), u64::from(expected.is_err()));
        assert_eq!(pair.open(&forge(1, &text)), Err(Cause::Replayed));
    }
}

#[test]
fn padding_against_traffic_analysis_is_cut_off() {
    let mut pair = tunnel4();
    let padded = with_trailer(&[&echo()[..], &[0x5a; 300]].concat(), proto::IPV4);
    assert_eq!(pair.open(&forge(1, &padded)), Ok(echo()));
    let padded = with_trailer(&[&inner6(0)[..], &[0x5a; 33]].concat(), proto::IPV6);
    assert_eq!(pair.open(&forge(2, &padded)), Ok(inner6(0)));
}

#[test]
fn outer_headers() {
    let esp = forge(1, &text());
    let body = &esp[20..];
    let outer = |proto, body: &[u8]| ip_packet(A4, B4, proto, 0, body);
    let datagram = |payload: &[u8], claimed: usize| {
        let mut bytes = udp(4500, 4500, 0);
        bytes[4..6].copy_from_slice(&(claimed as u16).to_be_bytes());
        outer(proto::UDP, &[&bytes, payload].concat())
    };
    let spi = |spi: u32| outer(proto::ESP, &[&spi.to_be_bytes()[..], &body[4..]].concat());
    let mut longer = esp.clone();
    longer[3] += 1;
    let mut fragment = esp.clone();
    set_flags(&mut fragment, 0x2000);
    let cases: Vec<(Vec<u8>, Result<(), Cause>)> = vec![
        (esp.clone(), Ok(())),
        ([&esp[..], &[0; 9]].concat(), Ok(())),
        (datagram(body, body.len() + 8), Ok(())),
        (datagram(&[body, &[0; 5]].concat(), body.len() + 8), Ok(())),
        (datagram(body, body.len() + 9), Err(Cause::Truncated)),
        (datagram(body, body.len() + 4), Err(Cause::BadIcv)),
        (datagram(body, body.len() + 7), Err(Cause::Misaligned)),
        (datagram(body, 7), Err(Cause::Truncated)),
        (datagram(&[0xff], 9), Err(Cause::Keepalive)),
        (datagram(&[0, 0, 0, 0, 1, 2, 3], 15), Err(Cause::NonEspMarker)),
        (datagram(&[0xff, 0xff], 10), Err(Cause::Truncated)),
        (datagram(&[], 8), Err(Cause::Truncated)),
        (outer(proto::UDP, &[1, 2, 3]), Err(Cause::Truncated)),
        (outer(proto::TCP, body), Err(Cause::NotEsp)),
        (outer(51, body), Err(Cause::NotEsp)),
        (spi(0x1234_5679), Err(Cause::UnknownSpi)),
        (spi(0), Err(Cause::UnknownSpi)),
        (outer(proto::ESP, &body[..body.len() - 1]), Err(Cause::Misaligned)),
        (outer(proto::ESP, &body[..35]), Err(Cause::Truncated)),
        (outer(proto::ESP, &[]), Err(Cause::Truncated)),
        (longer, Err(Cause::Truncated)),
        (fragment, Err(Cause::OuterFragment)),
        (vec![], Err(Cause::OuterMalformed)),
        (vec![0x35; 60], Err(Cause::OuterMalformed)),
    ];
    for (packet, expected) in cases {
        assert_eq!(tunnel4().open(&packet).map(|_| ()), expected, "{packet:02x?}");
    }
}

/// Ours is computed, but a peer may send none (RFC 6935); the ICV covers what matters.
#[test]
fn the_udp_checksum_of_the_outer_packet_is_not_asked_for() {
    let encap = Some(UdpEncap { local_port: 4500, remote_port: 4500 });
    for sum in [[0, 0], [0x12, 0x34]] {
        let mut pair = pair(true, (A6, B6), |sa| sa.encap = encap);
        let mut outer = pair.seal(&echo()).unwrap();
        outer[46..48].copy_from_slice(&sum);
        assert_eq!(pair.open(&outer), Ok(echo()));
    }
}

#[test]
fn congestion_goes_inside() {
    for (inner, outer, expected) in [
        (0xb8, 0b11, Err(Cause::EcnInvalid)),
        (0xb8, 0b10, Ok(0xb8)),
        (0xba, 0b11, Ok(0xbb)),
        (0xba, 0b01, Ok(0xb9)),
        (0xb9, 0b00, Ok(0xb9)),
    ] {
        for packet in [ip_packet("10.1.0.1", "10.2.0.1", proto::UDP, inner, &udp(5, 6, 7)), inner6(inner)] {
            let next = if packet[0] >> 4 == 4 { proto::IPV4 } else { proto::IPV6 };
            let forged = forge(1, &with_trailer(&packet, next));
            let marked = ip_packet(A4, B4, proto::ESP, outer | 0x28, &forged[20..]);
            let got = tunnel4().open(&marked);
            assert_eq!(got.map(|packet| net::Flow::parse(&packet).unwrap().dscp_ecn), expected);
        }
    }
}

#[test]
fn selectors_are_checked_after_decryption() {
    let port = |port| crate::PortRange::one(port);
    let web = crate::Upper::Ports { src: port(9), dst: crate::PortRange::ANY };
    // In b's outbound sense: b's side is 10.2/16, port 9.
    let selector = Selector { proto: Some(proto::UDP), upper: web, ..between("10.2.0.0/16", "10.1.0.0/16") };
    let inner = |src, dst, sport, dport| ip_packet(src, dst, proto::UDP, 0, &udp(sport, dport, 8));
    let mut fragment = inner("10.1.0.1", "10.2.0.1", 5, 9);
    set_flags(&mut fragment, 0x2000);
    let mut stranger = inner("10.3.0.1", "10.2.0.1", 5, 9);
    set_flags(&mut stranger, 0x2000);
    for (packet, expected) in [
        (inner("10.1.0.1", "10.2.0.1", 5, 9), Ok(())),
        (inner("10.1.0.1", "10.2.0.1", 9, 5), Err(Cause::SelectorMismatch)),
        (inner("10.3.0.1", "10.2.0.1", 5, 9), Err(Cause::SelectorMismatch)),
        (inner("10.1.0.1", "10.3.0.1", 5, 9), Err(Cause::SelectorMismatch)),
        (inner("10.2.0.1", "10.1.0.1", 9, 9), Err(Cause::SelectorMismatch)),
        (fragment, Err(Cause::FragmentUnmatched)),
        (stranger, Err(Cause::SelectorMismatch)),
        (inner6(0), Err(Cause::SelectorMismatch)),
    ] {
        let mut pair = pair(true, (A4, B4), |sa| {
            if sa.direction == crate::Direction::In {
                sa.selectors = vec![selector];
            }
        });
        let sealed = pair.seal(&packet).unwrap();
        assert_eq!(pair.open(&sealed).map(|_| ()), expected, "{packet:02x?}");
    }
}

/// Packets that scapy built: each opens to the exact inner packet, and is sealed byte for byte the same.
#[test]
fn scapy() {
    let mut count = 0;
    for line in lines(include_str!("../../testdata/scapy-esp.txt")) {
        let fields = fields(line);
        let is = |name: &str| fields[name] == "1";
        let (inner, outer) = (hex(fields["inner"]), hex(fields["outer"]));
        let algorithm = algorithm(fields["algorithm"]);
        let mut pair = pair(is("tunnel"), (fields["src"], fields["dst"]), |sa| {
            sa.spi = Spi(u32::from_str_radix(fields["spi"], 16).unwrap());
            sa.algorithm = algorithm;
            sa.key = crate::Key::new(&hex(fields["key"])).unwrap();
            sa.esn = is("esn");
            sa.encap = is("udp").then_some(UdpEncap { local_port: 4500, remote_port: 4500 });
        });
        pair.skip_to(u64::from_str_radix(fields["sequence"], 16).unwrap());
        assert_eq!(pair.open(&outer), Ok(inner.clone()), "{line}");
        assert_eq!(pair.seal(&inner), Ok(outer), "{line}");
        count += 1;
    }
    assert_eq!(count, 108);
}

#[test]
fn transport_mode() {
    for (ends, upper) in [((A4, B4), proto::UDP), ((A6, B6), proto::UDP), ((A6, B6), proto::DEST_OPTIONS)] {
        for encap in [None, Some(UdpEncap { local_port: 4500, remote_port: 4500 })] {
            let mut pair = pair(false, ends, |sa| sa.encap = encap);
            let mut payload = udp(7, 8, 30);
            if upper == proto::DEST_OPTIONS {
                payload = [&[proto::UDP, 0, 1, 4, 0, 0, 0, 0][..], &payload].concat();
            }
            let mut inner = ip_packet(ends.0, ends.1, upper, 0xb9, &payload);
            let at = inner.len() - 38;
            if ends == (A6, B6) {
                // UDP over IPv6 has a checksum.
                inner[at + 7] = 1;
                headers::recompute_checksum(&mut inner, at, proto::UDP);
            }
            let outer = pair.seal(&inner).unwrap();
            let parsed = net::Flow::parse(&outer).unwrap();
            assert_eq!(parsed.flow.proto, if encap.is_some() { proto::UDP } else { proto::ESP });
            assert_eq!(pair.open(&outer), Ok(inner));
        }
    }
}

/// The address that NAT changed on the way is in the pseudo-header.
#[test]
fn transport_mode_behind_nat() {
    let encap = Some(UdpEncap { local_port: 4500, remote_port: 4500 });
    let mut pair = pair(false, (A4, B4), |sa| sa.encap = encap);
    let mut payload = udp(7, 8, 30);
    payload[7] = 1;
    let mut inner = ip_packet(A4, B4, proto::UDP, 0, &payload);
    headers::recompute_checksum(&mut inner, 20, proto::UDP);
    let mut outer = pair.seal(&inner).unwrap();
    outer[12..16].copy_from_slice(&[203, 0, 113, 7]);
    headers::repair(&mut outer, 9, proto::UDP);
    let got = pair.open(&outer).unwrap();
    assert_ne!(got[26..28], inner[26..28]);
    let parsed = net::Flow::parse(&got).unwrap();
    let sum = net::checksum::Sum::new().with_pseudo(parsed.flow.src, parsed.flow.dst, proto::UDP, 38);
    assert!(sum.with(&got[20..]).is_valid());
    assert_eq!((parsed.flow.src, parsed.flow.ports), (ip("203.0.113.7"), Ports::Ports { src: 7, dst: 8 }));
}

#[test]
fn modes_do_not_mix() {
    let mut a = tunnel4();
    let mut b = pair(false, (A4, B4), |_| {});
    let tunnelled = a.seal(&echo()).unwrap();
    assert_eq!(b.open(&tunnelled), Err(Cause::WrongMode));
    let transported = b.seal(&ip_packet(A4, B4, proto::UDP, 0, &udp(1, 2, 3))).unwrap();
    assert_eq!(a.open(&transported), Err(Cause::WrongMode));
}

#[test]
fn transport_mode_carries_no_fragments() {
    let mut pair = pair(false, (A6, B6), |_| {});
    let header = |offset: u16| [&[proto::UDP, 0][..], &offset.to_be_bytes(), &[0, 0, 0, 9]].concat();
    for (sequence, offset) in [(1, 8), (2, 9), (3, 0)] {
        let payload = [header(offset), udp(1, 2, 8)].concat();
        let packet = forge_between((A6, B6), sequence, &with_trailer(&payload, proto::FRAGMENT));
        assert_eq!(pair.open(&packet), Err(Cause::TransportFragment), "{offset}");
    }
}

/// Every bit of every packet matters, and each flip has a cause.
#[test]
fn bit_flips() {
    let encap = Some(UdpEncap { local_port: 4500, remote_port: 4500 });
    for (tunnel, ends, encap) in
        [(true, (A4, B4), None), (true, (A6, B6), encap), (false, (A4, B4), encap), (false, (A6, B6), None)]
    {
        let mut pair = pair(tunnel, ends, |sa| sa.encap = encap);
        let mut payload = udp(7, 8, 13);
        payload[7] = 1;
        let mut inner = ip_packet(ends.0, ends.1, proto::UDP, 0, &payload);
        let at = inner.len() - payload.len();
        headers::recompute_checksum(&mut inner, at, proto::UDP);
        let outer = pair.seal(&inner).unwrap();
        let esp = locate(&outer).unwrap().at;
        for bit in 0..outer.len() * 8 {
            let mut flipped = outer.clone();
            flipped[bit / 8] ^= 0x80 >> (bit % 8);
            let result = pair.open(&flipped);
            if bit / 8 >= esp {
                let expected = if bit / 8 < esp + 4 { Cause::UnknownSpi } else { Cause::BadIcv };
                let cause = result.unwrap_err();
                // A number in the far past or future is another reason to refuse.
                assert!(
                    cause == expected || cause == Cause::Stale && bit / 8 < esp + 8,
                    "bit {bit}: {cause:?}"
                );
            } else if result.is_ok() {
                // Outer fields that ESP does not cover; the packet is the one that was sent, or, in
                // transport mode, one with another header. Let the original through again.
                let fresh = super::tests::pair(tunnel, ends, |sa| sa.encap = encap);
                pair.b = fresh.b;
                pair.inbound = fresh.inbound;
            }
        }
        assert_eq!(pair.open(&outer), Ok(inner), "none of the flips has spent it");
    }
}

#[test]
fn truncations() {
    let encap = Some(UdpEncap { local_port: 4500, remote_port: 4500 });
    for (ends, encap) in [((A4, B4), None), ((A4, B4), encap), ((A6, B6), None), ((A6, B6), encap)] {
        let mut pair = pair(true, ends, |sa| sa.encap = encap);
        let outer = pair.seal(&inner6(0)).unwrap();
        for length in 0..outer.len() {
            // As it comes, and with an outer header that says so.
            let cause = pair.open(&outer[..length]).unwrap_err();
            let header = if ip(ends.0).is_ipv4() { 20 } else { 40 };
            assert_eq!(cause, if length < header { Cause::OuterMalformed } else { Cause::Truncated });
            if length >= header {
                let mut cut = outer[..length].to_vec();
                headers::repair(
                    &mut cut,
                    if header == 20 { 9 } else { 6 },
                    if encap.is_some() { 17 } else { 50 },
                );
                if encap.is_some() && length >= header + 8 {
                    outer::finish_udp(&mut cut, header);
                }
                let cause = pair.open(&cut).unwrap_err();
                let named = [Cause::Truncated, Cause::Misaligned, Cause::BadIcv];
                assert!(named.contains(&cause), "{length}: {cause:?}");
            }
        }
        assert_eq!(pair.open(&outer), Ok(inner6(0)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn any_bytes_are_refused(bytes: Vec<u8>, first in prop_oneof![Just(0x45u8), Just(0x60), any::<u8>()],
                             next in prop_oneof![Just(50u8), Just(17), any::<u8>()]) {
        let mut pair = tunnel4();
        prop_assert!(pair.open(&bytes).is_err());
        let mut bytes = bytes;
        for (at, value) in [(0, first), (9, next), (6, next), (2, 0), (3, bytes.len() as u8), (4, 0)] {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        prop_assert!(pair.open(&bytes).is_err());
        let framed = ip_packet(A4, B4, next, 0, &bytes);
        prop_assert!(pair.open(&framed).is_err());
        let framed = ip_packet(A4, B4, 50, 0, &[&SPI.0.to_be_bytes()[..], &bytes].concat());
        prop_assert!(pair.open(&framed).is_err());
    }

    /// Whatever an authentic peer puts inside, nothing breaks, and what comes out is a sound packet.
    #[test]
    fn any_authentic_text_does_no_harm(
        mut text in prop::collection::vec(any::<u8>(), 1..60),
        pad in prop_oneof![0u8..8, any::<u8>()], next in prop::sample::select(&[4u8, 41, 59, 17, 44, 60][..]),
        tunnel: bool, encap: bool,
    ) {
        let length = text.len();
        if let Some(first) = text.first_mut() && next != 59 {
            *first = if next == 4 { 0x45 } else { 0x60 };
        }
        let mut text = [&text[..], &wire_padding(pad), &[pad, next]].concat();
        text.resize(text.len().next_multiple_of(4), next);
        let mut pair = pair(tunnel, (A4, B4), |_| {});
        let mut packet = forge(1, &text);
        if encap {
            let mut header = udp(4500, 4500, packet.len() - 20);
            header.truncate(8);
            packet = ip_packet(A4, B4, 17, 0, &[&header, &packet[20..]].concat());
        }
        if let Ok(inner) = pair.open(&packet) {
            prop_assert!(inner.len() <= length + 20 + 255);
        }
    }
}

fn wire_padding(n: u8) -> Vec<u8> {
    (1..=n).collect()
}
