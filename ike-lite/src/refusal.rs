//! A request that is refused, and the notify that says so (RFC 7296, section 2.21).

use alloc::vec::Vec;

use crate::proposal::Group;
use crate::wire::notify::{Notify, NotifyType};
use crate::wire::sa::Protocol;
use crate::wire::{ChainBuilder, Error};

/// An error notify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) kind: NotifyType,
    protocol: Protocol,
    spi: Vec<u8>,
    data: Vec<u8>,
}

impl Refusal {
    pub(crate) const fn new(kind: NotifyType) -> Self {
        Self { kind, protocol: Protocol::NONE, spi: Vec::new(), data: Vec::new() }
    }

    /// Another group is wanted.
    pub(crate) fn group(wanted: Group) -> Self {
        //= rfc7296#1.3
        Self { data: wanted.number().to_be_bytes().to_vec(), ..Self::new(NotifyType::INVALID_KE_PAYLOAD) }
    }

    /// The child that the peer names isn't there.
    pub(crate) fn no_child(spi: &[u8]) -> Self {
        //= rfc7296#2.25.1
        Self { protocol: Protocol::ESP, spi: spi.to_vec(), ..Self::new(NotifyType::CHILD_SA_NOT_FOUND) }
    }

    /// Whether the IKE SA ends with it, on both sides.
    pub(crate) fn is_fatal(&self) -> bool {
        //= rfc7296#2.21.3
        self.kind == NotifyType::INVALID_SYNTAX
    }

    pub(crate) fn push(&self, chain: &mut ChainBuilder) {
        chain.push_notify(Notify {
            protocol: self.protocol,
            spi: &self.spi,
            kind: self.kind,
            data: &self.data,
        });
    }

    /// A chain of nothing but this.
    pub(crate) fn chain(&self) -> ChainBuilder {
        let mut chain = ChainBuilder::new();
        self.push(&mut chain);
        chain
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::UnsupportedCritical { payload } => {
                //= rfc7296#2.5
                Self { data: alloc::vec![payload.0], ..Self::new(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD) }
            }
            _ => Self::new(NotifyType::INVALID_SYNTAX),
        }
    }
}
