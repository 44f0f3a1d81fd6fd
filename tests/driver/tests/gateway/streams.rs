//! TCP streams through the gateways: segments that go together arrive one by one, in their order, as they were sent, whoever
//! does the ESP and whatever the cards can do of it.

use crate::differential::two_hops_on;
use crate::packets::tcp;
use crate::site::{ENGINES, ETHERNET, Plan, Site};
use net::checksum::Sum;

/// Segments of each stream in a burst.
const SEGMENTS: usize = 12;

/// A segment of a stream: where it is in it, and whether it is the last one.
fn segment(v6: bool, side: usize, port: u8, index: usize, payload: usize, flags: u8) -> Vec<u8> {
    tcp(v6, side, port, (index * payload) as u32, index as u16, flags, payload)
}

/// What hosts send: two streams that take turns, with an acknowledgement and a damaged segment among them.
fn burst(v6: bool, side: usize, payload: usize) -> Vec<Vec<u8>> {
    let mut sent = Vec::new();
    for index in 0..SEGMENTS {
        for port in [1, 2] {
            let flags = if index + 1 == SEGMENTS { 0x18 } else { 0x10 };
            let mut packet = segment(v6, side, port, index, payload, flags);
            if (index, port) == (5, 2) {
                // Damaged on its way to the gateway, which is not asked to judge; the host behind is.
                *packet.last_mut().unwrap() ^= 1;
            }
            sent.push(packet);
        }
        if index == 7 {
            sent.push(tcp(v6, side, 1, (8 * payload) as u32, 8, 0x10, 0));
        }
    }
    sent
}

fn is_first_stream(packet: &[u8]) -> bool {
    packet[if packet[0] >> 4 == 6 { 41 } else { 21 }] == 1
}

fn carries(site: &mut Site, plan: &Plan, payload: usize) {
    for side in 0..2 {
        for v6 in [false, true] {
            let sent = burst(v6, side, payload);
            let mac = site.gateway_mac(side);
            let frames: Vec<_> =
                sent.iter().map(|packet| (side, crate::packets::frame(packet, side, mac))).collect();
            let heard = site.send(&frames);
            let came: Vec<_> = heard[1 - side].iter().map(|frame| &frame[ETHERNET..]).collect();
            assert_eq!((came.len(), heard[side].len()), (sent.len(), 0), "{plan}: {:?}", site.drops(side));
            for first in [true, false] {
                let expected: Vec<_> = sent
                    .iter()
                    .filter(|packet| is_first_stream(packet) == first)
                    .map(|packet| two_hops_on(packet))
                    .collect();
                let came: Vec<_> = came.iter().filter(|packet| is_first_stream(packet) == first).collect();
                assert_eq!(came.len(), expected.len());
                for (one, other) in came.iter().zip(&expected) {
                    assert_eq!(one[..other.len()], other[..], "{plan}, IPv6 inside: {v6}");
                }
            }
            assert_eq!(site.wire.len(), sent.len(), "a packet each on the wire");
            assert!(site.wire.iter().all(|frame| crate::differential::is_esp(frame)));
            site.wire.clear();
        }
    }
}

/// The number that a line of the status has behind `word`.
fn number(status: &str, line: &str, word: &str) -> u64 {
    let line =
        status.lines().find(|text| text.contains(line)).unwrap_or_else(|| panic!("no {line}: {status}"));
    let mut words = line.split_whitespace();
    words.find(|found| *found == word);
    words.next().and_then(|found| found.parse().ok()).unwrap_or_else(|| panic!("no {word}: {line}"))
}

fn streams(lacks: &'static [&'static str]) {
    for card in ENGINES {
        for outer_v6 in [false, true] {
            let plan = Plan { outer_v6, wide_key: false, esn: true, udp: false, card };
            let mut site = Site::lacking(&plan, lacks);
            for payload in [1400, 37] {
                carries(&mut site, &plan, payload);
            }
            for side in 0..2 {
                let status = site.status(side);
                assert!(number(&status, "  trains", "trains") > 8, "{plan}: {status}");
                // Each segment is a packet of its SA: the bursts of one side, and what made the gateways known to each other.
                let packets = 4 * (2 * SEGMENTS + 1) as u64 + 1;
                for direction in ["  sa out", "  sa in"] {
                    assert_eq!(number(&status, direction, "packets"), packets, "{plan}: {status}");
                }
                assert_eq!(site.drops(side).len(), 0, "{plan}");
            }
            site.judge();
        }
    }
}

#[test]
fn streams_arrive_as_they_were_sent() {
    streams(&[]);
}

#[test]
fn streams_arrive_where_cards_cut_nothing_inside_of_esp() {
    streams(&["ethernet.swp_lso"]);
}

#[test]
fn streams_arrive_where_cards_cut_nothing() {
    streams(&["ethernet.max_lso_cap"]);
}

/// A train whose segments do not fit is answered for, and none of it leaves.
#[test]
fn segments_that_do_not_fit_are_answered_for() {
    for card in ENGINES {
        let plan = Plan { outer_v6: false, wide_key: false, esn: true, udp: false, card };
        let mut site = Site::narrow(&plan);
        let sent: Vec<_> = (0..4).map(|index| segment(false, 0, 1, index, 1460, 0x10)).collect();
        let mac = site.gateway_mac(0);
        let frames: Vec<_> = sent.iter().map(|packet| (0, crate::packets::frame(packet, 0, mac))).collect();
        let heard = site.send(&frames);
        assert_eq!((heard[0].len(), heard[1].len(), site.wire.len()), (4, 0, 0), "{plan}");
        for (error, packet) in heard[0].iter().zip(&sent) {
            let error = &error[ETHERNET..];
            assert_eq!((error[9], error[20], error[21]), (1, 3, 4), "fragmentation needed");
            assert!(Sum::new().with(&error[20..]).is_valid());
            // Each quotes its own segment, one hop further.
            assert_eq!(error[48..56], packet[20..28]);
        }
        let cause = if card[0] { "gateway.too_big_for_card" } else { "gateway.too_big_for_tunnel" };
        assert_eq!(site.drops(0).get(cause), Some(&4), "{plan}: {:?}", site.drops(0));
        site.judge();
    }
}
