//! A function from reset to teardown: order, pages, every step that can fail.

use core::cell::RefCell;
use core::sync::atomic::Ordering;
use mlx5_driver_tests::{InProcess, Machine, blameless, open, stories};
use mlx5_model::Fault;
use mlx5_pci::cmd::Cause;
use mlx5_pci::device::{Device, Options};
use mlx5_pci::error::Error;
use mlx5_pci::hal::Function;
use mlx5_pci::prm::{CmdStatus, Opcode, SetDriverVersionIn};
use std::rc::Rc;

fn comes_up_and_gives_every_page_back<M: Machine>() {
    for profile in ["cx6dx", "cx7", "vf"] {
        let machine = M::new(profile);
        let mut device = open(&machine);
        assert!(machine.pages_held() > 100);
        assert_eq!(device.commands().pages_held(), machine.pages_held());
        assert_eq!(device.is_virtual(), profile == "vf");
        device.close().unwrap();
        assert_eq!(machine.pages_held(), 0);
        blameless(&machine);
    }
}

fn what_was_left_in_any_state_is_reset_first<M: Machine>() {
    let machine = M::new("cx7");
    // Dropped as a crashed machine leaves it: initialized, with pages and objects.
    drop(open(&machine));
    assert!(machine.pages_held() > 0);
    open(&machine).close().unwrap();
    blameless(&machine);
}

fn recovers_from_use<M: Machine>() {
    let machine = M::new("cx7");
    let mut device = open(&machine);
    let domain = device.domain().unwrap();
    for _ in 0..3 {
        device.recover().unwrap();
        assert_eq!(device.domain().unwrap(), domain);
        assert_eq!(device.commands().pages_held(), machine.pages_held());
    }
    device.close().unwrap();
    blameless(&machine);
}

stories!(comes_up_and_gives_every_page_back, what_was_left_in_any_state_is_reset_first, recovers_from_use);

/// Opcodes of the bring-up, in order, by the driver's own trace.
fn opcodes(profile: &str) -> Vec<Opcode> {
    let machine = InProcess::new(profile);
    let mut device = open(&machine);
    let seen = Rc::new(RefCell::new(Vec::new()));
    let sink = seen.clone();
    device
        .commands()
        .set_trace(Some(Box::new(move |exchange| sink.borrow_mut().push(Opcode(exchange.opcode)))));
    device.recover().unwrap();
    drop(device);
    seen.take()
}

#[test]
fn the_order_is_the_documented_one() {
    let mut seen = opcodes("cx7");
    // Pages and capabilities take several commands each.
    seen.dedup();
    let documented = [
        Opcode::ENABLE_HCA,
        Opcode::QUERY_ISSI,
        Opcode::SET_ISSI,
        Opcode::QUERY_PAGES,
        Opcode::MANAGE_PAGES,
        Opcode::ACCESS_REG,
        Opcode::QUERY_HCA_CAP,
        Opcode::SET_HCA_CAP,
        Opcode::QUERY_PAGES,
        Opcode::MANAGE_PAGES,
        Opcode::INIT_HCA,
        Opcode::QUERY_HCA_CAP,
        Opcode::SET_DRIVER_VERSION,
        Opcode::ALLOC_UAR,
        Opcode::CREATE_EQ,
        Opcode::ALLOC_PD,
        Opcode::ALLOC_TRANSPORT_DOMAIN,
        Opcode::CREATE_MKEY,
    ];
    assert_eq!(seen, documented);
}

#[test]
fn the_device_is_set_to_what_the_driver_needs() {
    let machine = InProcess::new("cx7");
    let device = open(&machine);
    let general = &device.caps().general;
    assert_eq!((general.cmdif_checksum(), general.log_uar_page_sz(), general.pkey_table_size()), (0, 0, 0));
    let timeouts = *{ device }.commands().timeouts();
    assert!(timeouts.from_firmware || timeouts == Default::default());
}

#[test]
fn both_ends_trace_the_same() {
    let machine = InProcess::new("cx7");
    let mut device = open(&machine);
    let ours = Rc::new(RefCell::new(Vec::new()));
    let sink = ours.clone();
    device.commands().set_trace(Some(Box::new(move |exchange| sink.borrow_mut().push(exchange.clone()))));
    machine.with(|device, _| {
        device.log_mut().clear();
        device.log_mut().set_tracing(true);
    });
    device.recover().unwrap();
    let theirs = machine.with(|device, _| device.log().exchanges().to_vec());
    assert!(theirs.len() > 20);
    assert_eq!(ours.borrow().len(), theirs.len());
    for (ours, theirs) in ours.borrow().iter().zip(&theirs) {
        assert_eq!(ours, theirs);
        assert_eq!(ours.to_string(), theirs.to_string());
    }
}

#[test]
fn nothing_stays_mapped() {
    let machine = InProcess::new("cx7");
    open(&machine).close().unwrap();
    assert_eq!(machine.space().live(), 0);
    blameless(&machine);
}

#[test]
fn every_command_of_the_bring_up_may_be_refused() {
    let count = opcodes("vf").len() as u64;
    for at in 0..count {
        let machine = InProcess::new("vf");
        let status = CmdStatus::BAD_SYS_STATE.0;
        machine.with(|device, _| {
            device.inject_after(
                at,
                Fault::CommandStatus { opcode: None, status, syndrome: 0xabcd_0000 | at as u32 },
            );
        });
        let error = Device::open(machine.function(), Options::default()).err();
        let Some(Error::Cmd(error)) = error else { panic!("command {at}: {error:?}") };
        let syndrome = 0xabcd_0000 | at as u32;
        assert_eq!(error.cause, Cause::Refused { status: CmdStatus::BAD_SYS_STATE, syndrome });
        assert!(error.to_string().contains(&format!("{syndrome:#010x}")), "{error}");
        assert_eq!(machine.space().live(), 0, "command {at}");
        open(&machine).close().unwrap();
    }
}

#[test]
fn every_command_of_the_bring_up_may_stay_unanswered() {
    let count = opcodes("vf").len() as u64;
    for at in 0..count {
        let machine = InProcess::new("vf");
        machine.with(|device, _| device.inject_after(at, Fault::CommandTimeout { opcode: None }));
        let error = Device::open(machine.function(), Options::default()).err();
        let Some(Error::Cmd(error)) = error else { panic!("command {at}: {error:?}") };
        assert!(matches!(error.cause, Cause::Timeout(_)), "command {at}: {error}");
        assert_eq!(machine.space().live(), 0, "command {at}");
        open(&machine).close().unwrap();
    }
}

#[test]
fn memory_may_run_out_anywhere() {
    let machine = InProcess::new("vf");
    drop(open(&machine));
    let mut bytes = 0;
    let mut failures = 0;
    loop {
        machine.limit_memory(bytes);
        match Device::open(machine.function(), Options::default()) {
            Ok(device) => break device.close().unwrap(),
            Err(Error::Hal(_)) => failures += 1,
            Err(Error::Cmd(error)) => {
                assert!(matches!(error.cause, Cause::Memory(_)), "{bytes}: {error}");
                failures += 1;
            }
            Err(error) => panic!("{bytes}: {error}"),
        }
        assert_eq!(machine.space().live(), 0);
        bytes += 4096;
    }
    assert!(failures > 200, "{failures}");
}

#[test]
fn the_page_limit_holds() {
    let machine = InProcess::new("cx7");
    let options = Options { page_limit: 100, ..Options::default() };
    let error = Device::open(machine.function(), options).err();
    let Some(Error::Cmd(error)) = error else { panic!("{error:?}") };
    assert!(matches!(error.cause, Cause::Memory(_)), "{error}");
    assert!(machine.pages_held() <= 100);
}

#[test]
fn an_absent_function_is_said_to_be_absent() {
    let machine = InProcess::new("cx7");
    machine.inject(Fault::Death);
    let error = Device::open(machine.function(), Options::default()).err();
    assert_eq!(error.map(|error| error.to_string()).as_deref(), Some("the function is not on the bus"));
}

#[test]
fn what_commands_carried_is_wiped() {
    let machine = InProcess::new("cx7");
    let mut device = open(&machine);
    let name = b"a secret of sixty-three bytes, or a key that SAs are made from.\0";
    device.commands().exec(&SetDriverVersionIn::build().driver_version(name).done()).unwrap();
    for (iova, words) in machine.space().used() {
        let bytes: Vec<u8> =
            words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes()).collect();
        assert!(bytes.windows(7).all(|window| window != &name[20..27]), "at {iova:#x}");
    }
    device.close().unwrap();
}

#[test]
fn a_driver_that_goes_leaves_no_bus_master() {
    const BUS_MASTER: u32 = 1 << 2;
    let machine = InProcess::new("cx7");
    let device = open(&machine);
    assert_ne!(machine.config_read(4) & BUS_MASTER, 0);
    drop(device);
    assert_eq!(machine.config_read(4) & BUS_MASTER, 0);
}
