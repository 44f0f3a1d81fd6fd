//! Neighbour solicitation and advertisement (RFC 4861 4.3, 4.4, 7.1) as ICMPv6 messages: layout, the
//! checks of section 7.1, emit. Router discovery and redirects are left out: this router is told its
//! routes.

use core::net::Ipv6Addr;

use crate::address::solicited_node;
use crate::ip::array;
use crate::wire::EthernetAddress;

/// ICMPv6 types from router solicitation to redirect.
pub(crate) const FIRST: u8 = 133;
/// See [`FIRST`].
pub(crate) const LAST: u8 = 137;
/// Hop limit of every message: proof that no router forwarded it.
pub(crate) const HOP_LIMIT: u8 = 255;
/// Length of what we emit: the message and one link-layer address option.
pub(crate) const LENGTH: usize = OPTIONS + 8;

/// Type of a neighbour solicitation.
pub(crate) const SOLICITATION: u8 = 135;
/// Type of a neighbour advertisement.
pub(crate) const ADVERTISEMENT: u8 = 136;
const CODE: usize = 1;
/// Within an advertisement.
const FLAGS: usize = 4;
const TARGET: usize = 8;
const OPTIONS: usize = 24;
const FLAG_ROUTER: u8 = 0x80;
const FLAG_SOLICITED: u8 = 0x40;
const FLAG_OVERRIDE: u8 = 0x20;
const SOURCE_MAC: u8 = 1;
const TARGET_MAC: u8 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Message {
    /// Who has `target`?
    Solicitation { target: Ipv6Addr, mac: Option<EthernetAddress> },
    /// `target` is here.
    Advertisement { target: Ipv6Addr, mac: Option<EthernetAddress>, solicited: bool, overriding: bool },
}

impl Message {
    /// Reads the ICMPv6 message that went from `src` to `dst`; `None` if section 7.1 says to discard it.
    /// Hop limit and checksum are the caller's.
    pub(crate) fn parse(icmp: &[u8], src: Ipv6Addr, dst: Ipv6Addr) -> Option<Self> {
        let kind = *icmp.first()?;
        if *icmp.get(CODE)? != 0 {
            return None;
        }
        let target = Ipv6Addr::from(array::<16>(icmp, TARGET)?);
        if target.is_multicast() || target.is_unspecified() {
            return None;
        }
        match kind {
            SOLICITATION => {
                let mac = link_address(icmp.get(OPTIONS..)?, SOURCE_MAC)?;
                //= rfc4861#7.1.1
                let probing = src.is_unspecified();
                if probing && (mac.is_some() || dst != solicited_node(target)) {
                    return None;
                }
                Some(Self::Solicitation { target, mac })
            }
            ADVERTISEMENT => {
                let mac = link_address(icmp.get(OPTIONS..)?, TARGET_MAC)?;
                let flags = *icmp.get(FLAGS)?;
                let solicited = flags & FLAG_SOLICITED != 0;
                //= rfc4861#7.1.2
                if dst.is_multicast() && solicited {
                    return None;
                }
                Some(Self::Advertisement { target, mac, solicited, overriding: flags & FLAG_OVERRIDE != 0 })
            }
            _ => None,
        }
    }

    /// The message with `own` as its link-layer address option, whatever `self.mac` says, and with
    /// checksum zero. We are a router, and say so.
    pub(crate) fn emit(&self, own: EthernetAddress) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        let (kind, flags, target, option) = match *self {
            Self::Solicitation { target, .. } => (SOLICITATION, 0, target, SOURCE_MAC),
            Self::Advertisement { target, solicited, overriding, .. } => {
                let solicited = if solicited { FLAG_SOLICITED } else { 0 };
                let overriding = if overriding { FLAG_OVERRIDE } else { 0 };
                (ADVERTISEMENT, FLAG_ROUTER | solicited | overriding, target, TARGET_MAC)
            }
        };
        bytes[0] = kind;
        bytes[FLAGS] = flags;
        bytes[TARGET..OPTIONS].copy_from_slice(&target.octets());
        bytes[OPTIONS] = option;
        bytes[OPTIONS + 1] = 1;
        bytes[OPTIONS + 2..].copy_from_slice(&own.0);
        bytes
    }
}

/// The link-layer address option of type `wanted`, if there is one; `None` if the options are damaged.
fn link_address(mut options: &[u8], wanted: u8) -> Option<Option<EthernetAddress>> {
    let mut found = None;
    while let [kind, units, ..] = *options {
        let length = usize::from(units) * 8;
        // Covers length zero too, which would never end.
        let (option, rest) = options.split_at_checked(length).filter(|(option, _)| !option.is_empty())?;
        if kind == wanted && found.is_none() {
            found = Some(EthernetAddress(array(option, 2)?));
        }
        options = rest;
    }
    options.is_empty().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 9]);

    fn addr(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    #[test]
    fn comes_back_as_it_was_sent() {
        let (us, them) = (addr("fe80::1"), addr("fe80::2"));
        for message in [
            Message::Solicitation { target: them, mac: Some(MAC) },
            Message::Advertisement { target: us, mac: Some(MAC), solicited: true, overriding: false },
            Message::Advertisement { target: us, mac: Some(MAC), solicited: false, overriding: true },
        ] {
            assert_eq!(Message::parse(&message.emit(MAC), us, them), Some(message));
        }
    }

    #[test]
    fn what_section_7_1_discards() {
        let target = addr("2001:db8::5");
        let group = solicited_node(target);
        let probe = Message::Solicitation { target, mac: Some(MAC) }.emit(MAC);
        let bare = &probe[..OPTIONS];
        // Duplicate address detection: from ::, to the solicited-node group, without the option.
        assert!(Message::parse(bare, Ipv6Addr::UNSPECIFIED, group).is_some());
        assert!(Message::parse(&probe, Ipv6Addr::UNSPECIFIED, group).is_none());
        assert!(Message::parse(bare, Ipv6Addr::UNSPECIFIED, target).is_none());
        // Solicited advertisement to a group.
        let advert =
            Message::Advertisement { target, mac: Some(MAC), solicited: true, overriding: true }.emit(MAC);
        assert!(Message::parse(&advert, target, addr("ff02::1")).is_none());
        // Option of length zero, option beyond the end, code, group as target.
        for (at, value) in [(OPTIONS + 1, 0), (OPTIONS + 1, 2), (CODE, 1), (TARGET, 0xff)] {
            let mut bad = probe;
            bad[at] = value;
            assert!(Message::parse(&bad, target, group).is_none(), "{at}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes(mut bytes: Vec<u8>, kind in 133u8..138) {
            if let Some(first) = bytes.first_mut() {
                *first = kind;
            }
            if bytes.len() > 1 {
                bytes[1] = 0;
            }
            let _ = Message::parse(&bytes, addr("fe80::1"), addr("fe80::2"));
        }
    }
}
