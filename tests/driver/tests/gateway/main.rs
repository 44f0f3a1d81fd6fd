//! The whole gateway on the driver on the model: what cards do of ESP is what software does of it, packet by packet.

#![forbid(unsafe_code)]

mod attacks;
mod differential;
mod packets;
mod site;
mod streams;
