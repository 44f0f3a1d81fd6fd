//! What goes into an [`Endpoint`](crate::Endpoint) and what comes out: datagrams, commands, SAs to install and
//! remove, events. All of it is data; nothing here acts.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use zeroize::Zeroizing;

use crate::config::{Identity, Lifetimes};
use crate::proposal::EspAlgorithm;
use crate::selector::TrafficSelector;
use crate::time::Instant;
use crate::wire::notify::NotifyType;

/// A UDP datagram that arrived on port 500 or 4500.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// Our address and port.
    pub local: SocketAddr,
    /// The sender's address and port.
    pub remote: SocketAddr,
    /// The IKE message: on port 4500 the caller has taken the non-ESP marker off (RFC 3948, section 2.2).
    pub bytes: &'a [u8],
}

/// Names an IKE SA for the life of the [`Endpoint`](crate::Endpoint); kept when the IKE SA is rekeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IkeId(pub u64);

/// A security parameter index of ESP. A child is known by the one that *we* chose, the inbound one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spi(pub u32);

/// What the data path or the operator asks for. `spi` is always the inbound SPI of a child. A command about
/// something that is gone is ignored: it has crossed with a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Deletes an IKE SA and its children, and tells the peer.
    DeleteIke(IkeId),
    /// Deletes one child, and tells the peer. Also the answer to an [`Output::InstallChild`] that failed.
    DeleteChild {
        /// Inbound SPI.
        spi: Spi,
    },
    /// Either SA of the child passed a soft limit: replace it.
    SoftLimit {
        /// Inbound SPI.
        spi: Spi,
    },
    /// Either SA of the child passed a hard limit or ran out of sequence numbers: delete it.
    HardLimit {
        /// Inbound SPI.
        spi: Spi,
    },
    /// The inbound SA carried authenticated traffic: the peer lives, and uses this child.
    /// To be given for the first packet of a new child; later, as often as convenient.
    Traffic {
        /// Inbound SPI.
        spi: Spi,
    },
}

/// ESP mode of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// Whole IP packets inside new ones.
    #[default]
    Tunnel,
    /// Between the two hosts themselves.
    Transport,
}

/// UDP encapsulation of ESP (RFC 3948).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encap {
    /// Our address and port.
    pub local: SocketAddr,
    /// The peer's address and port, as seen here.
    pub remote: SocketAddr,
    /// Whether we are behind a NAT ourselves, and so have to send keepalives.
    pub keepalive: bool,
}

/// A pair of ESP SAs, ready to install.
#[derive(Debug, Clone)]
pub struct ChildSa {
    /// The IKE SA it belongs to.
    pub ike: IkeId,
    /// Name of the connection.
    pub connection: String,
    /// Name of the child.
    pub child: String,
    /// Inbound SPI, chosen by us.
    pub spi_in: Spi,
    /// Outbound SPI, chosen by the peer.
    pub spi_out: Spi,
    /// Inbound key, then its 4 octets of salt.
    pub key_in: Zeroizing<Vec<u8>>,
    /// Outbound key, then its 4 octets of salt.
    pub key_out: Zeroizing<Vec<u8>>,
    /// AEAD of both directions.
    pub algorithm: EspAlgorithm,
    /// Extended sequence numbers, both directions.
    pub esn: bool,
    /// Tunnel or transport.
    pub mode: Mode,
    /// UDP encapsulation, if a NAT was found or forced.
    pub encap: Option<Encap>,
    /// Our outer address.
    pub local: IpAddr,
    /// The peer's outer address.
    pub remote: IpAddr,
    /// Our side's traffic: any of these.
    pub local_ts: Vec<TrafficSelector>,
    /// The peer's side: any of these.
    pub remote_ts: Vec<TrafficSelector>,
    /// Inbound SPI of the child that this one replaces.
    pub replaces: Option<Spi>,
    /// From the configuration.
    pub lifetimes: Lifetimes,
}

/// Why a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RemoveReason {
    /// Another child took its place.
    Rekeyed,
    /// It lost a simultaneous rekey (RFC 7296, section 2.8.1).
    Redundant,
    /// The peer deleted it.
    PeerDeleted,
    /// Deleted by a [`Command`].
    Commanded,
    /// Its IKE SA ended.
    IkeGone,
}

/// Why an IKE SA ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IkeGoneReason {
    /// The peer deleted it.
    PeerDeleted,
    /// Deleted by a [`Command`].
    Commanded,
    /// The peer answered none of our repetitions.
    PeerDead,
    /// The same peer identity came back with INITIAL_CONTACT.
    Replaced,
    /// Its lifetime passed without a rekey.
    Expired,
    /// The peer broke the protocol on an authenticated exchange.
    Protocol,
}

/// What happened, for the log and the counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A peer has authenticated.
    IkeUp {
        /// The IKE SA.
        ike: IkeId,
        /// Name of the connection.
        connection: String,
        /// Who the peer has proven to be.
        peer: Identity,
        /// Where it is.
        remote: SocketAddr,
    },
    /// The IKE SA has new keys.
    IkeRekeyed {
        /// The IKE SA.
        ike: IkeId,
    },
    /// The IKE SA and all its children have ended.
    IkeGone {
        /// The IKE SA.
        ike: IkeId,
        /// Why.
        why: IkeGoneReason,
    },
    /// A child is installed.
    ChildUp {
        /// The IKE SA.
        ike: IkeId,
        /// Inbound SPI.
        spi: Spi,
        /// The child it replaces.
        replaces: Option<Spi>,
    },
    /// A child has ended.
    ChildGone {
        /// The IKE SA.
        ike: IkeId,
        /// Inbound SPI.
        spi: Spi,
        /// Why.
        why: RemoveReason,
    },
    /// The peer's address or port changed behind a NAT (RFC 7296, section 2.23).
    PeerMoved {
        /// The IKE SA.
        ike: IkeId,
        /// The new address.
        remote: SocketAddr,
    },
    /// A request was refused with this notify. A wrong key is [`NotifyType::AUTHENTICATION_FAILED`].
    Refused {
        /// Who asked.
        remote: SocketAddr,
        /// What was answered.
        notify: NotifyType,
    },
    /// The peer refused a request of ours.
    PeerRefused {
        /// The IKE SA.
        ike: IkeId,
        /// What it said.
        notify: NotifyType,
    },
    /// A datagram was dropped without an answer.
    Dropped {
        /// Who sent it.
        remote: SocketAddr,
        /// Why.
        cause: crate::error::Cause,
    },
}

/// Keys in the clear for a decoder in a test; only with [`Config::keylog`](crate::Config::keylog).
#[derive(Debug, Clone)]
pub enum KeyLog {
    /// Keys of an IKE SA; `sk_ei` and `sk_er` with their salt.
    Ike {
        /// Initiator's SPI.
        spi_i: u64,
        /// Responder's SPI.
        spi_r: u64,
        /// Initiator's encryption key and salt.
        sk_ei: Zeroizing<Vec<u8>>,
        /// Responder's encryption key and salt.
        sk_er: Zeroizing<Vec<u8>>,
    },
    /// Keys of a child, key then salt.
    Child {
        /// Inbound SPI.
        spi_in: Spi,
        /// Outbound SPI.
        spi_out: Spi,
        /// Key of packets to us.
        key_in: Zeroizing<Vec<u8>>,
        /// Key of packets from us.
        key_out: Zeroizing<Vec<u8>>,
    },
}

/// What [`Endpoint::poll`](crate::Endpoint::poll) hands out, in the order in which it must be done.
#[derive(Debug, Clone)]
pub enum Output {
    /// Send this. On port 4500 the caller puts the non-ESP marker in front.
    Transmit {
        /// From our address and port.
        local: SocketAddr,
        /// To the peer's.
        remote: SocketAddr,
        /// The IKE message.
        bytes: Vec<u8>,
    },
    /// Install both SAs; inbound works from now on, outbound is used only after [`Output::ActivateOutbound`].
    /// Comes before the response that tells the peer of it.
    InstallChild(Box<ChildSa>),
    /// Send on this SA from now on, in place of the one that it replaces.
    ActivateOutbound {
        /// Inbound SPI of the child.
        spi_in: Spi,
        /// Outbound SPI of the child.
        spi_out: Spi,
    },
    /// Remove both SAs.
    RemoveChild {
        /// Inbound SPI.
        spi_in: Spi,
        /// Outbound SPI.
        spi_out: Spi,
        /// Why.
        why: RemoveReason,
    },
    /// The peer of this child has another address or port now; its SAs follow.
    MoveChild {
        /// Inbound SPI of the child.
        spi_in: Spi,
        /// Outbound SPI of the child.
        spi_out: Spi,
        /// The new addresses and ports.
        encap: Encap,
    },
    /// For the log and the counters.
    Event(Event),
    /// For decoders in tests.
    KeyLog(KeyLog),
    /// Nothing more to do until this time, or until there is input. Always last.
    Wake(Instant),
}
