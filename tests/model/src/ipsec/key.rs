//! Encryption keys (DEK), object type 0x0c.
//!
//! Facts E.11; `lib/crypto.c` of Linux. A key of 128 bits stands in the second 16 bytes of the key field, one of 256
//! bits in the first 32. A key can be written, never read. The only purpose offered is IPsec; wrapped keys belong to
//! the CRYPTO capability and are refused.

use super::general::BODY;
use crate::objects::Kind;
use crate::{Check, Device, Refusal};
use core::fmt;
use core::ops::Range;
use mlx5_pci::prm::{CmdStatus, EncryptionKeyObj};

/// The `key_purpose` of keys for IPSEC objects.
pub(super) const PURPOSE_IPSEC: u8 = 2;

/// Bit of `modify_field_select`: the key itself.
const MODIFY_KEY: u64 = 1;

/// A key, ready for use.
pub(super) struct Key {
    /// 0: 128 bits, 1: 256 bits.
    pub(super) size: u8,
    /// The protection domain that it belongs to.
    pub(super) pd: u32,
    /// Its 16 or 32 bytes.
    pub(super) secret: Vec<u8>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("size", &self.size).field("pd", &self.pd).finish_non_exhaustive()
    }
}

/// A refusal of a field of the body.
const fn wrong(check: Check, field: &'static str, offset: usize) -> Refusal {
    Refusal::new(CmdStatus::BAD_PARAM, check, field, (BODY + offset) as u16)
}

/// The key that a body describes.
fn read(device: &Device, body: &[u8]) -> Result<Key, Refusal> {
    let object = EncryptionKeyObj::copy_from(body);
    if object.state() != 0 {
        return Err(wrong(Check::Value, "state", 0x08));
    }
    if object.sw_wrapped() {
        return Err(wrong(Check::Capability, "sw_wrapped", 0x08));
    }
    if object.key_purpose() != PURPOSE_IPSEC {
        return Err(wrong(Check::Capability, "key_purpose", 0x0b));
    }
    let size = object.key_size();
    let limits = &device.ipsec.limits;
    let offered = |size: usize| limits.encrypt[size] || limits.decrypt[size];
    let secret = match size {
        0 if offered(0) => 16..32,
        1 if offered(1) => 0..32,
        _ => return Err(wrong(Check::Value, "key_size", 0x0a)),
    };
    if object.opaque() != 0 {
        return Err(wrong(Check::Capability, "opaque", 0x30));
    }
    let stray = |field: &[u8; 128], used: &Range<usize>| {
        (0..field.len()).find(|index| !used.contains(index) && field[*index] != 0)
    };
    if let Some(stray) = stray(object.key(), &secret) {
        return Err(wrong(Check::Reserved, "key", 0x40 + stray));
    }
    if let Some(stray) = stray(object.sw_wrapped_dek(), &(0..0)) {
        return Err(wrong(Check::Capability, "sw_wrapped_dek", 0xc0 + stray));
    }
    let pd = object.pd();
    device.named_pd(pd, (BODY + 0x0c) as u16)?;
    Ok(Key { size, pd, secret: object.key()[secret].to_vec() })
}

/// CREATE.
pub(super) fn create(device: &mut Device, body: &[u8]) -> Result<u32, Refusal> {
    if body[..8] != [0; 8] {
        return Err(wrong(Check::Value, "modify_field_select", 0));
    }
    let key = read(device, body)?;
    let pd = key.pd;
    let number = device.ipsec.keys.insert(key)?;
    device.links.hold((Kind::EncryptionKey, number), [(Kind::Pd, pd)]);
    Ok(number)
}

/// MODIFY: another key under the same number. Not while an IPSEC object uses it.
pub(super) fn modify(device: &mut Device, number: u32, body: &[u8]) -> Result<(), Refusal> {
    let old = device.ipsec.keys.named(number, "obj_id", 8)?;
    let (size, pd) = (old.size, old.pd);
    if EncryptionKeyObj::copy_from(body).modify_field_select() != MODIFY_KEY {
        return Err(wrong(Check::Value, "modify_field_select", 0));
    }
    let key = read(device, body)?;
    if key.size != size {
        return Err(wrong(Check::Unmasked, "key_size", 0x0a));
    }
    if key.pd != pd {
        return Err(wrong(Check::Unmasked, "pd", 0x0c));
    }
    if device.links.count((Kind::EncryptionKey, number)) > 0 {
        return Err(Refusal::new(CmdStatus::BAD_RES_STATE, Check::InUse, "obj_id", 8));
    }
    *device.ipsec.keys.named_mut(number, "obj_id", 8)? = key;
    Ok(())
}

/// QUERY: everything but the key.
pub(super) fn query(device: &Device, number: u32) -> Result<EncryptionKeyObj, Refusal> {
    let key = device.ipsec.keys.named(number, "obj_id", 8)?;
    let object = EncryptionKeyObj::build().modify_field_select(MODIFY_KEY).key_size(key.size);
    Ok(object.key_purpose(PURPOSE_IPSEC).pd(key.pd).done())
}

/// DESTROY.
pub(super) fn destroy(device: &mut Device, number: u32) -> Result<(), Refusal> {
    device.ipsec.keys.named(number, "obj_id", 8)?;
    device.links.end((Kind::EncryptionKey, number), "obj_id", 8)?;
    device.ipsec.keys.remove(number);
    Ok(())
}
