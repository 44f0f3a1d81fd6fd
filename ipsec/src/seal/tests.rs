use super::*;
use crate::testing::*;
use crate::{Direction, Handle, Limits};
use alloc::vec;
use alloc::vec::Vec;

const ENCAP: Option<UdpEncap> = Some(UdpEncap { local_port: 4500, remote_port: 4500 });

fn inner(length: usize) -> Vec<u8> {
    ip_packet("10.1.0.1", "10.2.0.1", proto::UDP, 0, &udp(1, 2, length - 28))
}

#[test]
fn all_families_and_lengths() {
    for ends in [(A4, B4), (A6, B6)] {
        for encap in [None, ENCAP] {
            let mut pair = pair(true, ends, |sa| sa.encap = encap);
            for n in 0..70 {
                for inside in [("10.1.0.1", "10.2.0.1"), ("fd00::1", "fd00::2")] {
                    let packet = ip_packet(inside.0, inside.1, proto::UDP, 0x88, &udp(9, 10, n));
                    let outer = pair.seal(&packet).unwrap();
                    let parsed = net::Flow::parse(&outer).unwrap();
                    assert_eq!((parsed.flow.src, parsed.flow.dst), (ip(ends.0), ip(ends.1)));
                    assert_eq!((parsed.total_len, parsed.dscp_ecn), (outer.len(), 0x88));
                    assert_eq!(pair.open(&outer), Ok(packet));
                }
            }
        }
    }
}

/// The promise of `max_inner` is exact: that length fits, one more does not.
#[test]
fn the_largest_inner_packet() {
    for tunnel in [true, false] {
        for ends in [(A4, B4), (A6, B6)] {
            for encap in [None, ENCAP] {
                let mut pair = pair(tunnel, ends, |sa| sa.encap = encap);
                for mtu in 1280..1300u16 {
                    let most = usize::from(pair.a.max_inner(pair.out, mtu));
                    let mut sealed = |length: usize| {
                        let (src, dst) = if tunnel { ("10.1.0.1", "10.2.0.1") } else { ends };
                        let header = if ip(src).is_ipv4() { 20 } else { 40 };
                        let payload = udp(1, 2, length - header - 8);
                        pair.seal(&ip_packet(src, dst, proto::UDP, 0, &payload)).unwrap().len()
                    };
                    assert!(sealed(most) <= mtu.into(), "{tunnel} {ends:?} {encap:?} {mtu}: {most}");
                    assert!(sealed(most + 1) > mtu.into(), "{tunnel} {ends:?} {encap:?} {mtu}: {most}");
                }
                assert_eq!(pair.a.max_inner(pair.out, 40), 0);
            }
        }
    }
    let pair = tunnel4();
    assert_eq!(pair.a.max_inner(pair.out, 1500), 1446);
    assert_eq!(pair.a.max_inner(Handle::from_bits(77), 1500), 0);
}

#[test]
fn what_is_not_one_whole_packet() {
    let mut pair = tunnel4();
    let whole = inner(40);
    let mut options = whole.clone();
    options[0] = 0x4b;
    for bytes in [&whole[..39], &[&whole[..], &[0]].concat(), &whole[..19], &[], &[0x15; 40], &options] {
        assert_eq!(pair.seal(bytes), Err(Cause::Malformed));
    }
    assert_eq!(pair.a.stats(pair.out).unwrap().sequence, 0, "no number is spent");
}

#[test]
fn room() {
    let mut pair = tunnel4();
    let packet = |headroom: usize, tailroom: usize| {
        let bytes = inner(40);
        let mut packet = Packet::with_capacity(40 + tailroom);
        packet.reset(headroom);
        packet.append(40).unwrap().copy_from_slice(&bytes);
        let spare = packet.tailroom() - tailroom;
        // Moves the front so that exactly `tailroom` is left behind.
        packet.reset(headroom + spare);
        packet.append(40).unwrap().copy_from_slice(&bytes);
        assert_eq!(packet.tailroom(), tailroom);
        packet
    };
    let mut enough = packet(128, 20);
    assert_eq!(pair.a.seal(NOW, pair.out, &mut enough), Ok(()));
    for mut packet in [packet(128, 19), packet(128, 0)] {
        assert_eq!(pair.a.seal(NOW, pair.out, &mut packet).unwrap_err().cause, Cause::NoRoom);
        assert_eq!(packet.bytes(), inner(40), "unchanged");
    }
    let mut tight = Packet::with_capacity(1000);
    tight.reset(35);
    tight.append(40).unwrap().copy_from_slice(&inner(40));
    assert_eq!(pair.a.seal(NOW, pair.out, &mut tight).unwrap_err().cause, Cause::NoRoom);
    assert_eq!(tight.bytes(), inner(40), "unchanged");
    let mut just = Packet::with_capacity(1000);
    just.reset(36);
    just.append(40).unwrap().copy_from_slice(&inner(40));
    assert_eq!(pair.a.seal(NOW, pair.out, &mut just), Ok(()));
    assert_eq!(pair.a.stats(pair.out).unwrap().drops.of(Cause::NoRoom), 3);
}

#[test]
fn no_packet_beyond_64k() {
    for tunnel in [true, false] {
        let mut pair = pair(tunnel, (A4, B4), |_| {});
        let mut sealed = |length: usize| {
            let mut packet = Packet::with_capacity(70_000);
            packet.append(length).unwrap().copy_from_slice(&ip_packet(A4, B4, 99, 0, &vec![1; length - 20]));
            pair.a.seal(NOW, pair.out, &mut packet).map(|()| packet.len()).map_err(|drop| drop.cause)
        };
        let most = 65_535 - if tunnel { 20 + 16 + 16 } else { 16 + 16 };
        assert!(sealed(most - 5).is_ok());
        assert_eq!(sealed(most), Err(Cause::NoRoom));
        assert_eq!(sealed(65_535), Err(Cause::NoRoom));
    }
}

#[test]
fn transport_mode_takes_whole_packets_between_its_ends() {
    let mut pair = pair(false, (A4, B4), |_| {});
    let good = ip_packet(A4, B4, proto::UDP, 0, &udp(1, 2, 3));
    let mut fragment = good.clone();
    set_flags(&mut fragment, 0x2000);
    assert_eq!(pair.seal(&fragment), Err(Cause::TransportFragment));
    assert_eq!(pair.seal(&inner(40)), Err(Cause::NotEndpoint));
    assert_eq!(pair.seal(&ip_packet(B4, A4, proto::UDP, 0, &udp(1, 2, 3))), Err(Cause::NotEndpoint));
    assert!(pair.seal(&good).is_ok());
    let drops = pair.a.stats(pair.out).unwrap().drops;
    assert_eq!((drops.of(Cause::NotEndpoint), drops.of(Cause::TransportFragment)), (2, 1));
}

/// A tunnel carries fragments, and each outer packet that may be fragmented has an identification of its own.
#[test]
fn fragments_and_identifications() {
    let mut pair = tunnel4();
    let mut fragment = inner(44);
    set_flags(&mut fragment, 0x2000);
    let mut idents = Vec::new();
    for _ in 0..3 {
        let outer = pair.seal(&fragment).unwrap();
        assert_eq!(outer[6..8], [0, 0], "neither the fragment bits nor DF");
        idents.push(u16::from_be_bytes([outer[4], outer[5]]));
        assert_eq!(pair.open(&outer), Ok(fragment.clone()));
    }
    assert!(idents.is_sorted_by(|a, b| a < b), "{idents:?}");
}

#[test]
fn the_last_sequence_number_stops_the_sa() {
    let mut pair = pair(true, (A4, B4), |sa| sa.esn = false);
    pair.skip_to(u64::from(u32::MAX) - 1);
    let first = pair.seal(&inner(40)).unwrap();
    assert_eq!(pair.a.poll(NOW), None);
    let last = pair.seal(&inner(40)).unwrap();
    assert_eq!(last[24..28], [0xff; 4]);
    for _ in 0..3 {
        assert!(matches!(pair.seal(&inner(40)), Err(Cause::SequenceExhausted | Cause::Expired)));
    }
    let (handle, spi) = (pair.out, SPI);
    assert_eq!(pair.a.poll(NOW), Some(crate::Event::SequenceExhausted { handle, spi }));
    assert_eq!(pair.a.poll(NOW), None, "once");
    let flow = net::Flow::parse(&inner(40)).unwrap().flow;
    assert_eq!(pair.a.outbound(NOW, &flow), crate::Outbound::NeedSa(pair.policy));
    assert_eq!(pair.open(&first), Ok(inner(40)));
    assert_eq!(pair.open(&last), Ok(inner(40)));
    let stats = pair.a.stats(pair.out).unwrap();
    assert!(stats.expired);
    assert_eq!((stats.packets, stats.sequence), (2, u32::MAX.into()));
}

#[test]
fn hard_limits_are_never_passed() {
    for (limits, packets) in [
        (Limits { packets: Some(3), ..Limits::default() }, 3),
        (Limits { bytes: Some(120), ..Limits::default() }, 3),
        (Limits { bytes: Some(119), ..Limits::default() }, 2),
        (Limits { bytes: Some(39), ..Limits::default() }, 0),
    ] {
        let mut pair = pair(true, (A4, B4), |sa| {
            if sa.direction == Direction::Out {
                sa.lifetime.hard = limits;
            }
        });
        for _ in 0..packets {
            assert!(pair.seal(&inner(40)).is_ok());
        }
        for _ in 0..2 {
            assert_eq!(pair.seal(&inner(40)), Err(Cause::Expired), "{limits:?}");
        }
        assert_eq!(pair.a.stats(pair.out).unwrap().sequence, packets);
        let (handle, spi, direction) = (pair.out, SPI, Direction::Out);
        assert_eq!(pair.a.poll(NOW), Some(crate::Event::HardLimit { handle, spi, direction }));
        assert_eq!(pair.a.poll(NOW), None);
    }
}
