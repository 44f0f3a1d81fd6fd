//! The Identification payloads (RFC 7296, section 3.5). AUTH covers the payload's contents as they were sent.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Error, PayloadType, Reader};
use crate::config::Identity;

const IPV4_ADDR: u8 = 1;
const FQDN: u8 = 2;
const RFC822_ADDR: u8 = 3;
const IPV6_ADDR: u8 = 5;
const KEY_ID: u8 = 11;

/// The identity of the payload `kind`.
///
/// # Errors
/// [`Error::Short`]; [`Error::Field`] with the type for a kind of identity that isn't known here, or whose data
/// isn't of its form.
pub fn parse(kind: PayloadType, body: &[u8]) -> Result<Identity, Error> {
    let mut reader = Reader::new(body);
    let [id_type, _, _, _] = reader.array::<4>().ok_or(Error::Short { payload: kind })?;
    let data = reader.rest();
    let text = || String::from_utf8(data.to_vec()).ok();
    let identity = match id_type {
        IPV4_ADDR => <[u8; 4]>::try_from(data).ok().map(|octets| Identity::Ipv4(octets.into())),
        IPV6_ADDR => <[u8; 16]>::try_from(data).ok().map(|octets| Identity::Ipv6(octets.into())),
        FQDN => text().map(Identity::Fqdn),
        RFC822_ADDR => text().map(Identity::Rfc822),
        KEY_ID => Some(Identity::KeyId(data.to_vec())),
        _ => None,
    };
    identity.ok_or(Error::Field { payload: kind, value: id_type.into() })
}

/// Appends the payload's contents.
pub fn emit(identity: &Identity, out: &mut Vec<u8>) {
    let mut put = |id_type: u8, data: &[u8]| {
        out.extend_from_slice(&[id_type, 0, 0, 0]);
        out.extend_from_slice(data);
    };
    match identity {
        Identity::Ipv4(address) => put(IPV4_ADDR, &address.octets()),
        Identity::Ipv6(address) => put(IPV6_ADDR, &address.octets()),
        Identity::Fqdn(name) => put(FQDN, name.as_bytes()),
        Identity::Rfc822(name) => put(RFC822_ADDR, name.as_bytes()),
        Identity::KeyId(octets) => put(KEY_ID, octets),
    }
}
