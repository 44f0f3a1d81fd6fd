//! Link modes of PTYS and their speeds in Mbit/s: the table since 50 Gbit/s lanes (`ext_eth_proto`), and the one before
//! (`eth_proto`). Bits without a mode are 0.

#[rustfmt::skip]
const EXTENDED: [u32; 20] = [
    100, 1_000, 0, 5_000, 10_000, 40_000, 25_000, 50_000,
    50_000, 100_000, 100_000, 100_000, 200_000, 200_000, 0, 400_000,
    400_000, 0, 0, 800_000,
];
#[rustfmt::skip]
const OLD: [u32; 32] = [
    1_000, 1_000, 10_000, 10_000, 10_000, 20_000, 40_000, 40_000,
    56_000, 0, 0, 0, 10_000, 10_000, 10_000, 40_000,
    40_000, 0, 50_000, 0, 100_000, 100_000, 100_000, 100_000,
    100, 1_000, 10_000, 25_000, 25_000, 25_000, 50_000, 50_000,
];

/// The speed of the mode that operates, by its bit in either table; the newer one counts.
pub(crate) fn of(extended: u32, old: u32) -> Option<u32> {
    fastest(&EXTENDED, extended).or_else(|| fastest(&OLD, old))
}

fn fastest(table: &[u32], bits: u32) -> Option<u32> {
    let modes = table.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
    modes.map(|(_, speed)| *speed).max().filter(|speed| *speed != 0)
}
