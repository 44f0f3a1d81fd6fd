//! The drain rule: after every [`Endpoint::handle`] and [`Endpoint::command`], and when the time of the last
//! [`Output::Wake`] has come, call [`Endpoint::poll`] and do what it says, until it says `Wake` again.
//!
//! An IKEv2 responder (RFC 7296) without input and output of its own: time, randomness, datagrams and commands
//! are arguments; datagrams to send, SAs to install and events are results. It allocates, but knows neither
//! sockets nor the data path.
//!
//! Left out: starting an IKE SA, certificates and EAP, configuration payloads, IKE fragmentation (RFC 7383; not
//! announced, so peers don't use it), MOBIKE, IPComp, anything that isn't an AEAD.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod config;
mod endpoint;
pub mod error;
pub mod output;
pub mod proposal;
pub mod selector;
pub mod time;
pub mod wire;

pub use config::{
    Child, Config, ConfigError, Connection, Identity, IdentityMatch, Lifetime, Lifetimes, Limits, Prefix,
    Psk, Retransmit, SelectorSpec,
};
pub use endpoint::Endpoint;
pub use error::Cause;
pub use output::{
    ChildSa, Command, Datagram, Encap, Event, IkeGoneReason, IkeId, KeyLog, Mode, Output, RemoveReason, Spi,
};
pub use proposal::{EspAlgorithm, EspProposal, Group, IkeEncryption, IkeProposal, Prf, ProposalError};
pub use selector::TrafficSelector;
pub use time::Instant;
pub use wire::notify::NotifyType;
