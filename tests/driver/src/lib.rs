//! The ConnectX driver `mlx5-pci` on the model `mlx5-model`: machines that join the two, for stories in `tests/`.
//!
//! A [`Machine`] is a driver's side of the seam ([`mlx5_pci::hal`]) with a model behind it, and what a test may do to
//! that model: look at what it refused, inject faults, be the wire. Stories are generic over it.

#![forbid(unsafe_code)]

pub mod in_process;
mod lent;
mod liar;
mod loopback;
mod machine;
mod memory;

pub use in_process::InProcess;
pub use lent::LentSlab;
pub use liar::{Liar, Lies};
pub use loopback::Loopback;
pub use machine::{Machine, blameless, open};
pub use memory::{Region, Space};
