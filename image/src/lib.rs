//! The gateway: everything of Ravelin that also runs on a host.
//!
//! [`config`] reads the configuration file.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod config;
