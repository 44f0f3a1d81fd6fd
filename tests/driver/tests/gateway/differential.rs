//! The same packets through gateways whose cards do the ESP, through such that do it in software, and through one of each.

use crate::packets::Sent;
use crate::site::{ENGINES, ETHERNET, MTU, Plan, Site};
use proptest::prelude::*;

/// Packets in one go.
const BURST: usize = 32;

/// Every outer family, key and numbering; in UDP where a card can.
fn plans() -> Vec<Plan> {
    let mut plans = Vec::new();
    for number in 0..8 {
        let [outer_v6, wide_key, esn] = [4, 2, 1].map(|bit| number & bit != 0);
        plans.push(Plan { outer_v6, wide_key, esn, udp: false, card: [false; 2] });
        if !outer_v6 {
            plans.push(Plan { outer_v6, wide_key, esn, udp: true, card: [false; 2] });
        }
    }
    plans
}

/// `packet` as it arrives: two hops further.
pub(crate) fn two_hops_on(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    if packet[0] >> 4 == 6 {
        packet[7] -= 2;
        return packet;
    }
    packet[8] -= 2;
    packet[10..12].fill(0);
    let sum = net::checksum::Sum::new().with(&packet[..20]).finish();
    packet[10..12].copy_from_slice(&sum);
    packet
}

/// Both ways and both inner families with payloads of these lengths, all of which arrive as they were sent.
fn carries(plan: &Plan, lengths: &[usize]) {
    let mut site = Site::new(plan);
    for side in 0..2 {
        for v6 in [false, true] {
            let room = usize::from(MTU) - if v6 { 40 } else { 20 };
            let lengths: Vec<usize> = lengths.iter().copied().filter(|length| *length <= room).collect();
            for part in lengths.chunks(BURST) {
                let sent: Vec<Sent> = part.iter().map(|length| Sent::plain(v6, *length)).collect();
                let mac = site.gateway_mac(side);
                let frames: Vec<_> = sent.iter().map(|sent| (side, sent.frame(side, mac))).collect();
                let heard = site.send(&frames);
                assert_eq!(
                    (heard[1 - side].len(), heard[side].len()),
                    (part.len(), 0),
                    "{plan}: {:?}",
                    site.drops(side)
                );
                for (sent, heard) in sent.iter().zip(&heard[1 - side]) {
                    let expected = two_hops_on(&sent.packet(side));
                    assert_eq!(
                        heard[ETHERNET..ETHERNET + expected.len()],
                        expected,
                        "{plan}, {} bytes",
                        sent.payload
                    );
                }
                assert!(site.wire.iter().all(|frame| is_esp(frame)), "{plan}: nothing but ESP on the wire");
                assert_eq!(site.wire.len(), part.len());
                site.wire.clear();
            }
        }
    }
    for side in 0..2 {
        let engine = if plan.card[side] { "card outside" } else { "software" };
        assert_eq!(site.status(side).matches(engine).count(), 2, "{}", site.status(side));
        assert_eq!(site.drops(side).len(), 0);
    }
    site.judge();
}

/// ESP, on its own or in UDP.
pub(crate) fn is_esp(frame: &[u8]) -> bool {
    let (protocol, ports) = if frame[12..14] == [8, 0] { (frame[23], 36) } else { (frame[20], 56) };
    protocol == 50 || protocol == 17 && frame[ports..ports + 2] == 4500u16.to_be_bytes()
}

#[test]
fn every_plan_carries_what_it_is_given_whoever_does_the_esp() {
    let lengths: Vec<usize> = (8..=1480).step_by(211).chain([0, 1, 2, 3, 1460, 1479, 1480]).collect();
    for plan in plans() {
        for card in ENGINES {
            carries(&Plan { card, ..plan }, &lengths);
        }
    }
}

#[test]
fn every_length_is_carried_whoever_does_the_esp() {
    let lengths: Vec<usize> = (0..=1480).collect();
    for card in ENGINES {
        for outer_v6 in [false, true] {
            carries(&Plan { outer_v6, wide_key: outer_v6, esn: true, udp: false, card }, &lengths);
        }
    }
}

fn any_packet() -> impl Strategy<Value = (usize, Sent)> {
    let kind = prop_oneof![Just(17u8), Just(6), Just(1), Just(58), Just(132), Just(253)];
    let hops = prop_oneof![6 => Just(64u8), 1 => 0u8..4];
    let fragment = prop_oneof![6 => Just((false, 0u16)), 1 => (any::<bool>(), 0u16..200)];
    let payload = prop_oneof![2 => 0usize..100, 2 => 0usize..1481, 1 => 1400usize..1481];
    (0usize..2, any::<bool>(), kind, any::<u8>(), hops, any::<bool>(), fragment, payload, any::<u8>())
        .prop_map(|(side, v6, protocol, class, hops, df, fragment, payload, mark)| {
            let room = usize::from(MTU) - if v6 { 40 } else { 20 };
            let payload = payload.min(room);
            (side, Sent { v6, protocol, class, hops, df, fragment, payload, mark })
        })
}

fn any_plan() -> impl Strategy<Value = Plan> {
    prop::sample::select(plans())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 64, ..ProptestConfig::default() })]

    /// Whatever hosts send: with cards and with software the same frames arrive, those of TCP and all others in the same order,
    /// the same errors come back, the same is dropped for the same causes, and nothing but ESP is on the wire.
    #[test]
    fn cards_and_software_agree(plan in any_plan(), packets in prop::collection::vec(any_packet(), 1..80)) {
        let outcomes: Vec<_> = ENGINES
            .iter()
            .map(|card| {
                let plan = Plan { card: *card, ..plan };
                let mut site = Site::new(&plan);
                let macs = [0, 1].map(|side| site.gateway_mac(side));
                let mut heard = [Vec::new(), Vec::new()];
                for part in packets.chunks(8) {
                    let frames: Vec<_> =
                        part.iter().map(|(side, sent)| (*side, sent.frame(*side, macs[*side]))).collect();
                    for (all, more) in heard.iter_mut().zip(site.send(&frames)) {
                        // Behind an Ethernet header, whose addresses are each card's own, and without what pads it.
                        all.extend(more.iter().map(|frame| trimmed(frame)));
                    }
                }
                // Segments may wait for others of their burst, while what is no TCP passes them.
                for heard in &mut heard {
                    heard.sort_by_key(|packet| packet[if packet[0] >> 4 == 6 { 6 } else { 9 }] != 6);
                }
                let clear = site.wire.iter().filter(|frame| !is_esp(frame)).count();
                site.judge();
                (heard, clear, [0, 1].map(|side| site.drops(side)), site.wire.len())
            })
            .collect();
        for (outcome, engines) in outcomes.iter().zip(ENGINES) {
            prop_assert_eq!(outcome.1, 0, "in the clear: {:?}", engines);
            prop_assert_eq!(outcome, &outcomes[0], "{:?}", engines);
        }
    }
}

/// The IP packet in a frame.
fn trimmed(frame: &[u8]) -> Vec<u8> {
    let packet = &frame[ETHERNET..];
    let length = |at: usize| usize::from(u16::from_be_bytes([packet[at], packet[at + 1]]));
    let length = if packet[0] >> 4 == 6 { 40 + length(4) } else { length(2) };
    packet[..length].to_vec()
}
