//! The harness of Ravelin's system tests: namespaces, taps, QEMU, and peers that we did not write.
//!
//! Everything a run makes belongs to a [`site::Site`], and everything a site owns goes away with it: on drop, on a
//! panic, on Ctrl-C, and when the process is killed. What it leaves out: the in-process stories, which have their own
//! module, and any knowledge of ESP or IKE.

#![forbid(unsafe_code)]

pub mod capture;
pub mod cards;
pub mod charon;
pub mod datagrams;
pub mod decoder;
pub mod error;
pub mod initramfs;
pub mod lab;
pub mod namespace;
pub mod oracle;
pub mod paths;
pub mod ping;
pub mod prerequisites;
pub mod process;
pub mod qemu;
pub mod site;
pub mod swanctl;
pub mod topology;
pub mod traffic;
pub mod transcript;
pub mod tunnel;
pub mod uml;
