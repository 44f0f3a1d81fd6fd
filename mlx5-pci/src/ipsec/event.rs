//! What happens to SAs by itself.

use super::names::Handle;

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Packets, counted by the card.
    Packets,
    /// Bytes, found out by polling.
    Octets,
    /// Sequence numbers without ESN.
    Sequence,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A soft limit was reached: time for another SA. Once for each SA.
    Soft(Handle, Expiry),
    /// A hard limit was reached: the card does nothing for the SA any more. It is to be retired.
    Hard(Handle, Expiry),
    /// The sequence numbers have crossed the middle or the end of their lower half, and the card was told. For the
    /// record only.
    Crossed(Handle, u64),
    /// The card has failed. All SAs are gone, and have to be made anew with other keys.
    Dead,
}
