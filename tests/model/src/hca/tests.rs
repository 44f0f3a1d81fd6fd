//! Bring-up in order and out of order, and keys.

use super::KeyFault;
use super::key::Access;

use crate::Check;
use crate::caps::Profile;
use crate::in_process::{Answer, Host};
use mlx5_pci::prm::CmdStatus;

fn short(opcode: u16, op_mod: u16, word2: u32, word3: u32) -> [u8; 16] {
    let mut input = [0; 16];
    input[..2].copy_from_slice(&opcode.to_be_bytes());
    input[6..8].copy_from_slice(&op_mod.to_be_bytes());
    input[8..12].copy_from_slice(&word2.to_be_bytes());
    input[12..16].copy_from_slice(&word3.to_be_bytes());
    input
}

fn up() -> Host {
    let mut host = Host::new(Profile::named("cx7").unwrap());
    host.bring_up();
    host
}

fn refused(answer: &Answer) -> (CmdStatus, u16) {
    (answer.status, answer.check())
}

/// CREATE_MKEY: `context` are (offset, dword) of the key's context, `list` are its translations.
fn mkey(context: &[(usize, u32)], list: &[u64]) -> Vec<u8> {
    let mut input = vec![0; 0x110];
    input[..2].copy_from_slice(&0x200u16.to_be_bytes());
    for (at, word) in context {
        input[0x10 + at..0x14 + at].copy_from_slice(&word.to_be_bytes());
    }
    let octwords = list.len().div_ceil(2);
    input[0x60..0x64].copy_from_slice(&(octwords as u32).to_be_bytes());
    for item in list {
        input.extend_from_slice(&item.to_be_bytes());
    }
    input.resize(0x110 + 16 * octwords, 0);
    input
}

/// Local read and write.
const LR_LW: u32 = 0xc00;
const LENGTH64: u32 = 1 << 31;

#[test]
fn comes_up_and_goes_down_in_the_documented_order() {
    let mut host = up();
    let held = host.device.pages_held();
    assert!(held > 0);
    host.expect(&short(0x103, 0, 0, 0), 16);
    let mut back = 0;
    while back < held {
        let answer = host.expect(&short(0x108, 2, 0, 64), 16 + 64 * 8);
        let some = answer.word(8) as usize;
        assert!(some > 0, "{back} of {held} pages came back");
        back += some;
    }
    assert_eq!((back, host.device.pages_held()), (held, 0));
    host.expect(&short(0x105, 0, 0, 0), 16);
    assert_eq!(host.device.log().refused().count(), 0);
}

#[test]
fn refuses_stages_out_of_order() {
    let mut host = Host::new(Profile::named("cx7").unwrap());
    let stage = (CmdStatus::BAD_SYS_STATE, Check::Stage as u16);
    let mut init = [0u8; 32];
    init[..2].copy_from_slice(&0x102u16.to_be_bytes());
    assert_eq!(refused(&host.exec(&init, 16)), stage);
    host.expect(&short(0x104, 0, 0, 0), 16);
    assert_eq!(refused(&host.exec(&short(0x104, 0, 0, 0), 16)), stage);
    assert_eq!(refused(&host.exec(&short(0x103, 0, 0, 0), 16)), stage);
    // ISSI 0, then no pages.
    let state = |status| (status, Check::State as u16);
    assert_eq!(refused(&host.exec(&init, 16)), state(CmdStatus::BAD_SYS_STATE));
    host.expect(&short(0x10b, 0, 1, 0), 16);
    assert_eq!(refused(&host.exec(&init, 16)), state(CmdStatus::NO_RES));
    host.give_pages(1);
    assert_eq!(refused(&host.exec(&init, 16)), state(CmdStatus::NO_RES));
    host.give_pages(2);
    host.expect(&init, 16);
    assert_eq!(refused(&host.exec(&init, 16)), stage);
    assert_eq!(refused(&host.exec(&short(0x10b, 0, 1, 0), 16)), stage);
    assert_eq!(refused(&host.exec(&short(0x105, 0, 0, 0), 16)), stage);
    assert_eq!(host.exec(&short(0x10b, 0, 2, 0), 16).status, CmdStatus::BAD_PARAM);
}

#[test]
fn objects_that_are_used_stay() {
    let mut host = up();
    let pd = host.expect(&short(0x800, 0, 0, 0), 16).word(8);
    let index = host.expect(&mkey(&[(0, LR_LW), (4, 0xffff_ff00), (0xc, LENGTH64 | pd)], &[]), 16).word(8);
    let dealloc = short(0x801, 0, pd, 0);
    assert_eq!(refused(&host.exec(&dealloc, 16)), (CmdStatus::BAD_RES_STATE, Check::InUse as u16));
    host.expect(&short(0x202, 0, index, 0), 16);
    host.expect(&dealloc, 16);
    assert_eq!(refused(&host.exec(&dealloc, 16)), (CmdStatus::BAD_RES, Check::NoObject as u16));
}

#[test]
fn refuses_keys_that_make_no_sense() {
    let mut host = up();
    let pd = host.expect(&short(0x800, 0, 0, 0), 16).word(8);
    let mut status = |context: &[(usize, u32)], list: &[u64]| host.exec(&mkey(context, list), 16).status;
    let any = (4, 0xffff_ff00);
    assert_eq!(status(&[any, (0xc, 99)], &[]), CmdStatus::BAD_RES);
    assert_eq!(status(&[(4, 0x100), (0xc, pd)], &[]), CmdStatus::BAD_PARAM);
    // Free, but no UMR could ever fill it.
    assert_eq!(status(&[(0, 1 << 30), any, (0xc, pd)], &[]), CmdStatus::BAD_PARAM);
    // A page list for a physical key.
    assert_eq!(status(&[any, (0xc, pd), (0x34, 1)], &[]), CmdStatus::BAD_PARAM);
    // Pages of 2 KiB, and a length beyond the list.
    assert_eq!(status(&[(0, 0x100), any, (0xc, pd), (0x34, 1), (0x38, 11)], &[]), CmdStatus::BAD_PARAM);
    let beyond = [(0, 0x100), any, (0xc, pd), (0x1c, 3 << 12), (0x34, 1), (0x38, 12)];
    assert_eq!(status(&beyond, &[]), CmdStatus::BAD_PARAM);
    // More translations than room.
    assert_eq!(status(&[(0, 0x100), any, (0xc, pd), (0x38, 12)], &[0; 2]), CmdStatus::BAD_PARAM);
    // A reserved bit of the embedded context.
    assert_eq!(status(&[(8, 1), any, (0xc, pd)], &[]), CmdStatus::BAD_PARAM);
}

#[test]
fn keys_hold_bounds_rights_and_domains() {
    let mut host = up();
    let pd = host.expect(&short(0x800, 0, 0, 0), 16).word(8);
    let other = host.expect(&short(0x800, 0, 0, 0), 16).word(8);
    let pages = [host.memory.alloc(4096), host.memory.alloc(4096)];
    // Two pages from address 0x1000 on, read only; the key's low byte is 0x5a.
    let context =
        [(0, 0x500), (4, 0xffff_ff5a), (0xc, pd), (0x14, 0x1000), (0x1c, 0x2000), (0x34, 1), (0x38, 12)];
    let key = host.expect(&mkey(&context, &pages), 16).word(8) << 8 | 0x5a;
    host.memory.put(pages[0] + 4090, b"across");
    host.memory.put(pages[1], b" pages");
    let memory = host.memory.clone();
    let mut bytes = [0; 12];
    host.device.read_by_key(&memory, key, pd, 0x1ffa, &mut bytes).unwrap();
    assert_eq!(&bytes, b"across pages");
    let read = |key, pd, address, length| {
        let mut bytes = vec![0; length];
        host.device.read_by_key(&memory, key, pd, address, &mut bytes).unwrap_err()
    };
    assert_eq!(read(key ^ 1, pd, 0x1000, 1), KeyFault::NoKey);
    assert_eq!(read(key, other, 0x1000, 1), KeyFault::Domain);
    assert_eq!(read(key, pd, 0xfff, 1), KeyFault::Bounds);
    assert_eq!(read(key, pd, 0x2fff, 2), KeyFault::Bounds);
    assert_eq!(read(key, pd, u64::MAX, 2), KeyFault::Bounds);
    assert_eq!(host.device.write_by_key(&memory, key, pd, 0x1000, &[0]), Err(KeyFault::Rights));
    memory.free(pages[1]);
    assert_eq!(read(key, pd, 0x2000, 1), KeyFault::Unmapped);
    let pieces = host.device.translate(key, pd, 0x1ffe, 4, Access::Read).unwrap();
    assert_eq!(pieces, [(pages[0] + 4094, 2), (pages[1], 2)]);
}

#[test]
fn keys_of_keys_are_followed() {
    let mut host = up();
    let pd = host.expect(&short(0x800, 0, 0, 0), 16).word(8);
    let page = host.memory.alloc(4096);
    let physical =
        host.expect(&mkey(&[(0, LR_LW), (4, 0xffff_ff00), (0xc, LENGTH64 | pd)], &[]), 16).word(8) << 8;
    // KLM: 16 bytes at page+8, then 4 at page+100; length 20.
    let klm = |length: u32, address: u64| [u64::from(length) << 32 | u64::from(physical), address];
    let list = [klm(16, page + 8), klm(4, page + 100)].concat();
    let context = [(0, LR_LW | 0x200), (4, 0xffff_ff00), (0xc, pd), (0x1c, 20), (0x34, 2)];
    let key = host.expect(&mkey(&context, &list), 16).word(8) << 8;
    let pieces = host.device.translate(key, pd, 14, 6, Access::Write).unwrap();
    assert_eq!(pieces, [(page + 22, 2), (page + 100, 4)]);
}
