//! Prints everything that the driver asks the firmware from reset to teardown, in the hexdump form of Linux's mlx5_core:
//! `cargo run -p mlx5-driver-tests --example bring_up [cx6dx|cx7|vf]`.

use mlx5_driver_tests::{InProcess, Machine};
use mlx5_model::caps::Profile;
use mlx5_pci::device::{Device, Options};
use std::process::ExitCode;

fn main() -> ExitCode {
    let profile = std::env::args().nth(1).unwrap_or_else(|| "cx7".to_string());
    if Profile::named(&profile).is_err() {
        eprintln!("no profile is called {profile}; there are cx6dx, cx7 and vf");
        return ExitCode::from(2);
    }
    let machine = InProcess::new(&profile);
    let options = Options { trace: Some(|exchange| print!("{exchange}")), ..Options::default() };
    let outcome = Device::open(machine.function(), options).and_then(|device| {
        eprint!("{}", device.health());
        device.close()
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
