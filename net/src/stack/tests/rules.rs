//! What is received, what is refused, and where packets go.

use super::*;
use proptest::prelude::*;

#[test]
fn a_forwarded_packet_loses_a_hop_and_gains_a_header() {
    let mut stack = stack();
    let packet = fixture::udp("10.1.0.2", "198.51.100.7", [7, 8], b"payload");
    let mut padded = packet.clone();
    padded.extend([0; 11]);
    let (mut out, parsed) = accepted(&mut stack, from_host(&padded));
    assert_eq!((parsed.hop_limit, out.len()), (64, packet.len()));
    assert!(!stack.is_local(parsed.flow.dst));
    stack.decrement_hop_limit(NOW, &mut out).unwrap();
    stack.send(NOW, out).unwrap();
    let frames = sent(&mut stack, 1);
    assert_eq!(frames.len(), 1);
    assert_eq!(&frames[0][..14], &[&ROUTER.0[..], &OUTSIDE.0, &[8, 0]].concat()[..]);
    let forwarded = Flow::parse(&frames[0][14..]).unwrap();
    assert_eq!((forwarded.hop_limit, forwarded.flow), (63, parsed.flow));
    assert_eq!(&frames[0][34..], &packet[20..]);
    assert_eq!(stack.counters().total(), 0);
}

#[test]
fn ipv6_is_forwarded_by_a_link_local_router() {
    let mut stack = stack();
    let packet = fixture::udp("2001:db8:a::2", "2001:db8:9::9", [7, 8], b"payload");
    let (mut out, _) = accepted(&mut stack, from_host(&packet));
    stack.decrement_hop_limit(NOW, &mut out).unwrap();
    stack.send(NOW, out).unwrap();
    let frames = sent(&mut stack, 1);
    assert_eq!(&frames[0][..14], &[&ROUTER.0[..], &OUTSIDE.0, &[0x86, 0xdd]].concat()[..]);
    assert_eq!(frames[0][14 + 7], 63);
}

#[test]
fn frames_that_are_not_for_us() {
    let mut stack = stack();
    let good = from_host(&fixture::udp("10.1.0.2", "198.51.100.7", [7, 8], b"x")).bytes().to_vec();
    let mut with = |at: usize, value: &[u8], port: u8| {
        let mut bytes = good.clone();
        bytes[at..at + value.len()].copy_from_slice(value);
        refused(&mut stack, frame(port, &bytes))
    };
    assert_eq!(with(5, &[9], 0), Cause::NotOurMac);
    assert_eq!(with(0, &[], 1), Cause::NotOurMac);
    assert_eq!(with(0, &[], 2), Cause::NoSuchPort);
    assert_eq!(with(6, &[3], 0), Cause::LinkSource);
    assert_eq!(with(6, &INSIDE.0, 0), Cause::LinkSource);
    assert_eq!(with(12, &[0x81, 0x00], 0), Cause::Ethertype);
    assert_eq!(with(12, &[0x86, 0xdd], 0), Cause::IpVersion);
    assert_eq!(with(0, &[0xff; 6], 0), Cause::LinkBroadcast);
    assert_eq!(refused(&mut stack, frame(0, &good[..13])), Cause::FrameShort);
}

#[test]
fn what_was_sent_back_and_comes_as_it_was_goes_no_further() {
    let mut stack = stack();
    let mut packet = Packet::from_bytes(&fixture::udp("10.1.0.2", "10.1.0.1", [7, 8], &[5; 1000]));
    packet.meta.fragment_size = Some(576);
    let bytes = packet.bytes().to_vec();
    stack.send_back(PortId(0), packet).unwrap();
    let sent = sent(&mut stack, 0);
    assert_eq!(sent, [[&INSIDE.0[..], &INSIDE.0, &[8, 0], &bytes].concat()], "whole, and as it is");
    assert_eq!(refused(&mut stack, frame(0, &sent[0])), Cause::LinkSource);
    assert_eq!(stack.unframe(frame(0, &sent[0])).unwrap().bytes(), bytes, "what was opened is not asked");
    // There is no such port.
    assert_eq!(stack.send_back(PortId(9), Packet::from_bytes(&bytes)), Err(Cause::NoSuchPort));
    assert_eq!(stack.counters().of(Cause::NoSuchPort), 1);
}

#[test]
fn addresses_that_must_not_be_there() {
    let mut stack = stack();
    for (src, dst, cause) in [
        ("127.0.0.1", "198.51.100.7", Cause::MartianSource),
        ("0.0.0.0", "10.1.0.1", Cause::MartianSource),
        ("224.0.0.1", "198.51.100.7", Cause::MartianSource),
        ("255.255.255.255", "198.51.100.7", Cause::MartianSource),
        ("10.1.0.255", "198.51.100.7", Cause::MartianSource),
        ("10.1.0.1", "198.51.100.7", Cause::OwnSource),
        ("203.0.113.1", "10.1.0.1", Cause::OwnSource),
        ("10.1.0.2", "127.0.0.1", Cause::MartianDestination),
        ("10.1.0.2", "0.0.0.0", Cause::MartianDestination),
        ("10.1.0.2", "240.0.0.1", Cause::MartianDestination),
        ("10.1.0.2", "224.0.0.5", Cause::NotJoined),
        ("::1", "2001:db8:9::9", Cause::MartianSource),
        ("::", "2001:db8:a::1", Cause::MartianSource),
        ("ff02::1", "2001:db8:9::9", Cause::MartianSource),
        ("::ffff:10.0.0.1", "2001:db8:9::9", Cause::MartianSource),
        ("fe80::ff:fe00:a", "2001:db8:9::9", Cause::LinkScope),
        ("2001:db8:a::2", "fe80::fe", Cause::LinkScope),
        ("fe80::ff:fe00:a", "fe80::fe", Cause::LinkScope),
        ("fe80::ff:fe00:1", "2001:db8:a::1", Cause::OwnSource),
        ("2001:db8:a::2", "::1", Cause::MartianDestination),
        ("2001:db8:a::2", "ff02::1:ff99:9999", Cause::NotJoined),
    ] {
        let packet = fixture::udp(src, dst, [7, 8], b"x");
        assert_eq!(refused(&mut stack, from_host(&packet)), cause, "{src} {dst}");
        let parsed = Flow::parse(&packet).unwrap();
        assert_eq!(stack.admit(&Packet::from_bytes(&packet), &parsed), Err(cause), "{src} {dst}");
    }
}

#[test]
fn source_routes_are_refused_other_options_pass() {
    let mut stack = stack();
    assert_eq!(refused(&mut stack, from_host(&hex(fixture::LSRR4))), Cause::SourceRoute);
    assert_eq!(refused(&mut stack, from_host(&hex(fixture::ROUTING0))), Cause::SourceRoute);
    let options = hex(fixture::OPTIONS4);
    let (packet, _) = accepted(&mut stack, from_host(&options));
    assert_eq!(packet.bytes(), options);
    // An option of length zero, and one that runs over the end.
    for length in [0, 1, 5] {
        let mut bad = options.clone();
        bad[21] = length;
        fix_checksum(&mut bad);
        assert_eq!(refused(&mut stack, from_host(&bad)), Cause::IpOptions, "{length}");
    }
}

#[test]
fn local_is_what_we_own_and_what_we_joined() {
    let stack = stack();
    for local in [
        "10.1.0.1",
        "203.0.113.1",
        "10.1.0.255",
        "10.1.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "2001:db8:a::1",
        "2001:db8:b::1",
        "fe80::ff:fe00:1",
        "fe80::ff:fe00:2",
        "ff02::1",
        "ff02::2",
        "ff02::1:ff00:1",
    ] {
        assert!(stack.is_local(addr(local)), "{local}");
    }
    for foreign in
        ["10.1.0.2", "198.51.100.7", "10.2.0.255", "224.0.0.5", "2001:db8:a::2", "fe80::3", "ff02::5"]
    {
        assert!(!stack.is_local(addr(foreign)), "{foreign}");
    }
}

#[test]
fn egress_names_port_next_hop_and_source() {
    let stack = stack();
    let way = |dst: &str| {
        stack.egress(addr(dst)).map(|way| (way.port.0, way.next_hop, way.mtu, way.source.unwrap()))
    };
    assert_eq!(way("10.1.0.9"), Some((0, addr("10.1.0.9"), 1500, addr("10.1.0.1"))));
    assert_eq!(way("198.51.100.7"), Some((1, addr("203.0.113.254"), 1500, addr("203.0.113.1"))));
    assert_eq!(way("2001:db8:a::9"), Some((0, addr("2001:db8:a::9"), 1500, addr("2001:db8:a::1"))));
    assert_eq!(way("2001:db8:9::9"), Some((1, addr("fe80::fe"), 1500, addr("2001:db8:b::1"))));
    for nowhere in ["10.1.0.1", "10.1.0.255", "224.0.0.1", "255.255.255.255", "ff02::1", "fe80::9"] {
        assert_eq!(way(nowhere), None, "{nowhere}");
    }
}

#[test]
fn routes_follow_the_links() {
    let route = |via: &str, port: u8, metric| Route {
        prefix: "198.51.100.0/24".parse().unwrap(),
        via: Some(addr(via)),
        port: PortId(port),
        metric,
    };
    // The first port's is the better one; the default route stays what it is.
    let mut config = config();
    config.routes.extend([route("10.1.0.254", 0, 5), route("203.0.113.9", 1, 7)]);
    let mut stack = Stack::new(config, Pool::new(8));
    let dst = addr("198.51.100.7");
    let way = |stack: &Stack| stack.egress(dst).map(|way| (way.port.0, way.next_hop));
    let (good, other) = (Some((0, addr("10.1.0.254"))), Some((1, addr("203.0.113.9"))));
    assert_eq!(way(&stack), good);
    assert_eq!(stack.hop_by(dst, PortId(1)).map(|hop| hop.port()), Some(PortId(1)));
    assert!(!stack.set_link(PortId(0), true), "no news");
    assert!(stack.set_link(PortId(0), false));
    assert_eq!(way(&stack), other);
    assert_eq!(stack.hop_by(dst, PortId(0)), None, "no way without a link");
    // Without any link it is the best one again.
    assert!(stack.set_link(PortId(1), false));
    assert_eq!(way(&stack), good);
    assert!(stack.set_link(PortId(1), true));
    assert_eq!(way(&stack), other);
    assert!(stack.set_link(PortId(0), true));
    assert_eq!(way(&stack), good);
    assert!(stack.hop_by(dst, PortId(0)) == stack.hop(dst) && stack.hop(dst).is_some());
    assert!(!stack.set_link(PortId(9), false));
}

#[test]
fn what_cannot_be_sent_is_counted() {
    let mut lonely = StackConfig { routes: Vec::new(), ..config() };
    lonely.limits.tx_queue = 1;
    let neighbour = StaticNeighbour { port: PortId(0), addr: addr("10.1.0.2"), mac: HOST };
    lonely.neighbours.push(neighbour);
    let mut stack = Stack::new(lonely, Pool::new(8));
    let mut send = |dst: &str| {
        let packet = Packet::from_bytes(&fixture::udp("10.1.0.1", dst, [7, 8], b"x"));
        let before = stack.counters().total();
        let result = stack.send(NOW, packet);
        assert_eq!(stack.counters().total() - before, u64::from(result.is_err()));
        result
    };
    assert_eq!(send("198.51.100.7"), Err(Cause::NoRoute));
    assert_eq!(send("10.1.0.1"), Err(Cause::NoRoute));
    assert_eq!(send("10.1.0.255"), Err(Cause::GroupForward));
    assert_eq!(send("224.0.0.5"), Err(Cause::GroupForward));
    assert_eq!(send("10.1.0.2"), Ok(()));
    assert_eq!(send("10.1.0.2"), Err(Cause::TxQueueFull));
    let mut tight = Packet::from_bytes(&fixture::udp("10.1.0.1", "10.1.0.2", [7, 8], b"x"));
    let bytes = tight.bytes().to_vec();
    tight.reset(13);
    tight.append(bytes.len()).unwrap().copy_from_slice(&bytes);
    let _ = sent(&mut stack, 0);
    assert_eq!(stack.send(NOW, tight), Err(Cause::NoHeadroom));
    let transit = fixture::udp("2001:db8:a::2", "fe80::ff:fe00:a", [7, 8], b"x");
    assert_eq!(stack.send(NOW, Packet::from_bytes(&transit)), Err(Cause::LinkScope));
    assert_eq!(stack.send(NOW, Packet::from_bytes(&[0x45])), Err(Cause::IpShort));
    assert_eq!(stack.send(NOW, Packet::from_bytes(&[])), Err(Cause::IpVersion));
}

/// Sends what the stack says of any frame through the rest of it, as a gateway would.
fn digest(stack: &mut Stack, bytes: &[u8]) {
    match stack.receive(NOW, frame(0, bytes)) {
        Received::Ip(packet, parsed) => {
            let (mut packet, parsed) = match parsed.fragment {
                None => (packet, parsed),
                Some(_) => match stack.reassemble(NOW, packet, &parsed) {
                    Reassembled::Whole(whole) => {
                        let parsed = Flow::parse(whole.bytes()).unwrap();
                        (whole, parsed)
                    }
                    _ => return,
                },
            };
            let _ = stack.too_big(NOW, &packet, 1000);
            if stack.is_local(parsed.flow.dst) {
                match stack.local(NOW, packet, &parsed) {
                    Local::Reply(reply) => {
                        Flow::parse(reply.bytes()).unwrap();
                        let _ = stack.send(NOW, reply);
                    }
                    Local::Udp(packet, udp) => assert!(packet.bytes().get(udp.payload).is_some()),
                    _ => {}
                }
            } else if stack.decrement_hop_limit(NOW, &mut packet).is_ok() {
                let _ = stack.send(NOW, packet);
            }
        }
        Received::Consumed | Received::Dropped(_) => {}
    }
    let _ = sent(stack, 0);
    let _ = sent(stack, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn any_frame(mut bytes: Vec<u8>, group: bool, kind in 0usize..4) {
        let mut stack = stack();
        if bytes.len() >= 14 {
            bytes[..6].copy_from_slice(if group { &[0xff; 6] } else { &INSIDE.0 });
            bytes[6..12].copy_from_slice(&HOST.0);
            bytes[12..14].copy_from_slice(&[[8, 0], [8, 6], [0x86, 0xdd], [0, 0]][kind]);
        }
        digest(&mut stack, &bytes);
    }

    /// Sound packets with a few bytes changed, checksums of the IPv4 header made right again.
    #[test]
    fn any_change_of_a_sound_packet(
        which in 0usize..10,
        changes in prop::collection::vec((0usize..120, any::<u8>()), 0..4),
    ) {
        let mut stack = stack();
        let texts = [
            fixture::OPTIONS4, fixture::EXTENSIONS6, fixture::ROUTING2, fixture::FRAGMENT6,
            fixture::ATOMIC6, fixture::ICMP4,
            super::neighbours::SOLICITATION, super::neighbours::ADVERTISEMENT,
            super::local::ECHO6, super::local::TOO_BIG_ABOUT_US,
        ];
        let mut bytes = hex(texts[which]);
        if which == 6 || which == 7 {
            bytes.drain(..14);
        }
        let (own4, own6) = (hex("0a010001"), hex("20010db8000a00000000000000000001"));
        match bytes[0] >> 4 {
            4 => bytes[16..20].copy_from_slice(&own4),
            _ if which < 6 => bytes[24..40].copy_from_slice(&own6),
            _ => {}
        }
        for (at, value) in changes {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        if bytes[0] >> 4 == 4 && usize::from(bytes[0] & 15) >= 5 && usize::from(bytes[0] & 15) * 4 <= bytes.len() {
            fix_checksum(&mut bytes);
        }
        digest(&mut stack, from_host(&bytes).bytes());
    }
}
