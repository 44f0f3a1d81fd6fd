//! Linux's bring-up, as it was recorded with guests on the model, replayed at the model in one process: every command at
//! the address where it lay, every answer byte for byte, but for what [`explained`] lists.
//!
//! The records are made by suite `oracle` (`tests/tests/oracle/trace.rs`).

#![forbid(unsafe_code)]

use mlx5_model::caps::Profile;
use mlx5_model::trace::{BLOCK, Exchange};
use mlx5_model::{Device, Memory, Unmapped, record};
use mlx5_pci::prm::{CmdLayout, Opcode};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

/// Where the command queue lies: where no guest of ours has memory.
const QUEUE: u64 = 1 << 52;
const PAGE: u64 = 4096;
/// Bytes of data in a mailbox, and where the address of the next one stands (`cmd_prot_block`).
const DATA: usize = 512;
const NEXT: usize = 0x230;

/// Memory that is there wherever it is looked for: the record does not say what the guest had.
#[derive(Default)]
struct Everywhere(Mutex<HashMap<u64, Box<[u8; PAGE as usize]>>>);

impl Everywhere {
    fn each(&self, address: u64, length: usize, mut act: impl FnMut(usize, &mut u8)) {
        let mut pages = self.0.lock().unwrap();
        for at in 0..length {
            let place = address + at as u64;
            let page = pages.entry(place / PAGE).or_insert_with(|| Box::new([0; PAGE as usize]));
            act(at, &mut page[(place % PAGE) as usize]);
        }
    }
}

impl Memory for Everywhere {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Unmapped> {
        self.each(address, into.len(), |at, byte| into[at] = *byte);
        Ok(())
    }

    fn write(&self, address: u64, from: &[u8]) -> Result<(), Unmapped> {
        self.each(address, from.len(), |at, byte| *byte = from[at]);
        Ok(())
    }
}

/// Writes mailboxes where the first address, and then each of them, says. Those of the output are empty yet.
fn place(memory: &Everywhere, first: u64, blocks: &[[u8; BLOCK]], empty: bool) {
    let mut address = first;
    for block in blocks {
        let mut block = *block;
        if empty {
            block[..DATA].fill(0);
        }
        memory.write(address, &block).unwrap();
        address = u64::from_be_bytes(block[NEXT..NEXT + 8].try_into().unwrap());
    }
}

/// The whole answer: the entry's part of it and the mailboxes' data.
fn answer(entry: &[u8; 64], blocks: impl Iterator<Item = [u8; BLOCK]>) -> Vec<u8> {
    let length = CmdLayout::copy_from(entry).outlen() as usize;
    let mut bytes = entry[0x20..0x30].to_vec();
    bytes.extend(blocks.flat_map(|block| block[..DATA].to_vec()));
    bytes.truncate(length);
    bytes
}

/// Where `log_max_qp` stands in the answer to QUERY_HCA_CAP.
const LOG_MAX_QP: usize = 0x20;

/// Why a command may be answered otherwise than in the record, from dword `at` on.
fn explained(exchange: &Exchange, at: usize) -> Option<&'static str> {
    match Opcode(exchange.opcode) {
        Opcode::QUERY_HCA_CAP if at == LOG_MAX_QP => {
            Some("the driver was loaded for the second time: it found what it had set the time before")
        }
        Opcode::QUERY_VPORT_COUNTER | Opcode::QUERY_Q_COUNTER | Opcode::ACCESS_REG => {
            Some("counters, and what the port's registers say of them: there is no traffic here")
        }
        _ => None,
    }
}

/// Replays the record of one kernel.
fn replay(series: &str) {
    let path = format!("tests/data/linux-{series}-bring-up.trace.gz");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    let unpacked = Command::new("gzip").arg("-dc").arg(&path).output().expect("gzip");
    assert!(unpacked.status.success(), "{}", path.display());
    let exchanges = record::read(&String::from_utf8(unpacked.stdout).unwrap()).unwrap();
    assert!(exchanges.len() > 100, "only {} commands in {}", exchanges.len(), path.display());
    let mut profile = Profile::named("cx6dx").unwrap();
    profile.set_mac([2, 0, 0, 0, 0, 1]);
    let (memory, mut device) = (Everywhere::default(), Device::new(profile));
    device.config_write(4, &[0x06, 0]);
    device.bar_write(&memory, 0x10, &((QUEUE >> 32) as u32).to_be_bytes());
    device.bar_write(&memory, 0x14, &(QUEUE as u32).to_be_bytes());
    let mut differ: BTreeMap<(u16, &str), usize> = BTreeMap::new();
    for (number, exchange) in exchanges.iter().enumerate() {
        let layout = CmdLayout::copy_from(&exchange.entry);
        place(&memory, layout.in_ptr(), &exchange.input, false);
        place(&memory, layout.out_ptr(), &exchange.output, true);
        memory.write(QUEUE, &exchange.entry).unwrap();
        device.bar_write(&memory, 0x18, &1u32.to_be_bytes());
        let mut entry = [0; 64];
        memory.read(QUEUE, &mut entry).unwrap();
        let mut next = layout.out_ptr();
        let blocks = exchange.output.iter().map(|_| {
            let mut block = [0; BLOCK];
            memory.read(next, &mut block).unwrap();
            next = u64::from_be_bytes(block[NEXT..NEXT + 8].try_into().unwrap());
            block
        });
        let (ours, recorded) =
            (answer(&entry, blocks), answer(&exchange.answer, exchange.output.iter().copied()));
        let opcode = Opcode(exchange.opcode);
        assert_eq!(entry[0x3f], exchange.answer[0x3f], "command {number}, {opcode}: delivery");
        assert_eq!(ours[0], recorded[0], "command {number}, {opcode}: {:?}", device.log().refused().last());
        if ours != recorded {
            let at = ours.iter().zip(&recorded).position(|(ours, recorded)| ours != recorded);
            let at = at.unwrap_or_default() & !3;
            let reason = explained(exchange, at).unwrap_or_else(|| {
                let word = |bytes: &[u8]| format!("{:02x?}", &bytes[at..at + 4]);
                panic!("command {number}, {opcode} at {at:#x}: {}, recorded {}", word(&ours), word(&recorded))
            });
            *differ.entry((exchange.opcode, reason)).or_default() += 1;
        }
    }
    for ((opcode, reason), count) in &differ {
        println!("{}: {count} differ: {reason}", Opcode(*opcode));
    }
    assert_eq!(device.log().refused().count(), 0);
}

#[test]
fn linux_6_01_is_answered_as_recorded() {
    replay("6.1");
}

#[test]
fn linux_6_12_is_answered_as_recorded() {
    replay("6.12");
}
