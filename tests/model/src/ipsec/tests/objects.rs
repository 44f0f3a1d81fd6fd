//! CREATE, MODIFY, QUERY and DESTROY: what is refused, with which status, check and offset.

use super::*;
use mlx5_pci::prm::{GeneralObjCreateParam, SyncCryptoIn};

const CREATE: Opcode = Opcode::CREATE_GENERAL_OBJECT;
const QUERY: Opcode = Opcode::QUERY_GENERAL_OBJECT;
const DESTROY: Opcode = Opcode::DESTROY_GENERAL_OBJECT;
const MODIFY: Opcode = Opcode::MODIFY_GENERAL_OBJECT;
const BAD_PARAM: CmdStatus = CmdStatus::BAD_PARAM;

#[test]
fn headers_are_checked() {
    let mut lab = Lab::new();
    let good = *key_in(lab.pd, &KEY).as_bytes();
    let change = |at: usize, byte: u8| {
        let mut input = good;
        input[at] = byte;
        input
    };
    assert_eq!(lab.refused(&change(0x03, 1), 16), (BAD_PARAM, Check::Uid, 2));
    assert_eq!(lab.refused(&change(0x05, 1), 16), (BAD_PARAM, Check::Capability, 4), "vhca_tunnel_id");
    assert_eq!(lab.refused(&change(0x07, 0x20), 16), (BAD_PARAM, Check::Capability, 6), "a sampler");
    assert_eq!(lab.refused(&change(0x07, 0x4c), 16), (BAD_PARAM, Check::Capability, 6), "type 0x0c + 64");
    assert_eq!(lab.refused(&change(0x0b, 1), 16), (BAD_PARAM, Check::Value, 8), "a number of one's own");
    assert_eq!(lab.refused(&change(0x0c, 1), 16), (BAD_PARAM, Check::Capability, 12), "log_obj_range");
    assert_eq!(lab.refused(&change(0x0c, 0x80), 16), (BAD_PARAM, Check::Capability, 12), "alias_object");
    assert_eq!(lab.refused(&good[..good.len() - 4], 16).0, CmdStatus::BAD_INP_LEN);
    assert_eq!(lab.refused(&[&good[..], &[0; 4]].concat(), 16).0, CmdStatus::BAD_INP_LEN);
    assert_eq!(lab.refused(&header(CREATE, 0x0c, 0), 16).0, CmdStatus::BAD_INP_LEN);
    assert_eq!(lab.refused(&good, 12).0, CmdStatus::BAD_OUTP_LEN);
    assert_eq!(GeneralObjCreateParam::copy_from(&good[12..]), GeneralObjCreateParam::default());
}

#[test]
fn keys_are_checked() {
    let mut lab = Lab::new();
    let pd = lab.pd;
    let check = |lab: &mut Lab, change: fn(&mut EncryptionKeyObj), want: (CmdStatus, Check, u16)| {
        let mut input = key_in(pd, &KEY);
        let mut key = input.encryption_key_object();
        change(&mut key);
        input.set().encryption_key_object(&key);
        assert_eq!(lab.refused(input.as_bytes(), 16), want);
    };
    check(&mut lab, |key| _ = key.set().modify_field_select(1), (BAD_PARAM, Check::Value, 0x10));
    check(&mut lab, |key| _ = key.set().state(1), (BAD_PARAM, Check::Value, 0x18));
    check(&mut lab, |key| _ = key.set().sw_wrapped(true), (BAD_PARAM, Check::Capability, 0x18));
    check(&mut lab, |key| _ = key.set().key_size(2), (BAD_PARAM, Check::Value, 0x1a));
    check(&mut lab, |key| _ = key.set().key_purpose(1), (BAD_PARAM, Check::Capability, 0x1b));
    check(&mut lab, |key| _ = key.set().opaque(1), (BAD_PARAM, Check::Capability, 0x40));
    check(&mut lab, |key| _ = key.set().sw_wrapped_dek(&[1; 128]), (BAD_PARAM, Check::Capability, 0xd0));
    check(&mut lab, |key| _ = key.set().pd(0xabcd), (CmdStatus::BAD_RES, Check::NoObject, 0x1c));
    check(&mut lab, |key| key.as_bytes_mut()[0x10] = 1, (BAD_PARAM, Check::Reserved, 0x20));
    check(&mut lab, |key| key.as_bytes_mut()[0x4f] = 1, (BAD_PARAM, Check::Reserved, 0x5f));
    check(&mut lab, |key| key.as_bytes_mut()[0x60] = 1, (BAD_PARAM, Check::Reserved, 0x70));
    // The second 16 bytes belong to a key of 256 bits, and nothing behind them.
    let long = [7; 32];
    let mut input = key_in(pd, &long);
    lab.host.expect(input.as_bytes(), 16);
    input.as_bytes_mut()[0x70] = 1;
    assert_eq!(lab.refused(input.as_bytes(), 16), (BAD_PARAM, Check::Reserved, 0x70));
}

#[test]
fn a_key_is_not_readable() {
    let mut lab = Lab::new();
    for secret in [&KEY[..], &[0xa5; 32]] {
        let number = lab.key(secret);
        let answer = lab.host.expect(&header(QUERY, 0x0c, number), 16 + EncryptionKeyObj::SIZE);
        let key = EncryptionKeyObj::copy_from(&answer.output[16..]);
        assert_eq!((key.key_size(), key.key_purpose(), key.pd()), (u8::from(secret.len() == 32), 2, lab.pd));
        assert_eq!(key.key(), &[0; 128]);
        assert!(!answer.output.windows(4).any(|part| secret.windows(4).any(|other| part == other)));
        let shown = format!("{:?}", lab.host.device.ipsec);
        assert!(!shown.contains("48, 49, 50") && !shown.contains("165"), "{shown}");
    }
    let number = lab.object(sender(1));
    let bytes = *lab.query(number).as_bytes();
    assert!(!bytes.windows(4).any(|part| part == SALT.to_be_bytes()), "the salt is key material");
}

#[test]
fn keys_live_as_long_as_they_are_used() {
    let mut lab = Lab::new();
    let first = lab.key(&KEY);
    let second = lab.key(&[9; 32]);
    assert_ne!(first, second);
    let object = created(&lab.host.expect(object_in(lab.pd, first, sender(1)).as_bytes(), 16));
    let in_use = (CmdStatus::BAD_RES_STATE, Check::InUse, 8);
    assert_eq!(lab.refused(&header(DESTROY, 0x0c, first), 16), in_use);
    let mut modify = key_in(lab.pd, &KEY);
    let mut body = modify.encryption_key_object();
    body.set().modify_field_select(1);
    let head = GeneralObjInCmdHdr::copy_from(&header(MODIFY, 0x0c, first));
    modify.set().general_obj_in_cmd_hdr(&head).encryption_key_object(&body);
    assert_eq!(lab.refused(modify.as_bytes(), 16), in_use);
    lab.host.expect(&header(DESTROY, 0x13, object), 16);
    lab.host.expect(modify.as_bytes(), 16);
    lab.host.expect(&header(DESTROY, 0x0c, first), 16);
    lab.host.expect(&header(DESTROY, 0x0c, second), 16);
    let gone = (CmdStatus::BAD_RES, Check::NoObject, 8);
    assert_eq!(lab.refused(&header(DESTROY, 0x0c, first), 16), gone);
    assert_eq!(lab.refused(&header(QUERY, 0x0c, first), 0x210), gone);
    assert_eq!(lab.refused(modify.as_bytes(), 16), gone);
    assert_eq!(lab.refused(&header(DESTROY, 0x13, object), 16), gone);
    assert_eq!(lab.refused(&header(QUERY, 0x13, object), 0x90), gone);
}

#[test]
fn a_protection_domain_lives_as_long_as_it_is_used() {
    use mlx5_pci::prm::DeallocPdIn;
    let mut lab = Lab::new();
    let pd = alloc_pd(&mut lab.host);
    let dealloc = *DeallocPdIn::build().opcode(Opcode::DEALLOC_PD.0).pd(pd).done().as_bytes();
    let key = created(&lab.host.expect(key_in(pd, &KEY).as_bytes(), 16));
    assert_eq!(lab.refused(&dealloc, 16), (CmdStatus::BAD_RES_STATE, Check::InUse, 8));
    lab.host.expect(&header(DESTROY, 0x0c, key), 16);
    lab.host.expect(&dealloc, 16);
}

type Change = fn(&mut IpsecObj, &mut IpsecAso);

#[test]
fn objects_are_checked() {
    let mut lab = Lab::new();
    let dekn = lab.key(&KEY);
    let cases: &[(Change, (CmdStatus, Check, u16))] = &[
        (|object, _| _ = object.set().modify_field_select(3), (BAD_PARAM, Check::Value, 0x10)),
        (|object, _| _ = object.set().full_offload(false), (BAD_PARAM, Check::Capability, 0x18)),
        (|object, _| _ = object.set().icv_length(1), (BAD_PARAM, Check::Value, 0x18)),
        (|object, _| _ = object.set().aso_return_reg(4), (BAD_PARAM, Check::Value, 0x19)),
        (|object, _| _ = object.set().esn_overlap(true), (BAD_PARAM, Check::Conflict, 0x18)),
        (|object, _| _ = object.set().esn_msb(1), (BAD_PARAM, Check::Conflict, 0x1c)),
        (|object, _| _ = object.set().dekn(0xfff), (CmdStatus::BAD_RES, Check::NoObject, 0x20)),
        (|object, _| _ = object.set().ipsec_aso_access_pd(99), (CmdStatus::BAD_RES, Check::NoObject, 0x30)),
        (|object, _| object.as_bytes_mut()[0x24] = 1, (BAD_PARAM, Check::Reserved, 0x34)),
        (|object, _| object.as_bytes_mut()[0x08] |= 0x40, (BAD_PARAM, Check::Reserved, 0x18)),
        (|_, aso| _ = aso.set().valid(false), (BAD_PARAM, Check::Value, 0x50)),
        (|_, aso| _ = aso.set().mode(3), (BAD_PARAM, Check::Value, 0x50)),
        (|_, aso| _ = aso.set().window_sz(1), (BAD_PARAM, Check::Conflict, 0x50)),
        (|_, aso| _ = aso.set().mode(2).window_sz(1), (BAD_PARAM, Check::Conflict, 0x50)),
        (|_, aso| _ = aso.set().replay_protection_window(&[1; 32]), (BAD_PARAM, Check::Conflict, 0x70)),
        (|_, aso| _ = aso.set().esn_event_arm(true), (BAD_PARAM, Check::Conflict, 0x51)),
        (|_, aso| _ = aso.set().hard_lft_arm(true), (BAD_PARAM, Check::Value, 0x54)),
        (|_, aso| _ = aso.set().remove_flow_enable(true), (BAD_PARAM, Check::Value, 0x54)),
        (|_, aso| aso.as_bytes_mut()[0x0c] = 1, (BAD_PARAM, Check::Reserved, 0x5c)),
        (|_, aso| aso.as_bytes_mut()[0x03] = 1, (BAD_PARAM, Check::Reserved, 0x50)),
    ];
    for (change, want) in cases {
        let input = object_in(lab.pd, dekn, change);
        assert_eq!(lab.refused(input.as_bytes(), 16), *want, "{input:?}");
    }
    // Nothing of that has been made or holds on to the key.
    lab.host.expect(&header(DESTROY, 0x0c, dekn), 16);
}

#[test]
fn key_and_access_are_of_one_protection_domain() {
    let mut lab = Lab::new();
    let dekn = lab.key(&KEY);
    let other = alloc_pd(&mut lab.host);
    let input = object_in(other, dekn, sender(1));
    assert_eq!(lab.refused(input.as_bytes(), 16), (CmdStatus::BAD_RES, Check::Mismatch, 0x20));
}

#[test]
fn capabilities_decide() {
    const ESN: &str = "ipsec.ipsec_esn";
    const FULL: &str = "ipsec.ipsec_full_offload";
    for capability in [ESN, FULL] {
        let mut lab = Lab::with(&[(capability, 0)]);
        let dekn = lab.key(&KEY);
        let input = object_in(lab.pd, dekn, sender(1));
        assert_eq!(lab.refused(input.as_bytes(), 16), (BAD_PARAM, Check::Capability, 0x18), "{capability}");
    }
    let windows =
        [("ipsec.min_log_ipsec_full_replay_window", 6), ("ipsec.max_log_ipsec_full_replay_window", 7)];
    let mut lab = Lab::with(&windows);
    let dekn = lab.key(&KEY);
    for (size, fits) in [(0, false), (1, true), (2, true), (3, false)] {
        let input = object_in(lab.pd, dekn, receiver(size, 1));
        match fits {
            true => drop(lab.host.expect(input.as_bytes(), 16)),
            false => assert_eq!(lab.refused(input.as_bytes(), 16), (BAD_PARAM, Check::Limit, 0x50)),
        }
    }
    const ENCRYPT_256: (&str, u64) = ("ipsec.ipsec_crypto_esp_aes_gcm_256_encrypt", 0);
    const DECRYPT_256: (&str, u64) = ("ipsec.ipsec_crypto_esp_aes_gcm_256_decrypt", 0);
    let mut lab = Lab::with(&[ENCRYPT_256]);
    let long = lab.key(&[1; 32]);
    let input = object_in(lab.pd, long, sender(1));
    assert_eq!(lab.refused(input.as_bytes(), 16), (BAD_PARAM, Check::Capability, 0x20));
    lab.host.expect(object_in(lab.pd, long, receiver(1, 1)).as_bytes(), 16);
    let mut lab = Lab::with(&[DECRYPT_256]);
    let long = lab.key(&[1; 32]);
    let input = object_in(lab.pd, long, receiver(1, 1));
    assert_eq!(lab.refused(input.as_bytes(), 16), (BAD_PARAM, Check::Capability, 0x20));
    lab.host.expect(object_in(lab.pd, long, sender(1)).as_bytes(), 16);
    let mut lab = Lab::with(&[ENCRYPT_256, DECRYPT_256]);
    assert_eq!(lab.refused(key_in(lab.pd, &[1; 32]).as_bytes(), 16), (BAD_PARAM, Check::Value, 0x1a));
}

#[test]
fn devices_without_crypto_have_no_objects() {
    let no_type = (BAD_PARAM, Check::Capability, 6);
    let mut lab = Lab::of(Profile::named("connectx-6-dx").expect("a profile"));
    assert_eq!(lab.refused(key_in(lab.pd, &KEY).as_bytes(), 16), no_type);
    assert_eq!(lab.refused(object_in(lab.pd, 1, sender(1)).as_bytes(), 16), no_type);
    assert_eq!(lab.refused(&header(QUERY, 0x13, 1), 0x90), no_type);
    for switched in [("general.ipsec_offload", 0), ("general.general_obj_types", 1 << 0x0c)] {
        let mut lab = Lab::with(&[switched]);
        let dekn = lab.key(&KEY);
        assert_eq!(lab.refused(object_in(lab.pd, dekn, sender(1)).as_bytes(), 16), no_type);
    }
    let mut lab = Lab::with(&[("general.log_max_dek", 0)]);
    assert_eq!(lab.refused(key_in(lab.pd, &KEY).as_bytes(), 16), no_type);
}

#[test]
fn limits_on_numbers() {
    let mut lab = Lab::with(&[("general.log_max_dek", 2), ("ipsec.log_max_ipsec_offload", 1)]);
    let keys: Vec<u32> = (0..4).map(|_| lab.key(&KEY)).collect();
    assert_eq!(lab.refused(key_in(lab.pd, &KEY).as_bytes(), 16), (CmdStatus::NO_RES, Check::Full, 0));
    let input = object_in(lab.pd, keys[0], sender(1));
    lab.host.expect(input.as_bytes(), 16);
    lab.host.expect(input.as_bytes(), 16);
    assert_eq!(lab.refused(input.as_bytes(), 16), (CmdStatus::NO_RES, Check::Full, 0));
}

#[test]
fn query_shows_the_live_context_and_what_can_be_modified() {
    let mut lab = Lab::new();
    let number = lab.object(sender(5));
    lab.encrypt(number).expect("a packet");
    let object = lab.query(number);
    assert_eq!(object.modify_field_select(), 3);
    assert_eq!(object.ipsec_aso().mode_parameter(), 6);
    assert!(object.full_offload() && object.esn_en() && object.ipsec_aso().valid());
    let plain = lab.object(|_, aso| _ = aso.set().mode(MODE_INC_SN).mode_parameter(1));
    assert_eq!(lab.query(plain).modify_field_select(), 0, "without ESN there is nothing to modify");
    // Linux queries with the whole of a zeroed MODIFY; anything in it is refused, and so is a short output.
    let mut input = [&header(QUERY, 0x13, number)[..], &[0; 128]].concat();
    lab.host.expect(&input, 0x90);
    assert_eq!(lab.refused(&input, 0x8c).0, CmdStatus::BAD_OUTP_LEN);
    input[0x50] = 0x80;
    assert_eq!(lab.refused(&input, 0x90), (BAD_PARAM, Check::Reserved, 0x50));
    assert_eq!(lab.refused(&input[..0x20], 0x90).0, CmdStatus::BAD_INP_LEN);
}

#[test]
fn modify_changes_only_what_it_names() {
    let mut lab = Lab::new();
    let number = lab.object(sender(1));
    let input = |number: u32, change: fn(&mut IpsecObj)| {
        let mut body = IpsecObj::default();
        change(&mut body);
        [&header(MODIFY, 0x13, number)[..], body.as_bytes()].concat()
    };
    lab.host.expect(&input(number, |body| _ = body.set().modify_field_select(2).esn_msb(7)), 0x90);
    assert_eq!((lab.query(number).esn_msb(), lab.query(number).esn_overlap()), (7, false));
    lab.host.expect(&input(number, |body| _ = body.set().modify_field_select(1).esn_overlap(true)), 16);
    assert_eq!((lab.query(number).esn_msb(), lab.query(number).esn_overlap()), (7, true));
    type Change = fn(&mut IpsecObj);
    let cases: &[(Change, (CmdStatus, Check, u16))] = &[
        (|_| (), (BAD_PARAM, Check::Value, 0x10)),
        (|body| _ = body.set().modify_field_select(4), (BAD_PARAM, Check::Value, 0x10)),
        (|body| _ = body.set().modify_field_select(1).esn_msb(1), (BAD_PARAM, Check::Unmasked, 0x1f)),
        (|body| _ = body.set().modify_field_select(2).esn_overlap(true), (BAD_PARAM, Check::Unmasked, 0x18)),
        (|body| _ = body.set().modify_field_select(3).salt(1), (BAD_PARAM, Check::Unmasked, 0x27)),
        (
            |body| _ = body.set().modify_field_select(3).ipsec_aso(&IpsecAso::build().valid(true).done()),
            (BAD_PARAM, Check::Unmasked, 0x50),
        ),
    ];
    for (change, want) in cases {
        assert_eq!(lab.refused(&input(number, *change), 16), *want);
    }
    let plain = lab.object(|_, aso| _ = aso.set().mode(MODE_INC_SN).mode_parameter(1));
    let both = input(plain, |body| _ = body.set().modify_field_select(3));
    assert_eq!(lab.refused(&both, 16), (BAD_PARAM, Check::Value, 0x10));
    assert_eq!((lab.query(number).esn_msb(), lab.query(number).esn_overlap()), (7, true));
}

#[test]
fn a_flow_entry_holds_its_object() {
    use crate::objects::Kind;
    let mut lab = Lab::new();
    let number = lab.object(sender(1));
    let entry = (Kind::FlowEntry, 77);
    lab.host.device.links.hold(entry, [(Kind::Ipsec, number)]);
    assert_eq!(lab.refused(&header(DESTROY, 0x13, number), 16), (CmdStatus::BAD_RES_STATE, Check::InUse, 8));
    lab.host.device.links.release(entry);
    assert!(lab.host.device.ipsec.has(number));
    lab.host.expect(&header(DESTROY, 0x13, number), 16);
    assert!(!lab.host.device.ipsec.has(number));
}

#[test]
fn sync_crypto() {
    let mut lab = Lab::new();
    let input = |kinds: u16| {
        *SyncCryptoIn::build().opcode(Opcode::SYNC_CRYPTO.0).crypto_type(kinds).done().as_bytes()
    };
    lab.host.expect(&input(1), 16);
    lab.host.expect(&input(1 << 2), 16);
    assert_eq!(lab.refused(&input(0), 16), (BAD_PARAM, Check::Value, 0x0e));
    assert_eq!(lab.refused(&input(1 << 1), 16), (BAD_PARAM, Check::Value, 0x0e), "keys for TLS");
}
