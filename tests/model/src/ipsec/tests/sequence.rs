//! Sequence numbers across the borders of their halves, with the driver doing what Linux does at an event; windows.

use super::*;
use crate::esp::{self, Cipher, Form, Removal};

const BORDER: u64 = 1 << 32;
const HALF: u64 = 1 << 31;

/// What Linux does at an OBJECT_CHANGE event: `mlx5e_ipsec_handle_event` and what it calls.
struct Driver {
    msb: u32,
    overlap: bool,
    events: u32,
}

impl Driver {
    fn new(number: u64) -> Driver {
        Driver { msb: (number >> 32) as u32, overlap: number as u32 >= 1 << 31, events: 0 }
    }

    /// Looks whether the event has fired; if so, moves on the upper half.
    fn service(&mut self, lab: &mut Lab, number: u32) {
        let context = lab.read(number);
        if context.esn_event_arm() {
            return;
        }
        self.events += 1;
        if context.mode_parameter() < 1 << 31 {
            self.msb += 1;
            self.overlap = false;
        } else {
            self.overlap = true;
        }
        lab.write(number, 0, 1 << 54, 1 << 54);
        let object = lab.query(number);
        assert_eq!(object.modify_field_select() & 3, 3);
        let body =
            IpsecObj::build().modify_field_select(3).esn_msb(self.msb).esn_overlap(self.overlap).done();
        let input = [&header(Opcode::MODIFY_GENERAL_OBJECT, 0x13, number)[..], body.as_bytes()].concat();
        lab.host.expect(&input, 0x90);
        assert!(lab.read(number).esn_event_arm());
    }
}

fn cipher() -> Cipher {
    Cipher::new(&KEY, SALT.to_be_bytes(), IMPLICIT_IV.to_be_bytes()).unwrap()
}

/// The peer's packet with this number; the transform is checked against scapy.
fn peer(number: u64) -> Vec<u8> {
    let form = Form::new(ADD, &reformat_data()).unwrap();
    esp::seal(&cipher(), true, &form, number, &PLAIN).unwrap()
}

/// Whether the peer takes the frame for this number.
fn is_number(frame: &[u8], number: u64) -> bool {
    let removal = Removal::new(DEL, &[]).unwrap();
    esp::open(&cipher(), true, &removal, number, frame).is_ok_and(|plain| plain == PLAIN)
}

#[test]
fn sent_numbers_cross_both_borders() {
    let mut lab = Lab::new();
    for (start, events) in [(HALF - 3, 1), (BORDER - 3, 1), (5 * BORDER + HALF - 1, 1), (6 * BORDER - 1, 1)] {
        for late in 0..4 {
            let number = lab.object(sender(start));
            let mut driver = Driver::new(start);
            for sent in start..start + 12 {
                assert!(
                    is_number(&lab.encrypt(number).unwrap(), sent),
                    "{sent:#x}, served {late} packets late"
                );
                if sent % 4 == late {
                    driver.service(&mut lab, number);
                }
            }
            assert_eq!(driver.events, events);
            assert_eq!(
                (driver.msb, driver.overlap),
                (((start + 12) >> 32) as u32, (start + 12) as u32 >= 1 << 31)
            );
        }
    }
}

#[test]
fn a_whole_round_needs_both_events() {
    let mut lab = Lab::new();
    let start = 3 * BORDER + HALF - 2;
    let number = lab.object(sender(start));
    let mut driver = Driver::new(start);
    for sent in start..start + 4 {
        assert!(is_number(&lab.encrypt(number).unwrap(), sent));
        driver.service(&mut lab, number);
    }
    // The driver lets the card go on near the end of the round.
    lab.write(number, 6, 0xffff_fffe, 0xffff_ffff);
    for sent in 4 * BORDER - 2..4 * BORDER + 4 {
        assert!(is_number(&lab.encrypt(number).unwrap(), sent));
        driver.service(&mut lab, number);
    }
    assert_eq!((driver.events, driver.msb, driver.overlap), (2, 4, false));
}

#[test]
fn a_number_is_never_sent_twice() {
    let mut lab = Lab::new();
    // The driver has missed the event at the half: from the border on the upper half would be old.
    let number = lab.object(|object, aso| {
        sender(BORDER - 2)(object, aso);
        object.set().esn_overlap(false);
    });
    assert!(is_number(&lab.encrypt(number).unwrap(), BORDER - 2));
    assert!(is_number(&lab.encrypt(number).unwrap(), BORDER - 1));
    assert_eq!(lab.encrypt(number), None);
    let refused = lab.host.device.log().refused().last().unwrap().refusal;
    assert_eq!((refused.check, refused.field), (Check::State, "mode_parameter"));
    // The driver sets the counter back to the number that was just sent.
    let number = lab.object(sender(7));
    assert!(lab.encrypt(number).is_some());
    lab.write(number, 6, 7, 0xffff_ffff);
    assert_eq!(lab.encrypt(number), None);
    // Without ESN all numbers are spent after 2^32 - 1.
    let number = lab.object(|_, aso| _ = aso.set().mode(MODE_INC_SN).mode_parameter(u32::MAX));
    assert!(lab.encrypt(number).is_some());
    assert_eq!(lab.encrypt(number), None);
    // An object that does not count cannot send at all.
    let number = lab.object(|_, aso| _ = aso.set().mode_parameter(1));
    assert_eq!(lab.encrypt(number), None);
}

#[test]
fn received_numbers_cross_both_borders() {
    let mut lab = Lab::new();
    for size in 0..4u8 {
        let window = 32u64 << size;
        for middle in [HALF, BORDER, 7 * BORDER + HALF, 8 * BORDER] {
            let start = middle - 2 * window;
            let number = lab.object(receiver(size, start));
            let mut driver = Driver::new(start);
            // Every second number first, the other ones half a window later.
            for step in 0..4 * window {
                let sequence = start + step;
                if sequence.is_multiple_of(2) {
                    assert_eq!(lab.verdict(number, &peer(sequence)), Verdict::Accepted, "{sequence:#x}");
                }
                let late = sequence.saturating_sub(window / 2);
                if late % 2 == 1 && late >= start {
                    assert_eq!(lab.verdict(number, &peer(late)), Verdict::Accepted, "late {late:#x}");
                    assert_eq!(lab.verdict(number, &peer(late)), Verdict::Replayed);
                }
                if step % 7 == 0 {
                    driver.service(&mut lab, number);
                }
            }
            assert_eq!(driver.events, 1, "window {window}, {middle:#x}");
            // Far behind, a number counts as one of the round to come, and cannot be authentic.
            assert_eq!(lab.verdict(number, &peer(start)), Verdict::Forged);
        }
    }
}

#[test]
fn windows_are_as_large_as_they_say() {
    let mut lab = Lab::new();
    for size in 0..4u8 {
        let window = 32u64 << size;
        let number = lab.object(receiver(size, 1));
        assert_eq!(lab.verdict(number, &peer(0)), Verdict::Replayed, "0 is never sent");
        let top = 1000;
        assert_eq!(lab.verdict(number, &peer(top)), Verdict::Accepted);
        assert_eq!(lab.read(number).mode_parameter(), (top - window + 1) as u32, "the bottom");
        assert_eq!(lab.verdict(number, &peer(top - window)), Verdict::Replayed, "just outside of {window}");
        for sequence in (top - window + 1..top).rev() {
            assert_eq!(lab.verdict(number, &peer(sequence)), Verdict::Accepted, "{sequence} of {window}");
        }
        for sequence in top - window..=top {
            assert_eq!(lab.verdict(number, &peer(sequence)), Verdict::Replayed);
        }
        // A jump beyond the window forgets all of it but what is new.
        assert_eq!(lab.verdict(number, &peer(top + 3 * window)), Verdict::Accepted);
        assert_eq!(lab.verdict(number, &peer(top + 2 * window + 1)), Verdict::Accepted);
        assert_eq!(lab.verdict(number, &peer(top + 2 * window)), Verdict::Replayed);
    }
}

#[test]
fn a_window_slides_by_any_distance() {
    let mut lab = Lab::new();
    let seen = [256, 200, 129, 128, 65, 2];
    for distance in 1..=260 {
        let number = lab.object(receiver(3, 1));
        for sequence in seen {
            assert_eq!(lab.verdict(number, &peer(sequence)), Verdict::Accepted);
        }
        assert_eq!(lab.verdict(number, &peer(256 + distance)), Verdict::Accepted);
        for sequence in seen {
            assert_eq!(
                lab.verdict(number, &peer(sequence)),
                Verdict::Replayed,
                "{sequence} after {distance}"
            );
            let want = if sequence > distance + 1 { Verdict::Accepted } else { Verdict::Replayed };
            if !seen.contains(&(sequence - 1)) {
                assert_eq!(lab.verdict(number, &peer(sequence - 1)), want, "{sequence} - 1 after {distance}");
            }
        }
    }
}

#[test]
fn the_window_against_a_set() {
    use std::collections::BTreeSet;
    let mut lab = Lab::new();
    let mut state = 1u32;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        u64::from(state >> 8) % below
    };
    for size in 0..4u8 {
        let window = 32u64 << size;
        let number = lab.object(receiver(size, 1));
        let (mut top, mut seen) = (0, BTreeSet::new());
        for _ in 0..1500 {
            let sequence = (top + random(window)).saturating_sub(random(2 * window)).max(1);
            let fresh = sequence + window.max(top.min(window)) > top && !seen.contains(&sequence);
            let want = if fresh { Verdict::Accepted } else { Verdict::Replayed };
            assert_eq!(lab.verdict(number, &peer(sequence)), want, "{sequence}, top {top}, window {window}");
            seen.insert(sequence);
            top = top.max(sequence);
        }
    }
}

#[test]
fn without_protection_everything_authentic_passes() {
    let mut lab = Lab::new();
    let number = lab.object(|object, _| _ = object.set().esn_en(true));
    for sequence in [5, 5, 1, 1000, 5] {
        assert_eq!(lab.verdict(number, &peer(sequence)), Verdict::Accepted);
    }
}
