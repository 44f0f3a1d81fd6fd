//! The drain rule: after every [`Endpoint::handle`] and [`Endpoint::command`], and when the time of the last
//! [`Output::Wake`] has come, call [`Endpoint::poll`] and do what it says, until it says `Wake` again.
//!
//! An IKEv2 responder (RFC 7296) without input and output of its own: time, randomness, datagrams and commands
//! are arguments; datagrams to send, SAs to install and events are results. It allocates, but knows neither
//! sockets nor the data path.
//!
//! | module | about |
//! |---|---|
//! | [`config`], [`proposal`], [`selector`], [`output`], [`error`] | what the caller says and hears |
//! | [`wire`] | octets |
//! | [`prf`], [`aead`], [`dh`], `keys`, `auth`, `cookie`, `nat`, `suite`, `narrow` | rules without state |
//! | `endpoint`, `session` | which message goes to which state; **the state table** |
//! | `init`, `ike_auth`, `established`, `closing` | the states |
//! | `child`, `create_child`, `child_rekey`, `ike_rekey`, `informational` | exchanges of an established IKE SA |
//!
//! Left out: starting an IKE SA, certificates and EAP, configuration payloads, IKE fragmentation (RFC 7383; not
//! announced, so peers don't use it), MOBIKE, IPComp, anything that isn't an AEAD.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod aead;
mod auth;
mod child;
mod child_rekey;
mod closing;
pub mod config;
mod cookie;
mod create_child;
mod cx;
pub mod dh;
mod endpoint;
pub mod error;
mod established;
mod ike_auth;
mod ike_rekey;
mod ike_sa;
mod informational;
mod init;
mod keys;
mod narrow;
mod nat;
pub mod output;
pub mod prf;
pub mod proposal;
mod refusal;
pub mod selector;
mod session;
mod suite;
pub mod time;
mod window;
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
