//! ARP and neighbour discovery on the wire.

use super::*;

/// `Ether(src=A,dst='ff:ff:ff:ff:ff:ff')/ARP(op=1,hwsrc=A,psrc='10.1.0.2',pdst='10.1.0.1')`, A the host
const ARP_REQUEST: &str =
    "ffffffffffff02000000000a0806000108000604000102000000000a0a0100020000000000000a010001";
/// `Ether(src=G,dst=A)/ARP(op=2,hwsrc=G,psrc='10.1.0.1',hwdst=A,pdst='10.1.0.2')`, G port 0
const ARP_REPLY: &str =
    "02000000000a020000000001080600010800060400020200000000010a01000102000000000a0a010002";
/// `Ether(src=G,dst='ff:ff:ff:ff:ff:ff')/ARP(op=1,hwsrc=G,psrc='10.1.0.1',pdst='10.1.0.2')`
const ARP_QUESTION: &str =
    "ffffffffffff020000000001080600010800060400010200000000010a0100010000000000000a010002";
/// `Ether(src=A,dst='33:33:ff:00:00:01')/IPv6(src='fe80::ff:fe00:a',dst='ff02::1:ff00:1',hlim=255)/
/// ICMPv6ND_NS(tgt='fe80::ff:fe00:1')/ICMPv6NDOptSrcLLAddr(lladdr=A)`
pub(super) const SOLICITATION: &str = "3333ff00000102000000000a86dd6000000000203afffe80000000000000000000ff\
     fe00000aff0200000000000000000001ff00000187007c8700000000fe80000000000000000000fffe00000101010200\
     0000000a";
/// `Ether(src=G,dst=A)/IPv6(src='fe80::ff:fe00:1',dst='fe80::ff:fe00:a',hlim=255)/
/// ICMPv6ND_NA(tgt='fe80::ff:fe00:1',R=1,S=1,O=1)/ICMPv6NDOptDstLLAddr(lladdr=G)`
pub(super) const ADVERTISEMENT: &str = "02000000000a02000000000186dd6000000000203afffe80000000000000000000ff\
     fe000001fe80000000000000000000fffe00000a88009b13e0000000fe80000000000000000000fffe00000102010200\
     00000001";
/// As [`SOLICITATION`] from `::` and without the option: duplicate address detection.
const PROBE: &str = "3333ff00000102000000000a86dd6000000000183aff00000000000000000000000000000000ff02000000\
     00000000000001ff00000187007d2500000000fe80000000000000000000fffe000001";
/// As [`ADVERTISEMENT`] to `ff02::1` with S=0.
const PROBE_ANSWER: &str = "33330000000102000000000186dd6000000000203afffe80000000000000000000fffe000001ff020000\
     0000000000000000000000018800d99aa0000000fe80000000000000000000fffe0000010201020000000001";
/// `Ether(src=G,dst='33:33:ff:00:00:02')/IPv6(src='fe80::ff:fe00:1',dst='ff02::1:ff00:2',hlim=255)/
/// ICMPv6ND_NS(tgt='2001:db8:a::2')/ICMPv6NDOptSrcLLAddr(lladdr=G)`
const QUESTION: &str = "3333ff00000202000000000186dd6000000000203afffe80000000000000000000fffe000001ff0200\
     000000000000000001ff00000287004c550000000020010db8000a000000000000000000020101020000000001";

fn bare() -> Stack {
    Stack::new(config(), Pool::new(64))
}

#[test]
fn answers_arp_and_remembers_who_asked() {
    let mut stack = bare();
    assert!(matches!(stack.receive(NOW, frame(0, &hex(ARP_REQUEST))), Received::Consumed));
    assert_eq!(sent(&mut stack, 0), [hex(ARP_REPLY)]);
    // No question is needed now.
    let packet = fixture::udp("10.1.0.1", "10.1.0.2", [7, 8], b"x");
    stack.send(NOW, Packet::from_bytes(&packet)).unwrap();
    let frames = sent(&mut stack, 0);
    assert_eq!(frames[0][..6], HOST.0);
    assert_eq!(frames[0][14..], packet);
}

#[test]
fn asks_by_arp_and_sends_what_waited() {
    let mut stack = bare();
    let packet = fixture::udp("10.1.0.1", "10.1.0.2", [7, 8], b"x");
    stack.send(NOW, Packet::from_bytes(&packet)).unwrap();
    stack.send(NOW, Packet::from_bytes(&packet)).unwrap();
    assert_eq!(sent(&mut stack, 0), [hex(ARP_QUESTION)]);
    // The reply with the roles exchanged.
    let mut reply = hex(ARP_REPLY);
    reply[..6].copy_from_slice(&INSIDE.0);
    reply[6..12].copy_from_slice(&HOST.0);
    reply[22..28].copy_from_slice(&HOST.0);
    reply[28..32].copy_from_slice(&[10, 1, 0, 2]);
    reply[32..38].copy_from_slice(&INSIDE.0);
    reply[38..42].copy_from_slice(&[10, 1, 0, 1]);
    assert!(matches!(stack.receive(NOW, frame(0, &reply)), Received::Consumed));
    let frames = sent(&mut stack, 0);
    assert_eq!(frames.len(), 2);
    assert!(frames.iter().all(|frame| frame[..6] == HOST.0 && frame[14..] == packet));
}

#[test]
fn arp_that_must_not_be_believed() {
    let mut stack = bare();
    let mut with = |at: usize, value: &[u8], port: u8| {
        let mut bytes = hex(ARP_REQUEST);
        bytes[at..at + value.len()].copy_from_slice(value);
        let cause = refused(&mut stack, frame(port, &bytes));
        assert!(sent(&mut stack, port).is_empty());
        cause
    };
    // Sender is our own address; is a broadcast; asks for somebody else; other port.
    assert_eq!(with(28, &[10, 1, 0, 1], 0), Cause::NeighbourRefused);
    assert_eq!(with(28, &[10, 1, 0, 255], 0), Cause::NeighbourRefused);
    assert_eq!(with(38, &[10, 1, 0, 3], 0), Cause::NotTarget);
    // Ours, but of the other port.
    assert_eq!(with(38, &[203, 0, 113, 1], 0), Cause::NotTarget);
    assert_eq!(with(0, &[], 1), Cause::NotTarget);
    // Claims our hardware address for its own.
    assert_eq!(with(22, &INSIDE.0, 0), Cause::NeighbourRefused);
    assert_eq!(with(22, &[1], 0), Cause::ArpMalformed);
    assert_eq!(with(21, &[3], 0), Cause::ArpMalformed);
    assert_eq!(refused(&mut stack, frame(0, &hex(ARP_REQUEST)[..41])), Cause::ArpMalformed);
}

/// Linux asks from the address that a packet comes from, be it one of its loopback.
#[test]
fn who_asks_from_an_address_of_no_link_is_answered_and_not_learned() {
    let mut stack = bare();
    let mut question = hex(ARP_REQUEST);
    question[28..32].copy_from_slice(&[10, 2, 0, 2]);
    assert!(matches!(stack.receive(NOW, frame(0, &question)), crate::Received::Consumed));
    let answers = sent(&mut stack, 0);
    assert_eq!((answers.len(), &answers[0][..6], answers[0][21]), (1, &question[22..28], 2));
    // A reply is no question.
    question[21] = 2;
    assert_eq!(refused(&mut stack, frame(0, &question)), Cause::NeighbourRefused);
    let packet = Packet::from_bytes(&fixture::udp("10.1.0.1", "10.1.0.2", [7, 8], b"x"));
    stack.send(NOW, packet).unwrap();
    assert_eq!(sent(&mut stack, 0).len(), 1, "a question: nothing was learned");
}

#[test]
fn a_reply_without_a_question_proves_nothing() {
    for (unasked, questions) in [(true, 1), (false, 0)] {
        let mut stack = bare();
        // It has asked us: known, but not proven to hear us.
        stack.receive(NOW, frame(0, &hex(ARP_REQUEST)));
        let mut reply = hex(ARP_REQUEST);
        reply[..6].copy_from_slice(&INSIDE.0);
        reply[21] = 2;
        let packet = Packet::from_bytes(&fixture::udp("10.1.0.1", "10.1.0.2", [7, 8], b"x"));
        if unasked {
            stack.receive(NOW, frame(0, &reply));
            stack.send(NOW, packet).unwrap();
        } else {
            // Sending has begun the wait for a sign of life; now it is one.
            stack.send(NOW, packet).unwrap();
            stack.receive(NOW, frame(0, &reply));
        }
        let _ = sent(&mut stack, 0);
        stack.poll(Instant::from_secs(105));
        assert_eq!(sent(&mut stack, 0).len(), questions, "{unasked}");
    }
}

#[test]
fn an_address_probe_is_answered_but_not_remembered() {
    let mut stack = bare();
    let mut probe = hex(ARP_REQUEST);
    probe[28..32].fill(0);
    assert!(matches!(stack.receive(NOW, frame(0, &probe)), Received::Consumed));
    let mut expected = hex(ARP_REPLY);
    expected[38..42].fill(0);
    assert_eq!(sent(&mut stack, 0), [expected]);
}

#[test]
fn answers_solicitations() {
    let mut stack = bare();
    assert!(matches!(stack.receive(NOW, frame(0, &hex(SOLICITATION))), Received::Consumed));
    assert_eq!(sent(&mut stack, 0), [hex(ADVERTISEMENT)]);
    assert!(matches!(stack.receive(NOW, frame(0, &hex(PROBE))), Received::Consumed));
    assert_eq!(sent(&mut stack, 0), [hex(PROBE_ANSWER)]);
}

#[test]
fn asks_by_solicitation_and_sends_what_waited() {
    let mut stack = bare();
    let packet = fixture::udp("2001:db8:a::1", "2001:db8:a::2", [7, 8], b"x");
    stack.send(NOW, Packet::from_bytes(&packet)).unwrap();
    assert_eq!(sent(&mut stack, 0), [hex(QUESTION)]);
    let mut advert = Packet::from_bytes(
        &crate::nd::Message::Advertisement {
            target: "2001:db8:a::2".parse().unwrap(),
            mac: None,
            solicited: true,
            overriding: true,
        }
        .emit(HOST),
    );
    let (src, dst) = (addr("2001:db8:a::2"), addr("fe80::ff:fe00:1"));
    crate::icmp::finish(&mut advert, src, dst, 0, 255, 0).unwrap();
    assert!(matches!(stack.receive(NOW, from_host(advert.bytes())), Received::Consumed));
    let frames = sent(&mut stack, 0);
    assert_eq!((&frames[0][..6], &frames[0][14..]), (&HOST.0[..], &packet[..]));
}

#[test]
fn neighbour_discovery_that_must_not_be_believed() {
    let mut stack = bare();
    let mut with = |at: usize, value: u8, repair: bool| {
        let mut bytes = hex(SOLICITATION);
        bytes[at] = value;
        if repair {
            bytes[56..58].fill(0);
            let (src, dst): ([u8; 16], [u8; 16]) =
                (bytes[22..38].try_into().unwrap(), bytes[38..54].try_into().unwrap());
            let sum = crate::checksum::Sum::new().with_pseudo(src.into(), dst.into(), 58, 32);
            let sum = sum.with(&bytes[54..]).finish();
            bytes[56..58].copy_from_slice(&sum);
        }
        let cause = refused(&mut stack, frame(0, &bytes));
        assert!(sent(&mut stack, 0).is_empty());
        cause
    };
    // Was forwarded once; checksum; code; option of length zero; target elsewhere; sender not on the link.
    assert_eq!(with(21, 254, false), Cause::NdMalformed);
    assert_eq!(with(57, 0, false), Cause::IcmpChecksum);
    assert_eq!(with(55, 1, true), Cause::NdMalformed);
    assert_eq!(with(79, 0, true), Cause::NdMalformed);
    assert_eq!(with(77, 9, true), Cause::NotTarget);
    assert_eq!(with(22, 0x20, true), Cause::NeighbourRefused);
    // Ours, but of the other port.
    assert_eq!(with(77, 2, true), Cause::NotTarget);
    // Router advertisement.
    assert_eq!(with(54, 134, true), Cause::IcmpUnhandled);
    // Claims our own address.
    let mut claim = hex(ADVERTISEMENT);
    claim[..6].copy_from_slice(&[0x33, 0x33, 0, 0, 0, 1]);
    claim[6..12].copy_from_slice(&HOST.0);
    assert_eq!(refused(&mut stack, frame(0, &claim)), Cause::OwnSource);
}

#[test]
fn who_does_not_answer_is_reported_to_the_sender() {
    let mut stack = bare();
    let packet = fixture::udp("203.0.113.9", "10.1.0.9", [7, 8], b"x");
    let mut transit = frame(1, &packet);
    transit.meta.port = PortId(1);
    stack.send(NOW, transit).unwrap();
    let own = fixture::udp("10.1.0.1", "10.1.0.9", [7, 8], b"x");
    stack.send(NOW, Packet::from_bytes(&own)).unwrap();
    assert_eq!(stack.poll(NOW), Instant::from_secs(101));
    for second in 101..=103 {
        stack.poll(Instant::from_secs(second));
    }
    assert_eq!(sent(&mut stack, 0).len(), 3);
    // One of the two packets was ours: nobody to tell.
    let error = stack.take_generated().unwrap();
    assert!(stack.take_generated().is_none());
    assert_eq!(error.bytes()[12..22], [203, 0, 113, 1, 203, 0, 113, 9, 3, 1]);
    assert_eq!((stack.counters().of(Cause::Unresolved), stack.counters().of(Cause::ErrorSuppressed)), (2, 1));
}
