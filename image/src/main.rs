//! The bootable image: the gateway in ring 0, on virtio-net and ConnectX ports.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

mod glue;

use kernel::{Exit, Machine};

kernel::entry!(run);

fn run(machine: Machine) -> Exit {
    glue::start::run(&machine).unwrap_or_else(|error| {
        log::error!("{error}");
        error.exit()
    })
}
