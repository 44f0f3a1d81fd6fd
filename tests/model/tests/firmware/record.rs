//! Reading Linux's debug log: queue entries and mailboxes of commands, in both directions.
//!
//! The kernel of the record printed a message's mailboxes as long as the bytes printed, entry and mailboxes' own fields
//! included, were fewer than the message has: so the end of a message can be missing.

use mlx5_pci::prm::Opcode;
use std::path::Path;
use std::process::Command;

/// Bytes of a queue entry, of a mailbox, and of the data in it.
const ENTRY: usize = 64;
const MAILBOX: usize = 576;
const MAILBOX_DATA: usize = 512;

/// A command and the firmware's answer.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) opcode: Opcode,
    pub(crate) input: Vec<u8>,
    /// The answer, zeros where the record ends before it.
    pub(crate) output: Vec<u8>,
    /// How much of the answer was recorded.
    pub(crate) known: usize,
    pub(crate) delivery: u8,
}

impl Recorded {
    /// `op_mod` of the input.
    pub(crate) fn op_mod(&self) -> u16 {
        u16::from_be_bytes([self.input[6], self.input[7]])
    }

    /// A dword of the answer.
    pub(crate) fn word(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.output[at..at + 4].try_into().unwrap())
    }
}

/// A dump while it is read: whether it is the input's, and its bytes.
type Dump = (bool, Vec<u8>);

/// Every command of the record at `path`.
pub(crate) fn read(path: &Path) -> Vec<Recorded> {
    let output = Command::new("zcat").arg(path).output().expect("zcat");
    assert!(output.status.success(), "zcat {}", path.display());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut dumps: Vec<Dump> = Vec::new();
    for line in text.lines() {
        // The kernel's time stands before everything.
        let line = line.split_once("] ").map_or(line, |(_, line)| line);
        if line.contains("dump command ") {
            dumps.push((line.ends_with("INPUT"), Vec::new()));
        } else if let (Some(words), Some((_, bytes))) = (hexdump(line), dumps.last_mut()) {
            bytes.extend(words);
        }
    }
    let commands = dumps.chunks_exact(2).map(|pair| {
        let [(true, asked), (false, answered)] = pair else {
            panic!("an input without its output");
        };
        command(asked, answered)
    });
    commands.collect()
}

/// The bytes of a line `040: 00000000 …`, if it is one.
fn hexdump(line: &str) -> Option<Vec<u8>> {
    let (offset, words) = line.split_once(": ")?;
    usize::from_str_radix(offset.trim(), 16).ok()?;
    let words: Option<Vec<u32>> =
        words.split_whitespace().map(|word| u32::from_str_radix(word, 16).ok()).collect();
    let words = words.filter(|words| words.len() == 4)?;
    Some(words.into_iter().flat_map(u32::to_be_bytes).collect())
}

fn command(asked: &[u8], answered: &[u8]) -> Recorded {
    let length = |at: usize| u32::from_be_bytes(asked[at..at + 4].try_into().unwrap()) as usize;
    let (input, _) = message(&asked[0x10..0x20], &asked[ENTRY..], length(4));
    let (output, known) = message(&answered[0x20..0x30], &answered[ENTRY..], length(0x38));
    let opcode = Opcode(u16::from_be_bytes([input[0], input[1]]));
    Recorded { opcode, input, output, known, delivery: answered[0x3f] >> 1 }
}

/// A message of `length` bytes from its first 16 and its mailboxes, and how many of them were printed.
fn message(first: &[u8], mailboxes: &[u8], length: usize) -> (Vec<u8>, usize) {
    let mut bytes = first[..length.min(16)].to_vec();
    for mailbox in mailboxes.chunks(MAILBOX) {
        let left = length - bytes.len();
        bytes.extend_from_slice(&mailbox[..left.min(MAILBOX_DATA).min(mailbox.len())]);
    }
    let known = bytes.len();
    bytes.resize(length, 0);
    (bytes, known)
}
