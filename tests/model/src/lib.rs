//! A strict behavioural model of an NVIDIA ConnectX-6 Dx / ConnectX-7, for drivers to be tested against.
//!
//! [`Device`] is one PCI function. It does no I/O of its own: a front end hands it configuration and BAR accesses,
//! frames from the wire and the time, lends it guest memory behind [`Memory`], and takes frames, interrupts and taps
//! out of [`Outbox`]. What the device is and offers comes from a [`Profile`](caps::Profile), a data file.
//!
//! The model is strict: whatever a driver may not do is refused with the status that firmware uses, a syndrome that
//! names the check, and a line in the [`log`]. The yardstick is Linux's `mlx5_core`; layouts are those of
//! [`mlx5_pci::prm`].
//!
//! The way of a command: `bar` (doorbell) → `commands` (entry, mailboxes) → `dispatch` (lengths, reserved bits, state)
//! → the handler in `hca`, `objects`, `port`, `queues`, `steering` or `ipsec`. The way of a packet out: `queues::sq` →
//! `steering` → [`Outbox::frames`]; in: [`Device::receive`] → `steering` → `queues::tir` → `queues::rq`.

#![forbid(unsafe_code)]

mod bar;
mod command;
mod commands;
mod device;
mod dispatch;
mod fault;
mod hca;
pub mod in_process;
pub mod log;
mod memory;
mod objects;
mod outbox;
mod pages;
mod pci;
pub mod record;
mod refusal;
pub mod snapshot;
pub mod trace;

pub use device::Device;
pub use fault::{Fault, Script, ScriptError};
pub use memory::{Memory, Unmapped};
pub use outbox::{Outbox, Side, Tap};
pub use pci::{BAR_SIZE, CONFIG_SIZE};
pub use refusal::{Check, Refusal};

// Of others:
pub mod caps;
pub mod esp;
mod ipsec;
pub mod packet;
mod port;
mod queues;
mod steering;
mod transit;
