//! IPsec: the SPD, the SAD and ESP (RFC 4301, RFC 4303), in software or by a card ([`offload`]), sans-IO.
//!
//! [`Ipsec`] holds all of it. An outbound packet asks [`Ipsec::outbound`] what to do and is sealed in
//! place by [`Ipsec::seal`]; an inbound ESP packet is opened in place by [`Ipsec::open`], which verifies,
//! decrypts, strips and compares the inner packet with the SA's selectors; an inbound packet in the clear
//! has to pass [`Ipsec::check_clear`]. [`Ipsec::poll`] says what has happened to SAs, and
//! [`Ipsec::next_wake`] when to ask again. Time comes in as an argument; no randomness is needed.
//!
//! Choices where the RFCs leave one:
//! - IV: the 64-bit sequence number (RFC 4106 section 3.1 suggests a counter), extended or not.
//! - UDP encapsulation: the UDP checksum is zero over IPv4 (RFC 3948 section 2.1) and computed over IPv6,
//!   because receivers may refuse zero there (RFC 8200 section 8.1). Received ones are not verified: the
//!   ICV covers what matters.
//! - Transport mode behind a NAT: the checksums of TCP, UDP and ICMPv6 inside are computed anew after
//!   decryption (RFC 3948 section 3.1.2), since the peer computed them over an address that the NAT changed.
//! - Fragments: never guessed. Outbound, a fragment that a rule with ports might cover is
//!   [`Outbound::NeedReassembly`]; inbound, such a fragment out of a tunnel is dropped.
//!
//! Left out: AH, IPComp, AEADs with shorter ICVs, multicast SAs, sending TFC padding and dummy packets
//! (both are accepted).
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod aead;
mod agenda;
mod cards;
pub mod cause;
mod gate;
mod headers;
pub mod offload;
mod open;
mod outer;
pub mod replay;
pub mod sa;
mod sad;
mod seal;
pub mod selector;
mod software;
pub mod spd;
mod state;
#[cfg(test)]
mod testing;
pub mod wire;

pub use aead::{Algorithm, Key};
pub use cause::{Cause, Drop, Drops};
pub use gate::{Ipsec, Opened, Outbound};
pub use offload::{Event, Hardware, Placement, Reason, Wish};
pub use sa::{
    Df, Direction, Dscp, Ecn, Handle, InstallError, Lifetimes, Limits, Mode, Outer, SaParams, SaStats, Spi,
    UdpEncap,
};
pub use selector::{AddressRange, Negotiated, PortRange, Selector, Upper};
pub use software::Software;
pub use spd::{Action, Policy, PolicyId, Spd};
