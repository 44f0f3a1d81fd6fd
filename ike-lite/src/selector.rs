//! Traffic selectors as values (RFC 7296, section 3.13.1): an address range, a protocol and a port range.
//! Narrowing (section 2.9) is in `narrow`; the wire form is in `wire::ts`.

use core::fmt;
use core::net::IpAddr;

/// One traffic selector. Plain data in the wire's own terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TrafficSelector {
    /// Lowest address, inclusive.
    pub first: IpAddr,
    /// Highest address, inclusive; of the same family as `first`.
    pub last: IpAddr,
    /// IP protocol number; 0 means any.
    pub protocol: u8,
    /// Lowest port, inclusive. For ICMP, ICMPv6 and Mobile IPv6: type in the upper octet, code in the lower.
    pub first_port: u16,
    /// Highest port, inclusive. `first_port = 65535, last_port = 0` means OPAQUE: only packets whose
    /// ports can't be read, such as fragments.
    pub last_port: u16,
}

impl TrafficSelector {
    /// All traffic of the addresses `first..=last`; `None` if the families differ or the range is empty.
    pub fn range(first: IpAddr, last: IpAddr) -> Option<Self> {
        let ordered = first.is_ipv4() == last.is_ipv4() && first <= last;
        ordered.then_some(Self { first, last, protocol: 0, first_port: 0, last_port: u16::MAX })
    }

    /// All traffic of one prefix; host bits of `address` are ignored, `length` is cut at the family's width.
    pub fn prefix(address: IpAddr, length: u8) -> Self {
        let (first, last) = match address {
            IpAddr::V4(a) => {
                let host = u32::MAX.checked_shr(u32::from(length)).unwrap_or(0);
                let bits = u32::from(a);
                (IpAddr::V4((bits & !host).into()), IpAddr::V4((bits | host).into()))
            }
            IpAddr::V6(a) => {
                let host = u128::MAX.checked_shr(u32::from(length)).unwrap_or(0);
                let bits = u128::from(a);
                (IpAddr::V6((bits & !host).into()), IpAddr::V6((bits | host).into()))
            }
        };
        Self { first, last, protocol: 0, first_port: 0, last_port: u16::MAX }
    }

    /// All traffic of one address.
    pub fn host(address: IpAddr) -> Self {
        Self { first: address, last: address, protocol: 0, first_port: 0, last_port: u16::MAX }
    }

    /// The same addresses, limited to `protocol` and the ports `first..=last`.
    pub const fn with_ports(self, protocol: u8, first: u16, last: u16) -> Self {
        Self { protocol, first_port: first, last_port: last, ..self }
    }

    /// Whether it matches only packets with unreadable ports.
    pub const fn is_opaque(&self) -> bool {
        self.first_port == u16::MAX && self.last_port == 0
    }

    /// Whether it matches every port, unreadable ones included.
    pub const fn is_any_port(&self) -> bool {
        self.first_port == 0 && self.last_port == u16::MAX
    }

    /// Traffic that both match; `None` if there is none.
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        if self.first.is_ipv4() != other.first.is_ipv4() {
            return None;
        }
        let first = self.first.max(other.first);
        let last = self.last.min(other.last);
        let protocol = match (self.protocol, other.protocol) {
            (0, p) | (p, 0) => p,
            (a, b) if a == b => a,
            _ => return None,
        };
        let (first_port, last_port) = match (self.is_opaque(), other.is_opaque()) {
            (true, true) => (u16::MAX, 0),
            // Only "any port" includes the packets whose ports can't be read.
            (true, false) if other.is_any_port() => (u16::MAX, 0),
            (false, true) if self.is_any_port() => (u16::MAX, 0),
            (true, false) | (false, true) => return None,
            (false, false) => {
                let first = self.first_port.max(other.first_port);
                let last = self.last_port.min(other.last_port);
                if first > last {
                    return None;
                }
                (first, last)
            }
        };
        (first <= last).then_some(Self { first, last, protocol, first_port, last_port })
    }

    /// Whether everything that `self` matches is matched by `other` too.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.intersect(other) == Some(*self)
    }
}

impl fmt::Display for TrafficSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)?;
        match (self.protocol, self.is_any_port()) {
            (0, true) => Ok(()),
            (protocol, true) => write!(f, "[{protocol}]"),
            (protocol, false) if self.is_opaque() => write!(f, "[{protocol}/opaque]"),
            (protocol, false) => write!(f, "[{protocol}/{}-{}]", self.first_port, self.last_port),
        }
    }
}
