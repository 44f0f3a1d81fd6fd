//! ESP by a network card (design D8 to D12): what the control path asks of one, and where an SA is done. No device's types
//! appear here.
//!
//! An SA is done by software or by one card for its whole life. The key says so: it is not cloneable, and
//! [`crate::Ipsec::install`] moves it either into a [`crate::aead::SealingKey`] or into [`Card::install`], and nothing gives
//! it back. So no second encryptor can be written, and no nonce comes twice (law 1). An SA whose card has failed is
//! [`Event::Lost`]: it is replaced by one with another key, never continued.
//!
//! The card does transport mode: it puts ESP, and UDP if there is any, between the IP header and what follows it, and takes
//! it out. The outer header of tunnel mode is ours in both engines, so that DSCP, ECN, DF and the next hop are those of each
//! packet, and tunnels pass NATs. To the card such a packet is one with protocol 4 or 41.

use alloc::sync::Arc;
use core::fmt;
use core::net::IpAddr;

use net::{Instant, PortId};

use crate::aead::{Algorithm, Key};
use crate::sa::{Direction, Handle, SaParams, Spi, UdpEncap};

/// Whether an SA is to be done by a card: swanctl's `hw_offload`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Hardware {
    /// By a card if it can, by software otherwise; [`Placement`] says which and why.
    Auto,
    /// By a card, or not at all.
    Packet,
    /// By software.
    #[default]
    No,
}

/// Where an SA is to be done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Wish {
    /// By what.
    pub hardware: Hardware,
    /// The port that its packets leave and arrive by; nothing if there is no route.
    pub port: Option<PortId>,
}

/// Where an SA is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// By the card of this port.
    Card(PortId),
    /// By software, and why.
    Software(Reason),
}

impl Placement {
    /// The port whose card does it, if one does.
    pub fn card(&self) -> Option<PortId> {
        match self {
            Self::Card(port) => Some(*port),
            Self::Software(_) => None,
        }
    }
}

/// Why an SA is not done by a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The configuration says so.
    Configured,
    /// There is no route to the peer, so that no card can be chosen.
    NoRoute,
    /// The port that its packets pass has no card that does ESP.
    NoCard(PortId),
    /// The card is down.
    Down(PortId),
    /// The card's own words.
    Card(Arc<str>),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configured => f.write_str("hw_offload = no"),
            Self::NoRoute => f.write_str("no route to the peer"),
            Self::NoCard(port) => write!(f, "port {} does no ESP", port.0),
            Self::Down(port) => write!(f, "the card of port {} is down", port.0),
            Self::Card(words) => f.write_str(words),
        }
    }
}

/// The name that a card gives to an SA, in `net::Meta`. It is not given to another one for as long as possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(pub u32);

impl Name {
    /// Bits of the part that no two SAs on one card have in common, and that is small if they are few.
    pub const INDEX_BITS: u32 = 20;

    pub(crate) const fn index(self) -> usize {
        self.0 as usize & ((1 << Self::INDEX_BITS) - 1)
    }
}

/// What a card is told of an SA, beside the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CardSa {
    /// Which way it works.
    pub direction: Direction,
    /// Its SPI.
    pub spi: Spi,
    /// Our end: destination of what is opened, source of what is sealed.
    pub local: IpAddr,
    /// The peer's end. What is opened may come from elsewhere if there is UDP encapsulation.
    pub remote: IpAddr,
    /// UDP encapsulation.
    pub encap: Option<UdpEncap>,
    /// The AEAD.
    pub algorithm: Algorithm,
    /// Extended sequence numbers.
    pub esn: bool,
    /// Packets of the replay window; 0: none. Only for SAs that open.
    pub window: u32,
    /// Packets after which the card stops it, if it can count them. The gateway counts too.
    pub packets: Option<u64>,
}

impl CardSa {
    pub(crate) fn of(sa: &SaParams) -> Self {
        Self {
            direction: sa.direction,
            spi: sa.spi,
            local: sa.mode.local(),
            remote: sa.mode.remote(),
            encap: sa.encap,
            algorithm: sa.algorithm,
            esn: sa.esn,
            window: if sa.direction == Direction::In { sa.replay_window } else { 0 },
            packets: sa.lifetime.hard.packets,
        }
    }
}

/// What a card has counted of an SA.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CardCounts {
    /// Packets that met the SA, dropped ones included.
    pub packets: u64,
    /// Dropped: the ICV was wrong.
    pub bad_icv: u64,
    /// Dropped: authentic, but with a wrong trailer.
    pub bad_trailer: u64,
    /// Dropped: seen already, or too old.
    pub replayed: u64,
}

/// What has happened on a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardEvent {
    /// A soft limit of the card's own was reached, the sequence numbers' for one.
    Soft(Name),
    /// The SA carries nothing any more.
    Hard(Name),
    /// The card has failed, and all of its SAs with it. Nothing may be installed until [`CardEvent::Up`].
    Dead,
    /// The card works again, without any SA.
    Up,
}

/// A card that does ESP.
pub trait Card {
    /// Whether it can do an SA, and has room for it now.
    ///
    /// # Errors
    /// Why not.
    fn check(&self, sa: &CardSa) -> Result<(), Reason>;
    /// Installs an SA. When this returns, an inbound one opens what comes, and packets may be sent under an outbound one.
    /// The key is the card's from here on, even when this fails.
    ///
    /// # Errors
    /// What went wrong. The SA does nothing then.
    fn install(&mut self, sa: &CardSa, key: Key) -> Result<Name, Reason>;
    /// Takes an SA off the card, with its key; its last counts, if they could be read.
    fn retire(&mut self, name: Name) -> Option<CardCounts>;
    /// Calls `each` with the counts of every SA.
    fn counts(&mut self, each: &mut dyn FnMut(Name, CardCounts));
    /// What has happened since the last call, until nothing.
    fn poll(&mut self, now: Instant) -> Option<CardEvent>;
    /// The largest IP packet that meets the SAs once more when its port sends it to its own hardware address: what a card
    /// has not opened because it came in fragments. 0: the card gives nothing back.
    fn takes_back(&self) -> u16 {
        0
    }
}

/// What happened to an SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A soft lifetime was reached: time to rekey. Raised once per SA. Also raised when 15/16 of the
    /// sequence numbers of an SA without ESN are used.
    SoftLimit {
        /// The SA.
        handle: Handle,
        /// Its SPI.
        spi: Spi,
        /// Which way it works.
        direction: Direction,
    },
    /// A hard lifetime was reached: the SA carries nothing any more and is to be retired.
    HardLimit {
        /// The SA.
        handle: Handle,
        /// Its SPI.
        spi: Spi,
        /// Which way it works.
        direction: Direction,
    },
    /// The last sequence number has been sent: the SA carries nothing any more and is to be retired.
    SequenceExhausted {
        /// The SA.
        handle: Handle,
        /// Its SPI.
        spi: Spi,
    },
    /// Nothing was sent for the keepalive interval: send one byte ff by UDP (RFC 3948 section 4). Raised
    /// once per pair of ends, however many SAs share it.
    Keepalive {
        /// One of the SAs between these ends.
        handle: Handle,
        /// Our address.
        local: IpAddr,
        /// Our port.
        local_port: u16,
        /// The peer's address.
        remote: IpAddr,
        /// The peer's port.
        remote_port: u16,
    },
    /// An authentic packet with the highest sequence number so far came from another address or port
    /// than the SA's: the NAT in front of the peer has a new mapping (RFC 7296 section 2.23). Nothing has
    /// been changed; see [`crate::Ipsec::set_peer`]. Of an SA on a card only another address is noticed.
    PeerMoved {
        /// The inbound SA.
        handle: Handle,
        /// Its SPI.
        spi: Spi,
        /// Where the packet came from.
        remote: IpAddr,
        /// And from which port.
        remote_port: u16,
    },
    /// The card that did it has failed, or can't follow its peer. The SA carries nothing any more; it must be replaced by
    /// one with another key, never continued.
    Lost {
        /// The SA.
        handle: Handle,
        /// Its SPI.
        spi: Spi,
        /// Which way it works.
        direction: Direction,
    },
    /// The card of a port works again: SAs that software does for want of it may be replaced by ones on the card.
    CardUp {
        /// The port.
        port: PortId,
    },
}
