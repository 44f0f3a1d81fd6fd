//! What the ConnectX driver costs per packet, on a device that costs nothing, and the gateway with many SAs on a card:
//! started by `cargo xtask bench driver` and `cargo xtask bench scale`.
//!
//! ```text
//! mlx5-driver-bench time PASSES BURSTS [PART]   a line per case: its name, tab, cycles per packet of each pass
//! mlx5-driver-bench count BURSTS [PART]         the same work under Valgrind, which counts instructions of `measured`
//! mlx5-driver-bench rates                       SAs a second that come to a card, and that leave it
//! ```
//!
//! PART is a part of the names of the cases that are wanted.
//!
//! Packets lie in the cache: what a device's writes cost the driver by invalidating lines is a matter of the machine.

#![forbid(unsafe_code)]

mod card;
mod case;
mod clock;
mod machine;
mod measured;
mod memory;
mod port;
mod protected;
mod rates;
mod through;
mod told;

use case::{Bench, Case, Measure, Unmeasured};
use clock::Cycles;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).and_then(|word| word.parse::<usize>().ok()).filter(|n| *n > 0);
    let part = |at: usize| arguments.get(at).map_or("", String::as_str);
    match (part(0), number(1), number(2)) {
        ("time", Some(passes), Some(bursts)) => time(passes, bursts, part(3)),
        ("count", Some(bursts), _) => count(bursts, part(2)),
        ("rates", ..) => {
            let rates = rates::measure(case::SAS.into_iter().max().unwrap_or_default());
            println!("installed\t{:.0}\nretired\t{:.0}", rates.installed, rates.retired);
        }
        _ => {
            eprintln!("mlx5-driver-bench time PASSES BURSTS [PART] | count BURSTS [PART] | rates");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// Prints the cycles per packet of every case: of each pass, the mean of the middle half of its bursts.
fn time(passes: usize, bursts: usize, part: &str) {
    let mut clock = Cycles::new();
    let mut rates = Vec::new();
    for case in case::all(part) {
        let mut bench = Bench::new(case);
        bench.warm_up(warm_up(bursts));
        let passes: Vec<f64> = (0..passes)
            .map(|_| {
                clock.adjust();
                rates.push(clock.ticks_per_cycle());
                pass(&mut bench, case, &clock, bursts)
            })
            .collect();
        let words: Vec<String> = passes.iter().map(|cycles| format!("{cycles:.2}")).collect();
        println!("{case}\t{}", words.join(" "));
    }
    let words: Vec<String> = rates.iter().map(|rate| format!("{:.4}", 1.0 / rate)).collect();
    println!("core cycles per tick\t{}", words.join(" "));
}

/// How many packets come before what is measured: enough for every place of every ring and slab, or few before a few.
fn warm_up(bursts: usize) -> usize {
    4096.min(64 * bursts)
}

/// Takes the time.
struct Timed<'a> {
    clock: &'a Cycles,
    ticks: &'a mut u64,
}

impl Measure for Timed<'_> {
    #[inline(always)]
    fn of(&mut self, act: impl FnOnce()) {
        *self.ticks += self.clock.of(act);
    }
}

fn pass(bench: &mut Bench, case: Case, clock: &Cycles, bursts: usize) -> f64 {
    let mut ticks = vec![0; bursts];
    for place in &mut ticks {
        bench.burst(&mut Timed { clock, ticks: place });
    }
    // The counter goes on in steps of many ticks, which a median would show; interruptions are in the upper half.
    ticks.sort_unstable();
    let middle = &ticks[bursts / 4..bursts - bursts / 4];
    let mean = middle.iter().sum::<u64>() as f64 / middle.len() as f64;
    clock.cycles(mean) / case.burst as f64
}

/// Works through every case, for Valgrind to count: `end_of_case` tells it that one is done.
fn count(bursts: usize, part: &str) {
    for case in case::all(part).into_iter().filter(|case| case.sas <= case::COUNTED_SAS) {
        let mut bench = Bench::new(case);
        bench.warm_up(warm_up(bursts));
        measured::end_of_case();
        (0..bursts).for_each(|_| bench.burst(&mut Unmeasured));
        measured::end_of_case();
        println!("{case}\t{}", bursts * case.burst);
    }
}
