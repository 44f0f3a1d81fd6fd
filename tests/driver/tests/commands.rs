//! The command interface: refusals, answers that come late or never, and a device that dies or wants pages meanwhile.

use core::time::Duration;
use mlx5_driver_tests::{Machine, blameless, open, stories};
use mlx5_model::Fault;
use mlx5_pci::cmd::Cause;
use mlx5_pci::device::{Device, Options};
use mlx5_pci::hal::Function;
use mlx5_pci::health::Illness;
use mlx5_pci::prm::{CmdStatus, DeallocPdIn, HealthSyndrome, NopIn, Opcode, QueryHcaCapIn};

fn a_refusal_names_opcode_status_and_syndrome<M: Machine>() {
    let machine = M::new("cx7");
    let mut device = open(&machine);
    let error = device.commands().exec(&DeallocPdIn::build().pd(0x123).done()).unwrap_err();
    assert_eq!((error.opcode, error.status()), (Opcode::DEALLOC_PD, Some(CmdStatus::BAD_RES)));
    let Cause::Refused { syndrome, .. } = error.cause else { panic!("{error}") };
    assert_ne!(syndrome, 0);
    let error = device.commands().exec(&QueryHcaCapIn::build().op_mod(0x7ff).done()).unwrap_err();
    assert_eq!((error.op_mod, error.status()), (0x7ff, Some(CmdStatus::BAD_PARAM)));
    let text = error.to_string();
    assert!(
        text.starts_with("QUERY_HCA_CAP(0x100) op_mod 0x7ff: status BAD_PARAM(0x3), syndrome 0x"),
        "{text}"
    );
}

fn an_answer_that_never_comes_costs_a_slot_and_no_more<M: Machine>() {
    let machine = M::new("cx7");
    let mut device = open(&machine);
    let limit = device.commands().timeouts().command;
    // All slots but the one for pages.
    for lost in 0..31 {
        machine.inject(Fault::CommandTimeout { opcode: Some(Opcode::NOP.0) });
        let before = device.commands().function().now();
        let error = device.commands().exec(&NopIn::default()).unwrap_err();
        let Cause::Timeout(after) = error.cause else { panic!("{lost}: {error}") };
        let spent = device.commands().function().now() - before;
        assert!(after > limit && spent < 2 * limit, "{after:?}, {spent:?}");
    }
    let error = device.commands().exec(&NopIn::default()).unwrap_err();
    assert_eq!(error.cause, Cause::NoSlot);
    device.recover().unwrap();
    device.commands().exec(&NopIn::default()).unwrap();
    device.close().unwrap();
    blameless(&machine);
}

fn the_caller_s_patience_may_be_shorter_than_the_firmware_s<M: Machine>() {
    let machine = M::new("cx7");
    let patience = Duration::from_secs(2);
    let mut device = Device::open(machine.function(), Options { patience, ..Options::default() }).unwrap();
    assert!(device.commands().timeouts().command > 2 * patience);
    machine.inject(Fault::CommandTimeout { opcode: Some(Opcode::NOP.0) });
    let error = device.commands().exec(&NopIn::default()).unwrap_err();
    let Cause::Timeout(after) = error.cause else { panic!("{error}") };
    assert!(after > patience && after < 2 * patience, "{after:?}");
    // A reset is waited for as long as the firmware wants.
    machine.inject(Fault::CommandDelay { opcode: Some(Opcode::INIT_HCA.0), by: 2 * patience });
    device.recover().unwrap();
    device.commands().exec(&NopIn::default()).unwrap();
    device.close().unwrap();
}

fn a_late_answer_gives_its_slot_back<M: Machine>() {
    let machine = M::new("cx7");
    let mut device = open(&machine);
    let limit = device.commands().timeouts().command;
    for _ in 0..40 {
        machine.inject(Fault::CommandDelay { opcode: Some(Opcode::NOP.0), by: 2 * limit });
        let error = device.commands().exec(&NopIn::default()).unwrap_err();
        assert!(matches!(error.cause, Cause::Timeout(_)), "{error}");
        machine.pass(2 * limit);
    }
    device.commands().exec(&NopIn::default()).unwrap();
    device.close().unwrap();
    blameless(&machine);
}

fn a_slow_answer_is_waited_for<M: Machine>() {
    let machine = M::new("cx7");
    let mut device = open(&machine);
    machine.inject(Fault::CommandDelay { opcode: None, by: Duration::from_secs(20) });
    device.commands().exec(&NopIn::default()).unwrap();
    device.close().unwrap();
    blameless(&machine);
}

fn a_device_that_dies_is_noticed_at_once<M: Machine>() {
    let machine = M::new("cx7");
    let mut device = open(&machine);
    machine.inject(Fault::Death);
    let before = device.commands().function().now();
    let error = device.commands().exec(&NopIn::default()).unwrap_err();
    assert_eq!(error.cause, Cause::Dead(Illness::Gone));
    assert!(device.commands().function().now() - before < Duration::from_secs(1));
}

fn a_fatal_error_is_told_with_its_syndrome<M: Machine>() {
    let machine = M::new("cx7");
    let mut device = open(&machine);
    machine.inject(Fault::HealthFatal { syndrome: HealthSyndrome::HIGH_TEMP_ERR.0 });
    let before = device.commands().function().now();
    let error = device.commands().exec(&NopIn::default()).unwrap_err();
    let syndrome = HealthSyndrome::HIGH_TEMP_ERR;
    assert_eq!(error.cause, Cause::Dead(Illness::Disabled { syndrome, extended: 0 }));
    assert!(error.to_string().contains("0x10 (too hot)"), "{error}");
    assert!(device.commands().function().now() - before < Duration::from_secs(1));
    device.recover().unwrap();
    device.commands().exec(&NopIn::default()).unwrap();
    device.close().unwrap();
}

stories!(
    a_refusal_names_opcode_status_and_syndrome,
    a_device_that_dies_is_noticed_at_once,
    a_fatal_error_is_told_with_its_syndrome;
    virtual time:
    an_answer_that_never_comes_costs_a_slot_and_no_more,
    a_late_answer_gives_its_slot_back,
    the_caller_s_patience_may_be_shorter_than_the_firmware_s,
    a_slow_answer_is_waited_for
);
