//! The direct driver of NVIDIA's ConnectX: nothing beneath it but the seam [`hal`].
//!
//! [`prm`] declares every structure once, as rows with the offset beside the field. It leaves out all behaviour.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[allow(dead_code)]
mod cq;
#[allow(dead_code)]
pub mod eq;
pub mod hal;
pub mod prm;
#[allow(dead_code)]
mod ring;
#[cfg(test)]
mod testing;
#[allow(dead_code)]
mod uar;
#[allow(dead_code)]
mod wqe;

pub use uar::Uar;

#[cfg(test)]
extern crate std;
