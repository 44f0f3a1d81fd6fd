//! The image on modelled cards that do its ESP, against peers that we did not write.

#![forbid(unsafe_code)]

mod card_peer;
mod faults;
mod fragments;
mod linux;
mod roce;
mod routes;
mod stage;
mod strongswan;
mod wire;
