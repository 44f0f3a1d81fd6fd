//! `cargo xtask bench`: figures of the image beside a Linux + strongSwan appliance in the same run, each bench as a
//! table and as `target/bench/NAME.json`, and the comparison of those documents with their goals.
//!
//! `boot`, `footprint`, `forward` and `offload` are of the whole, under QEMU; `driver` is of the ConnectX driver alone, in a
//! process, and `scale` of the gateway on it with many SAs.

mod appliance;
mod bed;
mod boot;
mod driver;
mod error;
mod footprint;
mod forward;
mod iperf;
mod offload;
mod quiet;
mod report;
mod scale;

use error::{Error, Result};

use crate::image_file;
use core::time::Duration;
use ravelin_tests::prerequisites::{self, Need};
use ravelin_tests::process::run;
use report::{Host, Report, Row};
use std::process::{Command, ExitCode};

/// How the command is used.
const USAGE: &str = "\
cargo xtask bench [NAME…] [--quick] [--check] [--quiet] [--runs N]
    runs the benches named (all: boot, footprint, forward, driver, offload, scale); needs root, QEMU, strongSwan, iperf3, mmdebstrap,
    but for `driver` and `scale`, which need Valgrind, and `offload`, which needs root, QEMU and the oracle's cache
    --quick    a smoke test: the image alone, one short sample each
    --check    ends with 1 if a goal is missed
    --quiet    waits before each sample until less than 10 % of the processors is busy (at most 2 min)
    --runs N   samples per figure
cargo xtask bench appliance
    builds the Linux + strongSwan appliance ahead and starts it once
cargo xtask bench check [NAME…]
    holds the documents of earlier runs against their goals; ends with 1 if one is missed or not there";

/// The benches.
pub(crate) const NAMES: [&str; 6] = ["boot", "footprint", "forward", DRIVER, OFFLOAD, SCALE];
/// Those that have no image and no peer.
const DRIVER: &str = "driver";
const SCALE: &str = "scale";
/// The one on modelled cards, whose peer is the image itself.
const OFFLOAD: &str = "offload";

/// What the benches under QEMU need, and what `driver` needs.
const NEEDS: &[Need] = &[Need::Root, Need::Network, Need::Qemu, Need::StrongSwan, Need::Appliance];
const DRIVER_NEEDS: &[Need] = &[Need::Valgrind];
const OFFLOAD_NEEDS: &[Need] = &[Need::Root, Need::Network, Need::Qemu, Need::Oracle];

/// Longest wait for a quiet machine before a sample.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the command line asks for, and what was seen of the machine.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Options {
    names: Vec<String>,
    check_only: bool,
    check: bool,
    quick: bool,
    quiet: bool,
    samples: Option<usize>,
    busy_percent: f64,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "check" if options.names.is_empty() && !options.check_only => options.check_only = true,
                "--check" => options.check = true,
                "--quick" => options.quick = true,
                "--quiet" => options.quiet = true,
                "--runs" => {
                    let number =
                        words.next().and_then(|number| number.parse().ok()).filter(|number| *number > 0);
                    options.samples = Some(number.ok_or_else(|| Error::UnknownArgument(word.clone()))?);
                }
                flag if flag.starts_with('-') => return Err(Error::UnknownArgument(flag.to_owned())),
                name if NAMES.contains(&name) => options.names.push(name.to_owned()),
                name => return Err(Error::UnknownBench(name.to_owned())),
            }
        }
        if options.names.is_empty() {
            options.names = NAMES.map(str::to_owned).to_vec();
        }
        Ok(options)
    }

    /// How many samples a figure gets that usually has `usual`.
    fn runs(&self, usual: usize) -> usize {
        match (self.samples, self.quick) {
            (Some(samples), _) => samples,
            (None, true) => 1,
            (None, false) => usual,
        }
    }

    /// Looks at the machine before a sample and, if asked for, waits until it is quiet.
    fn settle(&mut self) {
        let busy = match (self.quick, self.quiet) {
            (true, _) => return,
            (false, true) => quiet::settle(PATIENCE),
            (false, false) => quiet::busy_percent(),
        };
        self.busy_percent = self.busy_percent.max(busy);
    }

    /// A line of progress.
    fn note(&self, line: &str) {
        eprintln!("  {line}");
    }
}

/// The whole command.
pub(crate) fn command(arguments: &[String]) -> ExitCode {
    let outcome = match arguments {
        [word] if word == "appliance" => boot::appliance().map(|()| true),
        _ => main(arguments),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("xtask bench: a goal is missed");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("xtask bench: {error}");
            if matches!(error, Error::UnknownArgument(_) | Error::UnknownBench(_)) {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
            ExitCode::FAILURE
        }
    }
}

/// `Ok(false)` when a goal was to be kept and is not.
fn main(arguments: &[String]) -> Result<bool> {
    let mut options = Options::parse(arguments)?;
    if !options.check_only {
        let of_image = options.names.iter().any(|name| name != DRIVER && name != SCALE);
        let needs = options.names.iter().flat_map(|name| match name.as_str() {
            DRIVER | SCALE => DRIVER_NEEDS,
            OFFLOAD => OFFLOAD_NEEDS,
            _ => NEEDS,
        });
        prerequisites::check(&needs.copied().collect::<Vec<_>>())?;
        if of_image && std::env::var_os("RAVELIN_IMAGE").is_none() {
            image_file::build()?;
        }
    }
    let mut all_met = true;
    for name in options.names.clone() {
        let report = if options.check_only { Report::read(&name)? } else { measure(&name, &mut options)? };
        println!("{}", report.table());
        all_met &= report.all_met();
    }
    Ok(all_met || !(options.check || options.check_only))
}

fn measure(name: &str, options: &mut Options) -> Result<Report> {
    options.busy_percent = 0.0;
    let rows: Vec<Row> = match name {
        "boot" => boot::run(options)?,
        "footprint" => footprint::run(options)?,
        "forward" => forward::run(options)?,
        SCALE => scale::run_all(options)?,
        DRIVER => driver::run_all(options)?,
        OFFLOAD => offload::run(options)?,
        other => return Err(Error::UnknownBench(other.to_owned())),
    };
    let report = Report { bench: name.to_owned(), quick: options.quick, host: host(name, options)?, rows };
    let path = report.write()?;
    options.note(&format!("written: {}", path.display()));
    Ok(report)
}

fn host(name: &str, options: &Options) -> Result<Host> {
    let platform = if name == DRIVER || name == SCALE {
        let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        model.map_or("an unknown processor", |(_, model)| model).to_owned()
    } else {
        let version = run(Command::new("qemu-system-x86_64").arg("--version"))?;
        version.lines().next().unwrap_or_default().to_owned()
    };
    Ok(Host {
        platform,
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        busy_percent: options.busy_percent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn without_a_name_all_run() {
        let options = parse("--quick").expect("known");
        assert_eq!(options.names, NAMES);
        assert!(options.quick && !options.check_only);
        assert_eq!(options.runs(5), 1);
    }

    #[test]
    fn what_is_unknown_is_refused() {
        assert!(matches!(parse("bot"), Err(Error::UnknownBench(name)) if name == "bot"));
        assert!(matches!(parse("boot --fast"), Err(Error::UnknownArgument(flag)) if flag == "--fast"));
        assert!(matches!(parse("--runs"), Err(Error::UnknownArgument(_))));
        assert!(matches!(parse("--runs 0"), Err(Error::UnknownArgument(_))));
    }

    #[test]
    fn check_reads_and_runs_nothing() {
        let options = parse("check boot").expect("known");
        assert!(options.check_only);
        assert_eq!(options.names, ["boot"]);
        assert_eq!(parse("boot --runs 7").expect("known").runs(3), 7);
    }
}
