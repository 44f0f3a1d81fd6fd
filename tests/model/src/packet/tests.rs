use super::fixture::{sample, samples};
use super::*;
use core::net::IpAddr;
use proptest::prelude::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn parse(name: &str) -> Headers {
    sample(name).headers()
}

#[test]
fn tcp_over_ipv4() {
    let headers = parse("tcp4");
    let outer = &headers.outer;
    let ethernet = outer.ethernet.as_ref().unwrap();
    assert_eq!(
        (ethernet.destination[5], ethernet.source[5], ethernet.ethertype, ethernet.end),
        (1, 2, 0x800, 14)
    );
    let header = outer.ip.as_ref().unwrap();
    assert_eq!((header.source, header.destination), (ip("192.0.2.1"), ip("198.51.100.2")));
    assert_eq!(
        (header.offset, header.header_length, header.payload, header.end),
        (14, 20, 34, 14 + 40 + 101)
    );
    assert_eq!((header.traffic_class, header.ttl, header.protocol, header.protocol_at), (0xb9, 17, 6, 23));
    assert!(!header.fragment && !header.truncated && !outer.malformed);
    let expected = Tcp {
        offset: 34,
        header_length: 20,
        source: 4000,
        destination: 80,
        sequence: 0x0102_0304,
        acknowledgement: 0x0a0b_0c0d,
        flags: Tcp::PSH | Tcp::ACK,
        window: 512,
    };
    assert_eq!(outer.l4, L4::Tcp(expected));
    assert_eq!(outer.payload(), Some(54..155));
    assert_eq!((headers.tunnel, headers.inner), (Tunnel::None, None));
}

#[test]
fn options_move_the_payload() {
    let headers = parse("tcp4-options");
    assert_eq!(headers.outer.ip.as_ref().unwrap().header_length, 28);
    let tcp = headers.outer.tcp().unwrap();
    assert_eq!((tcp.offset, tcp.header_length, tcp.source, tcp.destination), (42, 32, 1, 2));
    assert_eq!(headers.outer.payload().unwrap().len(), 9);
}

#[test]
fn ipv6_fields() {
    let headers = parse("tcp6");
    let header = headers.outer.ip.as_ref().unwrap();
    assert_eq!((header.traffic_class, header.flow_label, header.ttl), (0x2e, 0x12345, 9));
    assert_eq!((header.source, header.destination), (ip("2001:db8::1"), ip("2001:db8:1::2")));
    assert_eq!((header.payload, header.protocol_at, header.protocol), (54, 20, 6));
    assert_eq!(headers.outer.l3(), L3::V6);
    assert_eq!(headers.outer.tcp().unwrap().destination, 80);
}

#[test]
fn extension_headers_and_the_place_of_esp() {
    let headers = parse("extensions6");
    let header = headers.outer.ip.as_ref().unwrap();
    // Hop-by-hop, destination options, routing, destination options: 8 bytes each but for routing, which has 8 too.
    assert_eq!((header.protocol, header.payload, header.protocol_at), (6, 54 + 32, 54 + 24));
    assert_eq!(header.esp, InsertionPoint { offset: 54 + 24, next_header_at: 54 + 16 });
    assert!(headers.outer.tcp().is_some());
    let frame = sample("extensions6").frame;
    // The routing header names the destination options that ESP would protect.
    assert_eq!(frame[header.esp.next_header_at], 60);
}

#[test]
fn tags() {
    let headers = parse("vlan-tcp4");
    let ethernet = headers.outer.ethernet.as_ref().unwrap();
    assert_eq!(ethernet.tags, [Some(Tag { service: false, tci: 5 << 13 | 100 }), None]);
    assert_eq!((ethernet.ethertype, ethernet.end), (0x800, 18));
    let headers = parse("qinq-udp6");
    let ethernet = headers.outer.ethernet.as_ref().unwrap();
    let outer = Tag { service: true, tci: 1 << 13 | 1 << 12 | 7 };
    assert_eq!(ethernet.tags, [Some(outer), Some(Tag { service: false, tci: 4094 })]);
    assert_eq!((ethernet.ethertype, ethernet.end), (0x86dd, 22));
    assert_eq!(headers.outer.udp().unwrap().destination, 53);
}

#[test]
fn fragments_have_no_transport() {
    for name in ["frag4-first", "frag4-later", "frag6", "frag6-first"] {
        let headers = parse(name);
        assert!(headers.outer.fragment(), "{name}");
        assert_eq!(headers.outer.l4, L4::None, "{name}");
        assert_eq!(headers.outer.ip.unwrap().protocol, if name == "frag4-later" { 0 } else { 17 }, "{name}");
    }
    // The byte behind the next header is reserved there, and no length.
    let mut reserved = sample("frag6").frame;
    reserved[55] = 0xff;
    assert_eq!(Headers::parse(&reserved).outer, parse("frag6").outer);
    let atomic = parse("atomic6");
    assert!(!atomic.outer.fragment() && atomic.outer.tcp().is_some());
}

#[test]
fn esp_plain_and_in_udp() {
    let esp4 = parse("esp4");
    assert_eq!(esp4.outer.l4, L4::Esp(Esp { offset: 34, spi: 0xc0ff_ee01, sequence: 7 }));
    assert_eq!(parse("esp6").outer.esp(), Some(&Esp { offset: 62, spi: 0xc0ff_ee01, sequence: 7 }));
    let natt = parse("natt");
    assert!(natt.outer.udp().is_some());
    assert_eq!(natt.outer.esp(), Some(&Esp { offset: 42, spi: 0xc0ff_ee01, sequence: 7 }));
    for name in ["natt-ike", "natt-keepalive"] {
        assert!(parse(name).outer.udp().is_some() && parse(name).outer.esp().is_none(), "{name}");
    }
}

#[test]
fn icmp() {
    let icmp = parse("icmp4");
    assert!(matches!(icmp.outer.l4, L4::Icmp(Icmp { kind: 8, code: 0, data: 0x1234_0005, .. })));
    assert!(matches!(
        parse("icmp6").outer.l4,
        L4::Icmpv6(Icmp { kind: 128, code: 0, data: 0x1234_0005, .. })
    ));
    assert!(matches!(parse("nd").outer.l4, L4::Icmpv6(Icmp { kind: 135, .. })));
}

#[test]
fn tunnels() {
    let vxlan = parse("vxlan");
    assert_eq!(vxlan.tunnel, Tunnel::Vxlan { offset: 42, vni: 0xab_cdef });
    let inner = vxlan.inner.unwrap();
    assert_eq!(inner.ethernet.as_ref().unwrap().destination[5], 0x11);
    assert_eq!((inner.l3(), inner.ip.as_ref().unwrap().offset), (L3::V6, 64));
    assert_eq!(inner.payload().unwrap().len(), 17);

    let gre = parse("gre");
    let L4::Gre(header) = gre.outer.l4 else { panic!("{:?}", gre.outer.l4) };
    assert_eq!((header.key, header.protocol, header.end), (Some(0xcafe_0001), 0x800, 42));
    assert_eq!(gre.tunnel, Tunnel::Gre);
    assert_eq!(gre.inner.unwrap().udp().unwrap().destination, 53);

    let checked = parse("gre-checksum");
    let L4::Gre(header) = checked.outer.l4 else { panic!("{:?}", checked.outer.l4) };
    assert_eq!((header.checksum, header.key, header.end), (true, Some(5), 46));
    assert!(checked.inner.unwrap().udp().is_some());

    let bridged = parse("gre-bridged");
    let L4::Gre(header) = bridged.outer.l4 else { panic!("{:?}", bridged.outer.l4) };
    assert!(header.sequence && header.key.is_none());
    let inner = bridged.inner.unwrap();
    assert_eq!(inner.ethernet.as_ref().unwrap().tags[0], Some(Tag { service: false, tci: 9 }));
    assert!(inner.tcp().is_some());

    for (name, l3) in [("ipip", L3::V4), ("ip6ip", L3::V6)] {
        let headers = parse(name);
        assert_eq!(headers.tunnel, Tunnel::IpInIp, "{name}");
        assert_eq!(headers.inner.as_ref().unwrap().l3(), l3, "{name}");
        assert_eq!(headers.innermost().payload().unwrap().len(), 5, "{name}");
    }
}

#[test]
fn no_tunnels() {
    let mut frame = sample("vxlan").frame;
    frame[42] = 0;
    assert_eq!(Headers::parse(&frame).tunnel, Tunnel::None, "without the flag that makes the VNI valid");
    let other = Parser { vxlan_ports: &[1234], ..Parser::default() };
    assert_eq!(other.parse(&sample("vxlan").frame).tunnel, Tunnel::None, "another port");
    let mut frame = sample("gre").frame;
    frame[35] = 1;
    assert_eq!(Headers::parse(&frame).outer.l4, L4::Other, "PPTP");
}

#[test]
fn all_nine_flags() {
    let mut frame = sample("tcp4").frame;
    frame[46..48].copy_from_slice(&[0x5f, 0xff]);
    assert_eq!(Headers::parse(&frame).outer.tcp().unwrap().flags, 0x1ff);
    assert!(Headers::parse(&frame).outer.tcp().unwrap().has(Tcp::NS));
}

#[test]
fn padding_is_no_payload() {
    let headers = parse("padded");
    assert_eq!((headers.length, headers.outer.ip.as_ref().unwrap().end), (60, 54));
    assert_eq!(headers.outer.payload(), Some(54..54));
}

#[test]
fn broken_headers_are_named() {
    let good = sample("tcp4").frame;
    let broken = |at: usize, value: u8| {
        let mut frame = good.clone();
        frame[at] = value;
        Headers::parse(&frame).outer
    };
    assert!(broken(14, 0x65).malformed, "version 6 under the type of IPv4");
    assert!(broken(14, 0x44).malformed, "a header of 16 bytes");
    let short = broken(17, 19);
    assert!(short.malformed && short.ip.is_none(), "a total length below the header's");
    assert!(broken(16, 0x70).ip.unwrap().truncated, "a total length beyond the frame");
    assert_eq!(broken(46, 0x40).l4, L4::Malformed, "a TCP header of 16 bytes");
    let frame = sample("extensions6").frame;
    let mut cut = frame.clone();
    cut[54 + 1] = 200;
    let headers = Headers::parse(&cut);
    assert!(headers.outer.malformed && headers.outer.l4 == L4::None, "an extension header beyond the packet");
    assert_eq!(Headers::parse(&good[..13]).outer, Layers::default());
}

#[test]
fn lengths_can_be_ignored() {
    let mut frame = sample("tcp4").frame;
    frame[16..18].copy_from_slice(&[0, 0]);
    assert!(Headers::parse(&frame).outer.malformed);
    let headers = Parser { lengths: false, ..Parser::default() }.parse(&frame);
    assert_eq!(headers.outer.payload(), Some(54..155));
}

/// Offsets have to lie in the frame and in order, whatever the bytes.
fn check(frame: &[u8], headers: &Headers) {
    for layers in [Some(&headers.outer), headers.inner.as_ref()].into_iter().flatten() {
        if let Some(ethernet) = &layers.ethernet {
            assert!(ethernet.offset + 14 <= ethernet.end && ethernet.end <= frame.len());
        }
        if let Some(ip) = &layers.ip {
            assert!(ip.offset + 20 <= ip.esp.offset && ip.esp.offset <= ip.payload);
            assert!(ip.payload <= ip.end && ip.end <= frame.len());
            assert!(ip.protocol_at < ip.payload && ip.esp.next_header_at < ip.esp.offset);
        }
        if let Some(range) = layers.payload() {
            assert!(range.start <= range.end && range.end <= frame.len());
        }
    }
}

proptest! {
    #[test]
    fn any_bytes(frame in proptest::collection::vec(any::<u8>(), 0..200), lengths in any::<bool>()) {
        let headers = Parser { lengths, ..Parser::default() }.parse(&frame);
        check(&frame, &headers);
    }

    /// Real frames with some bytes changed and the end cut off get much further than noise.
    #[test]
    fn spoilt_frames(
        which in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        length in any::<prop::sample::Index>(),
        lengths in any::<bool>(),
    ) {
        let samples = samples();
        let mut frame = which.get(&samples).frame.clone();
        for (at, value) in changes {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        frame.truncate(length.index(frame.len() + 1));
        let headers = Parser { lengths, ..Parser::default() }.parse(&frame);
        check(&frame, &headers);
        checksum::verify(&headers.outer, &frame);
        checksum::complete(&headers, &frame, false);
        let mut filled = frame.clone();
        checksum::fill(&mut filled, checksum::Fill::from_flags(0xff));
        prop_assert_eq!(filled.len(), frame.len());
    }
}
