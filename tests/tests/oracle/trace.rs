//! The commands of Linux's bring-up on the model, in Linux's own hexdump form: the kept trace is what happens now.
//!
//! `RAVELIN_RECORD=1 cargo xtask test oracle` writes the trace anew, after a change of the model or of a profile.

use mlx5_model::record;
use mlx5_model::trace::Exchange;
use ravelin_tests::error::{Error, Result, demand};
use ravelin_tests::oracle::pair::{INTERFACE, Pair};
use ravelin_tests::paths;
use ravelin_tests::process::run;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Opcode, `op_mod` and status of a command.
type Kind = (u16, u16, u8);

/// Where the trace of this pair's kernel is kept.
fn kept(pair: &Pair) -> PathBuf {
    paths::root().join(format!("tests/data/linux-{}-bring-up.trace.gz", pair.kind.kernel.series()))
}

/// From `insmod` to a link with an address, and what of it is asked for in what order. Timers of the driver ask for
/// counters in between whenever they fire, so what is compared is when each kind of command comes for the first time,
/// and with which status.
pub(crate) fn the_bring_up_is_as_recorded(pair: &Pair) -> Result<()> {
    pair.guests[0].sh("rmmod mlx5_core")?;
    pair.model.tell("clear 0")?;
    pair.model.tell("trace 0 on")?;
    pair.guests[0]
        .sh(&format!("load mlx5_core; until [ -e /sys/class/net/{INTERFACE} ]; do sleep 0.1; done"))?;
    pair.guests[0].sh(&format!("ip link set {INTERFACE} up"))?;
    pair.wait_for(&pair.guests[0], &format!("[ $(cat /sys/class/net/{INTERFACE}/carrier) = 1 ]"))?;
    let file = pair.site.path("bring-up.trace");
    let said = pair.model.ask(&format!("trace 0 {}", file.display()))?;
    demand(said.ends_with(" commands"), "the number of commands", said)?;
    pair.model.tell("trace 0 off")?;
    if std::env::var_os("RAVELIN_RECORD").is_some() {
        run(Command::new("gzip").args(["-9", "-n", "-k"]).arg(&file))?;
        let packed = file.with_extension("trace.gz");
        std::fs::copy(&packed, kept(pair)).map_err(Error::io("keeping the trace"))?;
    }
    let now = first_of_each(&std::fs::read_to_string(&file).map_err(Error::io("reading the trace"))?)?;
    let before = first_of_each(&unpacked(&kept(pair))?)?;
    demand(before.len() > 40, "a bring-up in the kept trace", before.len())?;
    let (gone, new): (Vec<_>, Vec<_>) = (
        before.iter().filter(|kind| !now.contains(kind)).collect(),
        now.iter().filter(|kind| !before.contains(kind)).collect(),
    );
    demand(
        gone.is_empty() && new.is_empty(),
        "the kinds of commands that are kept",
        format!("gone {gone:x?}, new {new:x?}"),
    )?;
    demand(now == before, "them in the kept order", format!("{now:x?}, kept {before:x?}"))
}

fn unpacked(path: &Path) -> Result<String> {
    run(Command::new("gzip").arg("-dc").arg(path))
}

fn first_of_each(text: &str) -> Result<Vec<Kind>> {
    let exchanges = record::read(text)
        .map_err(|found| Error::Observed { expected: "a trace".into(), found: found.to_string() })?;
    let mut seen = BTreeSet::new();
    Ok(exchanges.iter().map(kind).filter(|kind| seen.insert(*kind)).collect())
}

/// The fields of a command in its queue entry (`cmd_layout`): input from 0x10 on, output from 0x20 on.
fn kind(exchange: &Exchange) -> Kind {
    let op_mod = u16::from_be_bytes([exchange.entry[0x16], exchange.entry[0x17]]);
    (exchange.opcode, op_mod, exchange.answer[0x20])
}
