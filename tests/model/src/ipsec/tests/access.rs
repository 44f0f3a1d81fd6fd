//! ACCESS_ASO entries: what they read and change, and which are refused with which syndrome.

use super::*;

const OPERATION: u8 = 2;
const PROTECTION: u8 = 4;

fn change() -> WqeAsoCtrlSeg {
    WqeAsoCtrlSeg::build().condition_0_operand(1).condition_1_operand(1).done()
}

#[test]
fn a_read_changes_nothing_and_shows_what_was_before_a_change() {
    let mut lab = Lab::new();
    let number = lab.object(sender(9));
    let before = lab.read(number);
    assert_eq!((before.mode_parameter(), before.mode(), before.valid()), (9, MODE_INC_SN, true));
    assert_eq!(lab.read(number), before);
    lab.write(number, 0, 0x1234, 0xffff_ffff);
    assert_eq!(IpsecAso::copy_from(&lab.host.memory.get(lab.buffer, 64)), before);
    assert_eq!(lab.read(number).remove_flow_pkt_cnt(), 0x1234);
}

#[test]
fn windows_step_by_dwords() {
    let mut lab = Lab::new();
    let number = lab.object(receiver(3, 1));
    lab.write(number, 1, 0x1111_1111_2222_2222, u64::MAX);
    let context = lab.read(number);
    assert_eq!((context.remove_flow_pkt_cnt(), context.remove_flow_soft_lft()), (0x1111_1111, 0x2222_2222));
    lab.write(number, 14, 0x8000_0000_0000_0001, u64::MAX);
    let context = lab.read(number);
    assert_eq!(context.replay_protection_window()[24..], [0x80, 0, 0, 0, 0, 0, 0, 1]);
}

#[test]
fn only_masked_bits_change() {
    let mut lab = Lab::new();
    let number = lab.object(|object, aso| {
        sender(1)(object, aso);
        aso.set().remove_flow_pkt_cnt(0x0f0f_0f0f);
    });
    lab.write(number, 0, 0x0000_00a0, 0x0000_00f0);
    assert_eq!(lab.read(number).remove_flow_pkt_cnt(), 0x0f0f_0faf);
    lab.write(number, 0, 0, 1 << 54);
    assert!(!lab.read(number).esn_event_arm());
    let wqe = access_wqe(
        number,
        WqeAsoCtrlSeg::build()
            .condition_0_operand(1)
            .condition_1_operand(1)
            .bitwise_data(3)
            .data_mask(1)
            .done(),
        None,
    );
    assert_eq!(lab.access(&wqe), Err(OPERATION), "data outside of the mask");
}

#[test]
fn conditions() {
    let mut lab = Lab::new();
    let number = lab.object(sender(1));
    lab.write(number, 1, 100, u64::MAX);
    let mut applies = |first: (u8, u32), second: (u8, u32), or: bool| {
        lab.write(number, 0, 0, 0xffff_ffff);
        let change = WqeAsoCtrlSeg::build()
            .condition_0_operand(first.0)
            .condition_0_offset(2)
            .condition_0_data(first.1)
            .condition_0_mask(0xffff_ffff)
            .condition_1_operand(second.0)
            .condition_1_offset(2)
            .condition_1_data(second.1)
            .condition_1_mask(0xff)
            .condition_operand(u8::from(or))
            .bitwise_data(7)
            .data_mask(0xff);
        lab.access(&access_wqe(number, change.done(), None)).unwrap();
        lab.read(number).remove_flow_pkt_cnt() == 7
    };
    let always = (1, 0);
    let never = (0, 0);
    assert!(applies(always, always, false) && applies(always, never, true) && applies(never, always, true));
    assert!(!applies(always, never, false) && !applies(never, always, false) && !applies(never, never, true));
    // The dword is 100: equal, not equal, >=, <=, <, >, cyclic >, cyclic <.
    for (operand, below, same, above) in [
        (2, false, true, false),
        (3, true, false, true),
        (4, true, true, false),
        (5, false, true, true),
        (6, false, false, true),
        (7, true, false, false),
        (8, true, false, false),
        (9, false, false, true),
    ] {
        assert_eq!(applies((operand, 99), always, false), below, "{operand} below");
        assert_eq!(applies((operand, 100), always, false), same, "{operand} same");
        assert_eq!(applies(always, (operand, 101), false), above, "{operand} above");
    }
    assert!(applies((8, 0xffff_fff0), always, false) && !applies((7, 0xffff_fff0), always, false), "cyclic");
}

#[test]
fn bad_entries() {
    let mut lab = Lab::new();
    let number = lab.object(sender(1));
    let good = access_wqe(number, change(), Some((lab.buffer, lab.lkey)));
    lab.access(&good).unwrap();
    let with = |at: usize, byte: u8| {
        let mut wqe = good;
        wqe[at] = byte;
        wqe
    };
    assert_eq!(lab.access(&with(0, 2)), Err(OPERATION), "the opmod of a meter");
    assert_eq!(lab.access(&with(7, 8)), Err(OPERATION), "ds of an entry with data");
    assert_eq!(lab.access(&with(0x0c, 1)), Err(OPERATION), "no such object");
    assert_eq!(lab.access(&with(0x17, 0x03)), Err(OPERATION), "reserved bit of va_l");
    assert_eq!(lab.access(&with(0x1c, 0x40)), Err(OPERATION), "bytewise");
    assert_eq!(lab.access(&with(0x1c, 0x01)), Err(OPERATION), "reserved");
    assert_eq!(lab.access(&with(0x1d, 0x1a)), Err(OPERATION), "no such condition");
    assert_eq!(lab.access(&with(0x1d, 0xa1)), Err(OPERATION), "no such condition");
    assert_eq!(lab.access(&with(0x1f, 15)), Err(OPERATION), "a window beyond the end");
    assert_eq!(lab.access(&with(0x1f, 0x80)), Err(OPERATION), "no such logical operator");
    assert_eq!(lab.access(&access_wqe(number, change(), Some((lab.buffer, 0x1234_5600)))), Err(PROTECTION));
    let wrong_byte = access_wqe(number, change(), Some((lab.buffer, lab.lkey ^ 1)));
    assert_eq!(lab.access(&wrong_byte), Err(PROTECTION));
    assert_eq!(
        lab.access(&access_wqe(number, change(), Some((0x1000, lab.lkey)))),
        Err(PROTECTION),
        "unmapped"
    );
    let reserved = WqeAsoCtrlSeg::build().condition_0_operand(1).condition_1_operand(1);
    let reserved = reserved.data_offset(3).bitwise_data(1).data_mask(1).done();
    assert_eq!(lab.access(&access_wqe(number, reserved, None)), Err(OPERATION), "a reserved dword");
    let stray = access_wqe(number, change(), None);
    lab.access(&stray).unwrap();
    let mut stray = stray;
    stray[0x18] = 1;
    assert_eq!(lab.access(&stray), Err(OPERATION), "a key for nothing");
    let refused = lab.host.device.log().refused().last().unwrap();
    assert_eq!((refused.what, refused.number, refused.refusal.field), ("aso", number, "va_l"));
    assert_eq!(lab.read(number).as_bytes()[..4], lab.query(number).ipsec_aso().as_bytes()[..4]);
}

#[test]
fn a_failed_read_changes_nothing() {
    let mut lab = Lab::new();
    let number = lab.object(sender(1));
    let write = WqeAsoCtrlSeg::build().condition_0_operand(1).condition_1_operand(1);
    let write = write.bitwise_data(1 << 25).data_mask(1 << 25).done();
    assert_eq!(lab.access(&access_wqe(number, write, Some((lab.buffer, 0)))), Err(PROTECTION));
    assert_eq!(lab.read(number).remove_flow_pkt_cnt(), 0);
}

#[test]
fn another_protection_domain() {
    let mut lab = Lab::new();
    let number = lab.object(sender(1));
    let other = alloc_pd(&mut lab.host);
    let wqe = access_wqe(number, change(), None);
    let memory = lab.host.memory.clone();
    assert_eq!(lab.host.device.access_aso(&memory, other, &wqe), Err(PROTECTION));
    // And a key of another domain than the queue's and the object's.
    let key = physical_key(&mut lab.host, other);
    assert_eq!(lab.access(&access_wqe(number, change(), Some((lab.buffer, key)))), Err(PROTECTION));
}
