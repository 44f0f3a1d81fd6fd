//! Device layouts by chapter: names, sizes, and the bits of every field, with the offset beside the name.
//!
//! Everything is big-endian. What no row takes is reserved: zero when a driver writes it. Source: Nvidia's programmer's
//! reference manual for the public part, and for all else the interface that the open drivers use.

mod caps;
mod caps_general;
mod caps_more;
mod caps_steering;
mod caps_switch;
mod codes;
mod command;
mod counter;
mod cq;
mod eq;
mod flow_action;
mod flow_entry;
mod flow_match;
mod flow_table;
mod hca;
pub mod layout;
mod mkey;
mod object;
mod opcode;
mod parts;
mod port;
mod queue_entry;
mod register;
mod register_counters;
mod register_counters_more;
mod register_device;
mod register_port;
mod rq;
mod sq;
mod tir;
mod vport;
mod wq;
mod wqe;

pub use caps::*;
pub use caps_general::*;
pub use caps_more::*;
pub use caps_steering::*;
pub use caps_switch::*;
pub use codes::*;
pub use command::*;
pub use counter::*;
pub use cq::*;
pub use eq::*;
pub use flow_action::*;
pub use flow_entry::*;
pub use flow_match::*;
pub use flow_table::*;
pub use hca::*;
pub use layout::{Build, Field, FieldInfo, Layout, Shape, reserved_bit};
pub use mkey::*;
pub use object::*;
pub use opcode::*;
pub use parts::*;
pub use port::*;
pub use queue_entry::*;
pub use register::*;
pub use register_counters::*;
pub use register_counters_more::*;
pub use register_device::*;
pub use register_port::*;
pub use rq::*;
pub use sq::*;
pub use tir::*;
pub use vport::*;
pub use wq::*;
pub use wqe::*;

#[cfg(test)]
mod tests;
