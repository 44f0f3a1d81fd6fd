//! Our own ConnectX driver in ring 0: the image in QEMU on modelled cards, between hosts that we did not write.

#![forbid(unsafe_code)]

mod forward;
mod guests;
mod idle;
mod protected;
mod recovery;
