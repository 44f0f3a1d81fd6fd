//! What an SA is installed with. Addresses, SPI and ports are those of ESP on the wire, whatever is inside.

use core::fmt;
use core::net::IpAddr;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// An SA to be installed, one direction of it.
#[derive(Clone, Debug)]
pub struct Install {
    /// Which way it works.
    pub direction: Direction,
    /// Security parameters index, 256 at least.
    pub spi: u32,
    /// Source address of ESP packets. With UDP encapsulation, packets from any source are taken on receive: what a NAT
    /// in between makes of it may change, and whether they are authentic says the key.
    pub source: IpAddr,
    /// Destination address of ESP packets.
    pub destination: IpAddr,
    /// What is inside.
    pub mode: Mode,
    /// UDP encapsulation (RFC 3948).
    pub udp: Option<Ports>,
    /// VLAN whose packets it is for; `None`: those without a tag.
    pub vlan: Option<u16>,
    /// Key and salt.
    pub secret: Secret,
    /// On send, what IVs are made from: random, and no secret.
    pub iv: [u8; 8],
    /// Sequence numbers have 64 bits.
    pub esn: bool,
    /// On send, the first sequence number; on receive, the lowest one that is taken. 1 for a new SA.
    pub sequence: u64,
    /// Packets after which it is to be replaced, and stops.
    pub packets: Limits,
    /// Bytes of frames as the card counts them, found out by polling.
    pub octets: Limits,
    /// On receive, the packets that may come out of it, checked by the card; others are dropped.
    pub selector: Option<Selector>,
}

/// Which way an SA works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// It opens packets.
    Receive {
        /// Packets of the replay window; 0: replays are not found.
        window: u16,
    },
    /// It seals packets.
    Send,
}

impl Direction {
    /// Whether it opens packets.
    pub const fn receives(self) -> bool {
        matches!(self, Self::Receive { .. })
    }
}

/// IP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// That of an address.
    pub const fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// As it stands in a header.
    pub(crate) const fn version(self) -> u8 {
        match self {
            Self::V4 => 4,
            Self::V6 => 6,
        }
    }

    /// Ethernet type.
    pub(crate) const fn ethertype(self) -> u16 {
        match self {
            Self::V4 => 0x0800,
            Self::V6 => 0x86dd,
        }
    }
}

/// What is inside of ESP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The payload of the IP packet. Also the way of tunnel mode whose outer header software puts on and takes off: then
    /// the payload is an IP packet, and to the card it is protocol 4 or 41.
    Transport,
    /// A whole IP packet; the card puts the outer header on and takes it off.
    Tunnel {
        /// Version of the IP packets inside. Others are dropped on send, and on receive come with a wrong Ethernet type.
        inner: Family,
        /// Source of the Ethernet header: of outer packets on send, of inner packets on receive.
        source: [u8; 6],
        /// Destination of that header: the next hop on send, this function on receive.
        destination: [u8; 6],
        /// TTL or hop limit of the outer header.
        hop_limit: u8,
        /// DSCP and ECN of the outer header, the same for all packets.
        traffic_class: u8,
    },
}

/// UDP ports on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Of the sender.
    pub source: u16,
    /// Of the receiver.
    pub destination: u16,
}

/// The key of AES-GCM with an ICV of 16 bytes.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub enum Key {
    /// AES-128.
    Aes128([u8; 16]),
    /// AES-256.
    Aes256([u8; 32]),
}

impl Key {
    /// Its size.
    pub const fn bits(&self) -> u16 {
        match self {
            Self::Aes128(_) => 128,
            Self::Aes256(_) => 256,
        }
    }
}

/// Key and salt, wiped when they go.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret {
    /// The key.
    pub key: Key,
    /// The four bytes behind it in the key material (RFC 4106 section 8.1).
    pub salt: [u8; 4],
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AES-{}-GCM", self.key.bits())
    }
}

/// Limits of use; `None`: there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// It is time for another SA.
    pub soft: Option<u64>,
    /// The SA stops.
    pub hard: Option<u64>,
}

/// What may come out of an SA: protocol and ports above IP. Addresses are for software to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selector {
    /// IP protocol.
    pub protocol: u8,
    /// Source port of TCP or UDP; `None`: any.
    pub source: Option<u16>,
    /// Destination port of TCP or UDP; `None`: any.
    pub destination: Option<u16>,
}
