use super::*;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use proptest::prelude::*;

const SIZES: [u32; 7] = [32, 33, 64, 100, 128, 1024, 4096];

fn accept(window: &mut Window, sequence: u64) -> Result<bool, Cause> {
    window.check(sequence)?;
    Ok(window.commit(sequence))
}

#[test]
fn sizes() {
    for size in [1, 31, 4097, u32::MAX] {
        assert!(Window::new(size).is_none(), "{size}");
    }
    for size in SIZES.into_iter().chain([0]) {
        assert_eq!(Window::new(size).unwrap().size(), size);
    }
}

#[test]
fn edges_of_the_window() {
    for size in SIZES {
        let w = u64::from(size);
        let mut window = Window::new(size).unwrap();
        assert_eq!(window.check(0), Err(Cause::Stale), "zero is never sent");
        assert_eq!(accept(&mut window, 1), Ok(true));
        assert_eq!(window.check(1), Err(Cause::Replayed));
        // The window's left edge is at top - size + 1.
        assert_eq!(accept(&mut window, w), Ok(true));
        assert_eq!(window.check(1), Err(Cause::Replayed), "last number inside");
        assert_eq!(accept(&mut window, 2), Ok(false));
        assert_eq!(accept(&mut window, w + 2), Ok(true));
        assert_eq!(window.check(2), Err(Cause::Stale), "first number outside");
        assert_eq!(accept(&mut window, 3), Ok(false));
        assert_eq!(window.check(3), Err(Cause::Replayed));
        // A jump of exactly the window, and far ones, leave nothing behind.
        assert_eq!(accept(&mut window, 2 * w + 2), Ok(true));
        assert_eq!(window.check(w + 2), Err(Cause::Stale));
        for sequence in w + 3..2 * w + 2 {
            assert_eq!(window.check(sequence), Ok(()), "{sequence} of window {size}");
        }
        assert_eq!(accept(&mut window, 1 << 40), Ok(true));
        for sequence in (1 << 40) - w + 1..1 << 40 {
            assert_eq!(accept(&mut window, sequence), Ok(false), "{sequence} of window {size}");
            assert_eq!(window.check(sequence), Err(Cause::Replayed));
        }
        assert_eq!(window.check((1 << 40) - w), Err(Cause::Stale));
        assert_eq!(accept(&mut window, u64::MAX), Ok(true));
        assert_eq!(window.check(u64::MAX), Err(Cause::Replayed));
    }
}

#[test]
fn without_a_window_everything_passes() {
    let mut window = Window::new(0).unwrap();
    for sequence in [5, 5, 1, 0, 1 << 31] {
        assert!(accept(&mut window, sequence).is_ok());
    }
}

/// RFC 4303 appendix A2.2, window of 64: highest number so far, lower half received, number meant.
#[test]
fn upper_half() {
    const G: u64 = 1 << 32;
    for (top, low, expected) in [
        // At the start: the window would reach below zero.
        (0, 1, Some(1)),
        (0, 0x7fff_ffff, Some(0x7fff_ffff)),
        (0, 0xffff_ff00, Some(0xffff_ff00)),
        (0, 0xffff_ffff, None),
        (10, 0xffff_fff0, None),
        (62, 0xffff_ffff, None),
        // The window within one subspace.
        (63, 0xffff_ffff, Some(0xffff_ffff)),
        (63, 0, Some(0)),
        (64, 0, Some(G)),
        (64, 1, Some(1)),
        (G - 1, 0xffff_ffff, Some(G - 1)),
        (G - 1, 0xffff_ffc0, Some(G - 64)),
        (G - 1, 0xffff_ffbf, Some(2 * G - 65)),
        (G - 1, 0, Some(G)),
        (G - 1, 5, Some(G + 5)),
        // The window across two subspaces.
        (G, 0xffff_ffff, Some(G - 1)),
        (G, 0xffff_ffc1, Some(G - 63)),
        (G, 0xffff_ffc0, Some(2 * G - 64)),
        (G, 0, Some(G)),
        (G + 62, 0xffff_ffff, Some(G - 1)),
        (G + 62, 0xffff_fffe, Some(2 * G - 2)),
        (G + 63, 0xffff_ffff, Some(2 * G - 1)),
        (G + 63, 0, Some(G)),
        (7 * G + 3, 0xffff_fffe, Some(7 * G - 2)),
        (7 * G + 3, 4, Some(7 * G + 4)),
        // At the end.
        (u64::MAX, 0xffff_ffff, Some(u64::MAX)),
        (u64::MAX, 0xffff_ffc0, Some(u64::MAX - 63)),
        (u64::MAX, 0, None),
        (u64::MAX - 100, 5, None),
    ] {
        let mut window = Window::new(64).unwrap();
        window.commit(top);
        let got = window.extend(low);
        assert_eq!(got, expected.ok_or(Cause::Stale), "top {top:#x}, low {low:#x}, got {got:x?}");
    }
}

proptest! {
    /// Any number in the window or up to 2^32 - size behind it is recovered from its lower half.
    #[test]
    fn upper_half_is_recovered(
        size in prop::sample::select(&SIZES[..]),
        top in prop_oneof![any::<u64>(), 0u64..10_000, (0u64..1 << 31).prop_map(|x| (x << 32) + x % 5000)],
        offset in 0u64..1 << 32,
    ) {
        let w = u64::from(size);
        let mut window = Window::new(size).unwrap();
        window.commit(top);
        let sequence = (u128::from(top) + 1 + u128::from(offset)).checked_sub(u128::from(w));
        if let Some(sequence) = sequence.and_then(|s| u64::try_from(s).ok()) {
            prop_assert_eq!(window.extend(sequence as u32), Ok(sequence));
        }
    }

    #[test]
    fn equals_the_naive_window(
        size in prop::sample::select(&SIZES[..]),
        steps in prop::collection::vec((0u8..8, 0u64..5000), 1..400),
    ) {
        let w = u64::from(size);
        let mut window = Window::new(size).unwrap();
        let (mut top, mut seen) = (0u64, BTreeSet::new());
        for (kind, n) in steps {
            let sequence = match kind {
                0 => top + n,
                1 => top.saturating_sub(n),
                2 => top + w + n,
                3 => top.saturating_sub(w) + n % 3,
                4 => top + 1,
                5 => (top + 64) / 64 * 64 + n % 2,
                _ => top.saturating_sub(n % w),
            };
            let expected = if sequence == 0 || sequence + w <= top {
                Err(Cause::Stale)
            } else if seen.contains(&sequence) {
                Err(Cause::Replayed)
            } else {
                Ok(sequence > top)
            };
            prop_assert_eq!(accept(&mut window, sequence), expected, "{} after {}", sequence, top);
            if expected.is_ok() {
                seen.insert(sequence);
                top = top.max(sequence);
            }
            prop_assert_eq!(window.top(), top);
        }
        let expected: Vec<u64> = seen.into_iter().filter(|s| s + w > top).collect();
        let got: Vec<u64> = (top.saturating_sub(w) + 1..=top)
            .filter(|&s| window.check(s) == Err(Cause::Replayed))
            .collect();
        prop_assert_eq!(got, expected);
    }
}
