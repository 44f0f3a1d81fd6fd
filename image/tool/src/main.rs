//! The host tool: what users and CI call as `cargo xtask …`.

#![forbid(unsafe_code)]

mod bench;
mod device;
mod elf;
mod hardware_check;
mod image_file;
mod run;
mod suites;

use ravelin_tests::prerequisites::{self, Need};
use std::process::ExitCode;

const USAGE: &str = "cargo xtask <command>

  run [--config FILE] [--for SECONDS]   boot the gateway in QEMU against a peer and watch it work
  test [SUITE…] [--list]                run the tests; without a name all of them
  image                                 build target/image/ravelin.elf, check it, print its size
  device [--boot LINUX] [--cards N] …    serve the ConnectX model to QEMU, with a live view and captures
  hardware-check                        print what the ConnectX model assumes and only a card can tell
  install                               install what the tests and run need (as root, Debian)
  bench [NAME…] | bench check           measure; prints tables, writes target/bench/NAME.json
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("", [].as_slice()),
    };
    match command {
        "bench" => bench::command(rest),
        "device" => device::command(rest),
        "hardware-check" => report(hardware_check::command()),
        "image" => report(image_file::build().map(|(path, sizes)| println!("{sizes}{}", path.display()))),
        "install" => report(install()),
        "run" => run::command(rest),
        "test" => suites::command(rest),
        // These run inside namespaces and guests on behalf of the suites.
        "insert-modules" => report(ravelin_tests::uml::insert_modules(rest)),
        "site-for-a-test" => report(ravelin_tests::site::main_for_a_test()),
        "traffic" => report(ravelin_tests::traffic::main(rest)),
        _ => {
            eprint!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Every Debian package and Python package that any command uses, and the oracle's kernels.
fn install() -> ravelin_tests::error::Result<()> {
    prerequisites::install(Need::ALL)?;
    prerequisites::make_venv()?;
    ravelin_tests::oracle::install()?;
    prerequisites::check(Need::ALL)
}

/// Success, or the error on standard error.
fn report<E: core::fmt::Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
