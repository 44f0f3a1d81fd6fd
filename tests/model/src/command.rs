//! What the dispatcher knows about a command before its handler sees it.

use crate::{Device, Memory, Refusal};

/// How long an input or output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// Exactly so many bytes.
    Exact(usize),
    /// So many bytes and then a list whose items have `unit` bytes; the handler checks how many.
    List { head: usize, unit: usize },
    /// Exactly `now` bytes, or `before`, as drivers gave it before the layout grew.
    Grown { before: usize, now: usize },
}

/// In which stage of bring-up a command is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// From reset on.
    Reset,
    /// After ENABLE_HCA.
    Enabled,
    /// After INIT_HCA.
    Initialized,
}

/// A handler: reads `input`, fills `output` (zeroed, as long as the driver gave room, at least as long as declared).
/// The dispatcher writes status and syndrome.
pub(crate) type Handler = fn(&mut Device, &dyn Memory, &[u8], &mut [u8]) -> Result<(), Refusal>;

/// One command.
#[derive(Clone, Copy)]
pub(crate) struct Command {
    /// Its opcode.
    pub(crate) opcode: u16,
    /// Its input.
    pub(crate) input: Length,
    /// The least room for its output.
    pub(crate) output: usize,
    /// The bits that are defined in the input's fixed part; the rest has to be zero.
    pub(crate) claims: &'static [u32],
    /// The values of `op_mod` that exist; empty: any, the handler checks.
    pub(crate) op_mods: &'static [u16],
    /// From when on it is taken.
    pub(crate) stage: Stage,
    /// What carries it out.
    pub(crate) run: Handler,
}

/// `op_mod` has to be zero.
pub(crate) const NO_OP_MOD: &[u16] = &[0];

/// A [`Command`] from the names of its layouts: `command!(CREATE_CQ, CreateCqIn [+ 8], CreateCqOut, Initialized, create_cq)`;
/// `+ 8` says that items of 8 bytes follow the fixed part, `| 16` that the layout once had 16 bytes.
macro_rules! command {
    ($opcode:ident, $input:ident, $output:ident, $stage:ident, $run:expr) => {
        $crate::command::command!(@ $opcode, Length::Exact(mlx5_pci::prm::$input::SIZE), $input, $output, $stage, NO_OP_MOD, $run)
    };
    ($opcode:ident, $input:ident | $before:literal, $output:ident, $stage:ident, $run:expr) => {
        $crate::command::command!(@ $opcode, Length::Grown { before: $before, now: mlx5_pci::prm::$input::SIZE }, $input, $output, $stage, NO_OP_MOD, $run)
    };
    ($opcode:ident, $input:ident + $unit:literal, $output:ident, $stage:ident, $run:expr) => {
        $crate::command::command!(@ $opcode, Length::List { head: mlx5_pci::prm::$input::SIZE, unit: $unit }, $input, $output, $stage, NO_OP_MOD, $run)
    };
    ($opcode:ident [$($mods:tt)*], $input:ident, $output:ident, $stage:ident, $run:expr) => {
        $crate::command::command!(@ $opcode, Length::Exact(mlx5_pci::prm::$input::SIZE), $input, $output, $stage, &[$($mods)*], $run)
    };
    ($opcode:ident [$($mods:tt)*], $input:ident + $unit:literal, $output:ident, $stage:ident, $run:expr) => {
        $crate::command::command!(@ $opcode, Length::List { head: mlx5_pci::prm::$input::SIZE, unit: $unit }, $input, $output, $stage, &[$($mods)*], $run)
    };
    (@ $opcode:ident, $length:expr, $input:ident, $output:ident, $stage:ident, $mods:expr, $run:expr) => {{
        #[allow(unused_imports)]
        use $crate::command::{Length, NO_OP_MOD};
        $crate::command::Command {
            opcode: mlx5_pci::prm::Opcode::$opcode.0,
            input: $length,
            output: mlx5_pci::prm::$output::SIZE,
            claims: &mlx5_pci::prm::$input::CLAIMS,
            op_mods: $mods,
            stage: $crate::command::Stage::$stage,
            run: $run,
        }
    }};
}
pub(crate) use command;
