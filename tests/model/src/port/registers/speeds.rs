//! Which speed, how many lanes and which FEC a bit of PTYS stands for.
//!
//! The numbers are those of Linux's `mlx5e_ext_link_mode` (`ext_eth_proto`) and `mlx5e_link_mode` (`eth_proto`, which
//! ends at 100 Gbit/s).

/// A bit of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mode {
    /// The bit's number.
    pub(crate) bit: u8,
    /// Mbit/s.
    pub(crate) speed: u32,
    /// Lanes.
    pub(crate) lanes: u8,
}

const fn mode(bit: u8, speed: u32, lanes: u8) -> Mode {
    Mode { bit, speed, lanes }
}

/// `ext_eth_proto`.
pub(crate) const EXTENDED: &[Mode] = &[
    mode(0, 100, 1),
    mode(1, 1_000, 1),
    mode(3, 5_000, 1),
    mode(4, 10_000, 1),
    mode(5, 40_000, 4),
    mode(6, 25_000, 1),
    mode(7, 50_000, 2),
    mode(8, 50_000, 1),
    mode(9, 100_000, 4),
    mode(10, 100_000, 2),
    mode(11, 100_000, 1),
    mode(12, 200_000, 4),
    mode(13, 200_000, 2),
    mode(15, 400_000, 8),
    mode(16, 400_000, 4),
];

/// `eth_proto`.
pub(crate) const OLD: &[Mode] = &[
    mode(0, 1_000, 1),
    mode(1, 1_000, 1),
    mode(4, 10_000, 1),
    mode(6, 40_000, 4),
    mode(7, 40_000, 4),
    mode(12, 10_000, 1),
    mode(13, 10_000, 1),
    mode(14, 10_000, 1),
    mode(15, 40_000, 4),
    mode(16, 40_000, 4),
    mode(18, 50_000, 2),
    mode(20, 100_000, 4),
    mode(21, 100_000, 4),
    mode(22, 100_000, 4),
    mode(23, 100_000, 4),
    mode(24, 100, 1),
    mode(25, 1_000, 1),
    mode(26, 10_000, 1),
    mode(27, 25_000, 1),
    mode(28, 25_000, 1),
    mode(29, 25_000, 1),
    mode(30, 50_000, 2),
    mode(31, 50_000, 2),
];

/// The fastest mode among `bits`; the first of them in the table when several are as fast.
pub(crate) fn fastest(table: &'static [Mode], bits: u32) -> Option<Mode> {
    let offered = || table.iter().filter(|mode| bits >> mode.bit & 1 == 1);
    let speed = offered().map(|mode| mode.speed).max()?;
    offered().find(|mode| mode.speed == speed).copied()
}

/// Those of `bits` whose speed is one of the modes `like` of the other table.
pub(crate) fn translate(from: &'static [Mode], bits: u32, to: &'static [Mode], offered: u32) -> u32 {
    let speeds = || from.iter().filter(|mode| bits >> mode.bit & 1 == 1).map(|mode| mode.speed);
    to.iter()
        .filter(|mode| offered >> mode.bit & 1 == 1 && speeds().any(|speed| speed == mode.speed))
        .fold(0, |all, mode| all | 1 << mode.bit)
}
