use super::*;
use crate::testing::{A4, A6, B4, B6, ip, ip_packet, udp as udp_datagram};
use alloc::vec::Vec;
use net::Flow;

const COPIED: Copied = Copied { dscp_ecn: 0xb9, dont_fragment: true };

fn mode(ends: (&str, &str)) -> Mode {
    Mode::Tunnel { local: ip(ends.0), remote: ip(ends.1) }
}

/// The outer packet of 40 payload bytes.
fn emit(ends: (&str, &str), encap: bool, options: Outer, inner: Copied) -> Vec<u8> {
    let encap = encap.then_some(UdpEncap { local_port: 4500, remote_port: 1024 });
    let template = Template::new(&mode(ends), encap, options).unwrap();
    let mut packet: Vec<u8> = (0..template.len() as u8 + 40).collect();
    template.emit(&mut packet, inner, 0x1234);
    packet
}

#[test]
fn headers_are_sound() {
    for (ends, encap, length) in
        [((A4, B4), false, 20), ((A4, B4), true, 28), ((A6, B6), false, 40), ((A6, B6), true, 48)]
    {
        let packet = emit(ends, encap, Outer::default(), COPIED);
        let parsed = Flow::parse(&packet).unwrap();
        assert_eq!((parsed.flow.src, parsed.flow.dst), (ip(ends.0), ip(ends.1)));
        assert_eq!(parsed.flow.proto, if encap { proto::UDP } else { proto::ESP });
        assert_eq!((parsed.dscp_ecn, parsed.hop_limit, parsed.dont_fragment), (0xb9, 64, true));
        assert_eq!((parsed.total_len, packet.len()), (length + 40, length + 40));
        assert_eq!(packet[length], length as u8, "payload is untouched");
        if encap {
            let udp = &packet[length - 8..];
            assert_eq!(udp[..6], [0x11, 0x94, 0x04, 0x00, 0, 48]);
            if ip(ends.0).is_ipv4() {
                assert_eq!(udp[6..8], [0, 0]);
            } else {
                let sum = Sum::new().with_pseudo(ip(ends.0), ip(ends.1), proto::UDP, 48).with(udp);
                assert!(sum.is_valid() && udp[6..8] != [0, 0]);
            }
        }
    }
    let mixed = Mode::Tunnel { local: ip(A4), remote: ip(B6) };
    assert!(Template::new(&mixed, None, Outer::default()).is_none());
}

/// A computed UDP checksum of zero goes out as ffff.
#[test]
fn udp_checksum_is_never_zero_over_ipv6() {
    let mut packet = ip_packet(A6, B6, proto::UDP, 0, &udp_datagram(1, 2, 4));
    packet[48..50].copy_from_slice(&[0; 2]);
    finish_udp(&mut packet, 40);
    // Whatever it is, adding its value to the payload makes the next one zero.
    let sum = [packet[46], packet[47]];
    packet[48..50].copy_from_slice(&sum);
    finish_udp(&mut packet, 40);
    assert_eq!(packet[46..48], [0xff, 0xff]);
}

#[test]
fn options_of_the_outer_header() {
    let clear = Copied { dscp_ecn: 0xb9, dont_fragment: false };
    for (df, inner, expected) in [
        (Df::Copy, COPIED, true),
        (Df::Copy, clear, false),
        (Df::Set, clear, true),
        (Df::Clear, COPIED, false),
    ] {
        let packet = emit((A4, B4), false, Outer { df, ..Outer::default() }, inner);
        let parsed = Flow::parse(&packet).unwrap();
        assert_eq!((parsed.dont_fragment, parsed.fragment), (expected, None), "{df:?} {inner:?}");
        assert_eq!(packet[4..6], [0x12, 0x34]);
    }
    for (dscp, ecn, inner, expected) in [
        (Dscp::Copy, Ecn::Normal, 0xb9, 0xb9),
        (Dscp::Copy, Ecn::Normal, 0xbb, 0xbb),
        (Dscp::Copy, Ecn::Compatibility, 0xbb, 0xb8),
        (Dscp::Set(46), Ecn::Normal, 0x02, 0xba),
        (Dscp::Set(0), Ecn::Compatibility, 0xff, 0x00),
    ] {
        for ends in [(A4, B4), (A6, B6)] {
            let options = Outer { dscp, ecn, hop_limit: 9, ..Outer::default() };
            let parsed =
                Flow::parse(&emit(ends, false, options, Copied { dscp_ecn: inner, ..COPIED })).unwrap();
            assert_eq!((parsed.dscp_ecn, parsed.hop_limit), (expected, 9), "{dscp:?} {ecn:?} {inner:#x}");
        }
    }
}

/// RFC 6040 figure 4, inner down, outer across.
#[test]
fn ecn_on_decapsulation() {
    use ecn::{CE, ECT_0, ECT_1, NOT_ECT};
    for (inner, outers) in [
        (NOT_ECT, [Some(NOT_ECT), Some(NOT_ECT), Some(NOT_ECT), None]),
        (ECT_0, [Some(ECT_0), Some(ECT_0), Some(ECT_1), Some(CE)]),
        (ECT_1, [Some(ECT_1), Some(ECT_1), Some(ECT_1), Some(CE)]),
        (CE, [Some(CE), Some(CE), Some(CE), Some(CE)]),
    ] {
        for (outer, expected) in [NOT_ECT, ECT_0, ECT_1, CE].into_iter().zip(outers) {
            assert_eq!(decapsulate_ecn(inner, outer), expected, "inner {inner:02b} outer {outer:02b}");
            assert_eq!(decapsulate_ecn(inner | 0xb8, outer | 0x28), expected, "DSCP does not matter");
        }
    }
}

#[test]
fn set_ecn_keeps_the_header_sound() {
    for ends in [(A4, B4), (A6, B6)] {
        for tos in 0..=255u8 {
            for field in 0..4 {
                let mut packet = ip_packet(ends.0, ends.1, proto::UDP, tos, &udp_datagram(1, 2, 3));
                let before = packet.clone();
                set_ecn(&mut packet, field);
                let parsed = Flow::parse(&packet).unwrap();
                assert_eq!(parsed.dscp_ecn, tos & !3 | field);
                set_ecn(&mut packet, tos & 3);
                assert_eq!(packet, before);
            }
        }
    }
}

#[test]
fn what_fits() {
    let v4 = Template::new(&mode((A4, B4)), None, Outer::default()).unwrap();
    assert!(v4.fits(65_535) && !v4.fits(65_536));
    let v6 = Template::new(&mode((A6, B6)), None, Outer::default()).unwrap();
    assert!(v6.fits(65_575) && !v6.fits(65_576));
}
