//! What ends SAs against their will: a card that fails, is reset, or is gone. Nothing that was to be protected leaves in
//! clear, nothing comes in as if it were authentic, and no SA works again.

use super::case::{Case, Way};
use super::rig::Rig;
use core::time::Duration;
use mlx5_driver_tests::Machine;
use mlx5_model::Fault;
use mlx5_pci::ipsec::{Event, Family, InstallError};
use mlx5_pci::prm::Opcode;
use net::{Meta, Nic};

fn given() -> Vec<u8> {
    Case::PLAIN.given(&Case::PLAIN.packet(true, 80))
}

#[test]
fn a_port_without_ipsec_protects_nothing_and_leaks_nothing() {
    let mut rig = Rig::plain(&[]);
    for bits in [1, 7, 1 << 31, u32::MAX, 0] {
        assert_eq!(
            rig.send_as(Meta { sa_out: Some(bits), ..Meta::default() }, &[given()]),
            Vec::<Vec<u8>>::new()
        );
    }
    assert_eq!((rig.nic.stats().tx_drops, rig.nic.stats().tx_frames), (5, 0));
    assert!(rig.nic.ipsec().is_none() && rig.nic.ipsec_mut().is_none());
    assert_eq!(rig.nic.install(&Case::PLAIN.sends()), Err(InstallError::Down));
    // ESP comes as it is.
    let sealed = Case::PLAIN.sealed(1, 50);
    assert_eq!(rig.open(&sealed), (sealed, None));
    rig.close();
}

#[test]
fn after_a_reset_no_sa_works_and_none_is_named_as_before() {
    for case in Case::all().into_iter().filter(|case| !case.wide) {
        let mut rig = Rig::new();
        let (out, back) = (rig.install(&case.sends()), rig.install(&case.receives()));
        let frame = case.given(&case.packet(true, 80));
        assert_eq!(rig.seal(out, core::slice::from_ref(&frame)).len(), 1);
        rig.machine.inject(Fault::HealthFatal { syndrome: 1 });
        assert!(rig.nic.poll().is_err());
        assert_eq!(rig.nic.ipsec_event(), Some(Event::Dead));
        // Down: nothing leaves, protected or not, and nothing can be installed.
        assert_eq!(rig.seal(out, core::slice::from_ref(&frame)), Vec::<Vec<u8>>::new());
        assert_eq!(rig.send_as(Meta::default(), core::slice::from_ref(&frame)), Vec::<Vec<u8>>::new());
        assert_eq!(rig.nic.stats().tx_drops, 2);
        assert_eq!(rig.nic.install(&case.sends()), Err(InstallError::Down));
        assert_eq!((rig.nic.retire(out), rig.nic.read(out)), (Ok(None), Ok(None)));
        rig.nic.recover().unwrap();
        assert_eq!(rig.nic.ipsec_event(), None, "told once");
        assert!(rig.nic.ipsec().unwrap().is_empty());
        assert_eq!(rig.seal(out, core::slice::from_ref(&frame)), Vec::<Vec<u8>>::new());
        let sealed = case.wire(&case.cipher().seal(super::case::SPI, 1, 59, &[0; 20]));
        let (come, sa) = rig.open(&sealed);
        assert_eq!((&come[..sealed.len()], sa), (&sealed[..], None));
        assert_eq!((rig.nic.retire(back), rig.nic.read(back)), (Ok(None), Ok(None)));
        // New ones work.
        let again = [rig.install(&case.sends()), rig.install(&case.receives())];
        assert!(again.iter().all(|name| *name != out && *name != back));
        assert_eq!(rig.seal(again[0], core::slice::from_ref(&frame)).len(), 1);
        assert_eq!(rig.events(), []);
        rig.close();
    }
}

#[test]
fn a_card_that_is_gone_takes_its_sas_along() {
    let mut rig = Rig::new();
    let out = rig.install(&Case::PLAIN.sends());
    rig.machine.inject(Fault::Death);
    assert!(rig.nic.poll().is_err());
    assert_eq!(rig.nic.ipsec_event(), Some(Event::Dead));
    assert!(rig.nic.recover().is_err());
    assert_eq!(rig.seal(out, &[given()]), Vec::<Vec<u8>>::new());
    assert_eq!(rig.nic.install(&Case::PLAIN.sends()), Err(InstallError::Down));
    assert_eq!(rig.nic.ipsec_event(), None);
}

#[test]
fn every_command_may_stay_unanswered() {
    let opcodes = [
        Opcode::CREATE_GENERAL_OBJECT,
        Opcode::ALLOC_PACKET_REFORMAT_CONTEXT,
        Opcode::ALLOC_MODIFY_HEADER_CONTEXT,
        Opcode::SET_FLOW_TABLE_ENTRY,
        Opcode::DELETE_FLOW_TABLE_ENTRY,
        Opcode::QUERY_FLOW_COUNTER,
        Opcode::DEALLOC_MODIFY_HEADER_CONTEXT,
        Opcode::DESTROY_GENERAL_OBJECT,
    ];
    for opcode in opcodes {
        let mut rig = Rig::new();
        let old = rig.install(&Case::PLAIN.sends());
        rig.machine.inject(Fault::CommandTimeout { opcode: Some(opcode.0) });
        let made = rig.nic.install(&Case::PLAIN.receives());
        if let Ok(handle) = made {
            assert!(rig.nic.retire(handle).is_err(), "{opcode:?}");
        }
        // Whatever it was, nobody knows what the card does: all is over.
        assert!(!rig.nic.link().up, "{opcode:?}");
        assert_eq!(rig.nic.ipsec_event(), Some(Event::Dead));
        assert_eq!(rig.seal(old, &[given()]), Vec::<Vec<u8>>::new());
        rig.nic.recover().unwrap();
        assert_eq!(rig.seal(old, &[given()]), Vec::<Vec<u8>>::new());
        let new = rig.install(&Case::PLAIN.sends());
        assert_eq!(rig.seal(new, &[given()]).len(), 1);
        rig.close_after_misuse();
    }
}

#[test]
fn recovery_may_fail_and_be_tried_again() {
    let mut rig = Rig::new();
    let old = rig.install(&Case::PLAIN.sends());
    for opcode in
        [Opcode::CREATE_FLOW_TABLE, Opcode::CREATE_EQ, Opcode::SET_FLOW_TABLE_ROOT, Opcode::CREATE_SQ]
    {
        rig.machine.inject(Fault::CommandStatus { opcode: Some(opcode.0), status: 3, syndrome: 1 });
        assert!(rig.nic.recover().is_err(), "{opcode:?}");
        assert_eq!(rig.seal(old, &[given()]), Vec::<Vec<u8>>::new());
        assert_eq!(rig.nic.install(&Case::PLAIN.sends()), Err(InstallError::Down));
    }
    rig.nic.recover().unwrap();
    assert_eq!(rig.nic.ipsec_event(), Some(Event::Dead));
    assert_eq!(rig.nic.ipsec_event(), None, "once, however often");
    let new = rig.install(&Case::PLAIN.sends());
    assert!(new != old);
    assert_eq!(rig.seal(new, &[given()]).len(), 1);
    rig.close_after_misuse();
}

#[test]
fn enabling_may_fail_and_be_tried_again() {
    for opcode in [
        Opcode::CREATE_FLOW_TABLE,
        Opcode::CREATE_FLOW_GROUP,
        Opcode::SET_FLOW_TABLE_ENTRY,
        Opcode::CREATE_EQ,
    ] {
        let mut rig = Rig::plain(&[]);
        rig.machine.inject(Fault::CommandStatus { opcode: Some(opcode.0), status: 3, syndrome: 1 });
        assert!(matches!(rig.enable(), Err(InstallError::Device(_))), "{opcode:?}");
        assert!(!rig.nic.link().up);
        rig.nic.recover().unwrap();
        rig.enable().unwrap();
        let handle = rig.install(&Case::PLAIN.sends());
        assert_eq!(rig.seal(handle, &[given()]).len(), 1);
        rig.close_after_misuse();
    }
}

#[test]
fn accesses_whose_completion_is_lost_are_made_again() {
    let mut rig = Rig::new();
    let mut sa = Case::PLAIN.sends();
    sa.sequence = (1 << 32) - 1;
    let handle = rig.install(&sa);
    assert_eq!(rig.seal(handle, &[given()]).len(), 1);
    for fault in [
        Fault::CompletionLost { count: 1 },
        Fault::CompletionTwice { count: 1 },
        Fault::CompletionError { count: 1, syndrome: 4 },
    ] {
        rig.machine.inject(fault);
        let state = rig.nic.read(handle).unwrap().unwrap();
        assert_eq!((state.sequence, state.counts.all.packets), (1 << 32, 1));
    }
    // The second try fails too: the card is not to be trusted with SAs any more.
    rig.machine.inject(Fault::CompletionLost { count: 2 });
    assert!(rig.nic.read(handle).is_err());
    rig.machine.inject(Fault::CompletionLost { count: 2 });
    assert!(rig.nic.poll().is_err());
    assert_eq!(rig.seal(handle, &[given()]), Vec::<Vec<u8>>::new());
    assert_eq!(core::iter::from_fn(|| rig.nic.ipsec_event()).last(), Some(Event::Dead));
    rig.nic.recover().unwrap();
    rig.close_after_misuse();
}

#[test]
fn a_send_queue_that_is_repaired_still_protects() {
    let mut rig = Rig::new();
    let handle = rig.install(&Case::PLAIN.sends());
    rig.machine.inject(Fault::CompletionError { count: 1, syndrome: 4 });
    rig.seal(handle, &[given()]);
    rig.nic.poll().unwrap();
    let sealed = rig.seal_one(handle, &given());
    assert!(Case::PLAIN.cipher().open(0, Case::PLAIN.esp(&sealed)).is_some());
    rig.close_after_misuse();
}

#[test]
fn the_link_may_flap() {
    let mut rig = Rig::new();
    let case = Case { way: Way::Card(Family::V6), ..Case::PLAIN };
    let handle = rig.install(&case.sends());
    rig.machine.inject(Fault::LinkFlap { down: Duration::from_secs(1) });
    assert_eq!(rig.events(), []);
    assert_eq!(rig.events_after(Duration::from_secs(2)), []);
    assert_eq!(rig.seal(handle, &[case.given(&case.packet(true, 50))]).len(), 1, "SAs live on");
    rig.close();
}

#[test]
fn an_sa_is_drained_before_it_is_retired() {
    let mut rig = Rig::new();
    let handle = rig.install(&Case::PLAIN.sends());
    rig.machine.inject(Fault::CompletionLost { count: 1 });
    let before = rig.nic.posted();
    assert!(rig.nic.is_drained(before));
    assert_eq!(rig.seal(handle, &[given()]).len(), 1);
    let posted = rig.nic.posted();
    assert!(!rig.nic.is_drained(posted), "its completion is lost");
    assert!(rig.nic.is_drained(before));
    rig.seal(handle, &[given()]);
    assert!(rig.nic.is_drained(posted));
    rig.nic.recover().unwrap();
    assert!(rig.nic.is_drained(posted), "gone with the device");
    rig.close();
}
