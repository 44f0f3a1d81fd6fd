//! The command queue refuses what firmware refuses, with the delivery status that names it.

use crate::Check;
use crate::caps::Profile;
use crate::in_process::Host;
use mlx5_pci::prm::{CmdStatus, DeliveryStatus};

/// QUERY_ISSI: 16 bytes in, 112 out.
const QUERY_ISSI: [u8; 16] = [0x01, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// QUERY_ISSI's output.
const OUT: usize = 112;

fn host() -> Host {
    let mut host = Host::new(Profile::named("cx7").unwrap());
    host.expect(&[0x01, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 16);
    host
}

/// Runs QUERY_ISSI with an entry that `change` has spoilt; the delivery status.
fn spoilt(change: impl FnOnce(&mut Host, &mut [u8; 64])) -> u8 {
    let mut host = host();
    // A command that works leaves a whole entry in slot 0, with mailboxes that are gone.
    host.prepare(0, &QUERY_ISSI, OUT);
    let mut entry = host.entry(0);
    change(&mut host, &mut entry);
    host.put_entry(0, &entry);
    host.write32(0x18, 1);
    host.entry(0)[0x3f] >> 1
}

#[test]
fn a_sound_entry_is_delivered() {
    assert_eq!(spoilt(|_, _| {}), DeliveryStatus::OK.0);
}

#[test]
fn spoilt_entries_are_not_delivered() {
    let set = |at: usize, value: u8| move |_: &mut Host, entry: &mut [u8; 64]| entry[at] = value;
    assert_eq!(spoilt(set(0, 6)), DeliveryStatus::BAD_COMMAND_TYPE.0);
    assert_eq!(spoilt(set(1, 1)), DeliveryStatus::RESERVED_NOT_ZERO.0);
    assert_eq!(spoilt(set(0x3e, 1)), DeliveryStatus::RESERVED_NOT_ZERO.0);
    assert_eq!(spoilt(set(7, 4)), DeliveryStatus::INPUT_LENGTH.0);
    assert_eq!(spoilt(set(4, 0x7f)), DeliveryStatus::INPUT_LENGTH.0);
    assert_eq!(spoilt(set(0x3b, 4)), DeliveryStatus::OUTPUT_LENGTH.0);
    assert_eq!(spoilt(set(0x37, 1)), DeliveryStatus::BAD_OUTPUT_POINTER.0);
    assert_eq!(spoilt(|_, entry| entry[0x30..0x38].fill(0)), DeliveryStatus::BAD_OUTPUT_POINTER.0);
    assert_eq!(spoilt(|_, entry| entry[0x31] ^= 1), DeliveryStatus::BAD_OUTPUT_POINTER.0);
    assert_eq!(spoilt(|_, entry| entry[0x3c] ^= 1), DeliveryStatus::TOKEN_ERROR.0);
}

#[test]
fn spoilt_mailboxes_are_not_delivered() {
    let outbox = |entry: &[u8; 64]| u64::from_be_bytes(entry[0x30..0x38].try_into().unwrap());
    let status = spoilt(|host, entry| host.memory.put(outbox(entry) + 0x23d, &[0]));
    assert_eq!(status, DeliveryStatus::TOKEN_ERROR.0);
    let status = spoilt(|host, entry| host.memory.put(outbox(entry) + 0x23b, &[1]));
    assert_eq!(status, DeliveryStatus::BAD_BLOCK_NUMBER.0);
    let mut host = host();
    host.prepare(0, &[&QUERY_ISSI[..], &[0; 32]].concat(), OUT);
    let mut entry = host.entry(0);
    entry[8..16].fill(0);
    host.put_entry(0, &entry);
    host.write32(0x18, 1);
    assert_eq!(host.entry(0)[0x3f] >> 1, DeliveryStatus::BAD_INPUT_POINTER.0);
}

#[test]
fn a_spoilt_entry_does_nothing() {
    let mut host = Host::new(Profile::named("cx7").unwrap());
    host.prepare(0, &[0x01, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 16);
    let mut entry = host.entry(0);
    entry[1] = 1;
    host.put_entry(0, &entry);
    host.write32(0x18, 1);
    // ENABLE_HCA was not carried out, or a second one would be refused.
    host.expect(&[0x01, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 16);
}

#[test]
fn signatures_are_checked_when_the_capability_asks() {
    let mut profile = Profile::named("cx7").unwrap();
    profile.set("general.cmdif_checksum", 3).unwrap();
    let mut host = Host::new(profile);
    host.expect(&[0x01, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 16);
    for place in [0x3d, 0x3c] {
        host.prepare(0, &QUERY_ISSI, OUT);
        let mut entry = host.entry(0);
        entry[place] ^= 0x40;
        host.put_entry(0, &entry);
        host.write32(0x18, 1);
        assert_eq!(host.entry(0)[0x3f] >> 1, DeliveryStatus::SIGNATURE_ERROR.0);
    }
    host.expect(&QUERY_ISSI, OUT);
}

#[test]
fn what_the_driver_does_not_own_is_not_its_to_ring() {
    let mut host = host();
    // An entry that already belongs to software.
    host.write32(0x18, 1 << 5);
    let refused = host.device.log().refused().last().unwrap().refusal;
    assert_eq!((refused.check, refused.field), (Check::State, "owner"));
    // No bus mastering.
    host.device.config_write(4, &[0x02, 0]);
    host.prepare(0, &QUERY_ISSI, OUT);
    host.write32(0x18, 1);
    assert!(host.finish(0).is_none());
    // No command queue.
    let mut host = Host::new(Profile::named("cx7").unwrap());
    host.write32(0x10, 0);
    host.write32(0x18, 1);
    assert_eq!(host.device.log().refused().last().unwrap().refusal.field, "command queue not set up");
}

#[test]
fn commands_are_refused_by_the_checks_that_all_share() {
    let mut host = host();
    let mut refused = |input: &[u8], outlen| {
        let answer = host.exec(input, outlen);
        (answer.status, answer.check())
    };
    assert_eq!(refused(&[0xff, 0xff, 0, 0, 0, 0, 0, 0], 16), (CmdStatus::BAD_OP, Check::Opcode as u16));
    let long = [&QUERY_ISSI[..], &[0; 4]].concat();
    assert_eq!(refused(&long, OUT), (CmdStatus::BAD_INP_LEN, Check::InputLength as u16));
    assert_eq!(refused(&QUERY_ISSI[..12], OUT), (CmdStatus::BAD_INP_LEN, Check::InputLength as u16));
    assert_eq!(refused(&QUERY_ISSI, 108), (CmdStatus::BAD_OUTP_LEN, Check::OutputLength as u16));
    let mut reserved = QUERY_ISSI;
    reserved[12] = 1;
    assert_eq!(refused(&reserved, OUT), (CmdStatus::BAD_PARAM, Check::Reserved as u16));
    let mut modified = QUERY_ISSI;
    modified[7] = 1;
    assert_eq!(refused(&modified, OUT), (CmdStatus::BAD_PARAM, Check::OpMod as u16));
    let mut alloc_uar = QUERY_ISSI;
    alloc_uar[..2].copy_from_slice(&0x802u16.to_be_bytes());
    assert_eq!(refused(&alloc_uar, 16), (CmdStatus::BAD_SYS_STATE, Check::Stage as u16));
}

#[test]
fn output_longer_than_the_answer_is_zeroed() {
    let mut host = host();
    let answer = host.expect(&QUERY_ISSI, 1600);
    assert_eq!(answer.word(0x6c), 2);
    assert!(answer.output[112..].iter().all(|byte| *byte == 0));
}
