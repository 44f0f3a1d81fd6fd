//! Why an SA is not taken by the card: each combination has a value of its own, and words for the operator.

use super::sa::Family;
use core::fmt;

/// What a card needs for IPsec packet offload and this one has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// `ipsec_offload`, as on cards sold without crypto and most virtual functions.
    Ipsec,
    /// `log_max_dek` or the object type of keys.
    Keys,
    /// The object type of IPsec.
    Objects,
    /// `ipsec_full_offload`: it would encrypt, but software had to make the headers.
    PacketOffload,
    /// `ipsec_encrypt` of NIC_TX.
    Encryption,
    /// `ipsec_decrypt` or `decap` of NIC_RX.
    Decryption,
    /// Header rewriting, by which received packets are marked.
    Rewriting,
    /// Flow counters.
    Counters,
    /// Changing entries in place.
    Changes,
    /// Matching on this field.
    Field(&'static str),
    /// Tables with room for even the fewest SAs.
    Room,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipsec => "IPsec (no crypto in this card, or not for this function)",
            Self::Keys => "encryption keys",
            Self::Objects => "IPsec objects",
            Self::PacketOffload => "IPsec packet offload",
            Self::Encryption => "encryption in its send tables",
            Self::Decryption => "decryption in its receive tables",
            Self::Rewriting => "header rewriting in its receive tables",
            Self::Counters => "flow counters",
            Self::Changes => "changes of flow table entries in place",
            Self::Field(name) => return write!(f, "matching on {name}"),
            Self::Room => "room for flow tables",
        })
    }
}

/// Why an SA is refused before the card is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The card can do none.
    Lacks(Missing),
    /// Keys of so many bits, in this direction.
    KeySize {
        /// Bits.
        bits: u16,
        /// On receive.
        receive: bool,
    },
    /// Transport mode, in this direction.
    Transport {
        /// On receive.
        receive: bool,
    },
    /// UDP encapsulation, in this direction.
    UdpTransport {
        /// On receive.
        receive: bool,
    },
    /// Tunnel mode by the card, in this direction.
    Tunnel {
        /// On receive.
        receive: bool,
    },
    /// Tunnel mode by the card with UDP encapsulation, for which there is no reformat.
    UdpTunnel,
    /// Tunnel mode by the card on a VLAN, whose tag it would take off.
    VlanTunnel,
    /// Longer headers than the card puts on.
    HeaderSize {
        /// Bytes needed.
        bytes: u16,
        /// Bytes that it puts on.
        most: u16,
    },
    /// Source and destination of different IP versions.
    Families(Family, Family),
    /// An SPI that is reserved (RFC 4303 section 2.1).
    Spi(u32),
    /// No VLAN has this number.
    Vlan(u16),
    /// 64-bit sequence numbers.
    Esn,
    /// A replay window without 64-bit sequence numbers.
    WindowWithoutEsn,
    /// 64-bit sequence numbers on receive without a replay window, which follows them.
    EsnWithoutWindow,
    /// A replay window of a size that the card has not.
    Window {
        /// Packets wanted.
        wanted: u16,
        /// The smallest one.
        least: u16,
        /// The largest one. Between them are powers of two.
        most: u16,
    },
    /// A first sequence number that is 0, or of more than 32 bits without 64-bit sequence numbers.
    Sequence(u64),
    /// A soft limit that is not below the hard one, or a limit of 0.
    Limits {
        /// The soft limit.
        soft: Option<u64>,
        /// The hard limit.
        hard: Option<u64>,
    },
    /// A selector on send: what is sent is chosen by software.
    SelectorOnSend,
    /// A selector with ports of a protocol that has none.
    SelectorPorts(u8),
    /// Selectors: the card can't match on this field.
    SelectorField(&'static str),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = |receive: bool| if receive { "receive" } else { "send" };
        match *self {
            Self::Lacks(missing) => write!(f, "the card lacks {missing}"),
            Self::KeySize { bits, receive } => {
                write!(f, "the card has no AES-GCM with keys of {bits} bits on {}", way(receive))
            }
            Self::Transport { receive } => {
                write!(f, "the card has no ESP in transport mode on {}", way(receive))
            }
            Self::UdpTransport { receive } => write!(f, "the card has no ESP in UDP on {}", way(receive)),
            Self::Tunnel { receive } => {
                write!(f, "the card has no tunnel mode of its own on {}", way(receive))
            }
            Self::UdpTunnel => f.write_str("no card has tunnel mode of its own with ESP in UDP"),
            Self::VlanTunnel => f.write_str("tunnel mode of the card takes VLAN tags off"),
            Self::HeaderSize { bytes, most } => {
                write!(f, "headers of {bytes} bytes are more than the {most} that the card puts on")
            }
            Self::Families(source, destination) => {
                write!(f, "source and destination are {source:?} and {destination:?}")
            }
            Self::Spi(spi) => write!(f, "SPI {spi:08x} is reserved"),
            Self::Vlan(vid) => write!(f, "no VLAN has number {vid}"),
            Self::Esn => f.write_str("the card has no 64-bit sequence numbers"),
            Self::WindowWithoutEsn => {
                f.write_str("the card has no replay window without 64-bit sequence numbers")
            }
            Self::EsnWithoutWindow => {
                f.write_str("the card follows 64-bit sequence numbers by a replay window only")
            }
            Self::Window { wanted, least, most } => write!(
                f,
                "the card has no replay window of {wanted} packets, but powers of two from {least} to {most}"
            ),
            Self::Sequence(first) => write!(f, "no SA begins with sequence number {first}"),
            Self::Limits { soft, hard } => {
                write!(f, "limits {soft:?} and {hard:?}: the soft one is below the hard one and none is 0")
            }
            Self::SelectorOnSend => f.write_str("the card has selectors on receive only"),
            Self::SelectorPorts(protocol) => write!(f, "protocol {protocol} has no ports to select by"),
            Self::SelectorField(name) => {
                write!(f, "the card can't match on {name}, which selectors need")
            }
        }
    }
}

impl core::error::Error for Refusal {}
