//! What the ConnectX driver costs per packet: cycles and instructions of receiving, sending and forwarding, on a device
//! that costs nothing (`tests/bench`).
//!
//! Cycles are taken in rounds, each a process of its own with memory of its own: a sample is the median of its passes, a
//! row the median of the samples. Instructions are counted by Valgrind, which gives the same count every time. Ratios are
//! medians of ratios within a round, so that a slow minute of the machine hits both of their sides.
//!
//! Left out: what a real device adds, lines that its writes take from the cache and registers behind PCI Express.

use super::Options;
use super::error::{Error, Result};
use super::report::{Goal, Row, Spread};
use ravelin_tests::paths;
use ravelin_tests::process::run;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGE: &str = "mlx5-driver-bench";
const CYCLES: &str = "cycles/packet";
pub(super) const INSTRUCTIONS: &str = "instructions/packet";
/// The line with the core's rate, which is no case.
const RATE: &str = "core cycles per tick";
/// Cycles that receiving or sending a packet of at most one MTU may take in bursts of 32.
const GOAL: f64 = 60.0;
/// Rounds, passes of a round and bursts of a pass; bursts that are counted.
const ROUNDS: usize = 15;
const PASSES: usize = 5;
const BURSTS: usize = 500;
const COUNTED: usize = 640;
/// The same of a smoke test.
const FEW: usize = 2;

/// Figures of others, in cycles per packet. Their devices are real, so these are no peers in one run.
///
/// - DPDK, test plan "Unit Tests: PMD Performance" (<https://doc.dpdk.org/dts-20.02/test_plans/unit_tests_pmd_perf_test_plan.html>):
///   ixgbe in loopback, bursts of 32, cycles of I/O per packet.
/// - Snabb, issue 1006 (<https://github.com/snabbco/snabb/issues/1006>): 62 Mpps of 64 B by one core on a ConnectX-4 from a
///   send routine that repeats the same packets; at 2.0 GHz as at 3.5 GHz (issue 1007), so at most 32 cycles.
/// - `shared/facts/speed.md`, section 4: DPDK 22.11's ipsec-secgw without ESP over net_pcap on this kind of machine: 121
///   ticks of 2.3 GHz, 158 cycles of the core, for receiving with a copy, classifying, routing and sending.
const PUBLISHED: &[(&str, f64)] = &[
    ("published: DPDK ixgbe RX, vector", 34.0),
    ("published: DPDK ixgbe RX, scalar", 51.0),
    ("published: DPDK ixgbe TX, vector", 23.0),
    ("published: DPDK ixgbe TX, scalar", 38.0),
    ("published: DPDK ixgbe RX and TX, vector", 58.0),
    ("published: DPDK ixgbe RX and TX, scalar", 89.0),
    ("published: Snabb ConnectX-4 TX 64 B, at most", 32.0),
    ("published: DPDK ipsec-secgw 64 B without ESP, net_pcap", 158.0),
];

/// Samples by case, in the order of the cases.
#[derive(Default)]
pub(super) struct Cases {
    names: Vec<String>,
    samples: BTreeMap<String, Vec<f64>>,
}

/// Runs the bench.
///
/// # Errors
/// When it does not build, or a run of it fails.
pub(crate) fn run_all(options: &mut Options) -> Result<Vec<Row>> {
    let program = build(options.quick)?;
    let (passes, bursts, counted) = if options.quick { (FEW, FEW, FEW) } else { (PASSES, BURSTS, COUNTED) };
    let rounds = options.runs(ROUNDS);
    let mut cases = Cases::default();
    for round in 1..=rounds {
        options.settle();
        let words = ["time", &passes.to_string(), &bursts.to_string()].map(str::to_owned);
        cases.add(&run(Command::new(&program).args(words))?)?;
        options.note(&format!("driver: round {round} of {rounds}"));
    }
    let instructions = count(&program, counted, "")?;
    options.note("driver: instructions counted");
    Ok(rows(&cases, &instructions))
}

/// Builds the program that measures. A smoke test takes the profile that tests are built with.
pub(super) fn build(quick: bool) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let (profile, dir) = if quick { ("dev", "debug") } else { ("release", "release") };
    let arguments = ["build", "--quiet", "-p", PACKAGE, "--profile", profile];
    run(Command::new(cargo).args(arguments).current_dir(paths::root()))?;
    Ok(paths::target().join(dir).join(PACKAGE))
}

impl Cases {
    /// Takes note of a round.
    pub(super) fn add(&mut self, output: &str) -> Result<()> {
        for line in output.lines() {
            let (name, words) = line.split_once('\t').ok_or_else(|| no_figure("a case", output))?;
            let passes: Vec<f64> = words.split(' ').filter_map(|word| word.parse().ok()).collect();
            let spread = Spread::of(&passes).ok_or_else(|| no_figure("cycles", line))?;
            if name != RATE && !self.samples.contains_key(name) {
                self.names.push(name.to_owned());
            }
            self.samples.entry(name.to_owned()).or_default().push(spread.median);
        }
        Ok(())
    }

    /// The samples of a case.
    pub(super) fn samples(&self, name: &str) -> &[f64] {
        self.samples.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// The samples of the case, divided by those of `others` added up, round by round.
    pub(super) fn ratio(&self, name: &str, others: &[String]) -> Option<f64> {
        let mut ratios = self.samples.get(name)?.clone();
        for (round, ratio) in ratios.iter_mut().enumerate() {
            let parts: Option<Vec<f64>> =
                others.iter().map(|other| self.samples.get(other)?.get(round).copied()).collect();
            let sum: f64 = parts?.iter().sum();
            if sum <= 0.0 {
                return None;
            }
            *ratio /= sum;
        }
        Spread::of(&ratios).map(|spread| spread.median)
    }
}

/// What a case is compared with: forwarding with receiving and sending, a kind of queue with the usual one, a smaller burst
/// with the largest.
fn peers(name: &str) -> Option<Vec<String>> {
    let (work, rest) = name.split_once(' ')?;
    let (size, rest) = rest.split_once(", burst ")?;
    let (burst, queue) = rest.split_once(", ").unwrap_or((rest, ""));
    let of = |work: &str, burst: &str| format!("{work} {size}, burst {burst}");
    match (work, queue) {
        // What is received merged and sent cut is the sum of no two cases.
        ("forward", "") if !size.contains("LRO") => Some(vec![of("RX", burst), of("TX", burst)]),
        (_, "") if burst != "32" => Some(vec![of(work, "32")]),
        (_, "") => None,
        _ => Some(vec![of(work, burst)]),
    }
}

/// Has Valgrind count the instructions of every case with `part` in its name, per packet.
pub(super) fn count(program: &Path, bursts: usize, part: &str) -> Result<BTreeMap<String, f64>> {
    let dir = paths::target().join("bench/callgrind");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).map_err(Error::io("creating", &dir))?;
    let out = dir.join("out");
    let output = run(Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--dump-after=*measured::end_of_case*"])
        .args(
            ["receive", "send", "forward", "gateway"]
                .map(|name| format!("--toggle-collect=*measured::{name}*")),
        )
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(["count", &bursts.to_string(), part]))?;
    let mut counts = BTreeMap::new();
    let cases = output.lines().filter_map(|line| line.split_once('\t'));
    for (index, (name, packets)) in cases.enumerate() {
        // Of each case there are two dumps, of warming up and of what is counted.
        let path = dir.join(format!("out.{}", 2 * index + 2));
        let text = fs::read_to_string(&path).map_err(Error::io("reading", &path))?;
        let total = text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse::<f64>().ok());
        let (Some(total), Ok(packets)) = (total, packets.parse::<f64>()) else {
            return Err(no_figure("instructions", name));
        };
        counts.insert(name.to_owned(), total / packets);
    }
    let _ = fs::remove_dir_all(&dir);
    Ok(counts)
}

fn no_figure(figure: &'static str, said: &str) -> Error {
    Error::NoFigure { tool: PACKAGE, figure, said: said.to_owned() }
}

/// Cycles of all cases, then instructions, then figures of others.
pub(super) fn rows(cases: &Cases, instructions: &BTreeMap<String, f64>) -> Vec<Row> {
    let mut rows = Vec::new();
    for name in &cases.names {
        let samples = cases.samples(name);
        let Some(mut row) = Row::sampled(name, samples, CYCLES) else { continue };
        if let Some(peers) = peers(name)
            && let Some(ratio) = cases.ratio(name, &peers)
        {
            row = row.against(ratio, &peers.join(" + "));
        }
        rows.push(if is_bound(name) { row.goal(Goal::at_most(GOAL)) } else { row });
    }
    for name in &cases.names {
        rows.extend(
            instructions
                .get(name)
                .map(|count| Row::single(&format!("{name}: instructions"), *count, INSTRUCTIONS)),
        );
    }
    rows.extend(PUBLISHED.iter().map(|(name, cycles)| Row::single(name, *cycles, CYCLES)));
    rows
}

/// Whether a case is one of those with a goal: receiving and sending packets of at most one MTU in full bursts.
fn is_bound(name: &str) -> bool {
    let parts = name.split_once(' ').and_then(|(work, rest)| Some((work, rest.split_once(", burst ")?)));
    matches!(parts, Some(("RX" | "TX", ("64 B" | "1500 B", "32"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(lines: &[&str]) -> Cases {
        let mut cases = Cases::default();
        lines.iter().for_each(|round| cases.add(round).expect("well-formed"));
        cases
    }

    #[test]
    fn a_row_is_the_median_of_rounds() {
        let cases =
            rounds(&["RX 64 B, burst 32\t50 90 51", "RX 64 B, burst 32\t40 40 41", "RX 64 B, burst 32\t70"]);
        let rows = rows(&cases, &BTreeMap::new());
        let spread = rows[0].spread.expect("samples");
        assert_eq!((spread.n, spread.min, spread.median, spread.max), (3, 40.0, 51.0, 70.0));
        assert_eq!(rows[0].goal, Some(Goal::at_most(60.0)));
        assert_eq!(rows.len(), 1 + PUBLISHED.len());
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let round = |factor: f64| {
            format!(
                "RX 64 B, burst 8\t{}\nRX 64 B, burst 32\t{}\nTX 64 B, burst 8\t{}\nforward 64 B, burst 8\t{}",
                60.0 * factor,
                50.0 * factor,
                40.0 * factor,
                150.0 * factor
            )
        };
        let cases = rounds(&[&round(1.0), &round(2.0)]);
        let rows = rows(&cases, &BTreeMap::from([("RX 64 B, burst 8".to_owned(), 200.0)]));
        assert_eq!((rows[0].ratio, rows[0].peer.as_deref()), (Some(1.2), Some("RX 64 B, burst 32")));
        assert_eq!(rows[1].ratio, None);
        assert_eq!(rows[3].ratio, Some(1.5));
        assert_eq!(rows[3].peer.as_deref(), Some("RX 64 B, burst 8 + TX 64 B, burst 8"));
        assert_eq!((rows[4].value, rows[4].unit.as_str()), (200.0, INSTRUCTIONS));
    }

    #[test]
    fn only_full_bursts_of_single_packets_have_a_goal() {
        let bound = ["RX 64 B, burst 32", "TX 64 B, burst 32", "RX 1500 B, burst 32", "TX 1500 B, burst 32"];
        assert!(bound.iter().all(|name| is_bound(name)));
        let free = [
            "RX 64 B, burst 8",
            "TX 64-KB TSO, burst 32",
            "forward 64 B, burst 32",
            "RX 64 B, burst 32, compressed CQEs",
        ];
        assert!(!free.iter().any(|name| is_bound(name)));
    }

    #[test]
    fn a_round_that_says_nothing_is_an_error() {
        assert!(Cases::default().add("thread panicked").is_err());
        assert!(Cases::default().add("RX 64 B, burst 32\t").is_err());
    }
}
