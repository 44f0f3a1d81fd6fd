//! What ESP by the card costs the gateway, beside the same traffic in the clear and with ESP in software: two images on
//! modelled cards (`ravelin_tests::tunnel`), the first of which is measured.
//!
//! - Instructions per packet and per byte: QEMU counts the first image's while it is awake. Datagrams come in bursts of 32, so
//!   that each kind of protection sees the same bursts. The model's work is not in them, as a card's would not be.
//! - Throughput of one TCP stream, without counting. There the model's ESP runs on the host's processor and software's under
//!   emulation: the ratio says that the work has left the gateway, and not how fast a card is.

use super::Options;
use super::error::Result;
use super::report::{Goal, Row, Spread};
use core::time::Duration;
use ravelin_tests::datagrams;
use ravelin_tests::error::{Error as Fault, demand};
use ravelin_tests::traffic::{self, End};
use ravelin_tests::tunnel::{Protection, Setup, Tunnel, host};
use std::collections::BTreeMap;

/// Kinds of protection, the one that others are held against first.
const KINDS: [(Protection, &str); 3] =
    [(Protection::None, "in clear"), (Protection::Card, "by card"), (Protection::Software, "in software")];
/// Whose names rows carry: which way packets pass the image that is measured.
const WAYS: [&str; 2] = ["out", "in"];
/// Payloads of datagrams in bytes; with 28 more, IP packets of 64, 576 and 1500.
const PAYLOADS: [usize; 3] = [36, 548, 1472];
/// Datagrams of a sample, and between their bursts.
const DATAGRAMS: u64 = 4_000;
const PAUSE: Duration = Duration::from_millis(8);
/// Bytes of a stream, counted and not.
const COUNTED_STREAM: u64 = 4_000_000;
const STREAM: u64 = 60_000_000;
/// The longest that a stream may take.
const PATIENCE: Duration = Duration::from_secs(180);
/// What the card's part may cost beyond forwarding in the clear.
const GOAL: f64 = 1.1;
/// Share of datagrams that may be lost without spoiling a sample.
const BEARABLE: f64 = 0.01;

/// Samples by name and kind of protection.
type Samples = BTreeMap<(String, Protection), Vec<f64>>;

/// Runs the bench.
///
/// # Errors
/// When the images do not come up or a transfer fails.
pub(crate) fn run(options: &mut Options) -> Result<Vec<Row>> {
    let mut samples = Samples::new();
    for number in 1..=options.runs(3) {
        for (protection, kind) in KINDS {
            options.settle();
            options.note(&format!("offload {number}: {kind}, counted"));
            count(protection, options.quick, &mut samples)?;
        }
        for (protection, kind) in KINDS {
            options.settle();
            options.note(&format!("offload {number}: {kind}, one stream"));
            stream(protection, options.quick, &mut samples)?;
        }
    }
    Ok(rows(&samples))
}

/// Instructions that image 0 has spent awake.
fn awake(tunnel: &mut Tunnel) -> Result<f64> {
    let status = tunnel.status(0)?.text;
    let found = status.split("awake=").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    let missing = || Fault::Observed { expected: "awake= in the status".into(), found: status.clone() };
    Ok(found.ok_or_else(missing)?)
}

/// Source and destination of what passes image 0 this way.
fn ends(way: usize) -> [usize; 2] {
    [way, 1 - way]
}

fn count(protection: Protection, quick: bool, samples: &mut Samples) -> Result<()> {
    let mut tunnel = Tunnel::start("bench-offload", &Setup { counted: true, ..Setup::new(protection) })?;
    let datagrams = if quick { DATAGRAMS / 10 } else { DATAGRAMS };
    for (way, name) in WAYS.iter().enumerate() {
        let [from, to] = ends(way);
        for payload in PAYLOADS {
            // The first ones find neighbours.
            burst(&tunnel, (from, to), payload, 64)?;
            let before = awake(&mut tunnel)?;
            let came = burst(&tunnel, (from, to), payload, datagrams)?;
            let spent = awake(&mut tunnel)? - before;
            demand(
                came as f64 >= datagrams as f64 * (1.0 - BEARABLE),
                format!("{datagrams} datagrams of {payload} bytes {name}"),
                came,
            )?;
            samples.entry((datagram_name(payload, name), protection)).or_default().push(spent / came as f64);
        }
        let octets = if quick { COUNTED_STREAM / 10 } else { COUNTED_STREAM };
        let before = awake(&mut tunnel)?;
        transfer(&tunnel, (from, to), octets)?;
        let spent = awake(&mut tunnel)? - before;
        samples.entry((bytes_name(name), protection)).or_default().push(spent / octets as f64);
    }
    tunnel.judge()?;
    Ok(())
}

fn burst(tunnel: &Tunnel, (from, to): (usize, usize), payload: usize, count: u64) -> Result<u64> {
    let (source, target) = (host(from), host(to));
    Ok(datagrams::transfer(
        (&tunnel.hosts[from], &source),
        (&tunnel.hosts[to], &target),
        payload,
        count,
        PAUSE,
    )?)
}

fn transfer(tunnel: &Tunnel, (from, to): (usize, usize), octets: u64) -> Result<f64> {
    let (source, target) = (host(from), host(to));
    let end = |side: usize, address| End { namespace: &tunnel.hosts[side], address };
    let report = traffic::transfer(end(from, &source), end(to, &target), octets, PATIENCE)?;
    Ok(report.megabits_per_second())
}

fn stream(protection: Protection, quick: bool, samples: &mut Samples) -> Result<()> {
    let tunnel = Tunnel::start("bench-offload", &Setup::new(protection))?;
    let octets = if quick { STREAM / 10 } else { STREAM };
    for (way, name) in WAYS.iter().enumerate() {
        let [from, to] = ends(way);
        let rate = transfer(&tunnel, (from, to), octets)?;
        samples.entry((stream_name(name), protection)).or_default().push(rate);
    }
    tunnel.judge()?;
    Ok(())
}

fn datagram_name(payload: usize, way: &str) -> String {
    format!("{} B {way}", payload + 28)
}

fn bytes_name(way: &str) -> String {
    format!("TCP {way}, per byte")
}

fn stream_name(way: &str) -> String {
    format!("TCP {way}")
}

/// The median of the ratios within each run.
fn ratio(samples: &[f64], others: &[f64]) -> Option<f64> {
    let ratios: Vec<f64> = samples.iter().zip(others).map(|(one, other)| one / other).collect();
    Spread::of(&ratios).map(|spread| spread.median)
}

/// Costs with their ratio to plain forwarding, then throughput with its ratio to software's.
fn rows(samples: &Samples) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |name: String, unit: &str, peer: (Protection, &str), goal: Option<Goal>| {
        for (protection, kind) in KINDS {
            let Some(own) = samples.get(&(name.clone(), protection)) else { continue };
            let Some(mut row) = Row::sampled(&format!("{name}, {kind}"), own, unit) else { continue };
            let others = samples.get(&(name.clone(), peer.0)).map(Vec::as_slice).unwrap_or_default();
            if protection != peer.0
                && let Some(ratio) = ratio(own, others)
            {
                row = row.against(ratio, &format!("{name}, {}", peer.1));
            }
            if protection == Protection::Card
                && let Some(goal) = goal
            {
                row = row.goal(goal);
            }
            rows.push(row);
        }
    };
    let plain = KINDS[0];
    for way in WAYS {
        for payload in PAYLOADS {
            let goal = Some(Goal::ratio_at_most(GOAL));
            add(datagram_name(payload, way), "instructions/packet", plain, goal);
        }
        add(bytes_name(way), "instructions/byte", plain, Some(Goal::ratio_at_most(GOAL)));
    }
    for way in WAYS {
        add(stream_name(way), "Mbit/s", KINDS[2], Some(Goal::ratio_at_least(1.0)));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_held_against_plain_forwarding_and_rates_against_software() {
        let mut samples = Samples::new();
        for (name, values) in
            [(datagram_name(36, "out"), [2000.0, 2100.0, 9000.0]), (stream_name("in"), [300.0, 270.0, 90.0])]
        {
            for ((protection, _), value) in KINDS.into_iter().zip(values) {
                samples.insert((name.clone(), protection), vec![value, value * 1.2]);
            }
        }
        let rows = rows(&samples);
        let ratio = |name: &str| rows.iter().find(|row| row.name == name).and_then(|row| row.ratio);
        assert_eq!(ratio("64 B out, in clear"), None);
        assert_eq!(ratio("64 B out, by card"), Some(1.05));
        assert_eq!(ratio("64 B out, in software"), Some(4.5));
        assert_eq!(ratio("TCP in, by card"), Some(3.0));
        assert_eq!(rows.iter().filter(|row| row.goal.is_some()).count(), 2);
    }
}
