//! The bootable image.
#![no_std]
#![no_main]

use kernel::{Exit, Machine};

kernel::entry!(run);

fn run(machine: Machine) -> Exit {
    log::info!("Ravelin, command line {:?}", machine.command_line);
    Exit::Success
}
