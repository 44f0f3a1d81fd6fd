//! Segments put together and taken apart again are what they were, in their order; and what must not be put together is not.

use super::*;
use crate::checksum::Sum;
use crate::fixture::{TCP4, UDP6, hex};
use alloc::{vec, vec::Vec};
use proptest::prelude::*;

/// A TCP segment as a host sends it.
#[derive(Debug, Clone, Copy)]
struct Sent {
    v4: bool,
    port: u8,
    sequence: u32,
    ident: u16,
    flags: u8,
    /// What else may differ: an octet of its header, and what it is changed by.
    change: Option<(usize, u8)>,
    payload: usize,
    verified: bool,
}

const PLAIN: Sent = Sent {
    v4: true,
    port: 1,
    sequence: 1000,
    ident: 7,
    flags: ACK,
    change: None,
    payload: 100,
    verified: true,
};

impl Sent {
    /// The one that follows it.
    fn next(self) -> Self {
        let sequence = self.sequence.wrapping_add(self.payload as u32);
        Self { sequence, ident: self.ident.wrapping_add(1), ..self }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = if self.v4 { hex(TCP4) } else { [&hex(UDP6)[..40], &hex(TCP4)[20..]].concat() };
        let at = if self.v4 { ipv4::HEADER } else { ipv6::HEADER };
        bytes.truncate(at + HEADER);
        // An option: a time stamp between two that do nothing.
        bytes.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
        let length = bytes.len() + self.payload;
        if self.v4 {
            bytes[ipv4::TOTAL_LENGTH..][..2].copy_from_slice(&(length as u16).to_be_bytes());
            bytes[ipv4::IDENT..][..2].copy_from_slice(&self.ident.to_be_bytes());
            bytes[ipv4::FLAGS..][..2].copy_from_slice(&ipv4::DF.to_be_bytes());
        } else {
            bytes[ipv6::PAYLOAD_LENGTH..][..2].copy_from_slice(&((length - 40) as u16).to_be_bytes());
            bytes[ipv6::NEXT_HEADER] = proto::TCP;
        }
        bytes[at + 1] = self.port;
        bytes[at + SEQUENCE..][..4].copy_from_slice(&self.sequence.to_be_bytes());
        (bytes[at + DATA_OFFSET], bytes[at + FLAGS]) = (0x80, self.flags);
        if let Some((place, by)) = self.change {
            bytes[place] ^= by;
        }
        bytes.extend((0..self.payload).map(|n| (n as u32).wrapping_add(self.sequence) as u8));
        bytes[at + 16..at + 18].fill(0);
        if self.v4 {
            bytes[ipv4::CHECKSUM..][..2].fill(0);
            let sum = crate::checksum::of(&bytes[..20]);
            bytes[ipv4::CHECKSUM..][..2].copy_from_slice(&sum);
        }
        if let Ok(parsed) = Flow::parse(&bytes) {
            let Flow { src, dst, .. } = parsed.flow;
            let sum = Sum::new().with_pseudo(src, dst, proto::TCP, (bytes.len() - at) as u32);
            let sum = sum.with(&bytes[at..]).finish();
            bytes[at + 16..at + 18].copy_from_slice(&sum);
        }
        bytes
    }
}

/// What lies in front of a packet.
const FRONT: &str = "0200000000010200000000020800";

/// A packet one hop further.
fn forwarded(packet: &mut [u8]) {
    if packet[0] >> 4 == 6 {
        packet[ipv6::HOP_LIMIT] = packet[ipv6::HOP_LIMIT].wrapping_sub(1);
        return;
    }
    packet[ipv4::TTL] = packet[ipv4::TTL].wrapping_sub(1);
    packet[ipv4::CHECKSUM..][..2].fill(0);
    let sum = crate::checksum::of(&packet[..20]);
    packet[ipv4::CHECKSUM..][..2].copy_from_slice(&sum);
}

/// The packets of `sent` in one burst, as a gateway takes them: those that can be read, one hop further, and what leaves.
fn burst(trains: &mut Trains, sent: &[Sent]) -> (Vec<Vec<u8>>, Vec<Packet>) {
    let (mut given, mut left) = (Vec::new(), Vec::new());
    for one in sent {
        let mut bytes = one.bytes();
        let mut packet = Packet::from_bytes(&[&hex(FRONT)[..], &bytes].concat());
        packet.meta.checksum_ok = one.verified;
        let Ok(parsed) = Flow::parse(&bytes) else { continue };
        forwarded(&mut bytes);
        given.push(bytes);
        match trains.join(packet, None, |_, _| true) {
            Ok(train) => left.extend(train.map(|(packet, _)| packet)),
            Err(frame) => {
                packet = frame;
                assert!(packet.pull(14));
                forwarded(packet.bytes_mut());
                let came = Came { front: 14, name: None };
                left.extend(trains.offer(packet, parsed, came).into_iter().map(|(packet, _)| packet));
            }
        }
    }
    left.extend(core::iter::from_fn(|| trains.flush()).map(|(packet, _)| packet));
    (given, left)
}

/// All packets, with trains taken apart.
fn apart(packets: Vec<Packet>) -> Vec<Packet> {
    let take = |packet: Packet| {
        if packet.is_train() { Apart::packet(packet).unwrap().collect() } else { vec![packet] }
    };
    packets.into_iter().flat_map(take).collect()
}

/// How many segments each packet of what leaves has.
fn counts(sent: &[Sent]) -> Vec<u64> {
    burst(&mut Trains::default(), sent).1.iter().map(Packet::count).collect()
}

#[test]
fn segments_that_follow_each_other_become_one_packet() {
    for v4 in [true, false] {
        let one = Sent { v4, ..PLAIN };
        let two = one.next();
        let last = Sent { payload: 60, flags: ACK | PSH, ..two.next() };
        let mut trains = Trains::default();
        let (given, left) = burst(&mut trains, &[one, two, last]);
        assert_eq!((left.len(), left[0].count(), trains.counts()), (1, 3, (1, 3)));
        assert_eq!((left[0].meta.segment, left[0].meta.train.last), (Some(100), PSH));
        assert_eq!(left[0].total(), given.iter().map(Vec::len).sum::<usize>());
        assert_eq!(left[0].bytes(), given[0], "the leader is as it was");
        let back: Vec<_> = apart(left).iter().map(|packet| packet.bytes().to_vec()).collect();
        assert_eq!(back, given);
    }
}

#[test]
fn what_ends_a_train_and_what_is_none() {
    let (one, two) = (PLAIN, PLAIN.next());
    let three = two.next();
    assert_eq!(counts(&[one, two, three]), [3]);
    // A shorter one, PSH and FIN end it; a longer one and another number begin anew.
    assert_eq!(counts(&[one, Sent { payload: 99, ..two }, three]), [2, 1]);
    assert_eq!(counts(&[one, Sent { flags: ACK | PSH, ..two }, three]), [2, 1]);
    assert_eq!(counts(&[one, Sent { flags: ACK | FIN, ..two }, three]), [2, 1]);
    assert_eq!(counts(&[one, Sent { payload: 101, ..two }, three]), [1, 1, 1]);
    assert_eq!(counts(&[one, three]), [1, 1]);
    assert_eq!(counts(&[one, one]), [1, 1]);
    assert_eq!(counts(&[one, Sent { ident: 9, ..two }]), [1, 1]);
    assert_eq!(counts(&[one, Sent { verified: false, ..two }]), [1, 1]);
    assert_eq!(counts(&[Sent { flags: ACK | PSH, ..one }, two]), [1, 1]);
    for flags in [ACK | 0x02, ACK | 0x04, ACK | 0x20, ACK | 0x80, 0] {
        assert_eq!(counts(&[one, Sent { flags, ..two }]), [1, 1], "{flags:#x}");
        assert_eq!(counts(&[Sent { flags, ..one }, Sent { flags, ..two }]), [1, 1], "{flags:#x}");
    }
    // An acknowledgement of its own.
    assert_eq!(counts(&[one, Sent { payload: 0, ..two }, two]), [1, 1, 1]);
    // IPv6 has no identification.
    assert_eq!(counts(&[Sent { v4: false, ..one }, Sent { v4: false, ident: 99, ..two }]), [2]);
}

#[test]
fn any_other_difference_in_a_header_keeps_segments_apart() {
    for (v4, length, sequence) in [(true, 52, 24), (false, 72, 44)] {
        for at in 0..length {
            // Version, lengths, identification, checksums, ports and the sequence number are what they must be, or another flow.
            let own = if v4 {
                matches!(at, 0 | 2..=7 | 9..=23)
                    || (sequence..sequence + 4).contains(&at)
                    || matches!(at, 32 | 36 | 37)
            } else {
                matches!(at, 0 | 4..=6 | 8..=43)
                    || (sequence..sequence + 4).contains(&at)
                    || matches!(at, 52 | 56 | 57)
            };
            if own {
                continue;
            }
            let one = Sent { v4, ..PLAIN };
            let other = Sent { change: Some((at, 1)), ..one.next() };
            // Of the flags, those that end a train.
            let expected = if at == sequence - 4 + FLAGS { vec![2] } else { vec![1, 1] };
            assert_eq!(counts(&[one, other]), expected, "{v4} {at}");
        }
    }
}

#[test]
fn trains_have_a_bound() {
    let run = |payload: usize, count: usize| {
        let first = Sent { payload, ..PLAIN };
        core::iter::successors(Some(first), |sent| Some(sent.next())).take(count).collect::<Vec<_>>()
    };
    assert_eq!(counts(&run(100, 40)), [32, 8]);
    assert_eq!(counts(&run(9000, 10)), [7, 3]);
    // More flows than places: the one that waited longest leaves.
    let flows: Vec<_> = (0..20).map(|port| Sent { port, ..PLAIN }).collect();
    assert_eq!(counts(&flows).len(), 20);
}

#[test]
fn what_is_known_of_the_packets_has_to_be_the_same() {
    let given = |sa: Option<u32>| {
        let mut packet = Packet::from_bytes(&PLAIN.next().bytes());
        (packet.meta.checksum_ok, packet.meta.sa_in) = (true, sa);
        packet
    };
    for (sa, count) in [(Some(5), 2), (Some(6), 1), (None, 1)] {
        let mut trains = Trains::default();
        let mut first = Packet::from_bytes(&PLAIN.bytes());
        (first.meta.checksum_ok, first.meta.sa_in) = (true, Some(5));
        let parsed = Flow::parse(first.bytes()).unwrap();
        trains.offer(first, parsed, Came::default());
        let second = given(sa);
        let parsed = Flow::parse(second.bytes()).unwrap();
        let left = trains.offer(second, parsed, Came::default()).pop().or_else(|| trains.flush());
        assert_eq!(left.unwrap().0.count(), count);
    }
}

#[test]
fn headers_put_on_the_leader_are_on_all() {
    let (one, two) = (PLAIN, PLAIN.next());
    let (given, mut left) = burst(&mut Trains::default(), &[one, two, two.next()]);
    let mut train = left.pop().unwrap();
    train.meta.sa_out = Some(5);
    // What software puts in front for a card: IPv4 with a number of its own, and Ethernet.
    let mut outer = hex(TCP4)[..20].to_vec();
    outer[ipv4::PROTOCOL] = proto::IPV4;
    train.push(20).unwrap().copy_from_slice(&outer);
    train.push(14).unwrap().copy_from_slice(&hex(FRONT));
    let frames: Vec<_> = Apart::frame(train).unwrap().collect();
    assert_eq!(frames.len(), 3);
    for ((frame, inner), number) in frames.iter().zip(&given).zip(0u16..) {
        assert_eq!((&frame.bytes()[..14], &frame.bytes()[34..]), (&hex(FRONT)[..], &inner[..]));
        let first = be16(&outer, ipv4::IDENT).unwrap();
        assert_eq!(be16(frame.bytes(), 14 + ipv4::IDENT), Some(first + number));
        assert_eq!((frame.meta.sa_out, frame.meta.segment, frame.count()), (Some(5), None, 1));
        if number > 0 {
            let outer = &frame.bytes()[14..34];
            assert!(crate::checksum::is_valid(outer));
            assert_eq!(be16(outer, ipv4::TOTAL_LENGTH), Some(20 + inner.len() as u16));
        }
    }
}

#[test]
fn only_trains_come_apart() {
    assert!(Apart::packet(Packet::from_bytes(&PLAIN.bytes())).is_none());
    assert!(Apart::packet(Packet::from_bytes(&[])).is_none());
    // Inside of another packet only where a device is to protect it.
    let (_, mut left) = burst(&mut Trains::default(), &[PLAIN, PLAIN.next()]);
    let mut train = left.pop().unwrap();
    train.push(20).unwrap().copy_from_slice(&{
        let mut outer = hex(TCP4)[..20].to_vec();
        outer[ipv4::PROTOCOL] = proto::IPV4;
        outer
    });
    train.push(14).unwrap().copy_from_slice(&hex(FRONT));
    assert!(Apart::frame(train).is_none());
}

/// The first of a stream, waiting: opened under `sa` if there is a name for it, with an outer header then.
fn waiting(outer: &[u8], name: Option<u32>) -> (Trains, Vec<u8>) {
    let front = [&hex(FRONT)[..], outer].concat();
    let mut packet = Packet::from_bytes(&[&front[..], &PLAIN.bytes()].concat());
    (packet.meta.checksum_ok, packet.meta.sa_in) = (true, name.map(|_| 9));
    assert!(packet.pull(front.len()));
    let parsed = Flow::parse(packet.bytes()).unwrap();
    forwarded(packet.bytes_mut());
    let mut trains = Trains::default();
    assert!(trains.offer(packet, parsed, Came { front: front.len(), name }).is_empty());
    (trains, front)
}

/// Whether a frame follows the waiting one, and what is counted for it.
fn joins(outer: &[u8], name: Option<u32>, change: impl Fn(&mut Packet)) -> (bool, Vec<(Option<u32>, usize)>) {
    let (mut trains, mut front) = waiting(outer, name);
    let next = PLAIN.next();
    if !outer.is_empty() {
        // An identification and a checksum of its own.
        front[14 + 4..14 + 6].fill(0x77);
        front[14 + 10..14 + 12].fill(0x66);
    }
    let mut frame = Packet::from_bytes(&[&front[..], &next.bytes()].concat());
    (frame.meta.checksum_ok, frame.meta.inner_ok, frame.meta.sa_in) = (true, !outer.is_empty(), name);
    change(&mut frame);
    let mut counted = Vec::new();
    let joined = trains.join(frame, name, |sa, bytes| {
        counted.push((sa, bytes));
        true
    });
    (joined.is_ok(), counted)
}

#[test]
fn a_frame_joins_without_being_read_again() {
    let length = PLAIN.bytes().len();
    assert_eq!(joins(&[], None, |_| ()), (true, vec![(None, length)]));
    let mut outer = hex(TCP4)[..20].to_vec();
    outer[ipv4::PROTOCOL] = proto::IPV4;
    outer[2..4].copy_from_slice(&(20 + length as u16).to_be_bytes());
    assert_eq!(joins(&outer, Some(3), |_| ()), (true, vec![(Some(9), length)]));
    // Any bit of what is in front, or of the headers, but for what may differ and is not looked at: the outer header's
    // identification and checksum, PSH and FIN, and TCP's checksum, which the device has verified.
    for (outer, name, front) in [(&[][..], None, 14usize), (&outer, Some(3), 34)] {
        for at in 0..front + 52 {
            let (outer_at, tcp_at) = (at.wrapping_sub(14), at.wrapping_sub(front + 20));
            let free = front == 34 && matches!(outer_at, 4 | 5 | 10 | 11) || matches!(tcp_at, 16 | 17);
            for bit in (0..8).map(|bit| 1 << bit) {
                let free = free || tcp_at == FLAGS && bit & LAST != 0;
                let (joined, _) = joins(outer, name, |frame| frame.bytes_mut()[at] ^= bit);
                assert_eq!(joined, free, "{front}: octet {at}, bit {bit:#x}");
            }
        }
    }
}

#[test]
fn a_frame_that_came_another_way_does_not_join() {
    let mut outer = hex(TCP4)[..20].to_vec();
    outer[2..4].copy_from_slice(&(20 + PLAIN.bytes().len() as u16).to_be_bytes());
    assert!(joins(&outer, Some(3), |_| ()).0);
    assert!(!joins(&outer, Some(3), |frame| frame.meta.inner_ok = false).0);
    assert!(!joins(&[], None, |frame| frame.meta.checksum_ok = false).0);
    assert!(!joins(&[], None, |frame| frame.meta.port = crate::PortId(1)).0);
    // What fills a short frame.
    assert!(!joins(&[], None, |frame| assert!(frame.append(1).is_some())).0);
    assert!(!joins(&[], None, |frame| assert!(frame.truncate(frame.len() - 1))).0);
    assert!(!joins(&[], None, |frame| assert!(frame.truncate(20))).0);
    let (mut trains, front) = waiting(&outer, Some(3));
    let frame = || {
        let mut frame = Packet::from_bytes(&[&front[..], &PLAIN.next().bytes()].concat());
        (frame.meta.checksum_ok, frame.meta.inner_ok) = (true, true);
        frame
    };
    assert!(trains.join(frame(), Some(4), |_, _| true).is_err());
    assert!(trains.join(frame(), None, |_, _| true).is_err());
    // The caller has the last word.
    let back = trains.join(frame(), Some(3), |_, _| false).unwrap_err();
    assert_eq!(back.bytes(), frame().bytes());
    assert!(trains.join(frame(), Some(3), |_, _| true).is_ok());
}

fn any_step() -> impl Strategy<Value = (u8, u8, usize, usize, u8)> {
    // Which flow, what happens to it, payload, an octet of the header and what it is changed by.
    (0u8..3, 0u8..12, prop_oneof![3 => Just(100usize), 1 => 0usize..120], 0usize..72, 1u8..)
}

proptest! {
    #[test]
    fn nothing_is_lost_changed_or_overtaken(steps in proptest::collection::vec(any_step(), 1..120)) {
        let mut flows: Vec<Sent> =
            (0..3).map(|port| Sent { v4: port != 2, port, ident: 0xfffe, sequence: u32::MAX - 250, ..PLAIN }).collect();
        let mut sent = Vec::new();
        for (flow, kind, payload, at, by) in steps {
            let flow = &mut flows[usize::from(flow)];
            flow.payload = payload;
            let mut one = *flow;
            match kind {
                0 => one.flags |= PSH,
                1 => one.change = Some((at.min(if one.v4 { 51 } else { 71 }), by)),
                2 => one.verified = false,
                3 => one.sequence ^= u32::from(by),
                _ => {}
            }
            sent.push(one);
            *flow = flow.next();
        }
        let mut trains = Trains::default();
        for part in sent.chunks(32) {
            let (given, left) = burst(&mut trains, part);
            let back = apart(left);
            prop_assert_eq!(back.len(), given.len());
            // In the order of each flow.
            let of_flow = |bytes: &[u8]| Flow::parse(bytes).unwrap().flow;
            for bytes in &given {
                let flow = of_flow(bytes);
                let one: Vec<&[u8]> = given.iter().map(Vec::as_slice).filter(|bytes| of_flow(bytes) == flow).collect();
                let other: Vec<&[u8]> = back.iter().map(|packet| packet.bytes()).filter(|bytes| of_flow(bytes) == flow).collect();
                prop_assert_eq!(one, other);
            }
        }
    }
}
