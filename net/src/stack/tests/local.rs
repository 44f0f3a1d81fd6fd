//! Packets to our own addresses.

use super::*;
use crate::verdict::{ErrorKind, IcmpError};

/// `IP(src='10.1.0.2',dst='10.1.0.1',id=0x77,tos=0x28)/ICMP(type=8,id=0x1122,seq=3)/b'abcdefg'`
const ECHO4: &str = "4528002300770000400166370a0100020a010001080055ad1122000361626364656667";
/// `IP(src='10.1.0.1',dst='10.1.0.2',id=0,tos=0x28,ttl=64)/ICMP(type=0,id=0x1122,seq=3)/b'abcdefg'`
const ECHO_REPLY4: &str = "4528002300000000400166ae0a0100010a01000200005dad1122000361626364656667";
/// `IPv6(src='2001:db8:a::2',dst='2001:db8:a::1')/ICMPv6EchoRequest(id=0x1122,seq=3,data=b'abcdefg')`
pub(super) const ECHO6: &str = "60000000000f3a4020010db8000a0000000000000000000220010db8000a000000000000000000018000\
     81da1122000361626364656667";
/// `IPv6(src='2001:db8:a::1',dst='2001:db8:a::2',hlim=64)/ICMPv6EchoReply(id=0x1122,seq=3,data=b'abcdefg')`
const ECHO_REPLY6: &str = "60000000000f3a4020010db8000a0000000000000000000120010db8000a000000000000000000028100\
     80da1122000361626364656667";
/// `IP(src='203.0.113.254',dst='203.0.113.1')/ICMP(type=3,code=4,nexthopmtu=1400)/` the first 28 bytes of
/// `IP(src='203.0.113.1',dst='198.51.100.7',proto=50)/` SPI 0x1001, sequence number 5
pub(super) const TOO_BIG_ABOUT_US: &str = "4500003800010000400101c4cb0071fecb0071010304e77d00000578450000340001\
     00004032145bcb007101c63364070000100100000005";

fn local(stack: &mut Stack, packet: &[u8]) -> Local {
    let mut packet = Packet::from_bytes(packet);
    packet.meta.port = PortId(0);
    let parsed = Flow::parse(packet.bytes()).unwrap();
    assert!(stack.is_local(parsed.flow.dst));
    stack.local(NOW, packet, &parsed)
}

fn reply(stack: &mut Stack, packet: &[u8]) -> Vec<u8> {
    match local(stack, packet) {
        Local::Reply(reply) => reply.bytes().to_vec(),
        other => panic!("{other:?}"),
    }
}

fn cause(stack: &mut Stack, packet: &[u8]) -> Cause {
    match local(stack, packet) {
        Local::Dropped(cause) => {
            assert!(stack.counters().of(cause) > 0);
            cause
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn echo_requests_are_answered() {
    let mut stack = stack();
    assert_eq!(without_ident(&reply(&mut stack, &hex(ECHO4))), without_ident(&hex(ECHO_REPLY4)));
    assert_eq!(reply(&mut stack, &hex(ECHO6)), hex(ECHO_REPLY6));
    // Options and extension headers do not come back.
    let mut with_options = hex(ECHO4);
    with_options.splice(20..20, [0x94, 4, 0, 0]);
    with_options[0] = 0x46;
    with_options[3] += 4;
    fix_checksum(&mut with_options);
    assert_eq!(without_ident(&reply(&mut stack, &with_options)), without_ident(&hex(ECHO_REPLY4)));
    let mut with_extension = hex(ECHO6);
    with_extension.splice(40..40, [58, 0, 1, 4, 0, 0, 0, 0]);
    with_extension[6] = 60;
    with_extension[5] += 8;
    assert_eq!(reply(&mut stack, &with_extension), hex(ECHO_REPLY6));
}

#[test]
fn echo_to_groups_only_over_ipv6_and_from_our_own_address() {
    let mut stack = stack();
    for group in [[10, 1, 0, 255], [255, 255, 255, 255], [224, 0, 0, 1]] {
        let mut echo = hex(ECHO4);
        echo[16..20].copy_from_slice(&group);
        fix_checksum(&mut echo);
        assert_eq!(cause(&mut stack, &echo), Cause::GroupUnwanted, "{group:?}");
    }
    let mut echo = Packet::from_bytes(&[128, 0, 0, 0, 0, 1, 0, 2]);
    let (src, dst) = (addr("fe80::ff:fe00:a"), addr("ff02::1"));
    crate::icmp::finish(&mut echo, src, dst, 0, 64, 0).unwrap();
    let reply = reply(&mut stack, echo.bytes());
    let flow = Flow::parse(&reply).unwrap().flow;
    assert_eq!((flow.src, flow.dst), (addr("fe80::ff:fe00:1"), src));
    // It finds its way, although a link-local address has no route.
    let mut packet = Packet::from_bytes(&reply);
    packet.meta.port = PortId(0);
    stack.send(NOW, packet).unwrap();
    assert_eq!(sent(&mut stack, 0)[0][..6], HOST.0);
}

#[test]
fn damaged_and_unwanted_icmp() {
    let mut stack = stack();
    let mut with = |text: &str, at: usize, value: u8| {
        let mut packet = hex(text);
        packet[at] ^= value;
        cause(&mut stack, &packet)
    };
    assert_eq!(with(ECHO4, 30, 1), Cause::IcmpChecksum);
    assert_eq!(with(ECHO6, 50, 1), Cause::IcmpChecksum);
    let mut timestamp = hex(ECHO4);
    timestamp[20] = 13;
    let sum = u16::from_be_bytes([timestamp[22], timestamp[23]]) - 0x0500;
    timestamp[22..24].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(cause(&mut stack, &timestamp), Cause::IcmpUnhandled);
    let mut short = hex(ECHO4);
    short[3] = 27;
    fix_checksum(&mut short);
    assert_eq!(cause(&mut stack, &short), Cause::IcmpMalformed);
}

#[test]
fn errors_about_our_own_packets_reach_the_caller() {
    let mut stack = stack();
    let expected = IcmpError {
        from: addr("203.0.113.254"),
        kind: ErrorKind::TooBig(1400),
        quoted_dst: addr("198.51.100.7"),
        quoted_src: addr("203.0.113.1"),
        quoted_proto: 50,
        quoted: [0, 0, 0x10, 1, 0, 0, 0, 5],
    };
    match local(&mut stack, &hex(TOO_BIG_ABOUT_US)) {
        Local::Error(error) => assert_eq!(error, expected),
        other => panic!("{other:?}"),
    }
    // The quoted packet has another source than ours: forged.
    let mut forged = hex(TOO_BIG_ABOUT_US);
    forged[28 + 15] ^= 1;
    forged[23] ^= 1;
    forged[22..24].fill(0);
    let sum = crate::checksum::of(&forged[20..]);
    forged[22..24].copy_from_slice(&sum);
    assert_eq!(cause(&mut stack, &forged), Cause::IcmpUnhandled);
    // The quote holds less than eight bytes of payload.
    let mut short = hex(TOO_BIG_ABOUT_US);
    short.truncate(55);
    short[3] -= 1;
    fix_checksum(&mut short);
    short[22..24].fill(0);
    let sum = crate::checksum::of(&short[20..]);
    short[22..24].copy_from_slice(&sum);
    assert_eq!(cause(&mut stack, &short), Cause::IcmpUnhandled);
}

#[test]
fn our_own_reports_are_readable_by_the_other_end() {
    // What one stack emits, another one that sent the packet understands: IPv6, with an extension header.
    let mut stack = stack();
    let mut packet = fixture::udp("2001:db8:a::2", "2001:db8:9::9", [7, 8], b"quoted!!");
    packet.splice(40..40, [17, 0, 1, 4, 0, 0, 0, 0]);
    packet[6] = 60;
    packet[5] += 8;
    let error = stack.too_big(NOW, &Packet::from_bytes(&packet), 1400).unwrap();
    let host = PortConfig { mac: HOST, addresses: vec!["2001:db8:a::2/64".parse().unwrap()], mtu: 1500 };
    let mut host = Stack::new(StackConfig { ports: vec![host], ..StackConfig::default() }, Pool::new(4));
    let Local::Error(error) = local(&mut host, error.bytes()) else { panic!() };
    assert_eq!((error.kind, error.quoted_proto), (ErrorKind::TooBig(1400), 17));
    assert_eq!((error.quoted_dst, error.quoted), (addr("2001:db8:9::9"), [0, 7, 0, 8, 0, 16, 0x3c, 0xc0]));
}

#[test]
fn udp_is_checked_and_handed_on() {
    let mut stack = stack();
    for (src, dst, header) in [("10.1.0.2", "10.1.0.1", 20), ("2001:db8:a::2", "2001:db8:a::1", 40)] {
        let good = fixture::udp(src, dst, [500, 4500], b"payload");
        let Local::Udp(packet, udp) = local(&mut stack, &good) else { panic!("{src}") };
        assert_eq!(packet.bytes()[udp.payload.clone()], *b"payload");
        assert_eq!((udp.src, udp.dst), ((addr(src), 500).into(), (addr(dst), 4500).into()));
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        assert_eq!(cause(&mut stack, &bad), Cause::UdpChecksum, "{src}");
        for length in [7, 16] {
            let mut bad = good.clone();
            bad[header + 5] = length;
            assert_eq!(cause(&mut stack, &bad), Cause::UdpMalformed, "{src} {length}");
        }
        // Without checksum: fine over IPv4, not over IPv6.
        let mut bare = good.clone();
        bare[header + 6..header + 8].fill(0);
        match local(&mut stack, &bare) {
            Local::Udp(..) => assert_eq!(header, 20),
            Local::Dropped(cause) => assert_eq!((header, cause), (40, Cause::UdpChecksum)),
            other => panic!("{other:?}"),
        }
        // Not even where the sum comes to what zero stands for.
        let zero = fixture::udp(src, dst, [500, 4500], &[0, 0]);
        let complement = &zero[header + 6..header + 8];
        let zero = fixture::udp(src, dst, [500, 4500], complement);
        assert_eq!(zero[header + 6..header + 8], [0, 0]);
        assert_eq!(matches!(local(&mut stack, &zero), Local::Udp(..)), header == 20, "{src}");
        // The device has done the sum.
        let mut trusted = Packet::from_bytes(&bad);
        trusted.meta.checksum_ok = true;
        let parsed = Flow::parse(&bad).unwrap();
        assert!(matches!(stack.local(NOW, trusted, &parsed), Local::Udp(..)), "{src}");
    }
    let broadcast = fixture::udp("10.1.0.2", "10.1.0.255", [500, 500], b"x");
    assert_eq!(cause(&mut stack, &broadcast), Cause::GroupUnwanted);
}

#[test]
fn ipv6_extension_headers_bind_the_destination() {
    let mut stack = stack();
    let own = hex("20010db8000a00000000000000000001");
    let mut routed = hex(fixture::ROUTING2);
    routed[24..40].copy_from_slice(&own);
    assert_eq!(cause(&mut stack, &routed), Cause::ExtensionRefused);
    // An unknown option that says "discard" (01 in the upper bits), and one that says "skip" (00).
    for (kind, refused) in [(0x5e, true), (0x1e, false)] {
        let mut packet = fixture::udp("2001:db8:a::2", "2001:db8:a::1", [1, 2], b"x");
        packet.splice(40..40, [17, 0, kind, 4, 0, 0, 0, 0]);
        packet[6] = 60;
        packet[5] += 8;
        match local(&mut stack, &packet) {
            Local::Dropped(cause) => assert!(refused && cause == Cause::ExtensionRefused),
            Local::Udp(..) => assert!(!refused),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn other_protocols_are_the_callers() {
    let mut stack = stack();
    let mut esp = hex(fixture::ESP4);
    esp[16..20].copy_from_slice(&[10, 1, 0, 1]);
    fix_checksum(&mut esp);
    let Local::Other(packet) = local(&mut stack, &esp) else { panic!() };
    assert_eq!(packet.bytes(), esp);
}
