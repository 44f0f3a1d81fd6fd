//! The hashed lookup against a plain walk over all entries, on random groups, entries and packets.

use super::super::action::Plan;
use super::super::entry::Entry;
use super::super::fields::Param;
use super::super::matcher::{Entries, Mask};
use proptest::prelude::*;
use std::sync::Arc;

fn entry(serial: u32) -> Entry {
    Entry { serial, plan: Arc::new(Plan::default()), hits: Default::default() }
}

/// A parameter with few bits in few dwords, so that values meet.
fn sparse() -> impl Strategy<Value = Param> {
    prop::collection::vec((prop::sample::select(vec![0usize, 4, 5, 60, 127]), 0u32..8), 0..5).prop_map(
        |dwords| {
            let mut param = [0; 128];
            for (dword, bits) in dwords {
                param[dword] |= bits;
            }
            param
        },
    )
}

fn masked(param: &Param, mask: &Param) -> Param {
    core::array::from_fn(|dword| param[dword] & mask[dword])
}

proptest! {
    #[test]
    fn the_hash_finds_what_a_walk_finds(
        mask in sparse(),
        values in prop::collection::vec((0u32..40, sparse()), 0..60),
        removed in prop::collection::vec(0u32..40, 0..20),
        packets in prop::collection::vec(sparse(), 1..20),
    ) {
        let mut entries = Entries::new(Mask::new(&mask));
        let mut plain = std::collections::BTreeMap::new();
        for (serial, (index, value)) in values.iter().enumerate() {
            if entries.get(*index).is_none() {
                let value = masked(value, &mask);
                entries.insert(*index, &value, entry(serial as u32));
                plain.insert(*index, (serial as u32, value));
            }
        }
        for index in removed {
            prop_assert_eq!(entries.remove(index).map(|entry| entry.serial), plain.remove(&index).map(|(serial, _)| serial));
        }
        prop_assert_eq!(entries.len(), plain.len());
        for packet in packets {
            let wanted = plain.iter().find(|(_, (_, value))| masked(&packet, &mask) == *value);
            let found = entries.find(&packet).map(|(index, entry)| (index, entry.serial));
            prop_assert_eq!(found, wanted.map(|(index, (serial, _))| (*index, *serial)));
        }
        for (index, (_, value)) in plain {
            prop_assert_eq!(entries.value(index), Some(value));
        }
    }
}

/// A hundred thousand entries cost a lookup no more than one does.
#[test]
fn many_entries_cost_as_much_as_one() {
    let mut mask = [0; 128];
    mask[8] = u32::MAX;
    let mut entries = Entries::new(Mask::new(&mask));
    for index in 0..100_000u32 {
        let mut value = [0; 128];
        value[8] = index.wrapping_mul(0x9e37_79b1);
        entries.insert(index, &value, entry(index));
    }
    let started = std::time::Instant::now();
    let mut packet = [0; 128];
    for index in 0..100_000u32 {
        packet[8] = index.wrapping_mul(0x9e37_79b1);
        assert_eq!(entries.find(&packet).map(|(found, _)| found), Some(index));
    }
    // A walk would need 5 * 10^9 comparisons.
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}
