//! The Notify payload (RFC 7296, section 3.10) and its message types.

use alloc::vec::Vec;
use core::fmt;

use super::sa::Protocol;
use super::{Chain, ChainBuilder, Error, PayloadType, Reader};

/// A Notify Message Type. Below 16384 it is an error, above a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NotifyType(pub u16);

macro_rules! notify_types {
    ($($(#[$doc:meta])* $name:ident = $value:literal,)*) => {
        impl NotifyType {
            $($(#[$doc])* pub const $name: Self = Self($value);)*

            /// The RFC's name for it, if it has one here.
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

notify_types! {
    /// A payload that has to be understood, and isn't; its type is the data.
    UNSUPPORTED_CRITICAL_PAYLOAD = 1,
    /// No such IKE SA.
    INVALID_IKE_SPI = 4,
    /// A major version that isn't spoken.
    INVALID_MAJOR_VERSION = 5,
    /// The message can't be parsed.
    INVALID_SYNTAX = 7,
    /// None of the proposals is acceptable.
    NO_PROPOSAL_CHOSEN = 14,
    /// Another group is wanted; its number is the data.
    INVALID_KE_PAYLOAD = 17,
    /// The peer is not who it has to be, or doesn't know the key.
    AUTHENTICATION_FAILED = 24,
    /// No room for another child.
    NO_ADDITIONAL_SAS = 35,
    /// None of the traffic is acceptable.
    TS_UNACCEPTABLE = 38,
    /// Not now.
    TEMPORARY_FAILURE = 43,
    /// No such child.
    CHILD_SA_NOT_FOUND = 44,
    /// This is the only IKE SA of the sender's identity.
    INITIAL_CONTACT = 16384,
    /// Hash of the sender's own address.
    NAT_DETECTION_SOURCE_IP = 16388,
    /// Hash of the address that the sender sends to.
    NAT_DETECTION_DESTINATION_IP = 16389,
    /// Opaque data, to be given back.
    COOKIE = 16390,
    /// Transport mode is wanted.
    USE_TRANSPORT_MODE = 16391,
    /// The child that is being replaced.
    REKEY_SA = 16393,
    /// No padding for traffic-flow confidentiality.
    ESP_TFC_PADDING_NOT_SUPPORTED = 16394,
    /// An IKE SA without a child is acceptable (RFC 6023).
    CHILDLESS_IKEV2_SUPPORTED = 16418,
}

impl NotifyType {
    /// Whether it reports an error.
    pub const fn is_error(self) -> bool {
        self.0 < 16384
    }
}

impl fmt::Display for NotifyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "notify {}", self.0),
        }
    }
}

/// A Notify payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notify<'a> {
    /// Protocol of the SPI; [`Protocol::NONE`] if there is none.
    pub protocol: Protocol,
    /// The SA it is about; empty for the IKE SA itself.
    pub spi: &'a [u8],
    /// What it says.
    pub kind: NotifyType,
    /// Depends on `kind`.
    pub data: &'a [u8],
}

impl<'a> Notify<'a> {
    /// A notify about the IKE SA, or about nothing in particular.
    pub const fn new(kind: NotifyType, data: &'a [u8]) -> Self {
        Self { protocol: Protocol::NONE, spi: &[], kind, data }
    }

    /// # Errors
    /// [`Error::Short`].
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(body);
        let mut fields = || {
            let protocol = Protocol(reader.u8()?);
            let spi_size = usize::from(reader.u8()?);
            let kind = NotifyType(reader.u16()?);
            Some(Self { protocol, spi: reader.take(spi_size)?, kind, data: reader.rest() })
        };
        fields().ok_or(Error::Short { payload: PayloadType::NOTIFY })
    }

    /// Appends the payload's contents.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.push(self.protocol.0);
        out.push(u8::try_from(self.spi.len()).unwrap_or(0));
        out.extend_from_slice(&self.kind.0.to_be_bytes());
        out.extend_from_slice(self.spi);
        out.extend_from_slice(self.data);
    }
}

impl<'a> Chain<'a> {
    /// All notifies that can be read.
    pub fn notifies(&self) -> impl Iterator<Item = Notify<'a>> + use<'a> {
        let payloads = self.payloads().filter(|payload| payload.kind == PayloadType::NOTIFY);
        payloads.filter_map(|payload| Notify::parse(payload.body).ok())
    }

    /// The first notify of this type.
    pub fn notify(&self, kind: NotifyType) -> Option<Notify<'a>> {
        self.notifies().find(|notify| notify.kind == kind)
    }
}

impl ChainBuilder {
    /// Appends a notify.
    pub fn push_notify(&mut self, notify: Notify<'_>) {
        self.push(PayloadType::NOTIFY, |out| notify.emit(out));
    }
}
