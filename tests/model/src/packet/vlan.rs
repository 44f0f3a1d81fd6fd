//! VLAN tags put in on transmit (`insert` of the Ethernet segment) and taken off on receive.

use super::bytes::{be16, chunk};

/// 802.1Q, the kind that the card strips.
pub const CUSTOMER_TAG: u16 = 0x8100;
/// 802.1ad.
pub const SERVICE_TAG: u16 = 0x88a8;

/// Where the first tag stands: behind the addresses.
const TAG_AT: usize = 12;

/// Puts a tag in front of all others. A frame without room for addresses stays as it is.
pub fn insert(frame: &mut Vec<u8>, ethertype: u16, tci: u16) {
    if frame.len() >= TAG_AT {
        let tag = u32::from(ethertype) << 16 | u32::from(tci);
        frame.splice(TAG_AT..TAG_AT, tag.to_be_bytes());
    }
}

/// Takes the first tag off if it is of this kind, and returns it.
pub fn strip(frame: &mut Vec<u8>, ethertype: u16) -> Option<u16> {
    let [kind_high, kind_low, high, low] = chunk(frame, TAG_AT)?;
    // The type behind the tag has to be there too.
    be16(frame, TAG_AT + 4)?;
    if u16::from_be_bytes([kind_high, kind_low]) != ethertype {
        return None;
    }
    frame.drain(TAG_AT..TAG_AT + 4);
    Some(u16::from_be_bytes([high, low]))
}

#[cfg(test)]
mod tests;
