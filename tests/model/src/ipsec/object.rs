//! IPSEC objects, object type 0x13: one direction of one SA.
//!
//! Facts E.11, B.3, C.8; `en_accel/ipsec_offload.c` of Linux. The ASO context inside the body is the live state: packets
//! ([`super::engine`]) and work queue entries ([`super::aso`]) change it, QUERY reports it.
//!
//! Inferred, since no document says so: the key has to be of the protection domain that may access the context; a
//! salt, being key material, is not read back; a replay window without extended sequence numbers is taken.

use super::general::BODY;
use super::key::Key;
use crate::esp::Cipher;
use crate::objects::Kind;
use crate::{Check, Device, Refusal};
use mlx5_pci::prm::{CmdStatus, IpsecAso, IpsecObj};

/// `modify_field_select`: `esn_overlap`.
const MODIFY_ESN_OVERLAP: u64 = 1 << 0;
/// `modify_field_select`: `esn_msb`.
const MODIFY_ESN_MSB: u64 = 1 << 1;

/// Where the ASO context stands in the body.
const ASO: usize = 0x40;

/// ASO `mode`: nothing is counted or checked.
pub(super) const MODE_NONE: u8 = 0;
/// ASO `mode`: received sequence numbers are checked against a window.
pub(super) const MODE_REPLAY_PROTECTION: u8 = 1;
/// ASO `mode`: sent packets are numbered.
pub(super) const MODE_INC_SN: u8 = 2;

/// An object.
#[derive(Debug)]
pub(super) struct Object {
    /// The body as created, with what MODIFY changed; its ASO part is `aso` at creation.
    pub(super) body: IpsecObj,
    /// The ASO context.
    pub(super) aso: IpsecAso,
    /// AES-GCM with the key, salt and implicit IV.
    pub(super) cipher: Cipher,
    /// The last sequence number sent, high and low half: the same number must not be used again with this key.
    pub(super) sent: Option<u64>,
    /// Whether the hard lifetime has taken its flow away.
    pub(super) removed: bool,
}

/// A refusal of a field of the body.
const fn wrong(check: Check, field: &'static str, offset: usize) -> Refusal {
    Refusal::new(CmdStatus::BAD_PARAM, check, field, (BODY + offset) as u16)
}

/// CREATE.
pub(super) fn create(device: &mut Device, bytes: &[u8]) -> Result<u32, Refusal> {
    let body = IpsecObj::copy_from(bytes);
    if body.modify_field_select() != 0 {
        return Err(wrong(Check::Value, "modify_field_select", 0));
    }
    check_header(device, &body)?;
    let key = device.ipsec.keys.named(body.dekn(), "dekn", (BODY + 0x10) as u16)?;
    let aso = body.ipsec_aso();
    if body.full_offload() {
        let pd = body.ipsec_aso_access_pd();
        device.named_pd(pd, (BODY + 0x20) as u16)?;
        if key.pd != pd {
            return Err(Refusal::new(CmdStatus::BAD_RES, Check::Mismatch, "dekn", (BODY + 0x10) as u16));
        }
        check_aso(device, &body, &aso, key)?;
    } else if bytes[0x20..].iter().any(|byte| *byte != 0) {
        return Err(wrong(Check::Conflict, "ipsec_aso", ASO));
    }
    let cipher = Cipher::new(&key.secret, body.salt().to_be_bytes(), body.implicit_iv().to_be_bytes())
        .ok_or(wrong(Check::Value, "dekn", 0x10))?;
    let holds = [(Kind::EncryptionKey, body.dekn()), (Kind::Pd, body.ipsec_aso_access_pd())];
    let holds = holds.into_iter().filter(|(kind, _)| *kind != Kind::Pd || body.full_offload());
    let holds: Vec<_> = holds.collect();
    let number = device.ipsec.objects.insert(Object { body, aso, cipher, sent: None, removed: false })?;
    device.links.hold((Kind::Ipsec, number), holds);
    Ok(number)
}

/// What stands before the ASO context.
fn check_header(device: &Device, body: &IpsecObj) -> Result<(), Refusal> {
    let limits = &device.ipsec.limits;
    let offered = if body.full_offload() { limits.full_offload } else { limits.crypto_offload };
    if !offered {
        return Err(wrong(Check::Capability, "full_offload", 0x08));
    }
    if body.icv_length() != 0 {
        return Err(wrong(Check::Value, "icv_length", 0x08));
    }
    if body.aso_return_reg() > 3 {
        return Err(wrong(Check::Value, "aso_return_reg", 0x09));
    }
    if body.esn_en() && !limits.esn {
        return Err(wrong(Check::Capability, "esn_en", 0x08));
    }
    if !body.esn_en() && body.esn_overlap() {
        return Err(wrong(Check::Conflict, "esn_overlap", 0x08));
    }
    if !body.esn_en() && body.esn_msb() != 0 {
        return Err(wrong(Check::Conflict, "esn_msb", 0x0c));
    }
    Ok(())
}

/// The ASO context of an object for packet offload.
fn check_aso(device: &Device, body: &IpsecObj, aso: &IpsecAso, key: &Key) -> Result<(), Refusal> {
    let limits = &device.ipsec.limits;
    if !aso.valid() {
        return Err(wrong(Check::Value, "valid", ASO));
    }
    let size = usize::from(key.size.min(1));
    let offered = match aso.mode() {
        MODE_NONE => limits.encrypt[size] || limits.decrypt[size],
        MODE_REPLAY_PROTECTION => limits.decrypt[size],
        MODE_INC_SN => limits.encrypt[size],
        _ => return Err(wrong(Check::Value, "mode", ASO)),
    };
    if !offered {
        return Err(wrong(Check::Capability, "dekn", 0x10));
    }
    if aso.mode() == MODE_REPLAY_PROTECTION {
        if !limits.log_window.contains(&(5 + aso.window_sz())) {
            return Err(wrong(Check::Limit, "window_sz", ASO));
        }
    } else if aso.window_sz() != 0 {
        return Err(wrong(Check::Conflict, "window_sz", ASO));
    }
    if aso.mode() != MODE_REPLAY_PROTECTION && aso.as_bytes()[0x20..].iter().any(|byte| *byte != 0) {
        return Err(wrong(Check::Conflict, "replay_protection_window", ASO + 0x20));
    }
    if aso.esn_event_arm() && !body.esn_en() {
        return Err(wrong(Check::Conflict, "esn_event_arm", ASO + 1));
    }
    if (aso.hard_lft_arm() || aso.remove_flow_enable()) && aso.remove_flow_pkt_cnt() == 0 {
        return Err(wrong(Check::Value, "remove_flow_pkt_cnt", ASO + 4));
    }
    Ok(())
}

/// MODIFY: the two ESN fields that `modify_field_select` names; every other field of the body is zero.
pub(super) fn modify(device: &mut Device, number: u32, bytes: &[u8]) -> Result<(), Refusal> {
    let object = device.ipsec.objects.named_mut(number, "obj_id", 8)?;
    let wanted = IpsecObj::copy_from(bytes);
    let select = wanted.modify_field_select();
    if select == 0 || select & !modifiable(object) != 0 {
        return Err(wrong(Check::Value, "modify_field_select", 0));
    }
    let mut named = IpsecObj::default();
    named.set().modify_field_select(select);
    if select & MODIFY_ESN_OVERLAP != 0 {
        named.set().esn_overlap(wanted.esn_overlap());
    }
    if select & MODIFY_ESN_MSB != 0 {
        named.set().esn_msb(wanted.esn_msb());
    }
    let differs = core::iter::zip(named.as_bytes(), bytes).position(|(a, b)| a != b);
    if let Some(offset) = differs {
        return Err(wrong(Check::Unmasked, "object", offset));
    }
    if select & MODIFY_ESN_OVERLAP != 0 {
        object.body.set().esn_overlap(wanted.esn_overlap());
    }
    if select & MODIFY_ESN_MSB != 0 {
        object.body.set().esn_msb(wanted.esn_msb());
    }
    Ok(())
}

/// What MODIFY may change.
fn modifiable(object: &Object) -> u64 {
    if object.body.esn_en() { MODIFY_ESN_OVERLAP | MODIFY_ESN_MSB } else { 0 }
}

/// QUERY: the body with the live ASO context and what MODIFY may change; without the salt.
pub(super) fn query(device: &Device, number: u32) -> Result<IpsecObj, Refusal> {
    let object = device.ipsec.objects.named(number, "obj_id", 8)?;
    let mut body = object.body.clone();
    body.set().modify_field_select(modifiable(object)).salt(0).ipsec_aso(&object.aso);
    Ok(body)
}

/// DESTROY: not while a flow entry names it.
pub(super) fn destroy(device: &mut Device, number: u32) -> Result<(), Refusal> {
    device.ipsec.objects.named(number, "obj_id", 8)?;
    device.links.end((Kind::Ipsec, number), "obj_id", 8)?;
    device.ipsec.objects.remove(number);
    Ok(())
}
