//! A record of real ConnectX-4 firmware (14.12.1220) answering Linux, replayed at the model.
//!
//! Every command of the record goes to the model in its order. The answer has to have the recorded length, delivery and
//! command status, and the recorded value in every dword, but for those that [`explained`] lists with their reason. What
//! the firmware said that it is (capabilities, pages) is given to the model as a profile, so that these answers show
//! how the model lays out what it is told, not what it would have said by itself.
//!
//! The record is not ours to copy: it lies in `../shared/data` beside the checkout.

#![forbid(unsafe_code)]

mod profile;
mod record;

use mlx5_model::in_process::Host;
use mlx5_pci::prm::{CmdHcaCap, CmdStatus, CreateEqIn, Opcode};
use record::Recorded;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// Where the record lies, from the root of the checkout.
const RECORD: &str = "../shared/data/connectx4-firmware-trace.txt.gz";
/// Where addresses stand in MANAGE_PAGES and in CREATE_EQ, and capabilities in SET_HCA_CAP.
const PAGE_LIST: usize = 0x10;
const EQ_PAGES: usize = 0x110;
/// Where CREATE_EQ names its UAR page.
const EQ_UAR: usize = 0x1c;

/// The record, or nothing where there is none, which is said past the capture of passing tests.
fn record() -> Option<Vec<Recorded>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(RECORD);
    if !path.exists() {
        let note = format!("NOT RUN: {RECORD} is not there; it is no part of this repository\n");
        std::io::stderr().write_all(note.as_bytes()).expect("a line on stderr");
        return None;
    }
    Some(record::read(&path))
}

/// A dword of an answer that may differ from the record, and why.
fn explained(opcode: Opcode, op_mod: u16, offset: usize) -> Option<&'static str> {
    match (opcode, op_mod, offset) {
        (Opcode::CREATE_EQ, _, 0x8) => Some("event queues are numbered by the device as it likes"),
        (Opcode::QUERY_ADAPTER, _, 0x10..0x110) => Some("the board is another: its vendor data, its PSID"),
        (Opcode::QUERY_HCA_CAP, _, offset) => profile::explained(op_mod, offset.checked_sub(0x10)?),
        _ => None,
    }
}

/// Gives the model what a command of the record names: numbers as the model has them, memory that exists.
fn translate(host: &Host, command: &Recorded, uars: &BTreeMap<u32, u32>) -> Vec<u8> {
    let mut input = command.input.clone();
    let mut page = 4096;
    let list = match command.opcode {
        Opcode::MANAGE_PAGES => PAGE_LIST,
        Opcode::CREATE_EQ => {
            let uar = u32::from_be_bytes(input[EQ_UAR..EQ_UAR + 4].try_into().unwrap());
            let number = uars.get(&(uar & 0x00ff_ffff)).expect("a UAR page that was handed out before");
            let word = uar & 0xff00_0000 | number;
            input[EQ_UAR..EQ_UAR + 4].copy_from_slice(&word.to_be_bytes());
            page <<= CreateEqIn::copy_from(&input).eq_context_entry().log_page_size();
            EQ_PAGES
        }
        Opcode::SET_HCA_CAP => {
            // The driver writes back what it has read. The model has no value for bits without a name and refuses them.
            for (word, claimed) in input[PAGE_LIST..].chunks_exact_mut(4).zip(CmdHcaCap::CLAIMS) {
                for (byte, claimed) in word.iter_mut().zip(claimed.to_be_bytes()) {
                    *byte &= claimed;
                }
            }
            return input;
        }
        _ => return input,
    };
    for address in input[list..].chunks_exact_mut(8) {
        let memory = host.memory.alloc(2 * page as usize).next_multiple_of(page);
        address.copy_from_slice(&memory.to_be_bytes());
    }
    input
}

#[test]
fn the_model_answers_as_the_firmware_did() {
    let Some(record) = record() else { return };
    assert!(record.len() > 40, "only {} commands were read from the record", record.len());
    let mut host = Host::new(profile::of(&record));
    let (mut uars, mut wrong, mut differences) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
    for command in &record {
        let input = translate(&host, command, &uars);
        let answer = host.exec(&input, command.output.len());
        let (opcode, op_mod) = (command.opcode, command.op_mod());
        assert_eq!(answer.delivery, command.delivery, "{opcode} op_mod {op_mod}");
        let last = host.device.log().refused().last();
        assert_eq!(answer.status, CmdStatus(command.output[0]), "{opcode} op_mod {op_mod}: {last:?}");
        assert_eq!(answer.output.len(), command.output.len(), "{opcode} op_mod {op_mod}");
        if opcode == Opcode::ALLOC_UAR {
            uars.insert(command.word(0x8), answer.word(0x8));
        }
        for offset in (0..command.known).step_by(4) {
            let (recorded, ours) = (command.word(offset), answer.word(offset));
            if recorded == ours {
                continue;
            }
            match explained(opcode, op_mod, offset) {
                Some(reason) => *differences.entry((opcode, reason)).or_insert(0) += 1,
                None => wrong.push(format!(
                    "{opcode} op_mod {op_mod:#x} at {offset:#x}: firmware {recorded:#010x}, model {ours:#010x}"
                )),
            }
        }
    }
    for opcode in [Opcode::CREATE_EQ, Opcode::QUERY_ADAPTER, Opcode::QUERY_HCA_CAP] {
        assert!(
            differences.keys().any(|(other, _)| *other == opcode),
            "{opcode} is explained and does not differ"
        );
    }
    for ((opcode, reason), count) in &differences {
        println!("{opcode}: {count} dwords differ: {reason}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(host.device.log().refused().count(), 0);
}
