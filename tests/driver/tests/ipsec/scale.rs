//! Many SAs.

use super::case::Case;
use super::rig::Rig;
use mlx5_driver_tests::Machine;
use mlx5_pci::ipsec::{Event, Handle, Settings};
use std::collections::BTreeSet;
use std::time::Instant;

/// Capabilities of a card that has more room than a ConnectX-7 is on record with.
const ROOM: [(&str, u64); 5] = [
    ("general.log_max_dek", 18),
    ("general.max_flow_counter_31_16", 8),
    ("ipsec.log_max_ipsec_offload", 18),
    ("flow_table.log_max_packet_reformat_context", 18),
    ("flow_table.nic_receive.log_max_modify_header_context", 18),
];

pub(crate) fn rig(log_sas: u8) -> Rig {
    let mut rig = Rig::plain(&ROOM);
    let enabled = rig.nic.enable_ipsec(Settings { log_sas, ..Settings::default() });
    enabled.unwrap_or_else(|error| panic!("{error}; {:?}", rig.machine.misuse()));
    rig
}

fn install(rig: &mut Rig, count: u32) -> Vec<(Handle, Handle)> {
    let (mut out, mut back) = (Case::PLAIN.sends(), Case::PLAIN.receives());
    (0..count)
        .map(|number| {
            (out.spi, back.spi) = (0x1000 + number, 0x1000 + number);
            (rig.install(&out), rig.install(&back))
        })
        .collect()
}

/// Installs so many pairs, sends through some of them, and retires them in another order.
fn come_and_go(log_sas: u8, count: u32) {
    let mut rig = rig(log_sas);
    let begun = Instant::now();
    let pairs = install(&mut rig, count);
    let installed = begun.elapsed();
    assert_eq!(rig.nic.ipsec().unwrap().len(), 2 * count as usize);
    let names: BTreeSet<Handle> = pairs.iter().flat_map(|(out, back)| [*out, *back]).collect();
    assert_eq!(names.len(), 2 * count as usize);
    let frame = Case::PLAIN.given(&Case::PLAIN.packet(true, 20));
    for (out, _) in pairs.iter().step_by(count as usize / 100) {
        assert_eq!(rig.seal(*out, core::slice::from_ref(&frame)).len(), 1);
    }
    let begun = Instant::now();
    let (offload, commands) = rig.nic.ipsec_mut().unwrap();
    let counts = offload.count_all(commands).unwrap();
    let counted = begun.elapsed();
    assert_eq!(counts.iter().map(|(_, counts)| counts.all.packets).sum::<u64>(), 100);
    for _ in 0..64 {
        assert_eq!(rig.events(), []);
    }
    let begun = Instant::now();
    // Odd ones first.
    for parity in [1, 0] {
        for (out, back) in pairs.iter().skip(parity).step_by(2) {
            assert!(rig.nic.retire(*out).unwrap().is_some() && rig.nic.retire(*back).unwrap().is_some());
        }
    }
    let retired = begun.elapsed();
    println!("{} SAs: installed in {installed:?}, counted in {counted:?}, retired in {retired:?}", 2 * count);
    assert!(rig.nic.ipsec().unwrap().is_empty());
    rig.close();
}

#[test]
fn a_thousand() {
    come_and_go(11, 500);
}

#[test]
fn a_hundred_thousand() {
    // What is slow in a debug build is the model.
    come_and_go(17, if cfg!(debug_assertions) { 1_000 } else { 50_000 });
}

#[test]
fn more_events_than_the_queue_holds() {
    let mut rig = rig(15);
    let mut sa = Case::PLAIN.sends();
    sa.sequence = (1 << 32) - 1;
    let handles: Vec<Handle> = (0..17_000)
        .map(|number| {
            sa.spi = 0x1000 + number;
            rig.install(&sa)
        })
        .collect();
    let frames = vec![Case::PLAIN.given(&Case::PLAIN.packet(true, 20)); 2];
    for handle in &handles {
        assert_eq!(rig.seal(*handle, &frames).len(), 2);
    }
    let mut told = BTreeSet::new();
    for _ in 0..100 {
        for event in rig.events_after(core::time::Duration::from_millis(300)) {
            let Event::Crossed(handle, number) = event else { panic!("{event:?}") };
            assert!(number == (1 << 32) + 1 && told.insert(handle));
        }
    }
    assert_eq!(told, handles.iter().copied().collect());
    // The card's queue works again.
    let late = {
        sa.spi = 5000;
        rig.install(&sa)
    };
    rig.seal(late, &frames);
    assert_eq!(rig.events(), [Event::Crossed(late, (1 << 32) + 1)]);
    assert_eq!(rig.machine.misuse().len(), 1, "the overrun");
    rig.close_after_misuse();
}
