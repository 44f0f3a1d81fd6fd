//! Every operation of the driver's queues as a story: what goes in, what the model does with it, what comes out. Each
//! story ends with nothing lost and nothing that the model found fault with, unless the fault is what it is about.

#![forbid(unsafe_code)]

mod compression;
mod errors;
mod frames;
mod hostile;
mod receive;
mod rig;
mod rss;
mod send;
mod striding;
mod witness;
