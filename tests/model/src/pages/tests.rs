//! The ledger finds out drivers that give, keep or use pages wrongly, and commands wait for what they need.

use crate::caps::Profile;
use crate::in_process::Host;
use crate::{Check, Fault};
use core::time::Duration;
use mlx5_pci::prm::CmdStatus;

fn manage(op_mod: u16, count: u32, list: &[u64]) -> Vec<u8> {
    let mut input = vec![0; 16];
    input[..2].copy_from_slice(&0x108u16.to_be_bytes());
    input[6..8].copy_from_slice(&op_mod.to_be_bytes());
    input[12..16].copy_from_slice(&count.to_be_bytes());
    for address in list {
        input.extend_from_slice(&address.to_be_bytes());
    }
    input
}

fn enabled() -> Host {
    let mut host = Host::new(Profile::named("cx7").unwrap());
    host.expect(&[0x01, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 16);
    host
}

#[test]
fn refuses_pages_that_cannot_be_the_devices() {
    let mut host = enabled();
    let page = host.memory.alloc(4096);
    let mut check = |input: &[u8]| {
        let answer = host.exec(input, 16);
        (answer.status, answer.check())
    };
    let refusal = |check: Check| (CmdStatus::BAD_PARAM, check as u16);
    assert_eq!(check(&manage(1, 1, &[page + 512])), refusal(Check::Alignment));
    assert_eq!(check(&manage(1, 2, &[page, page])), refusal(Check::Conflict));
    assert_eq!(check(&manage(1, 1, &[0xdead_0000_0000])), refusal(Check::Unmapped));
    assert_eq!(check(&manage(1, 2, &[page])), (CmdStatus::BAD_INP_LEN, Check::InputLength as u16));
    assert_eq!(check(&manage(1, 1, &[page])).0, CmdStatus::OK);
    assert_eq!(check(&manage(1, 1, &[page])), refusal(Check::Conflict));
    assert_eq!(check(&manage(3, 0, &[])), refusal(Check::OpMod));
    // Room for one address, two asked for.
    assert_eq!(host.exec(&manage(2, 2, &[]), 24).status, CmdStatus::BAD_OUTP_LEN);
}

#[test]
fn finds_out_a_host_that_writes_to_a_given_page() {
    let mut host = enabled();
    let page = host.memory.alloc(4096);
    host.expect(&manage(1, 1, &[page]), 16);
    host.memory.put(page + 4090, &[1]);
    let answer = host.expect(&manage(2, 1, &[]), 24);
    assert_eq!(answer.word(8), 1);
    assert_eq!(host.device.log().refused().last().unwrap().what, "page");
}

#[test]
fn a_command_waits_until_pages_have_come_and_others_go_on() {
    let mut host = Host::new(Profile::named("cx7").unwrap());
    host.bring_up();
    host.device.inject(Fault::PageRequest { pages: 2, times: 1 });
    host.advance(Duration::from_millis(1));
    let mut alloc_pd = [0; 16];
    alloc_pd[..2].copy_from_slice(&0x800u16.to_be_bytes());
    host.start(3, &alloc_pd, 16);
    assert!(host.finish(3).is_none(), "made without the pages it needs");
    // A command that makes nothing passes it by; one page is not enough.
    host.expect(&[0x08, 0x0d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 16);
    let pages = [host.memory.alloc(4096), host.memory.alloc(4096)];
    host.expect(&manage(1, 1, &pages[..1]), 16);
    assert!(host.finish(3).is_none());
    host.expect(&manage(1, 1, &pages[1..]), 16);
    assert_eq!(host.finish(3).unwrap().status, CmdStatus::OK);
}

#[test]
fn a_driver_that_has_no_pages_may_say_so() {
    let mut host = Host::new(Profile::named("cx7").unwrap());
    host.bring_up();
    host.device.inject(Fault::PageRequest { pages: 2, times: 1 });
    host.advance(Duration::from_millis(1));
    let mut alloc_pd = [0; 16];
    alloc_pd[..2].copy_from_slice(&0x800u16.to_be_bytes());
    host.start(3, &alloc_pd, 16);
    host.expect(&manage(0, 0, &[]), 16);
    assert_eq!(host.finish(3).unwrap().status, CmdStatus::OK);
}
