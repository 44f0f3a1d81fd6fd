//! Why packets are dropped, and the counters of it. Every drop of this crate has exactly one cause, and
//! every cause a counter, per SA and in total.

use crate::sa::{Handle, Spi};

net::causes! {
    /// Why a packet was dropped.
    Cause,
    /// Drops by cause.
    Drops:
    /// Outbound: no policy covers the packet.
    NoPolicy = "no_policy",
    /// A DISCARD policy covers the packet.
    PolicyDiscard = "policy_discard",
    /// Inbound: a packet in the clear that a PROTECT policy covers.
    ClearForProtected = "clear_for_protected",
    /// A fragment that only its whole datagram could match to a rule with ports.
    FragmentUnmatched = "fragment_unmatched",
    /// The handle names no SA, or one that has been retired.
    UnknownHandle = "unknown_handle",
    /// The SA is for the other direction.
    WrongDirection = "wrong_direction",
    /// Outbound: the card that does the SA can't take the packet: it has IPv4 options or IPv6 extension headers in transport
    /// mode.
    CardShape = "card_shape",
    /// Outbound: a train, to an SA that takes packets one by one ([`crate::Ipsec::takes_train`]).
    Train = "train",
    /// Inbound: ESP that the card of the SA should have opened and has not, such as what came in fragments or by another port;
    /// or what no card should have opened.
    NotByCard = "not_by_card",
    /// The card that did the SA has failed.
    Lost = "lost",
    /// Inbound: no SA has this SPI.
    UnknownSpi = "unknown_spi",
    /// The SA has reached a hard lifetime.
    Expired = "expired",
    /// Outbound: the SA has used its last sequence number.
    SequenceExhausted = "sequence_exhausted",
    /// Outbound: the packet is not one whole IP packet.
    Malformed = "malformed",
    /// Transport mode takes whole datagrams only.
    TransportFragment = "transport_fragment",
    /// Transport mode: the packet is not between the two ends of the SA.
    NotEndpoint = "not_endpoint",
    /// The packet would exceed 65,535 bytes, or the buffer has no room for what ESP adds.
    NoRoom = "no_room",
    /// Inbound: the outer packet is a fragment; it has to be reassembled first.
    OuterFragment = "outer_fragment",
    /// Inbound: the outer headers are damaged.
    OuterMalformed = "outer_malformed",
    /// Inbound: the outer packet carries neither ESP nor UDP-encapsulated ESP.
    NotEsp = "not_esp",
    /// Inbound: a NAT keepalive (RFC 3948 section 2.3).
    Keepalive = "keepalive",
    /// Inbound: IKE, marked by four zero bytes (RFC 3948 section 2.2).
    NonEspMarker = "non_esp_marker",
    /// Inbound: shorter than the smallest ESP packet, or than its own headers say.
    Truncated = "truncated",
    /// Inbound: the ciphertext does not end on a 4-byte boundary (RFC 4303 section 2.4).
    Misaligned = "misaligned",
    /// Inbound: this sequence number has been received before.
    Replayed = "replayed",
    /// Inbound: the sequence number lies to the left of the replay window. With ESN such a number is taken
    /// for one of the next 2^32, and ends as [`Cause::BadIcv`] (RFC 4303 appendix A2.2).
    Stale = "stale",
    /// Inbound: the integrity check failed.
    BadIcv = "bad_icv",
    /// Inbound, authenticated: the padding is longer than the packet or not 1, 2, 3, ….
    BadPadding = "bad_padding",
    /// Inbound, authenticated: a dummy packet (RFC 4303 section 2.6).
    Dummy = "dummy",
    /// Inbound, authenticated: a transport payload on a tunnel SA, or a tunnelled packet on a transport SA.
    WrongMode = "wrong_mode",
    /// Inbound, authenticated: the next header says another IP version than the inner packet.
    WrongNextHeader = "wrong_next_header",
    /// Inbound, authenticated: the inner packet is not one whole IP packet.
    InnerMalformed = "inner_malformed",
    /// Inbound, authenticated: congestion was signalled on a packet that cannot carry it (RFC 6040).
    EcnInvalid = "ecn_invalid",
    /// Inbound, authenticated: the inner packet is outside the SA's selectors.
    SelectorMismatch = "selector_mismatch",
}

/// A packet was dropped: why, and what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drop {
    /// Why.
    pub cause: Cause,
    /// The SA that dropped it, if one was found.
    pub handle: Option<Handle>,
    /// The SPI, if one was read.
    pub spi: Option<Spi>,
    /// The sequence number as far as it is known: 64 bits with ESN once an SA is found.
    pub sequence: Option<u64>,
}

impl From<Cause> for Drop {
    fn from(cause: Cause) -> Self {
        Self { cause, handle: None, spi: None, sequence: None }
    }
}

impl core::fmt::Display for Drop {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.cause.name())?;
        if let Some(spi) = self.spi {
            write!(f, " spi {spi}")?;
        }
        if let Some(sequence) = self.sequence {
            write!(f, " sequence {sequence}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_its_own_counter_and_name() {
        let mut drops = Drops::default();
        for (i, &cause) in Cause::ALL.iter().enumerate() {
            for _ in 0..=i {
                drops.count(cause);
            }
        }
        for (i, &cause) in Cause::ALL.iter().enumerate() {
            assert_eq!(drops.of(cause), i as u64 + 1, "{}", cause.name());
        }
        let names: std::collections::HashSet<_> = Cause::ALL.iter().map(|c| c.name()).collect();
        assert_eq!(names.len(), Cause::ALL.len());
    }
}
