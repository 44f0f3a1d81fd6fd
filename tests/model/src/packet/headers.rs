//! What the parser knows of a packet: layers with their offsets and the values that matching, hashing and checksums
//! need. All offsets are in bytes from the start of the frame.

use core::net::IpAddr;
use core::ops::Range;

/// All layers of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers {
    /// Length of the frame.
    pub length: usize,
    /// The headers of the frame itself.
    pub outer: Layers,
    /// What connects the outer and the inner headers.
    pub tunnel: Tunnel,
    /// The headers inside of a tunnel; a tunnel inside of a tunnel is payload.
    pub inner: Option<Layers>,
}

/// One Ethernet, IP and transport header after another; any of them may be absent.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Layers {
    /// The Ethernet header; absent inside of IP-in-IP and most GRE tunnels, and in runts.
    pub ethernet: Option<Ethernet>,
    /// The IP header.
    pub ip: Option<Ip>,
    /// The layer below said IP, but there is no such header: wrong version, too short, lengths that contradict.
    pub malformed: bool,
    /// The transport header.
    pub l4: L4,
}

/// Ethernet with up to two VLAN tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ethernet {
    /// Where it starts.
    pub offset: usize,
    /// Destination address.
    pub destination: [u8; 6],
    /// Source address.
    pub source: [u8; 6],
    /// Tags, outermost first.
    pub tags: [Option<Tag>; 2],
    /// The type after the tags; a length below 0x600.
    pub ethertype: u16,
    /// Where the payload starts.
    pub end: usize,
}

/// A VLAN tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Whether it is a service tag (802.1ad) and not a customer tag (802.1Q).
    pub service: bool,
    /// Priority, CFI and VLAN id as on the wire.
    pub tci: u16,
}

/// An IPv4 or IPv6 header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ip {
    /// Where it starts.
    pub offset: usize,
    /// Length of the IPv4 header with options; 40 for IPv6.
    pub header_length: usize,
    /// Where the packet ends by its own length field, but at most where the frame does.
    pub end: usize,
    /// The length field says more than there is.
    pub truncated: bool,
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// DSCP and ECN.
    pub traffic_class: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Flow label; 0 for IPv4.
    pub flow_label: u32,
    /// Whether it is a fragment, the first included.
    pub fragment: bool,
    /// The upper-layer protocol, after IPv6 extension headers.
    pub protocol: u8,
    /// Where that number stands.
    pub protocol_at: usize,
    /// Where the upper-layer header starts.
    pub payload: usize,
    /// Where a transport-mode ESP header goes.
    pub esp: InsertionPoint,
}

/// A place between two headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InsertionPoint {
    /// Where the new header starts.
    pub offset: usize,
    /// Where the number stands that says what starts there.
    pub next_header_at: usize,
}

/// Kind of network header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum L3 {
    /// No IP.
    None,
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum L4 {
    /// None: no IP, a fragment, or a broken chain of extension headers.
    #[default]
    None,
    /// A protocol that the parser does not read.
    Other,
    /// The protocol is one that the parser reads, but its header is cut off or contradicts itself.
    Malformed,
    /// TCP.
    Tcp(Tcp),
    /// UDP.
    Udp(Udp),
    /// ESP right after IP.
    Esp(Esp),
    /// ICMP for IPv4.
    Icmp(Icmp),
    /// ICMPv6.
    Icmpv6(Icmp),
    /// GRE.
    Gre(Gre),
}

/// TCP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Where it starts.
    pub offset: usize,
    /// Length with options.
    pub header_length: usize,
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number.
    pub acknowledgement: u32,
    /// NS, CWR, ECE, URG, ACK, PSH, RST, SYN, FIN from bit 8 down.
    pub flags: u16,
    /// Window as on the wire.
    pub window: u16,
}

/// UDP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Udp {
    /// Where it starts.
    pub offset: usize,
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
    /// Its length field.
    pub length: u16,
    /// ESP inside (RFC 3948): port 4500 and a first word that is not zero.
    pub esp: Option<Esp>,
}

/// The clear part of an ESP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Esp {
    /// Where it starts.
    pub offset: usize,
    /// Security parameter index.
    pub spi: u32,
    /// Low half of the sequence number.
    pub sequence: u32,
}

/// ICMP of either family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// Where it starts.
    pub offset: usize,
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// The four bytes after the checksum.
    pub data: u32,
}

/// GRE header of version 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gre {
    /// Where it starts.
    pub offset: usize,
    /// Whether it has a checksum.
    pub checksum: bool,
    /// Whether it has a sequence number.
    pub sequence: bool,
    /// Ethertype of the payload.
    pub protocol: u16,
    /// Key, if it has one.
    pub key: Option<u32>,
    /// Where the payload starts.
    pub end: usize,
}

/// How the inner headers got there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tunnel {
    /// No tunnel.
    None,
    /// VXLAN.
    Vxlan {
        /// Where its header starts.
        offset: usize,
        /// Network identifier, 24 bits.
        vni: u32,
    },
    /// GRE; its header is the outer [`L4::Gre`].
    Gre,
    /// IP in IP.
    IpInIp,
}

impl Headers {
    /// The inner headers if there are any, else the outer.
    pub fn innermost(&self) -> &Layers {
        self.inner.as_ref().unwrap_or(&self.outer)
    }

    /// Where the outer Ethernet header ends.
    pub fn l2_end(&self) -> Option<usize> {
        self.outer.ethernet.as_ref().map(|ethernet| ethernet.end)
    }
}

impl Layers {
    /// Kind of network header.
    pub fn l3(&self) -> L3 {
        match self.ip.as_ref().map(|ip| ip.source) {
            None => L3::None,
            Some(IpAddr::V4(_)) => L3::V4,
            Some(IpAddr::V6(_)) => L3::V6,
        }
    }

    /// Whether it is a fragment, the first included.
    pub fn fragment(&self) -> bool {
        self.ip.as_ref().is_some_and(|ip| ip.fragment)
    }

    /// The TCP header.
    pub fn tcp(&self) -> Option<&Tcp> {
        match &self.l4 {
            L4::Tcp(tcp) => Some(tcp),
            _ => None,
        }
    }

    /// The UDP header.
    pub fn udp(&self) -> Option<&Udp> {
        match &self.l4 {
            L4::Udp(udp) => Some(udp),
            _ => None,
        }
    }

    /// ESP right after IP or inside of UDP.
    pub fn esp(&self) -> Option<&Esp> {
        match &self.l4 {
            L4::Esp(esp) => Some(esp),
            L4::Udp(udp) => udp.esp.as_ref(),
            _ => None,
        }
    }

    /// The bytes after the TCP or UDP header, or after the IP header where there is neither.
    pub fn payload(&self) -> Option<Range<usize>> {
        let ip = self.ip.as_ref()?;
        let start = match &self.l4 {
            L4::Tcp(tcp) => tcp.offset + tcp.header_length,
            L4::Udp(udp) => udp.offset + 8,
            _ => ip.payload,
        };
        Some(start.min(ip.end)..ip.end)
    }
}

impl Tag {
    /// Priority, CFI and VLAN id.
    pub fn parts(&self) -> (u8, bool, u16) {
        ((self.tci >> 13) as u8, self.tci & 0x1000 != 0, self.tci & 0xfff)
    }
}

impl Tcp {
    /// FIN.
    pub const FIN: u16 = 0x001;
    /// SYN.
    pub const SYN: u16 = 0x002;
    /// RST.
    pub const RST: u16 = 0x004;
    /// PSH.
    pub const PSH: u16 = 0x008;
    /// ACK.
    pub const ACK: u16 = 0x010;
    /// URG.
    pub const URG: u16 = 0x020;
    /// ECE.
    pub const ECE: u16 = 0x040;
    /// CWR.
    pub const CWR: u16 = 0x080;
    /// NS (accurate ECN).
    pub const NS: u16 = 0x100;

    /// Whether `flag` is set.
    pub fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }
}
