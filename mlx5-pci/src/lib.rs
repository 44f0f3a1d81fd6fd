//! The direct driver of NVIDIA's ConnectX: nothing beneath it but the seam [`hal`].
//!
//! [`mod@prm`] declares every structure once, as rows with the offset beside the field. [`cmd`] asks the firmware, [`device`]
//! brings a function up and takes it down. Facts "E.n" are the project's reference of the interface's numbers.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod bring_up;
pub mod caps;
pub mod channel;
pub mod cmd;
mod cq;
pub mod device;
pub mod eq;
pub mod error;
pub mod event;
pub mod hal;
pub mod health;
pub mod ids;
pub mod ipsec;
pub mod nic;
mod pages;
pub mod pci;
pub mod port;
pub mod prm;
mod queue;
pub mod queues;
pub mod register;
mod ring;
mod rq;
pub mod rss;
mod sq;
pub mod steering;
#[cfg(test)]
mod testing;
pub mod timeouts;
mod uar;
mod wqe;

pub use uar::Uar;
