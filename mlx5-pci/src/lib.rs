//! The direct driver of NVIDIA's ConnectX: nothing beneath it but the seam [`hal`].
//!
//! [`prm`] declares every structure once, as rows with the offset beside the field. It leaves out all behaviour.

#![no_std]
#![forbid(unsafe_code)]

pub mod hal;
pub mod prm;

#[cfg(test)]
extern crate std;
