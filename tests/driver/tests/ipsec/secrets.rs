//! Keys go to the card and nowhere else.

use super::case::Case;
use super::rig::Rig;
use core::cell::RefCell;
use core::sync::atomic::Ordering;
use mlx5_driver_tests::Machine;
use mlx5_model::Fault;
use mlx5_pci::cmd::Exchange;
use mlx5_pci::prm::Opcode;
use std::rc::Rc;

/// Everywhere that any eight bytes of `secret` lie in memory that the driver shares with the card.
fn found(rig: &Rig, secret: &[u8]) -> Vec<u64> {
    let mut places = Vec::new();
    for (address, words) in rig.machine.space().used() {
        let bytes: Vec<u8> =
            words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes()).collect();
        let hits = bytes.windows(8).enumerate().filter(|(_, part)| secret.windows(8).any(|of| of == *part));
        places.extend(hits.map(|(at, _)| address + at as u64));
    }
    places
}

#[test]
fn no_key_stays_in_memory() {
    let mut rig = Rig::new();
    for wide in [false, true] {
        let case = Case { wide, ..Case::PLAIN };
        let key = case.key();
        // Nor does the salt, which stands before what IVs are made from.
        let salt = [&Case::SALT[..], &case.sends().iv[..4]].concat();
        for sa in [case.sends(), case.receives()] {
            let handle = rig.install(&sa);
            assert!(found(&rig, &key).is_empty());
            assert!(found(&rig, &salt).is_empty());
            rig.nic.retire(handle).unwrap();
            assert!(found(&rig, &key).is_empty());
        }
        // Whoever looks for it finds it where it is.
        let lent = rig.packet(&key);
        let function = mlx5_driver_tests::Machine::function(&rig.machine);
        let loan = mlx5_pci::hal::Function::lend(&function, lent, mlx5_pci::hal::Way::ToDevice);
        assert!(!found(&rig, &key).is_empty());
        drop(loan);
    }
    rig.close();
}

#[test]
fn no_key_stays_when_a_command_fails() {
    let mut rig = Rig::new();
    let case = Case { wide: true, ..Case::PLAIN };
    rig.machine.inject(Fault::CommandStatus {
        opcode: Some(Opcode::CREATE_GENERAL_OBJECT.0),
        status: 0x0f,
        syndrome: 1,
    });
    assert!(rig.nic.install(&case.sends()).is_err());
    assert!(found(&rig, &case.key()).is_empty());
    rig.close_after_misuse();
}

#[test]
fn no_key_stays_when_a_command_is_never_answered() {
    let mut rig = Rig::new();
    let case = Case { wide: true, ..Case::PLAIN };
    rig.machine.inject(Fault::CommandTimeout { opcode: Some(Opcode::CREATE_GENERAL_OBJECT.0) });
    assert!(rig.nic.install(&case.sends()).is_err());
    // Until it is reset the card may still read what it was told to.
    assert!(!found(&rig, &case.key()).is_empty());
    rig.nic.recover().unwrap();
    assert!(found(&rig, &case.key()).is_empty());
    rig.close_after_misuse();
}

#[test]
fn a_trace_has_no_key() {
    let mut rig = Rig::new();
    let text = Rc::new(RefCell::new(String::new()));
    let sink = text.clone();
    let trace = move |exchange: &Exchange| sink.borrow_mut().push_str(&exchange.to_string());
    rig.nic.device().commands().set_trace(Some(Box::new(trace)));
    for wide in [false, true] {
        let case = Case { wide, ..Case::PLAIN };
        for sa in [case.sends(), case.receives()] {
            let handle = rig.install(&sa);
            rig.nic.retire(handle).unwrap();
        }
        let words = |bytes: &[u8]| -> Vec<String> {
            let words = bytes.as_chunks::<4>().0.iter();
            words.map(|word| word.iter().map(|byte| format!("{byte:02x}")).collect()).collect()
        };
        let text = text.borrow();
        for word in [words(&case.key()), words(&Case::SALT)].concat() {
            assert!(!text.contains(&word), "{word}");
        }
    }
    assert!(text.borrow().contains("CREATE_GENERAL_OBJECT(0xa00) INPUT"));
    rig.close();
}

#[test]
fn nothing_prints_a_key() {
    for wide in [false, true] {
        let case = Case { wide, ..Case::PLAIN };
        let sa = case.sends();
        let text = format!("{sa:?} {sa:#?} {:?}", sa.secret);
        let decimal = format!("{:?}", &case.key()[..3]);
        let hex: String = case.key()[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(!text.contains(decimal.trim_matches(['[', ']'])) && !text.contains(&hex), "{text}");
        assert!(text.contains(if wide { "AES-256-GCM" } else { "AES-128-GCM" }));
    }
}
