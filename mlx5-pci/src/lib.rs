//! The direct driver of NVIDIA's ConnectX: nothing beneath it but the seam [`hal`].
//!
//! [`prm`] declares every structure once, as rows with the offset beside the field. [`cmd`] asks the firmware, [`device`]
//! brings a function up and takes it down. Facts "E.n" are the project's reference of the interface's numbers.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod bring_up;
pub mod caps;
pub mod cmd;
#[allow(dead_code)]
mod cq;
pub mod device;
#[allow(dead_code)]
pub mod eq;
pub mod error;
pub mod event;
pub mod hal;
pub mod health;
mod pages;
pub mod pci;
pub mod prm;
pub mod register;
#[allow(dead_code)]
mod ring;
#[allow(dead_code)]
mod rq;
#[allow(dead_code)]
mod sq;
#[cfg(test)]
mod testing;
pub mod timeouts;
#[allow(dead_code)]
mod uar;
#[allow(dead_code)]
mod wqe;

pub use uar::Uar;
