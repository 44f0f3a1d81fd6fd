//! Sequence numbers: across both crossings of their lower half, both ways, and to their end where there are 32 bits only.

use super::case::{Case, SPI, open, seal};
use super::frames::OPAQUE;
use super::rig::Rig;
use core::sync::atomic::Ordering;
use mlx5_driver_tests::Machine;
use mlx5_pci::ipsec::{Direction, Event, Expiry, Family};

/// Where the lower half enters the other half of its space, and where it begins anew.
const CROSSINGS: [u64; 4] = [1 << 31, 1 << 32, 5 << 32 | 1 << 31, 6 << 32];

fn cases() -> [Case; 3] {
    let plain = Case::PLAIN;
    [plain, Case { family: Family::V6, wide: true, ..plain }, Case { udp: true, ..plain }]
}

#[test]
fn numbers_that_are_sent_cross_with_and_without_the_driver() {
    let mut rig = Rig::new();
    for case in cases() {
        for crossing in CROSSINGS {
            let mut sa = case.sends();
            sa.sequence = crossing - 40;
            let handle = rig.install(&sa);
            let frames = vec![case.given(&case.packet(true, 60)); 30];
            let mut expected = sa.sequence..;
            // The driver looks only when 20 packets are past the crossing.
            for burst in 0..4 {
                for frame in rig.seal(handle, &frames) {
                    let number = expected.next().unwrap();
                    let inside = case.cipher().open((number >> 32) as u32, case.esp(&frame));
                    assert_eq!(
                        inside.map(|inside| inside.number),
                        Some(number as u32),
                        "{case:?} {number:#x}"
                    );
                }
                let next = expected.start;
                let events = rig.events();
                let wanted = (burst == 1).then_some(Event::Crossed(handle, next));
                assert_eq!(events, wanted.into_iter().collect::<Vec<_>>(), "{next:#x}");
                assert_eq!(rig.nic.read(handle).unwrap().unwrap().sequence, next);
            }
            assert_eq!(expected.start, crossing + 80);
            rig.nic.retire(handle).unwrap();
        }
    }
    rig.close();
}

#[test]
fn numbers_that_are_received_cross_with_and_without_the_driver() {
    let mut rig = Rig::new();
    for case in cases() {
        for crossing in CROSSINGS {
            let mut sa = case.receives();
            sa.sequence = crossing - 100;
            let handle = rig.install(&sa);
            let first = sa.sequence;
            // In pairs that come in the wrong order. The window is behind: it crosses 63 later.
            for number in (first..first + 240).map(|number| number ^ 1) {
                assert_eq!(rig.open(&case.sealed(number, 20)).1, Some(handle.bits()), "{number:#x}");
                if number % 80 == 7 {
                    rig.events();
                }
            }
            rig.events();
            let state = rig.nic.read(handle).unwrap().unwrap();
            assert_eq!(state.sequence, first + 240 - 64, "{crossing:#x}");
            // Authentic under another upper half only.
            let wrong = case.wire(&case.cipher().seal(SPI, first + (1 << 32) + 300, OPAQUE, &[0; 20]));
            assert!(rig.arrive(&wrong).is_empty());
            assert!(rig.arrive(&case.sealed(first + 239, 20)).is_empty(), "replay");
            assert_eq!(rig.open(&case.sealed(first + 240, 20)).1, Some(handle.bits()));
            let counts = rig.nic.retire(handle).unwrap().unwrap();
            assert_eq!((counts.bad_icv.packets, counts.replay.packets, counts.all.packets), (1, 1, 243));
        }
    }
    rig.close();
}

#[test]
fn a_window_across_a_crossing_takes_both_sides() {
    let mut rig = Rig::new();
    let case = Case::PLAIN;
    for crossing in CROSSINGS {
        let mut sa = case.receives();
        (sa.sequence, sa.direction) = (crossing - 200, Direction::Receive { window: 256 });
        let handle = rig.install(&sa);
        assert_eq!(rig.arrive(&case.sealed(crossing + 55, 20)).len(), 1);
        rig.events();
        for number in (crossing - 200..crossing + 55).rev() {
            assert_eq!(rig.arrive(&case.sealed(number, 20)).len(), 1, "{number:#x}");
            assert!(rig.arrive(&case.sealed(number, 20)).is_empty(), "{number:#x} again");
        }
        assert_eq!(rig.nic.retire(handle).unwrap().unwrap().replay.packets, 255);
    }
    rig.close();
}

fn crossing_at_once(rig: &mut Rig, count: u32) -> Vec<Event> {
    let case = Case::PLAIN;
    let handles: Vec<_> = (0..count)
        .map(|spi| {
            let mut sa = case.sends();
            (sa.spi, sa.sequence) = (0x1000 + spi, (1 << 32) - 1);
            rig.install(&sa)
        })
        .collect();
    let frames = vec![case.given(&case.packet(true, 20)); 2];
    assert!(handles.iter().all(|handle| rig.seal(*handle, &frames).len() == 2));
    handles.into_iter().map(|handle| Event::Crossed(handle, (1 << 32) + 1)).collect()
}

fn sorted(mut events: Vec<Event>) -> Vec<String> {
    events.sort_by_key(|event| format!("{event:?}"));
    events.iter().map(|event| format!("{event:?}")).collect()
}

#[test]
fn the_card_tells_of_many_at_once() {
    let mut rig = Rig::new();
    let wanted = crossing_at_once(&mut rig, 250);
    // Before all have had their turn.
    assert_eq!(sorted(rig.events()), sorted(wanted));
    rig.close();
}

#[test]
fn what_the_card_does_not_tell_is_found_out() {
    let mut rig = Rig::new();
    let wanted = crossing_at_once(&mut rig, 150);
    // EQEs of OBJECT_CHANGE, a type in the second byte, name no object any more.
    let mut spoilt = 0;
    for (_, words) in rig.machine.space().used() {
        for entry in words.as_chunks::<16>().0 {
            let word = |at: usize| u32::from_be(entry[at].load(Ordering::Relaxed));
            if word(0) >> 16 & 0xff == 0x27 && word(8) == 0x13 {
                entry[9].store(0, Ordering::Relaxed);
                spoilt += 1;
            }
        }
    }
    assert_eq!(spoilt, 150);
    let told: Vec<_> = (0..65).flat_map(|_| rig.events()).collect();
    assert_eq!(sorted(told), sorted(wanted));
    rig.close();
}

#[test]
fn numbers_of_32_bits_end() {
    let mut rig = Rig::new();
    for case in cases() {
        let case = Case { esn: false, ..case };
        let mut sa = case.sends();
        sa.sequence = u64::from(u32::MAX) - 63;
        let handle = rig.install(&sa);
        let frames = vec![case.given(&case.packet(true, 20)); 30];
        let mut numbers = Vec::new();
        let mut events = Vec::new();
        for _ in 0..4 {
            for frame in rig.seal(handle, &frames) {
                numbers.push(case.cipher().open(0, case.esp(&frame)).unwrap().number);
            }
            events.push(rig.events());
        }
        assert_eq!(numbers, (u32::MAX - 63..=u32::MAX).collect::<Vec<_>>(), "all, each once, and no more");
        let (soft, hard) = (Event::Soft(handle, Expiry::Sequence), Event::Hard(handle, Expiry::Sequence));
        assert_eq!(events, [vec![], vec![soft], vec![hard], vec![]]);
        rig.nic.retire(handle).unwrap();
    }
    rig.close();
}

#[test]
fn without_a_window_replays_pass_and_forgeries_do_not() {
    let mut rig = Rig::new();
    let case = Case { esn: false, ..Case::PLAIN };
    let handle = rig.install(&case.receives());
    let (mut software, out) = case.peer(ipsec::Direction::Out);
    let packet = case.packet(false, 44);
    let sealed = seal(&mut software, out, &packet);
    for _ in 0..2 {
        assert_eq!(rig.open(&sealed).1, Some(handle.bits()));
    }
    let mut forged = sealed.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert!(rig.arrive(&forged).is_empty());
    let state = rig.nic.read(handle).unwrap().unwrap();
    assert_eq!((state.window, state.counts.bad_icv.packets), (0, 1));
    rig.close();
}

#[test]
fn numbers_of_32_bits_open_in_software() {
    let mut rig = Rig::new();
    for case in Case::all() {
        let case = Case { esn: false, ..case };
        let handle = rig.install(&case.sends());
        let (mut software, _) = case.peer(ipsec::Direction::In);
        let packet = case.packet(true, 100);
        let frame = rig.seal_one(handle, &case.given(&packet));
        assert_eq!(open(&mut software, &frame).unwrap(), packet);
        rig.nic.retire(handle).unwrap();
    }
    assert!(rig.machine.misuse().is_empty());
    rig.close();
}
