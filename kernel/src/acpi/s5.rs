//! The sleep types of soft off, from the package `\_S5` of the DSDT (ACPI 6.4, 7.4.2.6 and 20.2): two small
//! constants, which every firmware writes as such.

// AML opcodes.
const NAME: u8 = 0x08;
const ROOT: u8 = b'\\';
const PACKAGE: u8 = 0x12;
const ZERO: u8 = 0x00;
const ONE: u8 = 0x01;
const BYTE: u8 = 0x0a;

/// The values for PM1a and PM1b, or `None` if there is no such package.
pub(super) fn sleep_types(dsdt: &[u8]) -> Option<(u8, u8)> {
    let name = dsdt.windows(4).enumerate().find_map(|(at, window)| {
        let before = dsdt.get(..at)?;
        (window == b"_S5_" && (before.ends_with(&[NAME]) || before.ends_with(&[NAME, ROOT]))).then_some(at)
    })?;
    let rest = dsdt.get(name + 4..)?.strip_prefix(&[PACKAGE])?;
    // The package length takes 1 to 4 bytes, as many more as the two upper bits of the first say.
    let more = usize::from(rest.first()? >> 6);
    let elements = rest.get(1 + more + 1..)?;
    let (a, elements) = constant(elements)?;
    let b = constant(elements).map_or(a, |(b, _)| b);
    Some((a, b))
}

/// A small integer, and what follows it.
fn constant(aml: &[u8]) -> Option<(u8, &[u8])> {
    match aml {
        [BYTE, value, rest @ ..] => Some((value & 7, rest)),
        [value @ (ZERO | ONE), rest @ ..] => Some((*value, rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_package_behind_a_name() {
        let qemu =
            [&[0x10, 0x20][..], &[NAME], b"_S5_", &[PACKAGE, 0x06, 0x04, ZERO, ZERO, ZERO, ZERO]].concat();
        assert_eq!(sleep_types(&qemu), Some((0, 0)));
        let board =
            [&[NAME, ROOT][..], b"_S5_", &[PACKAGE, 0x4a, 0x00, 0x04, BYTE, 7, BYTE, 5, ZERO, ZERO]].concat();
        assert_eq!(sleep_types(&board), Some((7, 5)));
    }

    #[test]
    fn anything_else_is_none() {
        let reference = [&[0x70][..], b"_S5_", &[PACKAGE, 0x06, 0x04, ZERO, ZERO]].concat();
        assert_eq!(sleep_types(&reference), None);
        let cut = [&[NAME][..], b"_S5_", &[PACKAGE, 0xc6]].concat();
        for len in 0..=cut.len() {
            assert_eq!(sleep_types(&cut[..len]), None);
        }
    }
}
