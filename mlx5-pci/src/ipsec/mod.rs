//! IPsec packet offload (facts E.11 to E.13): SAs on the card, which makes and opens ESP on the way of a packet.
//!
//! ```text
//!   receive   SA entry (destination, SPI) ─ decrypt ─► status: bad ICV, bad trailer, replay: dropped and counted per SA
//!             ─► selector, if the SA has one ─► kinds of traffic ─► TIR; the completion names the SA
//!   send      the WQE names the SA ─► SA entry ─ encrypt ─► wire; named but not there: dropped
//! ```
//!
//! [`Abilities`] says what the card can do, and refuses by a [`Refusal`] what it can't. [`Offload`] owns everything on the
//! card: [`Offload::install`], [`Offload::retire`], [`Offload::read`], [`Offload::poll`]. A packet is tied to its SA by a
//! [`Handle`], in `net::Meta::sa_out` and `sa_in`. The card numbers packets; it is the SA's only encryptor for life.
//!
//! Left out: crypto offload without headers, policies on the card, RDMA, the embedded switch.

mod abilities;
mod counters;
mod error;
mod esn;
mod event;
mod install;
mod lifetime;
mod made;
mod names;
mod next_hop;
mod object;
mod offload;
mod queue;
mod receive;
mod reformat;
mod refusal;
mod sa;
mod send;
mod service;
mod state;
mod watch;

pub use abilities::Abilities;
pub use counters::Count;
pub use error::InstallError;
pub use event::{Event, Expiry};
pub use names::Handle;
pub use offload::{Offload, Settings};
pub use refusal::{Missing, Refusal};
pub use sa::{Direction, Family, Install, Key, Limits, Mode, Ports, Secret, Selector};
pub use state::{Counts, State};

/// Set in register A and B, and so in WQEs and CQEs, beside the handle of an SA: a packet has to do with IPsec.
pub(crate) const MARKER: u32 = 1 << 31;
