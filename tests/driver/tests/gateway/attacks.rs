//! What an attacker on the wire sends, against cards and against software: the same verdicts, counted under the same causes.

use crate::differential::is_esp;
use crate::packets::Sent;
use crate::site::{Plan, Site};
use std::collections::BTreeMap;

const SPI: usize = 14 + 20;
const NUMBER: usize = SPI + 4;
const IV: usize = SPI + 8;
const CIPHERTEXT: usize = SPI + 16;

/// Frames made of a genuine one, and the cause for which each is dropped.
fn attacks(frame: &[u8]) -> Vec<(Vec<u8>, &'static str)> {
    // Under a number that the window has not seen: software looks there first, a card at the ICV.
    let changed = |at: usize, by: u8| {
        let mut frame = frame.to_vec();
        frame[NUMBER + 3] ^= 0x20;
        frame[at] ^= by;
        frame
    };
    vec![
        (frame.to_vec(), "replayed"),
        (changed(IV + 7, 1), "bad_icv"),
        (changed(CIPHERTEXT, 0x80), "bad_icv"),
        (changed(frame.len() - 1, 1), "bad_icv"),
        (changed(NUMBER + 3, 1), "bad_icv"),
        (changed(SPI + 3, 0x40), "unknown_spi"),
    ]
}

#[test]
fn the_same_verdict_whoever_does_the_esp() {
    for card in [true, false] {
        let plan = Plan { outer_v6: false, wide_key: false, esn: true, udp: false, card: [card; 2] };
        let mut site = Site::new(&plan);
        let mac = site.gateway_mac(0);
        let mut expected: BTreeMap<String, u64> = BTreeMap::new();
        for _ in 0..3 {
            let heard = site.send(&[(0, Sent::plain(false, 100).frame(0, mac))]);
            assert_eq!(heard[1].len(), 1);
        }
        let wire = core::mem::take(&mut site.wire);
        let frame = wire.last().expect("a frame of ESP");
        assert!(is_esp(frame));
        for (attack, cause) in attacks(frame) {
            assert_eq!(site.inject(1, &attack).concat(), Vec::<Vec<u8>>::new(), "{cause}");
            *expected.entry(format!("ipsec.{cause}")).or_default() += 1;
            assert_eq!(site.drops(1), expected, "by a card: {card}");
        }
        // What is protected, in the clear.
        let clear = [&frame[..14], &Sent::plain(false, 100).packet(0)].concat();
        assert_eq!(site.inject(1, &clear).concat(), Vec::<Vec<u8>>::new());
        *expected.entry("ipsec.clear_for_protected".into()).or_default() += 1;
        assert_eq!(site.drops(1), expected, "by a card: {card}");
        let heard = site.send(&[(0, Sent::plain(false, 100).frame(0, mac))]);
        assert_eq!(heard[1].len(), 1, "and the peer is none the worse for it");
        site.judge();
    }
}
