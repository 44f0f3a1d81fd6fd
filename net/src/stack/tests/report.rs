//! ICMP errors: what they say, and when there are none.

use super::*;
use crate::verdict::Unreachable;

/// `IP(src='10.1.0.2',dst='10.9.0.9',id=0x99,flags='DF')/UDP(sport=7,dport=8)/b'quoted!!'`
const QUOTED4: &str = "45000024009940004011261c0a0100020a090009000700080010843b71756f7465642121";
/// `IP(src='10.1.0.1',dst='10.1.0.2',tos=0xc0,id=0,ttl=64)/ICMP(type=3,code=4,nexthopmtu=1400)/QUOTED4`
const TOO_BIG4: &str = "45c0004000000000400165f90a0100010a01000203040bba0000057845000024009940004011261c0a010002\
     0a090009000700080010843b71756f7465642121";
/// `IP(src='10.1.0.1',dst='10.1.0.2',tos=0xc0,id=0,ttl=64)/ICMP(type=11,code=0)/QUOTED4`
const TIME4: &str = "45c0004000000000400165f90a0100010a0100020b0009360000000045000024009940004011261c0a010002\
     0a090009000700080010843b71756f7465642121";
/// `IPv6(src='2001:db8:a::2',dst='2001:db8:9::9')/UDP(sport=7,dport=8)/b'quoted!!'`
const QUOTED6: &str = "600000000010114020010db8000a0000000000000000000220010db8000900000000000000000009000700\
     0800103cc071756f7465642121";
/// `IPv6(src='2001:db8:a::1',dst='2001:db8:a::2',tc=0xc0,hlim=64)/ICMPv6PacketTooBig(mtu=1400)/QUOTED6`
const TOO_BIG6: &str = "6c00000000403a4020010db8000a0000000000000000000120010db8000a0000000000000000000202002b\
     5500000578600000000010114020010db8000a0000000000000000000220010db8000900000000000000000009000700\
     0800103cc071756f7465642121";
/// `… /ICMPv6DestUnreach(code=1)/QUOTED6`
const PROHIBITED6: &str = "6c00000000403a4020010db8000a0000000000000000000120010db8000a00000000000000000002010131\
     cc00000000600000000010114020010db8000a0000000000000000000220010db8000900000000000000000009000700\
     0800103cc071756f7465642121";
/// `… /ICMPv6ParamProblem(code=1,ptr=6)/QUOTED6`
const PROTOCOL6: &str = "6c00000000403a4020010db8000a0000000000000000000120010db8000a0000000000000000000204012e\
     c600000006600000000010114020010db8000a0000000000000000000220010db8000900000000000000000009000700\
     0800103cc071756f7465642121";

fn packet(text: &str) -> Packet {
    Packet::from_bytes(&hex(text))
}

#[test]
fn errors_byte_by_byte() {
    let mut stack = stack();
    let error = stack.too_big(NOW, &packet(QUOTED4), 1400).unwrap();
    assert_eq!(without_ident(error.bytes()), without_ident(&hex(TOO_BIG4)));
    let error = stack.too_big(NOW, &packet(QUOTED6), 1400).unwrap();
    assert_eq!(error.bytes(), hex(TOO_BIG6));
    let error = stack.unreachable(NOW, &packet(QUOTED6), Unreachable::Prohibited).unwrap();
    assert_eq!(error.bytes(), hex(PROHIBITED6));
    let error = stack.unreachable(NOW, &packet(QUOTED6), Unreachable::Protocol).unwrap();
    assert_eq!(error.bytes(), hex(PROTOCOL6));
    let mut last_hop = hex(QUOTED4);
    last_hop[8] = 1;
    fix_checksum(&mut last_hop);
    let mut packet = Packet::from_bytes(&last_hop);
    let error = stack.decrement_hop_limit(NOW, &mut packet).unwrap_err().unwrap();
    let expected = [&hex(TIME4)[..28], &last_hop].concat();
    // TTL and checksum of the quoted header differ from scapy's by the TTL alone: the ICMP checksum holds.
    assert_eq!(without_ident(error.bytes()), without_ident(&expected));
    assert_eq!(stack.counters().of(Cause::HopLimit), 1);
}

#[test]
fn hop_limits_end_where_they_must() {
    let mut stack = stack();
    for (hops, passes) in [(0, false), (1, false), (2, true), (255, true)] {
        let mut v4 = hex(QUOTED4);
        v4[8] = hops;
        fix_checksum(&mut v4);
        let mut v4 = Packet::from_bytes(&v4);
        assert_eq!(stack.decrement_hop_limit(NOW, &mut v4).is_ok(), passes, "{hops}");
        let mut v6 = packet(QUOTED6);
        v6.bytes_mut()[7] = hops;
        assert_eq!(stack.decrement_hop_limit(NOW, &mut v6).is_ok(), passes, "{hops}");
        if passes {
            assert_eq!(Flow::parse(v4.bytes()).unwrap().hop_limit, hops - 1);
            assert_eq!(Flow::parse(v6.bytes()).unwrap().hop_limit, hops - 1);
        }
    }
}

#[test]
fn quotes_are_as_long_as_the_rules_allow() {
    let mut stack = stack();
    let long = fixture::udp("10.1.0.2", "10.9.0.9", [7, 8], &[9; 1400]);
    let error = stack.too_big(NOW, &Packet::from_bytes(&long), 1000).unwrap();
    assert_eq!((error.len(), &error.bytes()[28..]), (576, &long[..548]));
    let long = fixture::udp("2001:db8:a::2", "2001:db8:9::9", [7, 8], &[9; 1400]);
    let error = stack.too_big(NOW, &Packet::from_bytes(&long), 1000).unwrap();
    assert_eq!((error.len(), &error.bytes()[48..]), (1280, &long[..1232]));
    // Never less than the IPv6 minimum.
    assert_eq!(error.bytes()[44..48], [0, 0, 5, 0]);
    let parsed = Flow::parse(error.bytes()).unwrap();
    assert!(crate::icmp::is_intact(error.bytes(), &parsed));
}

#[test]
fn packets_that_must_not_be_answered() {
    let mut stack = stack();
    let mut suppressed = |packet: &[u8], what: &str| {
        let before = stack.counters().of(Cause::ErrorSuppressed);
        let answer = stack.unreachable(NOW, &Packet::from_bytes(packet), Unreachable::NoRoute);
        assert!(answer.is_none(), "{what}");
        assert_eq!(stack.counters().of(Cause::ErrorSuppressed), before + 1, "{what}");
    };
    for kind in [3, 4, 5, 11, 12] {
        let mut error = hex(TOO_BIG4);
        error[12..16].copy_from_slice(&[10, 1, 0, 2]);
        error[16..20].copy_from_slice(&[10, 9, 0, 9]);
        error[20] = kind;
        fix_checksum(&mut error);
        suppressed(&error, "ICMP error");
    }
    for kind in [1, 2, 3, 4, 100, 127, 137] {
        let mut error = hex(TOO_BIG6);
        error[8..40].copy_from_slice(&hex(QUOTED6)[8..40]);
        error[40] = kind;
        suppressed(&error, "ICMPv6 error or redirect");
    }
    for dst in ["10.1.0.255", "203.0.113.0", "224.0.0.9", "255.255.255.255", "ff0e::1"] {
        let src = if dst.contains(':') { "2001:db8:a::2" } else { "10.1.0.2" };
        suppressed(&fixture::udp(src, dst, [7, 8], b"x"), dst);
    }
    for src in ["0.0.0.0", "127.0.0.1", "224.0.0.9", "10.1.0.255", "10.1.0.1", "240.0.0.1"] {
        suppressed(&fixture::udp(src, "10.9.0.9", [7, 8], b"x"), src);
    }
    suppressed(&fixture::udp("::", "2001:db8:9::9", [7, 8], b"x"), "unspecified source");
    let mut later = hex(QUOTED4);
    later[6..8].copy_from_slice(&[0, 3]);
    fix_checksum(&mut later);
    suppressed(&later, "non-first fragment");
    suppressed(&hex(QUOTED4)[..30], "cut off");
}

#[test]
fn an_echo_request_may_be_answered_with_an_error() {
    let mut stack = stack();
    let mut echo = hex(fixture::ICMP4);
    echo[12..16].copy_from_slice(&[10, 1, 0, 2]);
    fix_checksum(&mut echo);
    assert!(stack.unreachable(NOW, &Packet::from_bytes(&echo), Unreachable::NoRoute).is_some());
}

#[test]
fn the_rate_is_limited() {
    let mut limited = config();
    limited.limits = Limits { errors_per_second: 10, errors_burst: 3, ..Limits::default() };
    let mut stack = Stack::new(limited, Pool::new(16));
    let mut errors =
        |now: Instant| (0..20).filter(|_| stack.too_big(now, &packet(QUOTED4), 1400).is_some()).count();
    assert_eq!(errors(Instant::from_secs(1)), 3);
    assert_eq!(errors(Instant::from_millis(1_099)), 0);
    assert_eq!(errors(Instant::from_millis(1_200)), 2);
    assert_eq!(errors(Instant::from_secs(60)), 3);
    // A clock that steps back gives nothing.
    assert_eq!(errors(Instant::from_secs(30)), 0);
    assert_eq!(stack.counters().of(Cause::ErrorRateLimited), 17 + 20 + 18 + 17 + 20);
}

#[test]
fn errors_about_tunnelled_packets_come_from_the_protected_side() {
    let mut stack = stack();
    let mut inner = Packet::from_bytes(&fixture::udp("10.2.0.7", "10.1.0.9", [7, 8], b"x"));
    inner.meta.port = PortId(1);
    let source = |packet: Packet| Flow::parse(packet.bytes()).unwrap().flow.src;
    assert_eq!(source(stack.too_big(NOW, &inner, 1400).unwrap()), addr("203.0.113.1"));
    inner.meta.sa_in = Some(1);
    assert_eq!(source(stack.too_big(NOW, &inner, 1400).unwrap()), addr("10.1.0.1"));
    // About a packet to ourselves: from the address it was sent to.
    let own = Packet::from_bytes(&fixture::udp("198.51.100.7", "10.1.0.1", [7, 8], b"x"));
    assert_eq!(source(stack.unreachable(NOW, &own, Unreachable::Port).unwrap()), addr("10.1.0.1"));
}
