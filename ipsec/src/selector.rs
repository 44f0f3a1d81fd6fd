//! Traffic selectors (RFC 4301 section 4.4.1.1): which packets a policy or an SA covers.
//!
//! A selector is a box: a range of source addresses, a range of destination addresses, a protocol, and
//! what the next layer says (ports, ICMP type and code, or OPAQUE). It is always written in the outbound
//! sense: `src` is our side, `dst` the peer's. Inbound packets are compared
//! reversed ([`Flow::reversed`]).
//!
//! Left out: names (user and system identifiers), and the Mobility Header type as a selector of its own.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use net::flow::{Flow, Ports};
use net::ip::proto as protocol;
use net::prefix::Prefix;

/// A non-empty range of addresses of one family, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressRange {
    first: IpAddr,
    last: IpAddr,
}

impl AddressRange {
    /// Every IPv4 address.
    pub const ANY_V4: Self =
        Self { first: IpAddr::V4(Ipv4Addr::UNSPECIFIED), last: IpAddr::V4(Ipv4Addr::BROADCAST) };
    /// Every IPv6 address.
    pub const ANY_V6: Self =
        Self { first: IpAddr::V6(Ipv6Addr::UNSPECIFIED), last: IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)) };

    /// The range from `first` to `last`; nothing if the families differ or the range would be empty.
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        (first.is_ipv4() == last.is_ipv4() && first <= last).then_some(Self { first, last })
    }

    /// The range of one address.
    pub const fn host(addr: IpAddr) -> Self {
        Self { first: addr, last: addr }
    }

    /// Lowest address.
    pub const fn first(&self) -> IpAddr {
        self.first
    }

    /// Highest address.
    pub const fn last(&self) -> IpAddr {
        self.last
    }

    /// Whether this is a range of IPv4 addresses.
    pub const fn is_ipv4(&self) -> bool {
        self.first.is_ipv4()
    }

    /// Whether `addr` is of this family and in this range.
    #[inline]
    pub fn contains(&self, addr: IpAddr) -> bool {
        match (self.first, self.last, addr) {
            (IpAddr::V4(first), IpAddr::V4(last), IpAddr::V4(addr)) => {
                (first.to_bits()..=last.to_bits()).contains(&addr.to_bits())
            }
            (IpAddr::V6(first), IpAddr::V6(last), IpAddr::V6(addr)) => {
                (first.to_bits()..=last.to_bits()).contains(&addr.to_bits())
            }
            _ => false,
        }
    }

    /// Whether every address of this range is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        other.contains(self.first) && other.contains(self.last)
    }

    /// The addresses in both ranges.
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        Self::new(self.first.max(other.first), self.last.min(other.last))
    }
}

impl From<Prefix> for AddressRange {
    fn from(prefix: Prefix) -> Self {
        Self { first: prefix.first(), last: prefix.last() }
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return write!(f, "{}", self.first);
        }
        let width = if self.is_ipv4() { 32 } else { 128 };
        let whole = |&len: &u8| Prefix::new(self.first, len).is_some_and(|p| Self::from(p) == *self);
        match (0..=width).find(whole) {
            Some(len) => write!(f, "{}/{len}", self.first),
            None => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

/// A non-empty range of 16-bit numbers, both ends included: ports, or ICMP type and code as one number
/// with the type in the upper byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// Every port.
    pub const ANY: Self = Self { first: 0, last: u16::MAX };

    /// The range from `first` to `last`; nothing if it would be empty.
    pub fn new(first: u16, last: u16) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// The range of one port.
    pub const fn one(port: u16) -> Self {
        Self { first: port, last: port }
    }

    /// Lowest port.
    pub const fn first(&self) -> u16 {
        self.first
    }

    /// Highest port.
    pub const fn last(&self) -> u16 {
        self.last
    }

    /// Whether `port` is in this range.
    pub const fn contains(&self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }

    /// Whether every port of this range is in `other`.
    pub const fn is_subset(&self, other: &Self) -> bool {
        other.first <= self.first && self.last <= other.last
    }

    /// The ports in both ranges.
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        Self::new(self.first.max(other.first), self.last.min(other.last))
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        if self.first == self.last { Ok(()) } else { write!(f, "-{}", self.last) }
    }
}

/// What a selector asks of the layer above IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Upper {
    /// Anything, fragments and unreadable headers included (ANY contains OPAQUE).
    Any,
    /// Source and destination ports. Both ranges complete means [`Upper::Any`].
    Ports {
        /// Ports of our side.
        src: PortRange,
        /// Ports of the peer's side.
        dst: PortRange,
    },
    /// ICMP type and code as one number, type in the upper byte. A complete range means [`Upper::Any`].
    Icmp(PortRange),
    /// Only packets whose ports cannot be read: non-initial fragments.
    Opaque,
}

impl Upper {
    /// The one spelling of each meaning.
    fn canonical(self) -> Self {
        match self {
            Self::Ports { src: PortRange::ANY, dst: PortRange::ANY } | Self::Icmp(PortRange::ANY) => {
                Self::Any
            }
            other => other,
        }
    }

    fn is_subset(self, other: Self) -> bool {
        match (self.canonical(), other.canonical()) {
            (_, Self::Any) | (Self::Opaque, Self::Opaque) => true,
            (Self::Ports { src: a, dst: b }, Self::Ports { src: c, dst: d }) => {
                a.is_subset(&c) && b.is_subset(&d)
            }
            (Self::Icmp(a), Self::Icmp(b)) => a.is_subset(&b),
            _ => false,
        }
    }

    fn intersect(self, other: Self) -> Option<Self> {
        match (self.canonical(), other.canonical()) {
            (Self::Any, x) | (x, Self::Any) => Some(x),
            (Self::Opaque, Self::Opaque) => Some(Self::Opaque),
            (Self::Ports { src: a, dst: b }, Self::Ports { src: c, dst: d }) => {
                Some(Self::Ports { src: a.intersect(&c)?, dst: b.intersect(&d)? })
            }
            (Self::Icmp(a), Self::Icmp(b)) => Some(Self::Icmp(a.intersect(&b)?)),
            _ => None,
        }
    }

    pub(crate) fn matches(self, ports: Ports) -> Match {
        let yes = match (self.canonical(), ports) {
            (Self::Any, _) | (Self::Opaque, Ports::Opaque) => true,
            (Self::Ports { .. } | Self::Icmp(_), Ports::Opaque) => return Match::Unknown,
            (Self::Ports { src, dst }, Ports::Ports { src: s, dst: d }) => src.contains(s) && dst.contains(d),
            //= rfc4301#4.4.1.1
            (Self::Icmp(range), Ports::Icmp { kind, code }) => {
                range.contains(u16::from_be_bytes([kind, code]))
            }
            _ => false,
        };
        if yes { Match::Yes } else { Match::No }
    }
}

/// Whether a flow falls under a selector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// Only the whole datagram could tell: the flow is of a fragment, and the selector asks for ports.
    Unknown,
}

/// Which packets a policy or an SA covers, in the outbound sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Selector {
    /// Addresses of our side.
    pub src: AddressRange,
    /// Addresses of the peer's side.
    pub dst: AddressRange,
    /// IP protocol; nothing stands for every protocol.
    pub proto: Option<u8>,
    /// What the next layer must say.
    pub upper: Upper,
}

impl Selector {
    /// Everything between two address ranges; nothing if their families differ.
    pub fn addresses(src: AddressRange, dst: AddressRange) -> Option<Self> {
        (src.is_ipv4() == dst.is_ipv4()).then_some(Self { src, dst, proto: None, upper: Upper::Any })
    }

    /// The selector that a pair of IKEv2 traffic selectors stands for (RFC 7296 section 3.13.1): `ports`
    /// as on the wire, first and last, where 65535 to 0 is OPAQUE, and where ICMP and ICMPv6 carry type
    /// and code. Nothing if the pair covers no packet: families or protocols that differ, or no type and
    /// code that both sides name. Protocol zero stands for every protocol.
    pub fn negotiated(local: Negotiated, remote: Negotiated) -> Option<Self> {
        const OPAQUE: (u16, u16) = (u16::MAX, 0);
        let proto = match (local.proto, remote.proto) {
            (0, p) | (p, 0) => p,
            (a, b) if a == b => a,
            _ => return None,
        };
        let upper = if local.ports == OPAQUE || remote.ports == OPAQUE {
            let whole = |ports| ports == OPAQUE || ports == (0, u16::MAX);
            if !(whole(local.ports) && whole(remote.ports)) {
                return None;
            }
            Upper::Opaque
        } else {
            let src = PortRange::new(local.ports.0, local.ports.1)?;
            let dst = PortRange::new(remote.ports.0, remote.ports.1)?;
            if matches!(proto, protocol::ICMP | protocol::ICMPV6) {
                Upper::Icmp(src.intersect(&dst)?)
            } else {
                Upper::Ports { src, dst }
            }
        };
        let proto = (proto != 0).then_some(proto);
        Some(Self { proto, upper: upper.canonical(), ..Self::addresses(local.addresses, remote.addresses)? })
    }

    /// Whether an outbound flow falls under this selector. Addresses and protocol decide first.
    pub fn matches(&self, flow: &Flow) -> Match {
        let outer = self.src.contains(flow.src)
            && self.dst.contains(flow.dst)
            && self.proto.is_none_or(|proto| proto == flow.proto);
        if outer { self.upper.matches(flow.ports) } else { Match::No }
    }

    /// Whether an inbound flow falls under this selector: the same of [`Flow::reversed`].
    #[inline]
    pub(crate) fn matches_inbound(&self, flow: &Flow) -> Match {
        let outer = self.src.contains(flow.dst)
            && self.dst.contains(flow.src)
            && self.proto.is_none_or(|proto| proto == flow.proto);
        match (outer, self.upper) {
            (false, _) => Match::No,
            (true, Upper::Any) => Match::Yes,
            (true, upper) => upper.matches(flow.reversed().ports),
        }
    }

    /// Whether every flow under this selector is under `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.src.is_subset(&other.src)
            && self.dst.is_subset(&other.dst)
            && (other.proto.is_none() || self.proto == other.proto)
            && self.upper.is_subset(other.upper)
    }

    /// The selector of the flows under both; nothing if there are none.
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        let proto = match (self.proto, other.proto) {
            (None, p) | (p, None) => p,
            (a, b) if a == b => a,
            _ => return None,
        };
        Some(Self {
            src: self.src.intersect(&other.src)?,
            dst: self.dst.intersect(&other.dst)?,
            proto,
            upper: self.upper.intersect(other.upper)?,
        })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} === {}", self.src, self.dst)?;
        let upper = self.upper.canonical();
        match self.proto {
            None if upper == Upper::Any => return Ok(()),
            None => f.write_str(" [any")?,
            Some(proto) => write!(f, " [{proto}")?,
        }
        match upper {
            Upper::Any => {}
            Upper::Opaque => f.write_str(" opaque")?,
            Upper::Icmp(range) => write!(f, " type/code {range}")?,
            Upper::Ports { src, dst } => write!(f, " src {src} dst {dst}")?,
        }
        f.write_str("]")
    }
}

/// One side of a negotiated pair, as IKEv2 writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Negotiated {
    /// Addresses of this side.
    pub addresses: AddressRange,
    /// IP protocol; zero stands for every protocol.
    pub proto: u8,
    /// First and last port as on the wire.
    pub ports: (u16, u16),
}

#[cfg(test)]
mod tests;
