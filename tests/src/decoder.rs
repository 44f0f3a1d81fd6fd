//! Independent decoders: scapy scripts in our virtual environment, and tshark; and the keys they need.

use crate::error::{Error, Result};
use crate::prerequisites;
use crate::process::run;
use std::path::Path;
use std::process::Command;

/// Runs a Python script of `tests/scapy/` with the virtual environment's interpreter.
///
/// # Errors
/// When the script ends with a failure.
pub fn script(path: &Path, arguments: &[&str]) -> Result<String> {
    run(Command::new(prerequisites::python()).arg(path).args(arguments))
}

/// The keys of one child, as charon's log dumps them at level 4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildKeys {
    /// Key and salt of the initiator's direction, in hex.
    pub initiator: String,
    /// Key and salt of the responder's direction, in hex.
    pub responder: String,
}

/// Reads the keys of the last child that `log` (charon's, level 4 of `chd`) tells of.
///
/// # Errors
/// When the log has none.
pub fn child_keys(log: &str) -> Result<ChildKeys> {
    Ok(ChildKeys { initiator: dumped(log, "initiator")?, responder: dumped(log, "responder")? })
}

fn dumped(log: &str, who: &str) -> Result<String> {
    let missing = || Error::Observed {
        expected: format!("the {who}'s ESP key in charon's log"),
        found: format!("{} lines without", log.lines().count()),
    };
    let marker = format!("encryption {who} key => ");
    let (_, after) = log.rsplit_once(&marker).ok_or_else(missing)?;
    let octets: usize = after.split_whitespace().next().and_then(|n| n.parse().ok()).ok_or_else(missing)?;
    let mut hex = String::new();
    // A dump line: `12[CHD]    0: 5E 29 … 1F  text`.
    for line in after.lines().skip(1) {
        let Some((_, bytes)) = line.split_once(": ") else { break };
        for word in bytes.split(' ').take_while(|word| word.len() == 2).take(16) {
            hex.push_str(word);
        }
        if hex.len() >= octets * 2 {
            break;
        }
    }
    hex.truncate(octets * 2);
    if hex.len() == octets * 2 && hex.chars().all(|digit| digit.is_ascii_hexdigit()) {
        Ok(hex.to_ascii_lowercase())
    } else {
        Err(missing())
    }
}
