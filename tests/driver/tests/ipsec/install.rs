//! SAs come and go: what is on the card, and what a handle means.

use super::case::{Case, SPI};
use super::rig::{LOG_SAS, Rig};
use core::net::Ipv4Addr;
use mlx5_driver_tests::Machine;
use mlx5_model::Fault;
use mlx5_pci::ipsec::{Family, Handle, InstallError, Mode};
use mlx5_pci::prm::Opcode;
use std::collections::BTreeSet;

#[test]
fn an_sa_works_from_install_to_retire() {
    let mut rig = Rig::new();
    for case in Case::all() {
        let (out, back) = (rig.install(&case.sends()), rig.install(&case.receives()));
        let offload = rig.nic.ipsec().unwrap();
        assert_eq!((offload.len(), offload.is_empty()), (2, false));
        let frame = case.given(&case.packet(true, 100));
        assert_eq!(rig.seal(out, core::slice::from_ref(&frame)).len(), 1);
        assert_eq!(rig.nic.retire(out).unwrap().unwrap().all.packets, 1);
        assert_eq!(rig.seal(out, core::slice::from_ref(&frame)).len(), 0, "a retired SA sends nothing");
        assert_eq!(rig.nic.retire(back).unwrap().unwrap().all.packets, 0);
        assert_eq!([rig.nic.retire(out), rig.nic.retire(back)], [Ok(None); 2], "once");
        assert_eq!(rig.nic.read(out), Ok(None));
        assert!(rig.nic.ipsec().unwrap().is_empty());
    }
    let (offload, commands) = rig.nic.ipsec_mut().unwrap();
    let [_, unnamed, _] = offload.count_rest(commands).unwrap();
    assert_eq!(unnamed.packets, Case::all().len() as u64, "counted");
    rig.close();
}

#[test]
fn a_retired_sa_opens_nothing() {
    let mut rig = Rig::new();
    let case = Case::PLAIN;
    let handle = rig.install(&case.receives());
    assert_eq!(rig.open(&case.sealed(1, 50)).1, Some(handle.bits()));
    rig.nic.retire(handle).unwrap();
    let sealed = case.sealed(2, 50);
    assert_eq!(rig.open(&sealed), (sealed, None), "as it came, for software to refuse");
    rig.close();
}

#[test]
fn names_are_not_used_again() {
    let mut rig = Rig::new();
    let mut seen: BTreeSet<Handle> = BTreeSet::new();
    let case = Case::PLAIN;
    let mut before = None;
    for round in 0..300 {
        let handle = rig.install(&case.sends());
        assert!(seen.insert(handle), "round {round}: {handle}");
        let frame = case.given(&case.packet(true, 20));
        assert_eq!(rig.seal(handle, core::slice::from_ref(&frame)).len(), 1);
        if let Some(before) = before.replace(handle) {
            assert_eq!(rig.seal(before, core::slice::from_ref(&frame)).len(), 0);
            assert_eq!(rig.nic.retire(before), Ok(None), "names no other SA");
        }
        rig.nic.retire(handle).unwrap();
    }
    rig.close();
}

#[test]
fn as_many_fit_as_were_asked_for() {
    let mut rig = Rig::new();
    let mut sa = Case::PLAIN.receives();
    let mut handles = Vec::new();
    for spi in 0..1 << LOG_SAS {
        sa.spi = 0x1000 + spi;
        handles.push(rig.install(&sa));
    }
    sa.spi = 0x999;
    assert_eq!(rig.nic.install(&sa), Err(InstallError::Full));
    // Two with the same SPI and destination would be the same packets.
    sa.spi = 0x1005;
    assert_eq!(rig.nic.install(&sa), Err(InstallError::Exists));
    assert!(rig.nic.retire(handles[5]).unwrap().is_some());
    let again = rig.install(&sa);
    assert_ne!(again, handles[5]);
    rig.close();
}

#[test]
fn a_card_that_has_no_more_of_something_is_full() {
    for capability in [
        ("general.max_flow_counter_31_16", 0),
        ("flow_table.log_max_packet_reformat_context", 10),
        ("flow_table.nic_receive.log_max_modify_header_context", 10),
        ("general.log_max_dek", 10),
    ] {
        // A counter for each, and as few as there are.
        let counters = [("general.flow_counter_bulk_alloc", 0), ("general.max_flow_counter_15_0", 2000)];
        let mut rig = Rig::with(&[&counters[..], &[capability]].concat());
        let (mut out, mut back) = (Case::PLAIN.sends(), Case::PLAIN.receives());
        let mut handles = Vec::new();
        let full = loop {
            (out.spi, back.spi) = (0x1000 + handles.len() as u32, 0x1000 + handles.len() as u32);
            match rig.nic.install(&back) {
                Ok(handle) => handles.push(handle),
                Err(error) => break error,
            }
            match rig.nic.install(&out) {
                Ok(handle) => handles.push(handle),
                Err(error) => break error,
            }
        };
        assert_eq!(full, InstallError::Full, "{capability:?}");
        assert!(handles.len() > 300 && !rig.nic.ipsec().unwrap().is_broken());
        // One that goes makes room.
        rig.nic.retire(handles[1]).unwrap();
        rig.nic.retire(handles[0]).unwrap();
        assert!(rig.nic.install(&back).is_ok());
        rig.close_after_misuse();
    }
}

#[test]
fn a_card_that_says_that_it_is_full_is_believed() {
    let mut rig = Rig::new();
    // NO_RES, LIM_ERR.
    for status in [0x0f, 8] {
        for opcode in [Opcode::CREATE_GENERAL_OBJECT, Opcode::SET_FLOW_TABLE_ENTRY] {
            rig.machine.inject(Fault::CommandStatus { opcode: Some(opcode.0), status, syndrome: 1 });
            assert_eq!(rig.nic.install(&Case::PLAIN.receives()), Err(InstallError::Full));
            assert!(rig.nic.ipsec().unwrap().is_empty());
        }
    }
    rig.close_after_misuse();
}

#[test]
fn other_destinations_may_have_the_same_spi() {
    let mut rig = Rig::new();
    let one = Case::PLAIN;
    let two = Case { family: Family::V6, ..one };
    let handles = [rig.install(&one.receives()), rig.install(&two.receives())];
    assert_eq!(rig.open(&one.sealed(1, 9)).1, Some(handles[0].bits()));
    assert_eq!(rig.open(&two.sealed(1, 9)).1, Some(handles[1].bits()));
    rig.close();
}

#[test]
fn a_command_that_is_refused_leaves_nothing_behind() {
    let steps = [
        Opcode::CREATE_GENERAL_OBJECT,
        Opcode::ALLOC_PACKET_REFORMAT_CONTEXT,
        Opcode::ALLOC_MODIFY_HEADER_CONTEXT,
        Opcode::ALLOC_FLOW_COUNTER,
        Opcode::SET_FLOW_TABLE_ENTRY,
    ];
    for opcode in steps {
        // Each counter on its own, or the first one takes many.
        let mut rig = Rig::with(&[("general.flow_counter_bulk_alloc", 0)]);
        for sa in [Case::PLAIN.receives(), Case::PLAIN.sends()] {
            if !sa.direction.receives() && opcode == Opcode::ALLOC_MODIFY_HEADER_CONTEXT {
                continue;
            }
            rig.machine.inject(Fault::CommandStatus { opcode: Some(opcode.0), status: 3, syndrome: 7 });
            let Err(InstallError::Device(error)) = rig.nic.install(&sa) else { panic!("{opcode:?}") };
            assert!(error.to_string().contains("syndrome 0x00000007"), "{error}");
            assert!(rig.nic.ipsec().unwrap().is_empty());
            let handle = rig.install(&sa);
            assert!(rig.nic.retire(handle).unwrap().is_some());
        }
        rig.close_after_misuse();
    }
}

#[test]
fn a_command_that_is_not_answered_ends_everything() {
    let mut rig = Rig::new();
    rig.machine.inject(Fault::CommandTimeout { opcode: Some(Opcode::SET_FLOW_TABLE_ENTRY.0) });
    assert!(matches!(rig.nic.install(&Case::PLAIN.sends()), Err(InstallError::Device(_))));
    assert_eq!(rig.nic.install(&Case::PLAIN.sends()), Err(InstallError::Down));
    assert!(!net::Nic::link(&rig.nic).up);
    assert_eq!(rig.nic.ipsec_event(), Some(mlx5_pci::ipsec::Event::Dead));
    assert_eq!(rig.nic.ipsec_event(), None);
    rig.nic.recover().unwrap();
    let handle = rig.install(&Case::PLAIN.sends());
    let frame = Case::PLAIN.given(&Case::PLAIN.packet(true, 20));
    assert_eq!(rig.seal(handle, &[frame]).len(), 1);
    rig.close_after_misuse();
}

#[test]
fn all_is_taken_down_with_the_port() {
    let mut rig = Rig::new();
    for case in Case::all() {
        let Case { wide: false, .. } = case else { continue };
        let (mut out, mut back) = (case.sends(), case.receives());
        back.destination = match back.destination {
            core::net::IpAddr::V4(_) => Ipv4Addr::new(10, u8::from(case.udp), 0, 1).into(),
            v6 => v6,
        };
        (out.spi, back.spi) = (SPI, rig.nic.ipsec().unwrap().len() as u32 + 0x5000);
        rig.install(&out);
        rig.install(&back);
    }
    rig.close();
}

#[test]
fn the_next_hop_of_a_tunnel_moves() {
    let mut rig = Rig::new();
    let case = Case { way: super::case::Way::Card(Family::V6), ..Case::PLAIN };
    let handle = rig.install(&case.sends());
    let frame = case.given(&case.packet(true, 64));
    let before = rig.seal_one(handle, &frame);
    let (offload, commands) = rig.nic.ipsec_mut().unwrap();
    assert!(offload.redirect(commands, handle, [2, 0, 0, 0, 0, 0x77]).unwrap());
    let after = rig.seal_one(handle, &frame);
    assert_eq!(
        (before[..6].to_vec(), after[..6].to_vec()),
        (vec![2, 0, 0, 0, 0, 2], vec![2, 0, 0, 0, 0, 0x77])
    );
    assert_eq!(after[6..12], before[6..12]);
    // Nothing else has changed, and the numbers go on.
    let inside = case.cipher().open(0, case.esp(&after)).unwrap();
    assert_eq!((inside.number, inside.payload), (2, case.packet(true, 64)));
    // Transport mode has no header of the card's.
    let Mode::Transport = Case::PLAIN.sends().mode else { panic!() };
    let plain = rig.install(&Case::PLAIN.sends());
    let (offload, commands) = rig.nic.ipsec_mut().unwrap();
    assert_eq!(offload.redirect(commands, plain, [0; 6]), Ok(false));
    rig.close();
}
