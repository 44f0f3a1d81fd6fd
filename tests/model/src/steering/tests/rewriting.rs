//! What rewrites do to packets and registers: the checksums stay right (or wrong), the rest as asked.

use super::super::rewrite::{Action, Field, Part, apply};
use super::bench::*;
use crate::packet::checksum::verify;
use crate::packet::fixture::sample;
use crate::packet::{Headers, vlan};
use crate::transit::Transit;

fn whole(code: u16) -> Part {
    let field = Field::from_code(code).unwrap();
    Part { field, offset: 0, length: field.width() }
}

fn set(code: u16, data: u32) -> Action {
    Action::Set { to: whole(code), data }
}

fn rewritten(frame: &[u8], actions: &[Action]) -> Vec<u8> {
    let mut packet = Transit::new(frame.to_vec());
    assert!(apply(actions, &mut packet), "the packet changed");
    packet.bytes
}

#[track_caller]
fn assert_sums(frame: &[u8], l3: Option<bool>, l4: Option<bool>) {
    let verdict = verify(&Headers::parse(frame).outer, frame);
    assert_eq!((verdict.l3, verdict.l4), (l3, l4));
}

/// Every field of IPv4 and TCP, one after another and all at once: both checksums follow.
#[test]
fn checksums_follow_every_field() {
    let frame = tcp(ENDS, b"some payload of odd length.");
    assert_sums(&frame, Some(true), Some(true));
    let sets = [
        (0x06, 0x2e, vec![15]),
        (0x07, 0x018, vec![46, 47]),
        (0x08, 0xfffe, vec![34, 35]),
        (0x09, 0x0001, vec![36, 37]),
        (0x0a, 0x01, vec![22]),
        (0x15, 0xc633_6401, vec![26, 27, 28, 29]),
        (0x16, 0xffff_ffff, vec![30, 31, 32, 33]),
        (0x59, 0xdead_beef, vec![38, 39, 40, 41]),
        (0x5b, 0, vec![42, 43, 44, 45]),
    ];
    for (code, data, places) in &sets {
        let new = rewritten(&frame, &[set(*code, *data)]);
        assert_sums(&new, Some(true), Some(true));
        let differ = (0..frame.len()).filter(|at| frame[*at] != new[*at]);
        let sums = [24, 25, 50, 51];
        assert!(differ.clone().all(|at| places.contains(&at) || sums.contains(&at)), "field {code:#x}");
        assert!(differ.clone().any(|at| places.contains(&at)), "field {code:#x}");
    }
    let all: Vec<Action> = sets.iter().map(|(code, data, _)| set(*code, *data)).collect();
    let new = rewritten(&frame, &all);
    assert_sums(&new, Some(true), Some(true));
    let tcp = *Headers::parse(&new).outer.tcp().unwrap();
    assert_eq!((tcp.source, tcp.destination, tcp.sequence, tcp.acknowledgement), (0xfffe, 1, 0xdead_beef, 0));
    assert_eq!(tcp.flags, 0x018);
}

#[test]
fn a_wrong_checksum_stays_wrong_and_an_absent_one_absent() {
    let mut wrong = udp(ENDS, b"abc");
    wrong[40] ^= 1;
    let new = rewritten(&wrong, &[set(0x15, 1), set(0x0b, 7)]);
    assert_sums(&new, Some(true), Some(false));
    let mut absent = udp(ENDS, b"abc");
    absent[40..42].fill(0);
    let new = rewritten(&absent, &[set(0x0c, 0xffff)]);
    assert_eq!(new[40..42], [0, 0]);
    assert_eq!(new[36..38], [0xff, 0xff]);
}

#[test]
fn ipv6_has_its_own_fields() {
    let sample = sample("tcp6");
    let headers = sample.headers();
    let ip = headers.outer.ip.clone().unwrap();
    let actions =
        [set(0x0d, 0x2001_0db8), set(0x14, 0x1234_5678), set(0x47, 3), set(0x06, 0x15), set(0x08, 99)];
    let new = rewritten(&sample.frame, &actions);
    assert_sums(&new, Some(true), Some(true));
    let after = Headers::parse(&new).outer.ip.unwrap();
    assert_eq!((after.ttl, after.traffic_class >> 2, after.flow_label), (3, 0x15, ip.flow_label));
    assert_eq!(new[ip.offset + 8..ip.offset + 12], [0x20, 0x01, 0x0d, 0xb8]);
    assert_eq!(new[ip.offset + 36..ip.offset + 40], [0x12, 0x34, 0x56, 0x78]);
    // IPv4's are not there.
    let mut packet = Transit::new(sample.frame.clone());
    assert!(!apply(&[set(0x0a, 1), set(0x15, 1), set(0x0b, 1)], &mut packet));
    assert_eq!(packet.bytes, sample.frame);
}

#[test]
fn ethernet_is_rewritten() {
    let mut frame = udp(ENDS, b"");
    vlan::insert(&mut frame, 0x8100, 0xe005);
    let actions = [
        set(0x01, 0x0a0b_0c0d),
        set(0x02, 0x0e0f),
        set(0x04, 0x0102_0304),
        set(0x05, 0x0506),
        set(0x17, 0xabc),
        set(0x03, 0x88b5),
    ];
    let new = rewritten(&frame, &actions);
    assert_eq!(new[..18], [1, 2, 3, 4, 5, 6, 10, 11, 12, 13, 14, 15, 0x81, 0, 0xea, 0xbc, 0x88, 0xb5]);
    assert_eq!(new[18..], frame[18..]);
}

#[test]
fn add_wraps_in_the_field() {
    let frame = udp(ENDS, b"");
    let minus_one = Action::Add { to: whole(0x0a), data: 0xff };
    let new = rewritten(&frame, &[minus_one]);
    assert_eq!(new[22], 63);
    assert_sums(&new, Some(true), Some(true));
    let mut packet = Transit { reg_b: u32::MAX, ..Transit::new(frame) };
    assert!(!apply(&[Action::Add { to: whole(0x50), data: 3 }], &mut packet), "only a register");
    assert_eq!(packet.reg_b, 2);
}

/// As FreeBSD does it: the syndrome's seven bits into bits 30:24 of register B; everything else stays.
#[test]
fn parts_are_copied() {
    let mut packet = Transit { ipsec_syndrome: 0x82, reg_b: 0xff00_1234, ..Transit::new(udp(ENDS, b"")) };
    let copy = Action::Copy {
        from: Part { length: 7, ..whole(0x5d) },
        to: Part { offset: 24, length: 7, ..whole(0x50) },
    };
    let port = Action::Copy { from: whole(0x0b), to: Part { offset: 4, length: 16, ..whole(0x58) } };
    let part = Action::Set { to: Part { offset: 8, length: 4, ..whole(0x51) }, data: 0xa };
    assert!(!apply(&[copy, port, part], &mut packet));
    assert_eq!(packet.reg_b, 0x8200_1234);
    assert_eq!(packet.reg_c[7], u32::from(ENDS.ports.0) << 4);
    assert_eq!(packet.reg_c[0], 0xa00);
}
