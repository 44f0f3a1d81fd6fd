//! Why a message is dropped or refused. Every drop has a [`Cause`], every cause a counter.

use core::fmt;

/// Why a datagram was dropped without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Cause {
    /// The IKE header is short, or its length isn't that of the datagram.
    Header,
    /// The payload chain does not fit the message, outside SK.
    Payloads,
    /// Neither a known IKE SA nor an IKE_SA_INIT request.
    UnknownSpi,
    /// No connection for these addresses.
    NoConnection,
    /// An exchange that the state table forbids here.
    State,
    /// A response that nobody waits for.
    UnexpectedResponse,
    /// The message ID is outside the window.
    MessageId,
    /// The SK payload's ICV is wrong.
    Integrity,
    /// The bound on half-open IKE SAs is reached.
    HalfOpenLimit,
    /// The bound on IKE SAs is reached.
    SaLimit,
    /// From a claimed initiator that did not start this SA, or the other way round.
    Role,
    /// A new request on an IKE SA whose peer failed to authenticate.
    Closing,
    /// A major version that isn't 2.
    Version,
    /// An IKE_SA_INIT request longer than any honest one.
    TooLong,
}

impl Cause {
    /// Every cause, in the order of the counters.
    pub const ALL: [Self; 14] = [
        Self::Header,
        Self::Payloads,
        Self::UnknownSpi,
        Self::NoConnection,
        Self::State,
        Self::UnexpectedResponse,
        Self::MessageId,
        Self::Integrity,
        Self::HalfOpenLimit,
        Self::SaLimit,
        Self::Role,
        Self::Closing,
        Self::Version,
        Self::TooLong,
    ];

    /// A short name for display.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Header => "ike-header",
            Self::Payloads => "ike-payloads",
            Self::UnknownSpi => "ike-unknown-spi",
            Self::NoConnection => "ike-no-connection",
            Self::State => "ike-state",
            Self::UnexpectedResponse => "ike-unexpected-response",
            Self::MessageId => "ike-message-id",
            Self::Integrity => "ike-integrity",
            Self::HalfOpenLimit => "ike-half-open-limit",
            Self::SaLimit => "ike-sa-limit",
            Self::Role => "ike-role",
            Self::Closing => "ike-closing",
            Self::Version => "ike-version",
            Self::TooLong => "ike-too-long",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
