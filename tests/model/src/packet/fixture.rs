//! What the tests share: hex, the frames of `testdata/packets.txt`.

use super::Headers;
use std::collections::BTreeMap;

pub(crate) fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2) && text.is_ascii(), "not hex: {text}");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The lines of a data file that are not comments, as their `name=value` fields.
pub(crate) fn records(text: &str) -> impl Iterator<Item = BTreeMap<&str, &str>> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split(' ').map(|field| field.split_once('=').unwrap()).collect())
}

/// A frame that scapy has built.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) frame: Vec<u8>,
    /// The sum over the outer IP packet.
    pub(crate) sum: Option<u16>,
}

impl Sample {
    pub(crate) fn headers(&self) -> Headers {
        Headers::parse(&self.frame)
    }
}

pub(crate) fn samples() -> Vec<Sample> {
    records(include_str!("../../testdata/packets.txt"))
        .map(|record| Sample {
            name: record["name"],
            frame: hex(record["frame"]),
            sum: u16::from_str_radix(record["sum"], 16).ok(),
        })
        .collect()
}

pub(crate) fn sample(name: &str) -> Sample {
    samples().into_iter().find(|sample| sample.name == name).unwrap_or_else(|| panic!("no sample {name}"))
}
