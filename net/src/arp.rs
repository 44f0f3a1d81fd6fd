//! ARP for IPv4 over Ethernet (RFC 826): layout, parse, emit. What to learn from it and what to
//! answer is decided in `stack::receive`.

use core::net::Ipv4Addr;

use crate::ip::array;
use crate::wire::EthernetAddress;

/// Length of a message, in bytes.
pub(crate) const LENGTH: usize = 28;
/// Hardware type Ethernet, protocol type IPv4, address lengths 6 and 4.
const FIXED: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];
const OPERATION: usize = 6;
const SENDER_MAC: usize = 8;
const SENDER: usize = 14;
const TARGET_MAC: usize = 18;
const TARGET: usize = 24;
const REQUEST: u16 = 1;
const REPLY: u16 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arp {
    /// A reply; otherwise a request.
    pub(crate) reply: bool,
    pub(crate) sender_mac: EthernetAddress,
    pub(crate) sender: Ipv4Addr,
    pub(crate) target_mac: EthernetAddress,
    pub(crate) target: Ipv4Addr,
}

impl Arp {
    /// Reads a message; bytes behind it are padding. `None` for other operations and address types.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        if array(bytes, 0)? != FIXED {
            return None;
        }
        let reply = match u16::from_be_bytes(array(bytes, OPERATION)?) {
            REQUEST => false,
            REPLY => true,
            _ => return None,
        };
        Some(Self {
            reply,
            sender_mac: EthernetAddress(array(bytes, SENDER_MAC)?),
            sender: Ipv4Addr::from(array::<4>(bytes, SENDER)?),
            target_mac: EthernetAddress(array(bytes, TARGET_MAC)?),
            target: Ipv4Addr::from(array::<4>(bytes, TARGET)?),
        })
    }

    /// The message as bytes.
    pub(crate) fn emit(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..OPERATION].copy_from_slice(&FIXED);
        let operation = if self.reply { REPLY } else { REQUEST };
        bytes[OPERATION..SENDER_MAC].copy_from_slice(&operation.to_be_bytes());
        bytes[SENDER_MAC..SENDER].copy_from_slice(&self.sender_mac.0);
        bytes[SENDER..TARGET_MAC].copy_from_slice(&self.sender.octets());
        bytes[TARGET_MAC..TARGET].copy_from_slice(&self.target_mac.0);
        bytes[TARGET..].copy_from_slice(&self.target.octets());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_parse_or_not_and_come_back_as_they_were(mut bytes: Vec<u8>, sound: bool) {
            if sound {
                bytes.resize(LENGTH, 7);
                bytes[..OPERATION].copy_from_slice(&FIXED);
                bytes[OPERATION..SENDER_MAC].copy_from_slice(&[0, 2]);
            }
            let parsed = Arp::parse(&bytes);
            prop_assert!(parsed.is_some() || !sound);
            if let Some(arp) = parsed {
                prop_assert_eq!(&arp.emit()[..], &bytes[..LENGTH]);
            }
        }
    }
}
