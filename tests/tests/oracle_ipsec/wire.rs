//! What was on the wire and on the host's side of the crypto, from a moment on; scapy's judgement of it, and single
//! ESP frames to be sent again.

use crate::sa::{Mode, Plan};
use ravelin_tests::decoder;
use ravelin_tests::error::{Error, Result, demand};
use ravelin_tests::oracle::pair::Pair;
use ravelin_tests::paths;
use std::fs;
use std::path::{Path, PathBuf};

/// Octets of a pcap file's header, and of a record's.
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

/// The captures of a card that does the crypto, from a moment on.
pub(crate) struct Wire {
    wire: PathBuf,
    host: PathBuf,
}

impl Wire {
    /// From now on.
    pub(crate) fn from_now(pair: &Pair, plan: &Plan) -> Result<Wire> {
        pair.model.capture()?;
        let [wire, host] = pair.sides(usize::from(!plan.on_card[0]))?;
        Ok(Wire { wire, host })
    }

    /// Has scapy decrypt at least `least` packets of each SA, at most 300, and compare them with the host's side.
    pub(crate) fn demand_esp(&self, pair: &Pair, plan: &Plan, least: u32) -> Result<u32> {
        let sas: Vec<String> = [0, 1].map(|from| self.describe(plan, from)).into();
        let mode = |pairs: Vec<(String, String)>| -> String {
            let pairs: Vec<String> =
                pairs.iter().map(|(from, to)| format!("[\"{from}\", \"{to}\"]")).collect();
            pairs.join(", ")
        };
        let protected = mode(vec![(plan.inner(0), plan.inner(1)), (plan.inner(1), plan.inner(0))]);
        let text = format!(
            "{{\"wire\": \"{}\", \"host\": \"{}\", \"least\": {least}, \"most\": 300, \"protected\": [{protected}], \
             \"sas\": [{}]}}",
            self.wire.display(),
            self.host.display(),
            sas.join(", ")
        );
        let job = pair.site.write("esp.json", &text)?;
        let script = paths::root().join("tests/scapy/esp.py");
        let said = decoder::script(&script, &[&job.display().to_string()])?;
        let agreed = said.trim().rsplit(' ').next().and_then(|number| number.parse().ok());
        agreed.ok_or_else(|| Error::Observed { expected: "agreed N".into(), found: said })
    }

    fn describe(&self, plan: &Plan, from: usize) -> String {
        format!(
            "{{\"spi\": {}, \"key\": \"{}\", \"src\": \"{}\", \"dst\": \"{}\", \"mode\": \"{}\", \"first\": {}, \
             \"esn\": {}}}",
            plan.spi(from),
            plan.key(from),
            plan.outer(from),
            plan.outer(1 - from),
            if plan.mode == Mode::Tunnel { "tunnel" } else { "transport" },
            plan.first,
            plan.esn.is_some()
        )
    }

    /// How many frames on the wire have these octets behind the IPv4 header's checksum.
    pub(crate) fn frames_with(&self, octets: &[u8]) -> Result<usize> {
        let all = frames(&self.wire)?;
        Ok(all.iter().filter(|frame| frame.get(26..26 + octets.len()) == Some(octets)).count())
    }

    /// The ESP frames (native, IPv4) with this SPI on the wire.
    pub(crate) fn frames_of(&self, spi: u32) -> Result<Vec<Vec<u8>>> {
        let frames = frames(&self.wire)?;
        let found: Vec<Vec<u8>> = frames
            .into_iter()
            .filter(|frame| frame.get(23) == Some(&50) && frame.get(34..38) == Some(&spi.to_be_bytes()))
            .collect();
        demand(!found.is_empty(), format!("ESP frames with the SPI {spi:#x}"), "none")?;
        Ok(found)
    }
}

fn frames(path: &Path) -> Result<Vec<Vec<u8>>> {
    let octets = fs::read(path).map_err(Error::io(format!("reading {}", path.display())))?;
    let mut at = FILE_HEADER;
    let mut frames = Vec::new();
    while let Some(head) = octets.get(at..at + RECORD_HEADER) {
        let length = head.get(8..12).and_then(|field| field.try_into().ok()).map_or(0, u32::from_le_bytes);
        at += RECORD_HEADER;
        let Some(frame) = octets.get(at..at + length as usize) else { break };
        frames.push(frame.to_vec());
        at += length as usize;
    }
    Ok(frames)
}

/// A frame in hex, as the model's control socket takes it.
pub(crate) fn hex(frame: &[u8]) -> String {
    frame.iter().map(|octet| format!("{octet:02x}")).collect()
}
