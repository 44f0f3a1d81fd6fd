//! Independent decoders: scapy scripts in our virtual environment, and tshark; and the keys they need.

use crate::error::{Error, Result};
use crate::paths;
use crate::prerequisites;
use crate::process::run;
use crate::site::Site;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One SA as `decode.py` wants it.
#[derive(Clone, Debug)]
pub struct Sa {
    /// Its SPI.
    pub spi: u32,
    /// As in a proposal.
    pub algorithm: String,
    /// Key and salt in hex.
    pub key: String,
    /// Outer source and destination.
    pub ends: (String, String),
    /// Whether the gateway under test encrypts under it.
    pub ours: bool,
    /// Extended sequence numbers.
    pub esn: bool,
}

impl Sa {
    /// An SA without extended sequence numbers.
    pub fn new(spi: u32, algorithm: &str, key: &str, ends: (&str, &str), ours: bool) -> Sa {
        let ends = (ends.0.into(), ends.1.into());
        Sa { spi, algorithm: algorithm.into(), key: key.into(), ends, ours, esn: false }
    }
}

/// What `decode.py` is to look at.
#[derive(Clone, Debug)]
pub struct Job {
    /// Capture of the outer wire.
    pub wire: PathBuf,
    /// Capture of the inside wire over the same time.
    pub inside: PathBuf,
    /// Whether ESP is in UDP.
    pub encap: bool,
    /// Fewest packets that each SA must have.
    pub least: u32,
    /// The SAs.
    pub sas: Vec<Sa>,
}

/// Has scapy decode the captures and compare every field; returns how many packets agreed.
///
/// # Errors
/// When scapy disagrees; its account is in the error.
pub fn agree(site: &Site, job: &Job) -> Result<u32> {
    let sas: Vec<String> = job
        .sas
        .iter()
        .map(|sa| {
            format!(
                "{{\"spi\": {}, \"algorithm\": \"{}\", \"key\": \"{}\", \"src\": \"{}\", \"dst\": \"{}\", \
                 \"esn\": {}, \"ours\": {}}}",
                sa.spi, sa.algorithm, sa.key, sa.ends.0, sa.ends.1, sa.esn, sa.ours
            )
        })
        .collect();
    let text = format!(
        "{{\"wire\": \"{}\", \"inside\": \"{}\", \"encap\": {}, \"least\": {}, \"sas\": [{}]}}",
        job.wire.display(),
        job.inside.display(),
        job.encap,
        job.least,
        sas.join(", ")
    );
    let file = site.write("job.json", &text)?;
    let said = script(&paths::root().join("tests/scapy/decode.py"), &[&file.display().to_string()])?;
    let count = said.trim().rsplit("agreed ").next().and_then(|count| count.parse().ok());
    count.ok_or(Error::Observed { expected: "scapy to agree".into(), found: said })
}

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

/// The SPIs of the last child in charon's log, as an initiator's: (towards the peer itself, towards the gateway).
///
/// # Errors
/// When the log has none.
pub fn child_spis(log: &str) -> Result<(u32, u32)> {
    let missing = || Error::Observed { expected: "SPIs in charon's log".into(), found: "none".into() };
    // `CHILD_SA net{1} established with SPIs c1d2e3f4_i 01020304_o and TS …`
    let (_, after) = log.rsplit_once("established with SPIs ").ok_or_else(missing)?;
    let mut words = after.split_whitespace();
    let mut spi = |suffix: &str| {
        let word = words.next().and_then(|word| word.strip_suffix(suffix)).ok_or_else(missing)?;
        u32::from_str_radix(word, 16).map_err(|_| missing())
    };
    Ok((spi("_i")?, spi("_o")?))
}
