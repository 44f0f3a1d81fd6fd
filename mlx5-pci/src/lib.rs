//! NVIDIA ConnectX without an operating system: for now the layouts that driver and device share.
//!
//! [`prm`] declares every structure once, as rows with the offset beside the field. It leaves out all behaviour.

#![no_std]
#![forbid(unsafe_code)]

pub mod prm;

#[cfg(test)]
extern crate std;
