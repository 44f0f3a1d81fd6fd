use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[test]
fn bitmap_is_stored_most_significant_bit_first() {
    let mut bitmap = Bitmap::default();
    let top = bitmap.mark(256, 0, 300);
    bitmap.mark(256, top, 299);
    bitmap.mark(256, top, 45);
    let mut expected = [0; 32];
    expected[31] = 0b11;
    expected[0] = 0x80;
    assert_eq!(bitmap.store(), expected);
    assert_eq!(Bitmap::load(&expected), bitmap);
}

#[test]
fn edges_of_the_window() {
    for size in [32, 64, 128, 256] {
        let mut bitmap = Bitmap::default();
        let top = bitmap.mark(size, 0, 1000);
        let oldest = 1000 - u64::from(size) + 1;
        assert_eq!(bitmap.check(size, top, 1000), Replay::Seen);
        assert_eq!(bitmap.check(size, top, 1001), Replay::Fresh);
        assert_eq!(bitmap.check(size, top, oldest), Replay::Fresh);
        assert_eq!(bitmap.check(size, top, oldest - 1), Replay::Stale);
        assert_eq!(bitmap.mark(size, top, oldest), top);
        assert_eq!(bitmap.check(size, top, oldest), Replay::Seen);
        // One step on, and it has fallen out.
        let top = bitmap.mark(size, top, 1001);
        assert_eq!(bitmap.check(size, top, oldest), Replay::Stale);
        assert_eq!(bitmap.check(size, top, 1000), Replay::Seen);
    }
    assert_eq!(Bitmap::default().check(32, 0, 0), Replay::Stale);
}

/// RFC 4303, appendix A2.2, word by word.
fn appendix(top: u64, size: u32, low: u32) -> Option<u64> {
    let (high, top) = (top >> 32, top as u32);
    let bottom = top.wrapping_sub(size - 1);
    let high = match (top >= size - 1, low >= bottom) {
        (true, true) | (false, false) => high,
        (true, false) => high + 1,
        (false, true) => high.checked_sub(1)?,
    };
    Some(high << 32 | u64::from(low))
}

/// What a driver that serves events in time has in the object while `top` is the highest number.
fn served(top: u64) -> Esn {
    Esn { enabled: true, msb: (top >> 32) as u32, overlap: top as u32 >= MIDDLE }
}

#[test]
fn inference() {
    let infer = |top: u64, low| served(top).infer(top as u32, 64, low);
    assert_eq!(infer(0x3_0000_1000, 0x1000), Some(0x3_0000_1000));
    assert_eq!(infer(0x3_0000_1000, 0xfc1), Some(0x3_0000_0fc1));
    // Left of the window: old, not of the next round.
    assert_eq!(infer(0x3_0000_1000, 0xfc0), Some(0x3_0000_0fc0));
    assert_eq!(infer(0x3_0000_1000, 0xffff_ffff), Some(0x3_ffff_ffff));
    assert_eq!(infer(0x3_ffff_ffff, 0), Some(0x4_0000_0000));
    assert_eq!(infer(0x3_0000_0010, 0xffff_fff0), Some(0x2_ffff_fff0));
    assert_eq!(infer(0x3_0000_0010, 0xffff_ffd0), Some(0x3_ffff_ffd0));
    assert_eq!(infer(0x3_0000_0010, 0x20), Some(0x3_0000_0020));
    assert_eq!(infer(0x10, 0xffff_fff0), None);
}

#[test]
fn extension_by_the_object() {
    let esn = Esn { enabled: true, msb: 7, overlap: false };
    assert_eq!(esn.extend(5), 0x7_0000_0005);
    assert_eq!(esn.extend(0xffff_ffff), 0x7_ffff_ffff);
    let esn = Esn { overlap: true, ..esn };
    assert_eq!(esn.extend(5), 0x8_0000_0005);
    assert_eq!(esn.extend(0x8000_0000), 0x7_8000_0000);
    assert_eq!(Esn { enabled: false, msb: 7, overlap: true }.extend(5), 5);
}

proptest! {
    /// Against a set of all numbers seen.
    #[test]
    fn like_a_set(
        log in 5u32..9,
        steps in proptest::collection::vec((-300i64..400, any::<bool>()), 1..200),
        start in 1u64..0x2_0000_0000,
    ) {
        let size = 1 << log;
        let mut bitmap = Bitmap::default();
        let (mut top, mut seen) = (start, BTreeSet::new());
        for (step, mark) in steps {
            let sequence = top.saturating_add_signed(step);
            let expected = match sequence {
                0 => Replay::Stale,
                _ if sequence + u64::from(size) <= top => Replay::Stale,
                _ if seen.contains(&sequence) => Replay::Seen,
                _ => Replay::Fresh,
            };
            prop_assert_eq!(bitmap.check(size, top, sequence), expected, "{} at {}", sequence, top);
            if mark && expected == Replay::Fresh {
                top = bitmap.mark(size, top, sequence);
                seen.insert(sequence);
                prop_assert_eq!(top, *seen.last().unwrap().max(&start));
            }
            prop_assert_eq!(Bitmap::load(&bitmap.store()), bitmap);
        }
    }

    /// Whatever is within the window, or less than 2^31 ahead, is found from its lower half, as the appendix finds it.
    #[test]
    fn inference_finds_neighbours(
        top in 0x1_0000_0000u64..0xffff_0000_0000_0000,
        border in any::<Option<u8>>(),
        log in 5u32..9,
        ahead in prop_oneof![-255i64..300, 0i64..0x7fff_ffff],
    ) {
        let size = 1 << log;
        // Every other time around a border of rounds.
        let top = border.map_or(top, |offset| (top & !0xffff_ffff) + u64::from(offset) - 128);
        let sequence = top.saturating_add_signed(ahead.max(1 - i64::from(size)));
        prop_assert_eq!(served(top).infer(top as u32, size, sequence as u32), Some(sequence));
        prop_assert_eq!(appendix(top, size, sequence as u32), Some(sequence));
    }

    #[test]
    fn inference_is_total(top: u32, size: u32, low: u32, enabled: bool, msb: u32, overlap: bool) {
        if let Some(sequence) = (Esn { enabled, msb, overlap }).infer(top, size, low) {
            prop_assert_eq!(sequence as u32, low);
        }
    }
}
