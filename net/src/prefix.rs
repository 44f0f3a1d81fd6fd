//! Address prefixes in CIDR notation (RFC 4632 3.1, RFC 4291 2.3). A prefix keeps the host bits it was
//! written with, so that the same type also says "this address, on a link of that size".

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

/// An address and a number of leading bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    addr: IpAddr,
    len: u8,
}

/// Why a text is not a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrefixError {
    /// What stands before the slash is neither an IPv4 nor an IPv6 address.
    Address,
    /// What stands after the slash is not a number.
    Length,
    /// The length is beyond the 32 or 128 bits of the address.
    TooLong {
        /// The length that was given.
        len: u8,
        /// The most that the family has.
        max: u8,
    },
}

impl fmt::Display for PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("not an IPv4 or IPv6 address"),
            Self::Length => f.write_str("the prefix length is not a number"),
            Self::TooLong { len, max } => write!(f, "prefix length {len} is beyond {max}"),
        }
    }
}

impl core::error::Error for PrefixError {}

impl Prefix {
    /// The first `len` bits of `addr`; `None` if the family has fewer bits.
    pub const fn new(addr: IpAddr, len: u8) -> Option<Self> {
        if len > bits(addr) { None } else { Some(Self { addr, len }) }
    }

    /// The whole of `addr`: /32 or /128.
    pub const fn host(addr: IpAddr) -> Self {
        Self { addr, len: bits(addr) }
    }

    /// The address as written, host bits and all.
    pub const fn addr(&self) -> IpAddr {
        self.addr
    }

    /// The number of leading bits.
    pub const fn prefix_len(&self) -> u8 {
        self.len
    }

    /// The lowest address, host bits zero.
    pub fn first(&self) -> IpAddr {
        match self.addr {
            IpAddr::V4(a) => IpAddr::V4((a.to_bits() & mask4(self.len)).into()),
            IpAddr::V6(a) => IpAddr::V6((a.to_bits() & mask6(self.len)).into()),
        }
    }

    /// The highest address, host bits one.
    pub fn last(&self) -> IpAddr {
        match self.addr {
            IpAddr::V4(a) => IpAddr::V4((a.to_bits() | !mask4(self.len)).into()),
            IpAddr::V6(a) => IpAddr::V6((a.to_bits() | !mask6(self.len)).into()),
        }
    }

    /// The same prefix with its host bits zero.
    pub fn network(&self) -> Self {
        Self { addr: self.first(), len: self.len }
    }

    /// Whether `addr` shares the leading bits; never across families.
    pub fn contains(&self, addr: IpAddr) -> bool {
        match (self.addr, addr) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()) & mask4(self.len) == 0,
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()) & mask6(self.len) == 0,
            _ => false,
        }
    }

    /// The directed broadcast address (RFC 1812 4.2.3.1); IPv6 and links of one or two addresses
    /// (RFC 3021) have none.
    pub fn broadcast(&self) -> Option<IpAddr> {
        (self.addr.is_ipv4() && self.len <= 30).then(|| self.last())
    }
}

const fn bits(addr: IpAddr) -> u8 {
    match addr {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn mask4(len: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(len.min(32))).unwrap_or(0)
}

fn mask6(len: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(len.min(128))).unwrap_or(0)
}

impl FromStr for Prefix {
    type Err = PrefixError;

    /// Reads `10.1.0.0/24`, `2001:db8::/32`, or an address alone, which means all of its bits.
    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let (addr, len) = match text.split_once('/') {
            Some((addr, len)) => (addr, Some(len)),
            None => (text, None),
        };
        let addr: IpAddr = addr.parse().map_err(|_| PrefixError::Address)?;
        let Some(len) = len else { return Ok(Self::host(addr)) };
        if len.is_empty() || !len.bytes().all(|b| b.is_ascii_digit()) {
            return Err(PrefixError::Length);
        }
        let len: u8 = len.parse().map_err(|_| PrefixError::TooLong { len: u8::MAX, max: bits(addr) })?;
        Self::new(addr, len).ok_or(PrefixError::TooLong { len, max: bits(addr) })
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn reads_and_writes_both_families() {
        for text in ["10.1.0.0/24", "0.0.0.0/0", "10.1.0.1/24", "2001:db8::/32", "::/0", "fe80::1/128"] {
            assert_eq!(prefix(text).to_string(), text);
        }
        assert_eq!(prefix("192.0.2.1"), prefix("192.0.2.1/32"));
        assert_eq!(prefix("10.1.2.3/16").network(), prefix("10.1.0.0/16"));
    }

    #[test]
    fn refuses_what_is_no_prefix() {
        for (text, error) in [
            ("", PrefixError::Address),
            ("10.1.0/24", PrefixError::Address),
            ("10.1.0.0/", PrefixError::Length),
            ("10.1.0.0/+8", PrefixError::Length),
            ("10.1.0.0/33", PrefixError::TooLong { len: 33, max: 32 }),
            ("::/129", PrefixError::TooLong { len: 129, max: 128 }),
            ("::/1000", PrefixError::TooLong { len: 255, max: 128 }),
        ] {
            assert_eq!(text.parse::<Prefix>(), Err(error), "{text}");
        }
    }

    #[test]
    fn directed_broadcast_only_where_the_link_has_one() {
        assert_eq!(prefix("10.1.0.9/24").broadcast(), Some("10.1.0.255".parse().unwrap()));
        assert_eq!(prefix("10.1.0.8/31").broadcast(), None);
        assert_eq!(prefix("10.1.0.8/32").broadcast(), None);
        assert_eq!(prefix("2001:db8::/64").broadcast(), None);
    }

    proptest! {
        #[test]
        fn contains_exactly_what_lies_between_its_ends(a: u32, b: u32, len in 0u8..=32) {
            let p = Prefix::new(IpAddr::V4(a.into()), len).unwrap();
            let b = IpAddr::V4(b.into());
            prop_assert_eq!(p.contains(b), p.first() <= b && b <= p.last());
            prop_assert!(p.contains(p.addr()));
        }

        #[test]
        fn contains_exactly_what_lies_between_its_ends_v6(a: u128, flip in 0u32..128, len in 0u8..=128) {
            let p = Prefix::new(IpAddr::V6(a.into()), len).unwrap();
            let b = IpAddr::V6((a ^ (1 << flip)).into());
            prop_assert_eq!(p.contains(b), p.first() <= b && b <= p.last());
        }
    }
}
