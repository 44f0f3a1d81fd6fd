//! Commands in the hexdump form of Linux's `mlx5_core`: the driver's own form, so that both ends of the command queue
//! can be laid side by side.

pub use mlx5_pci::cmd::trace::{BLOCK, Exchange};
