//! What the small things cost on this machine: memory functions, time, randomness, console, configuration space.
//! Not a pass or fail; the numbers say where a packet's time goes under TCG.
#![expect(unsafe_code, reason = "calls the memory functions by their C names")]

use alloc::format;
use alloc::string::String;
use alloc::vec;
use core::fmt::Write;
use core::hint::black_box;

use super::Outcome;
use crate::{Machine, console, cpu, pci, rng, time};

/// Nanoseconds per call of `work`, best of five rounds.
fn nanoseconds(calls: u64, mut work: impl FnMut()) -> u64 {
    let round = |work: &mut dyn FnMut()| {
        let start = cpu::tsc();
        (0..calls).for_each(|_| work());
        cpu::tsc() - start
    };
    let best = (0..5).map(|_| round(&mut work)).min().unwrap_or(0);
    (u128::from(best) * 1_000_000_000 / u128::from(time::rate()) / u128::from(calls)) as u64
}

pub(super) fn check(_: &Machine) -> Outcome {
    let (from, mut to) = (vec![7_u8; 4096], vec![7_u8; 4096]);
    let mut line = String::new();
    for len in [8, 20, 64, 128, 512, 1500, 4096] {
        let (source, target) = (from.as_ptr(), to.as_mut_ptr());
        let copy = nanoseconds(2000, || {
            // SAFETY: two distinct blocks of 4,096 bytes.
            unsafe { core::ptr::copy_nonoverlapping(black_box(source), black_box(target), black_box(len)) };
        });
        let set = nanoseconds(2000, || {
            // SAFETY: one block of 4,096 bytes.
            unsafe { core::ptr::write_bytes(black_box(target), 7, black_box(len)) };
        });
        let compare = nanoseconds(2000, || {
            black_box(black_box(&from)[..black_box(len)] == black_box(&to)[..black_box(len)]);
        });
        let _ = write!(line, "\n  {len} bytes: copy {copy} ns, set {set} ns, compare {compare} ns");
    }
    let host = pci::Address { bus: 0, device: 0, function: 0 };
    let now = nanoseconds(1000, || {
        black_box(time::now());
    });
    let config = nanoseconds(100, || {
        black_box(pci::read(host, 0));
    });
    let scan = nanoseconds(1, || {
        black_box(pci::enumerate().count());
    });
    let function = pci::enumerate().last();
    let sizing = nanoseconds(1, || {
        black_box(function.map(|function| function.bar(5)));
    });
    let status = nanoseconds(100, || {
        black_box(console::Serial.receive());
    });
    let allocation = nanoseconds(1000, || {
        black_box(vec![0_u8; 2048]);
    });
    let random = rng::Rng::new().map_or(0, |mut rng| nanoseconds(100, || rng.fill(black_box(&mut to[..32]))));
    Ok(format!(
        "{line}\n  now {now} ns, configuration read {config} ns, enumeration {scan} ns, sizing a BAR {sizing} ns, console poll {status} ns, \
         2 KiB from the heap and back {allocation} ns, 32 random bytes {random} ns"
    ))
}
