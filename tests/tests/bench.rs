//! `cargo xtask bench` as a script meets it: a smoke run leaves well-formed documents with the rows that are promised,
//! and `bench check` holds documents against their goals by its exit code. The figures themselves prove nothing here:
//! the machine is whatever it is.

#![forbid(unsafe_code)]

use core::time::Duration;
use ravelin_tests::error::{Error, Result, demand};
use ravelin_tests::paths;
use ravelin_tests::prerequisites::{self, Need};
use ravelin_tests::process::{Process, run};
use ravelin_tests::site::Site;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

const NEEDS: &[Need] = &[Need::Root, Need::Network, Need::Qemu, Need::StrongSwan, Need::Appliance];

/// Benches, and what a smoke run's rows begin with.
const ROWS: &[(&str, &[&str])] = &[
    ("boot", &["QEMU start to IKE ready, microvm", "QEMU start to first protected ping, q35"]),
    ("footprint", &["image", "least guest memory", "QEMU resident", "idle"]),
    ("forward", &["TCP in", "TCP out", "UDP 64 B in", "UDP 64 B out", "UDP 1372 B in", "UDP 1372 B out"]),
];

/// What a smoke run of `driver` leaves, whose rows have the names of its cases.
const DRIVER_ROWS: &[&str] = &[
    "RX 64 B, burst 1",
    "RX 1500 B, burst 32",
    "RX 32-KiB LRO, burst 8",
    "TX 64 B, burst 32",
    "TX 64-KB TSO, burst 32",
    "forward 64 B, burst 32",
    "gateway 64 B, burst 32",
    "RX 64 B, burst 32, compressed CQEs: instructions",
    "gateway 1500 B, burst 32: instructions",
    "published: ",
];

/// What the bench of many SAs promises.
const SCALE_ROWS: &[&str] = &[
    "protect 64 B, burst 32, 2 SAs",
    "open 64 B, burst 32, 100 SAs",
    "protect 64 B, burst 32, 50 SAs: instructions",
    "installed",
    "retired",
];
/// What a smoke run of `offload` leaves.
const OFFLOAD_ROWS: &[&str] = &[
    "64 B out, in clear",
    "64 B out, by card",
    "1500 B in, in software",
    "TCP in, per byte, by card",
    "TCP out, in clear",
    "TCP in, by card",
];

/// The longest that building and running it takes on a machine with other work.
const DRIVER_PATIENCE: Duration = Duration::from_secs(600);

/// The longest that a smoke run of all benches takes on a machine with other work.
const PATIENCE: Duration = Duration::from_secs(180);

#[test]
fn a_smoke_run_leaves_well_formed_documents() -> Result<()> {
    prerequisites::check(NEEDS)?;
    let site = Site::new("bench-suite")?;
    let target = site.path("target");
    let mut command = Command::new(paths::xtask());
    command
        .args(["bench", "boot", "footprint", "forward", "--quick"])
        .env("CARGO_TARGET_DIR", &target)
        .env("RAVELIN_IMAGE", paths::image());
    let mut bench = Process::spawn(&site, "bench", command)?;
    let status = bench.wait(PATIENCE)?;
    demand(status.success(), "the smoke run to succeed", bench.transcript().tail())?;
    ROWS.iter().try_for_each(|(name, promised)| check_document(&target, name, promised))
}

/// The driver's bench is built as tests are, so it shares their target directory.
#[test]
fn the_driver_s_bench_moves_every_packet_and_counts_instructions() -> Result<()> {
    prerequisites::check(&[Need::Valgrind])?;
    let site = Site::new("bench-driver")?;
    let mut command = Command::new(paths::xtask());
    command.args(["bench", "driver", "--quick"]);
    let mut bench = Process::spawn(&site, "bench", command)?;
    let status = bench.wait(DRIVER_PATIENCE)?;
    demand(status.success(), "the smoke run to succeed", bench.transcript().tail())?;
    check_document(&paths::target(), "driver", DRIVER_ROWS)
}

/// The same program with SAs.
#[test]
fn the_bench_of_many_sas_compares_instructions() -> Result<()> {
    prerequisites::check(&[Need::Valgrind])?;
    let site = Site::new("bench-scale")?;
    let mut command = Command::new(paths::xtask());
    command.args(["bench", "scale", "--quick"]);
    let mut bench = Process::spawn(&site, "bench", command)?;
    let status = bench.wait(DRIVER_PATIENCE)?;
    demand(status.success(), "the smoke run to succeed", bench.transcript().tail())?;
    check_document(&paths::target(), "scale", SCALE_ROWS)
}

#[test]
fn the_bench_of_the_card_counts_instructions_and_carries_a_stream() -> Result<()> {
    prerequisites::check(&[Need::Root, Need::Network, Need::Qemu, Need::Oracle])?;
    let site = Site::new("bench-offload-suite")?;
    let mut command = Command::new(paths::xtask());
    command.args(["bench", "offload", "--quick"]).env("RAVELIN_IMAGE", paths::image());
    let mut bench = Process::spawn(&site, "bench", command)?;
    let status = bench.wait(PATIENCE)?;
    demand(status.success(), "the smoke run to succeed", bench.transcript().tail())?;
    check_document(&paths::target(), "offload", OFFLOAD_ROWS)
}

/// Demands that a smoke run has left a document with the rows that are promised.
fn check_document(target: &Path, name: &str, promised: &[&str]) -> Result<()> {
    let path = target.join("bench/quick").join(format!("{name}.json"));
    let text = fs::read_to_string(&path).map_err(Error::io(format!("reading {}", path.display())))?;
    let document: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    demand(document["bench"] == name && document["quick"] == true, "its bench and mode", &text)?;
    let rows = document["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    for row in rows {
        check_row(row)?;
    }
    for promise in promised {
        let row = rows.iter().find(|row| row["name"].as_str().is_some_and(|name| name.starts_with(promise)));
        let value = row.and_then(|row| row["value"].as_f64());
        // Idling may take less than the clock of /proc shows; everything else takes or carries something.
        let carried = value.is_some_and(|value| value > 0.0 || *promise == "idle");
        demand(carried, format!("a row `{promise}` with a figure"), &text)?;
    }
    Ok(())
}

/// Demands the form that the issue promises to scripts: name, value, unit, spread, goal, ratio, peer.
fn check_row(row: &Value) -> Result<()> {
    let keys: Vec<&str> =
        row.as_object().map(|row| row.keys().map(String::as_str).collect()).unwrap_or_default();
    for key in ["name", "value", "unit", "spread", "goal", "ratio", "peer"] {
        demand(keys.contains(&key), format!("the key `{key}`"), row)?;
    }
    let named = row["name"].is_string() && row["unit"].is_string() && row["value"].is_number();
    demand(named, "a name, a unit and a number", row)?;
    if !row["spread"].is_null() {
        let spread = ["n", "min", "median", "max"].iter().all(|key| row["spread"][key].is_number());
        demand(spread, "n, min, median and max", row)?;
    }
    if !row["goal"].is_null() {
        let of = ["value", "ratio"].iter().any(|of| row["goal"]["of"] == *of);
        let at = ["most", "least"].iter().any(|at| row["goal"]["at"] == *at);
        demand(of && at && row["goal"]["bound"].is_number(), "of, at and bound", row)?;
    }
    demand(row["ratio"].is_null() == row["peer"].is_null(), "a peer for a ratio", row)
}

#[test]
fn check_answers_by_exit_code() -> Result<()> {
    let site = Site::new("bench-check")?;
    let check = |row: Option<Value>| -> Result<bool> {
        let target = site.path("target");
        let path = target.join("bench/boot.json");
        let _ = fs::remove_file(&path);
        if let Some(row) = row {
            let host = json!({ "platform": "none", "processors": 1, "busy_percent": 0.0 });
            let document = json!({ "bench": "boot", "quick": false, "host": host, "rows": [row] });
            site.write("target/bench/boot.json", &document.to_string())?;
        }
        let mut command = Command::new(paths::xtask());
        match run(command.args(["bench", "check", "boot"]).env("CARGO_TARGET_DIR", &target)) {
            Ok(_) => Ok(true),
            Err(Error::Command { .. }) => Ok(false),
            Err(other) => Err(other),
        }
    };
    let row = |ratio: Value| {
        json!({ "name": "ready", "value": 0.2, "unit": "s", "spread": null, "ratio": ratio, "peer": null,
                "goal": { "of": "ratio", "at": "most", "bound": 0.05 } })
    };
    demand(check(Some(row(json!(0.05))))?, "a kept goal to end with 0", "1")?;
    demand(!check(Some(row(json!(0.051))))?, "a missed goal to end with 1", "0")?;
    demand(!check(Some(row(Value::Null)))?, "a goal without its figure to end with 1", "0")?;
    demand(!check(None)?, "a missing document to end with 1", "0")
}
