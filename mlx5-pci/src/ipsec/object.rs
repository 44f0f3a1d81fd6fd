//! Keys and IPSEC objects (facts E.11): the commands on general objects.
//!
//! A key is written and never read back. It is wiped from every copy that is made here; mailboxes are the command
//! interface's to wipe.

use super::esn::Esn;
use super::lifetime::Lifetime;
use super::sa::{Direction, Install, Key, Secret};
use crate::cmd::{CmdError, Commands};
use crate::hal::Function;
use crate::prm::{
    CreateEncryptionKeyIn, CreateIpsecObjIn, DestroyGeneralObjIn, EncryptionKeyObj, GeneralObjInCmdHdr,
    IpsecAso, IpsecObj, ModifyIpsecObjIn, ObjectType, QueryIpsecObjIn,
};
use zeroize::Zeroize;

/// `key_purpose`.
const PURPOSE_IPSEC: u8 = 2;
/// Where a key of 128 bits stands in the field of 1,024: behind as many zeroes.
const SHORT_AT: usize = 16;
/// `aso_return_reg`: the verdict on a sequence number goes to register C_4.
const RETURN_C_4: u8 = 2;
/// `mode` of the ASO context.
const MODE_NONE: u8 = 0;
const MODE_REPLAY: u8 = 1;
const MODE_NUMBER: u8 = 2;
/// log2 of the window for `window_sz` 0.
const LOG_WINDOW: u32 = 5;
/// `modify_field_select`.
const ESN_OVERLAP: u64 = 1 << 0;
const ESN_MSB: u64 = 1 << 1;

fn header(kind: ObjectType, number: u32) -> GeneralObjInCmdHdr {
    GeneralObjInCmdHdr::build().obj_type(kind.0).obj_id(number).done()
}

/// Makes a key; its number.
pub(super) fn create_key<F: Function>(
    commands: &mut Commands<F>,
    pd: u32,
    secret: &Secret,
) -> Result<u32, CmdError> {
    let mut field = [0; 128];
    let (size, at, key): (u8, usize, &[u8]) = match &secret.key {
        Key::Aes128(key) => (0, SHORT_AT, key),
        Key::Aes256(key) => (1, 0, key),
    };
    if let Some(place) = field.get_mut(at..at + key.len()) {
        place.copy_from_slice(key);
    }
    let mut object =
        EncryptionKeyObj::build().key_size(size).key_purpose(PURPOSE_IPSEC).pd(pd).key(&field).done();
    field.zeroize();
    let mut input = CreateEncryptionKeyIn::build()
        .general_obj_in_cmd_hdr(&header(ObjectType::ENCRYPTION_KEY, 0))
        .encryption_key_object(&object)
        .done();
    object.as_bytes_mut().zeroize();
    let made = commands.exec(&input);
    input.as_bytes_mut().zeroize();
    Ok(made?.obj_id())
}

/// Makes the object of `sa` with key number `key`.
pub(super) fn create<F: Function>(
    commands: &mut Commands<F>,
    pd: u32,
    key: u32,
    sa: &Install,
    lifetime: Option<&Lifetime>,
) -> Result<u32, CmdError> {
    let esn = Esn::new(sa.sequence);
    let mut aso = IpsecAso::build()
        .valid(true)
        .esn_event_arm(sa.esn)
        .mode_parameter(sa.sequence as u32)
        .mode(MODE_NUMBER)
        .done();
    if let Direction::Receive { window } = sa.direction {
        let log = window.checked_ilog2();
        aso.set()
            .mode(if log.is_some() { MODE_REPLAY } else { MODE_NONE })
            .window_sz(log.map_or(0, |log| log.saturating_sub(LOG_WINDOW) as u8));
    }
    if let Some(lifetime) = lifetime {
        let (counter, threshold) = (lifetime.start(), lifetime.threshold(lifetime.start()));
        aso.set()
            .remove_flow_pkt_cnt(counter)
            .hard_lft_arm(lifetime.is_hard())
            .remove_flow_enable(lifetime.is_hard())
            .soft_lft_arm(threshold.is_some())
            .remove_flow_soft_lft(threshold.unwrap_or_default());
    }
    let mut object = IpsecObj::build()
        .full_offload(true)
        .aso_return_reg(RETURN_C_4)
        .esn_en(sa.esn)
        .esn_msb(if sa.esn { esn.upper } else { 0 })
        .esn_overlap(sa.esn && esn.overlap)
        .dekn(key)
        .salt(u32::from_be_bytes(sa.secret.salt))
        .implicit_iv(u64::from_be_bytes(sa.iv))
        .ipsec_aso_access_pd(pd)
        .ipsec_aso(&aso)
        .done();
    let mut input = CreateIpsecObjIn::build()
        .general_obj_in_cmd_hdr(&header(ObjectType::IPSEC, 0))
        .ipsec_object(&object)
        .done();
    // The salt is key material.
    object.as_bytes_mut().zeroize();
    let made = commands.exec(&input);
    input.as_bytes_mut().zeroize();
    Ok(made?.obj_id())
}

/// Tells the card the upper half of an object's numbers.
pub(super) fn set_esn<F: Function>(
    commands: &mut Commands<F>,
    number: u32,
    esn: Esn,
) -> Result<(), CmdError> {
    let object = IpsecObj::build()
        .modify_field_select(ESN_OVERLAP | ESN_MSB)
        .esn_overlap(esn.overlap)
        .esn_msb(esn.upper)
        .done();
    let input = ModifyIpsecObjIn::build()
        .general_obj_in_cmd_hdr(&header(ObjectType::IPSEC, number))
        .ipsec_object(&object)
        .done();
    commands.exec(&input).map(|_| ())
}

/// Whether the card lets the upper half of an object's numbers be changed, as it says itself.
pub(super) fn can_set_esn<F: Function>(commands: &mut Commands<F>, number: u32) -> Result<bool, CmdError> {
    let input = QueryIpsecObjIn::build().general_obj_in_cmd_hdr(&header(ObjectType::IPSEC, number)).done();
    let select = commands.exec(&input)?.ipsec_object().modify_field_select();
    Ok(select & (ESN_OVERLAP | ESN_MSB) == ESN_OVERLAP | ESN_MSB)
}

/// Destroys an object that no entry names.
pub(super) fn destroy<F: Function>(
    commands: &mut Commands<F>,
    kind: ObjectType,
    number: u32,
) -> Result<(), CmdError> {
    let input = DestroyGeneralObjIn::build().general_obj_in_cmd_hdr(&header(kind, number)).done();
    commands.exec(&input).map(|_| ())
}
