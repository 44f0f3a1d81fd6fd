//! The Traffic Selector payloads (RFC 7296, section 3.13).

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Error, PayloadType, Reader};
use crate::selector::TrafficSelector;

const IPV4_ADDR_RANGE: u8 = 7;
const IPV6_ADDR_RANGE: u8 = 8;
/// Octets of a selector before its addresses.
const FIXED: usize = 8;

/// The selectors of the payload `kind`. Those of a type that isn't known, and empty ranges, are left out:
/// no packet matches them here.
///
/// # Errors
/// [`Error::Short`]; [`Error::Field`] with the selector's length if it isn't that of its type, or with the count
/// if there are more octets than selectors.
pub fn parse(kind: PayloadType, body: &[u8]) -> Result<Vec<TrafficSelector>, Error> {
    let short = Error::Short { payload: kind };
    let mut reader = Reader::new(body);
    let [count, _, _, _] = reader.array::<4>().ok_or(short)?;
    let mut selectors = Vec::new();
    for _ in 0..count {
        let mut fields = || Some((reader.u8()?, reader.u8()?, reader.u16()?, reader.u16()?, reader.u16()?));
        let (ts_type, protocol, length, first_port, last_port) = fields().ok_or(short)?;
        let addresses =
            usize::from(length).checked_sub(FIXED).and_then(|octets| reader.take(octets)).ok_or(short)?;
        let mut pair = Reader::new(addresses);
        let range: Option<(IpAddr, IpAddr)> = match ts_type {
            IPV4_ADDR_RANGE => pair
                .array::<4>()
                .zip(pair.array::<4>())
                .map(|(first, last)| (Ipv4Addr::from(first).into(), Ipv4Addr::from(last).into())),
            IPV6_ADDR_RANGE => pair
                .array::<16>()
                .zip(pair.array::<16>())
                .map(|(first, last)| (Ipv6Addr::from(first).into(), Ipv6Addr::from(last).into())),
            _ => continue,
        };
        let wrong = Error::Field { payload: kind, value: length.into() };
        let (first, last) = range.filter(|_| pair.is_empty()).ok_or(wrong)?;
        let selector = TrafficSelector { first, last, protocol, first_port, last_port };
        if first <= last && (first_port <= last_port || selector.is_opaque()) {
            selectors.push(selector);
        }
    }
    if !reader.is_empty() {
        return Err(Error::Field { payload: kind, value: count.into() });
    }
    Ok(selectors)
}

/// Appends the contents of a payload with these selectors, at most 255.
pub fn emit(selectors: &[TrafficSelector], out: &mut Vec<u8>) {
    let count = u8::try_from(selectors.len()).unwrap_or(u8::MAX);
    out.extend_from_slice(&[count, 0, 0, 0]);
    for selector in selectors.iter().take(count.into()) {
        let (ts_type, length) = match selector.first {
            IpAddr::V4(_) => (IPV4_ADDR_RANGE, FIXED as u16 + 2 * 4),
            IpAddr::V6(_) => (IPV6_ADDR_RANGE, FIXED as u16 + 2 * 16),
        };
        out.extend_from_slice(&[ts_type, selector.protocol]);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&selector.first_port.to_be_bytes());
        out.extend_from_slice(&selector.last_port.to_be_bytes());
        for address in [selector.first, selector.last] {
            match address {
                IpAddr::V4(a) => out.extend_from_slice(&a.octets()),
                IpAddr::V6(a) => out.extend_from_slice(&a.octets()),
            }
        }
    }
}
