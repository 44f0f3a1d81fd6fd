//! The gateway: everything of Ravelin that also runs on a host. Sans-IO: frames, time and randomness in;
//! frames, log lines and a wake-up time out.
//!
//! [`config`] reads the configuration file. [`Gateway`] is built from it and from the ports' devices:
//! give it received frames ([`Gateway::handle_frame`], [`Gateway::handle_burst`]), run its timers
//! ([`Gateway::poll`]), and fetch what it sends ([`Gateway::take_tx`]).
//!
//! A port's card may do ESP for SAs ([`card`]): it opens before `Stack::receive`, and seals behind `Stack::send`.
//!
//! ```text
//!            outside                                                            inside
//!  frame ─► Stack::receive ─► ours? ─ yes ─► ESP ─► Ipsec::open ──┐
//!                              │             IKE ─► Endpoint      │ selectors checked
//!                              │             else: check_clear ─► deliver
//!                              no ─► check_clear ─────────────────┴─► forward ─► Stack::send ─► frame
//!  frame ◄─ Stack::send ◄─ Ipsec::seal ◄─ MTU ◄─ Ipsec::outbound ◄─ forward ◄─ Stack::receive ◄─ frame
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod card;
pub mod cause;
pub mod config;
pub mod control;
pub mod devices;
mod gateway;
mod icmp;
mod negotiation;
mod outbound;
mod own;
mod pipeline;
mod quiet;
mod setup;
mod slots;
mod status;
pub mod tap;

pub use cause::{Cause, Counters};
pub use gateway::{Gateway, Traffic};
pub use setup::{PortDevice, SetupError};
pub use tap::{Point, Tap};
