//! What many SAs on a card cost: cycles and instructions of the whole gateway per packet when each comes under another SA
//! than the one before, beside two SAs; and how many SAs a second come to the card and leave it (`tests/bench`).
//!
//! Instructions have the goal; Valgrind counts them for at most ten thousand SAs. Cycles are dearer with many SAs, because nothing of an SA is in the cache when its next packet
//! comes: what is measured is the worst case, in which no SA has two packets in a row.

use super::Options;
use super::driver::{self, Cases, INSTRUCTIONS};
use super::error::Result;
use super::report::{Goal, Row};
use ravelin_tests::process::run;
use std::process::Command;

/// In the name of each case.
const PART: &str = "SAs";
/// What the others are compared with.
const FEWEST: &str = "2 SAs";
/// What a packet may cost more, in instructions.
const GOAL: f64 = 1.1;
/// Rounds, passes of a round and bursts of a pass; bursts that are counted.
const ROUNDS: usize = 3;
const PASSES: usize = 3;
const BURSTS: usize = 500;
const COUNTED: usize = 64;
/// The same of a smoke test.
const FEW: usize = 2;

/// Runs the bench.
///
/// # Errors
/// When it does not build, or a run of it fails.
pub(crate) fn run_all(options: &mut Options) -> Result<Vec<Row>> {
    let program = driver::build(options.quick)?;
    let (passes, bursts, counted) = if options.quick { (FEW, FEW, FEW) } else { (PASSES, BURSTS, COUNTED) };
    let rounds = options.runs(ROUNDS);
    let (mut cases, mut rates) = (Cases::default(), Cases::default());
    for round in 1..=rounds {
        options.settle();
        let words = ["time", &passes.to_string(), &bursts.to_string(), PART].map(str::to_owned);
        cases.add(&run(Command::new(&program).args(words))?)?;
        rates.add(&run(Command::new(&program).arg("rates"))?)?;
        options.note(&format!("scale: round {round} of {rounds}"));
    }
    // Valgrind takes its time for what is built as tests are.
    let part = if options.quick { "protect 64 B, burst 32, 50" } else { PART };
    let instructions = driver::count(&program, counted, part)?;
    let mut rows = driver::rows(&cases, &instructions);
    rows.retain(|row| !row.name.starts_with("published"));
    for row in &mut rows {
        let Some((before, after)) = row.name.split_once(", burst 32, ") else { continue };
        let Some((_, kind)) = after.split_once(PART) else { continue };
        let base = format!("{before}, burst 32, {FEWEST}{kind}");
        if base == row.name {
            continue;
        }
        let ratio = if kind.is_empty() {
            cases.ratio(&row.name, core::slice::from_ref(&base))
        } else {
            let of = |name: &str| instructions.get(name.trim_end_matches(kind));
            of(&row.name).zip(of(&base)).map(|(many, few)| many / few)
        };
        let Some(ratio) = ratio else { continue };
        let bound = row.unit == INSTRUCTIONS;
        *row = row.clone().against(ratio, &base);
        if bound {
            *row = row.clone().goal(Goal::ratio_at_most(GOAL));
        }
    }
    for name in ["installed", "retired"] {
        rows.extend(Row::sampled(&format!("{name} on the model"), rates.samples(name), "SAs/s"));
    }
    Ok(rows)
}
