//! ESP by the card: what the driver puts on it, what the card makes of packets, and what others make of its ESP. On the
//! model, in one process. Each story ends with everything back and nothing that the model found fault with, unless that is
//! what it is about.

#![forbid(unsafe_code)]

mod back;
mod case;
mod ends;
mod esp;
mod frames;
mod install;
mod interop;
mod liar;
mod limits;
mod numbers;
mod offloads;
mod refusals;
mod rig;
mod scale;
mod secrets;
mod storm;
mod unique;
mod verdicts;
