//! `cargo xtask test`: runs suites one after the other, streams what they say, and adds up what passed and failed.
//!
//! The last line is always `N passed, N failed`. A suite in which nothing passed counts as failed: a run that tests
//! nothing is no success.

use crate::image_file;
use ravelin_tests::paths;
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// One suite: its name, what it shows, and how it is run.
struct Suite {
    name: &'static str,
    about: &'static str,
    steps: &'static [Step],
    needs_image: bool,
}

enum Step {
    /// `cargo` with these arguments; its tests are counted.
    Tests(&'static [&'static str]),
    /// The tests of the target that is called like the suite (`_` for `-`), one at a time.
    System,
    /// `cargo` with these arguments; counts as one test under this name.
    Check(&'static str, &'static [&'static str]),
}

const SUITES: &[Suite] = &[
    Suite {
        name: "unit",
        about: "tests beside the code, formatting, lints, dependency directions, RFC citations",
        steps: &[
            Step::Check("formatting", &["fmt", "--all", "--check"]),
            Step::Check(
                "lints",
                &["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"],
            ),
            Step::Tests(&[
                "test",
                "--quiet",
                "--workspace",
                "--exclude",
                "mlx5-model",
                "--exclude",
                "mlx5-device",
                "--exclude",
                "mlx5-driver-tests",
                "--no-fail-fast",
            ]),
        ],
        needs_image: false,
    },
    Suite {
        name: "stories",
        about: "hosts and the gateway in one process, virtual time: loss, reordering, rekeys, hostile peers",
        steps: &[Step::System],
        needs_image: false,
    },
    Suite {
        name: "harness",
        about: "two peers that we did not write talk to each other over the harness's wires",
        steps: &[Step::System],
        needs_image: false,
    },
    system("kernel", "the image in QEMU: page rights, traps, clocks, interrupts, entropy, exit codes"),
    system(
        "start",
        "the image from power-on to the main loop: refusals by exit code, console, an idle machine sleeps",
    ),
    system(
        "strongswan",
        "strongSwan in a namespace against the image: PSK, tunnels in UDP, rekeys, deletes, refusals",
    ),
    system("linux", "Linux's own ESP in User-Mode Linux against the image: native tunnel and transport mode"),
    system("run", "cargo xtask run with root and without, to its end, interrupted and killed: nothing stays"),
    system(
        "decoder",
        "scapy and tshark read our ESP; forgeries are dropped and counted each under its cause",
    ),
    Suite {
        name: "model",
        about: "the ConnectX model: refusals, queues, steering, IPsec, faults; real firmware's answers replayed",
        steps: &[Step::Tests(&[
            "test",
            "--quiet",
            "-p",
            "mlx5-model",
            "-p",
            "mlx5-device",
            "--no-fail-fast",
        ])],
        needs_image: false,
    },
    Suite {
        name: "device",
        about: "cargo xtask device: a guest attached by the printed command, the view, faults; nothing stays behind",
        steps: &[Step::System],
        needs_image: false,
    },
    Suite {
        name: "driver",
        about: "our ConnectX driver on the model, in one process and over vfio-user: bring-up, pages, faults, a card that lies",
        steps: &[Step::Tests(&["test", "--quiet", "-p", "mlx5-driver-tests", "--no-fail-fast"])],
        needs_image: false,
    },
    Suite {
        name: "offload",
        about: "ESP by the card on the model: whole gateways and every mode against software and ring, verdicts, numbers, lifetimes, resets, 100k SAs",
        steps: &[
            Step::Tests(&[
                "test",
                "--quiet",
                "-p",
                "mlx5-driver-tests",
                "--test",
                "gateway",
                "--no-fail-fast",
            ]),
            Step::Tests(&[
                "test",
                "--quiet",
                "--release",
                "-p",
                "mlx5-driver-tests",
                "--test",
                "ipsec",
                "--no-fail-fast",
            ]),
        ],
        needs_image: false,
    },
    system(
        "driver-qemu",
        "our ConnectX driver in ring 0: the image on modelled cards between hosts and Linux's mlx5_core, faults, recovery",
    ),
    system(
        "offload-qemu",
        "the image whose card does ESP, against strongSwan, Linux's own ESP and Linux's own mlx5 offload",
    ),
    Suite {
        name: "oracle",
        about: "Debian's own kernels 6.1 and 6.12 with their mlx5_core on the model of the card",
        steps: &[Step::System],
        needs_image: false,
    },
    Suite {
        name: "oracle-ipsec",
        about: "mlx5_core 6.12 with IPsec: ip xfrm … offload packet on the model, ESP read by scapy",
        steps: &[Step::System],
        needs_image: false,
    },
    system(
        "bench",
        "a smoke run of every bench leaves well-formed documents; `bench check` answers by exit code",
    ),
];

/// A suite against the image: the test target of the same name.
const fn system(name: &'static str, about: &'static str) -> Suite {
    Suite { name, about, steps: &[Step::System], needs_image: true }
}

/// Sums over suites.
#[derive(Clone, Copy, Default)]
struct Count {
    passed: u64,
    failed: u64,
}

/// The whole command.
pub(crate) fn command(arguments: &[String]) -> ExitCode {
    if arguments.iter().any(|argument| argument == "--list") {
        for suite in SUITES {
            println!("{:<12} {}", suite.name, suite.about);
        }
        return ExitCode::SUCCESS;
    }
    let mut chosen: Vec<&Suite> = Vec::new();
    for name in arguments {
        match SUITES.iter().find(|suite| suite.name == name) {
            Some(suite) => chosen.push(suite),
            None => {
                let names: Vec<&str> = SUITES.iter().map(|suite| suite.name).collect();
                eprintln!("xtask: no suite is called {name}; there are: {}", names.join(", "));
                return ExitCode::from(2);
            }
        }
    }
    if chosen.is_empty() {
        chosen.extend(SUITES);
    }
    let mut total = Count::default();
    let mut image = None;
    for suite in chosen {
        println!("=== {}: {}", suite.name, suite.about);
        let started = Instant::now();
        if suite.needs_image {
            let built = *image.get_or_insert_with(build_image);
            if !built {
                total.failed += 1;
                println!("=== {}: no image to test", suite.name);
                continue;
            }
        }
        let count = run(suite);
        total.passed += count.passed;
        total.failed += count.failed;
        let seconds = started.elapsed().as_secs_f64();
        println!("=== {}: {} passed, {} failed in {seconds:.1} s", suite.name, count.passed, count.failed);
    }
    println!("{} passed, {} failed", total.passed, total.failed);
    if total.failed == 0 && total.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Builds the image unless `RAVELIN_IMAGE` names one.
fn build_image() -> bool {
    if std::env::var_os("RAVELIN_IMAGE").is_some() {
        return paths::image().is_file();
    }
    match image_file::build() {
        Ok((_, sizes)) => {
            print!("{sizes}");
            true
        }
        Err(error) => {
            println!("{error}");
            false
        }
    }
}

fn run(suite: &Suite) -> Count {
    let mut count = Count::default();
    for step in suite.steps {
        let tests = match step {
            Step::Check(name, arguments) => {
                let (_, success) = cargo(arguments);
                println!("{name} ... {}", if success { "ok" } else { "FAILED" });
                Count { passed: u64::from(success), failed: u64::from(!success) }
            }
            Step::Tests(arguments) => tests(arguments),
            // One at a time: they time things, and the machine may have two cores.
            Step::System => tests(&[
                "test",
                "--quiet",
                "-p",
                "ravelin-tests",
                "--test",
                &suite.name.replace('-', "_"),
                "--",
                "--test-threads=1",
                "--nocapture",
                "--format=pretty",
            ]),
        };
        count.passed += tests.passed;
        count.failed += tests.failed;
    }
    count
}

/// Runs `cargo test`. What does not compile, dies, or holds no test counts as one failure.
fn tests(arguments: &[&str]) -> Count {
    let (mut count, success) = cargo(arguments);
    if (!success && count.failed == 0) || count.passed + count.failed == 0 {
        println!("cargo {}: did not run to its end", arguments.join(" "));
        count.failed += 1;
    }
    count
}

/// Runs cargo in the repository, copies what it says, and adds up libtest's result lines.
fn cargo(arguments: &[&str]) -> (Count, bool) {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(paths::root()).stdout(Stdio::piped());
    if let Ok(program) = std::env::current_exe() {
        command.env("RAVELIN_XTASK", program);
    }
    let mut count = Count::default();
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            println!("cargo: {error}");
            return (count, false);
        }
    };
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            println!("{line}");
            if let Some(result) = line.split_once("test result: ").map(|(_, result)| result) {
                count.passed += before(result, " passed");
                count.failed += before(result, " failed");
            }
        }
    }
    let success = child.wait().is_ok_and(|status| status.success());
    (count, success)
}

/// The number that stands before `word`.
fn before(text: &str, word: &str) -> u64 {
    let head = text.split(word).next().unwrap_or_default();
    head.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}
