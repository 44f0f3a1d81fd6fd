//! Reads commands back from the hexdump form of [`crate::trace`].

use crate::trace::{BLOCK, Exchange};
use core::fmt;

/// A text that is no trace, and in which line (from 1) that shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The line.
    pub line: usize,
    /// What is wrong.
    pub what: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl core::error::Error for Malformed {}

/// Bytes of a queue entry.
const ENTRY: usize = 64;

/// One direction of a command while it is read.
struct Half {
    line: usize,
    opcode: u16,
    input: bool,
    bytes: Vec<u8>,
}

/// All commands of `text`, in their order.
///
/// # Errors
/// When it is cut off, or is none.
pub fn read(text: &str) -> Result<Vec<Exchange>, Malformed> {
    let mut halves: Vec<Half> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let malformed = |what| Malformed { line: number, what };
        if let Some(head) = line.strip_prefix("dump command ") {
            let (opcode, direction) = head
                .split_once("(0x")
                .and_then(|(_, rest)| rest.split_once(") "))
                .ok_or(malformed("a command without opcode and direction"))?;
            let opcode = u16::from_str_radix(opcode, 16).map_err(|_| malformed("no opcode"))?;
            halves.push(Half { line: number, opcode, input: direction == "INPUT", bytes: Vec::new() });
        } else if let Some((_, words)) = line.split_once(": ") {
            let half = halves.last_mut().ok_or(malformed("bytes before the first command"))?;
            for word in words.split_whitespace() {
                let word = u32::from_str_radix(word, 16).map_err(|_| malformed("no hexadecimal dword"))?;
                half.bytes.extend(word.to_be_bytes());
            }
        }
    }
    let pairs = halves.chunks(2).map(|pair| match pair {
        [asked, answered] if asked.input && !answered.input && asked.opcode == answered.opcode => {
            let ((entry, input), (answer, output)) = (split(asked)?, split(answered)?);
            Ok(Exchange { opcode: asked.opcode, entry, input, answer, output })
        }
        [half, ..] => Err(Malformed { line: half.line, what: "an input without its output" }),
        [] => Err(Malformed { line: 0, what: "nothing" }),
    });
    pairs.collect()
}

/// Queue entry and mailbox blocks.
fn split(half: &Half) -> Result<([u8; ENTRY], Vec<[u8; BLOCK]>), Malformed> {
    let malformed = Malformed { line: half.line, what: "neither a whole entry nor whole blocks behind it" };
    let (entry, blocks) = half.bytes.split_first_chunk().ok_or(malformed.clone())?;
    let (blocks, rest) = blocks.as_chunks();
    if rest.is_empty() { Ok((*entry, blocks.to_vec())) } else { Err(malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(blocks: usize) -> Exchange {
        Exchange {
            opcode: 0x107,
            entry: core::array::from_fn(|at| at as u8),
            input: vec![[0xa5; BLOCK]; blocks],
            answer: [7; 64],
            output: vec![[0x5a; BLOCK]; 2 * blocks],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let exchanges = [exchange(0), exchange(1), exchange(9)];
        let text: String = exchanges.iter().map(ToString::to_string).collect();
        assert_eq!(read(&text).unwrap(), exchanges);
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let text = exchange(1).to_string();
        let (cut, _) = text.split_once("dump command QUERY_PAGES(0x107) OUTPUT").unwrap();
        assert_eq!(read(cut), Err(Malformed { line: 1, what: "an input without its output" }));
        let short = text.replacen("010: 10111213 14151617 18191a1b 1c1d1e1f\n", "", 1);
        assert!(read(&short).is_err());
        assert_eq!(read("000: 00000000"), Err(Malformed { line: 1, what: "bytes before the first command" }));
    }
}
