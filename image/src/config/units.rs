//! The notations inside values: durations and sizes as in swanctl.conf, networks, hexadecimal, and
//! secrets with the prefixes `0x` and `0s`. Each returns nothing for what it cannot read; the caller
//! knows the place.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use net::prefix::Prefix;
use zeroize::Zeroizing;

use super::document::Item;
use super::error::{Error, Mistake};

/// How a duration may be written.
pub(super) const DURATION: &str = "seconds, or a number with s, m, h or d such as \"30s\"";
/// How a size may be written.
pub(super) const SIZE: &str = "bytes, or a number with k, m or g such as \"500m\"";
/// How a network may be written.
pub(super) const NETWORK: &str = "address/length such as \"10.1.0.0/24\" or \"fd01::/64\"";
/// How an address may be written.
pub(super) const ADDRESS: &str = "address such as \"10.1.0.1\" or \"fd01::1\"";

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let scale = units.iter().find(|(name, _)| *name == unit.trim_start())?.1;
    number.parse::<u64>().ok()?.checked_mul(scale)
}

pub(super) fn duration(item: &Item<'_>) -> Result<Duration, Error> {
    const UNITS: &[(&str, u64)] = &[("", 1), ("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
    /// A hundred years: more is a slip, and sums of such times cannot overflow.
    const LONGEST: u64 = 100 * 366 * 86_400;
    let seconds = match item.is_text() {
        true => scaled(item.text(DURATION)?, UNITS).ok_or_else(|| item.unacceptable(DURATION))?,
        false => item.integer(DURATION)?,
    };
    if seconds > LONGEST {
        return Err(item.unacceptable(DURATION));
    }
    Ok(Duration::from_secs(seconds))
}

/// A duration, nothing when it is switched off by `0`.
pub(super) fn duration_or_off(item: &Item<'_>) -> Result<Option<Duration>, Error> {
    Ok(Some(duration(item)?).filter(|span| !span.is_zero()))
}

/// A number of bytes, nothing when it is switched off by `0`.
pub(super) fn size_or_off(item: &Item<'_>) -> Result<Option<u64>, Error> {
    const UNITS: &[(&str, u64)] = &[("", 1), ("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30)];
    let bytes = match item.is_text() {
        true => scaled(item.text(SIZE)?, UNITS).ok_or_else(|| item.unacceptable(SIZE))?,
        false => item.integer(SIZE)?,
    };
    Ok(Some(bytes).filter(|&bytes| bytes != 0))
}

/// A number of packets, nothing when it is switched off by `0`.
pub(super) fn count_or_off(item: &Item<'_>) -> Result<Option<u64>, Error> {
    Ok(Some(item.within(0..=u64::MAX >> 1)?).filter(|&count| count != 0))
}

pub(super) fn address(item: &Item<'_>) -> Result<IpAddr, Error> {
    item.text(ADDRESS)?.parse().map_err(|_| item.unacceptable(ADDRESS))
}

pub(super) fn prefix(text: &str) -> Option<Prefix> {
    text.contains('/').then(|| text.parse().ok()).flatten()
}

/// Whether bits behind the prefix length are set.
pub(super) fn has_host_bits(prefix: &Prefix) -> bool {
    prefix.network() != *prefix
}

/// A network: host bits must be clear, since `10.1.0.7/24` is more often a slip than an intention.
pub(super) fn network(item: &Item<'_>) -> Result<Prefix, Error> {
    let prefix = prefix(item.text(NETWORK)?).ok_or_else(|| item.unacceptable(NETWORK))?;
    if has_host_bits(&prefix) {
        return Err(item.mistake(
            Mistake::Conflict { found: item.shown(), why: "bits behind the prefix length are set" },
            NETWORK,
        ));
    }
    Ok(prefix)
}

/// An octet string in hexadecimal; colons, spaces and underscores may separate octets.
pub(super) fn hex(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len() / 2));
    let mut high = None;
    for c in text.chars().filter(|c| !matches!(c, ':' | ' ' | '_')) {
        let digit = u8::try_from(c.to_digit(16)?).ok()?;
        match high.take() {
            None => high = Some(digit),
            Some(first) => octets.push(first << 4 | digit),
        }
    }
    high.is_none().then_some(octets)
}

fn base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let text = text.trim_end_matches('=');
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len()));
    let (mut bits, mut held) = (0u32, 0);
    for c in text.bytes() {
        let sextet = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(sextet);
        held += 6;
        if held >= 8 {
            held -= 8;
            octets.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(octets)
}

/// A pre-shared key as swanctl writes it: text, `0x` and hexadecimal, or `0s` and base 64.
pub(super) fn secret(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    if let Some(digits) = text.strip_prefix("0x") {
        return hex(digits);
    }
    if let Some(digits) = text.strip_prefix("0s") {
        return base64(digits);
    }
    Some(Zeroizing::new(text.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_three_notations() {
        for text in ["abcde", "0x6162636465", "0x61:62:63:64:65", "0sYWJjZGU=", "0sYWJjZGU"] {
            assert_eq!(secret(text).unwrap().as_slice(), b"abcde", "{text}");
        }
        for text in ["0x616", "0xzz", "0s*"] {
            assert!(secret(text).is_none(), "{text}");
        }
    }

    #[test]
    fn scales() {
        const UNITS: &[(&str, u64)] = &[("", 1), ("m", 60)];
        assert_eq!(scaled("5", UNITS), Some(5));
        assert_eq!(scaled("5m", UNITS), Some(300));
        assert_eq!(scaled("5 m", UNITS), Some(300));
        for text in ["", "m", "5x", "-5", "5mm", "99999999999999999999", "18446744073709551615m"] {
            assert_eq!(scaled(text, UNITS), None, "{text}");
        }
    }

    #[test]
    fn host_bits() {
        for (text, expected) in [
            ("10.1.0.0/24", false),
            ("10.1.0.1/24", true),
            ("10.1.0.1/32", false),
            ("0.0.0.0/0", false),
            ("::/0", false),
            ("fd01::1/64", true),
            ("fd01::1/128", false),
            ("128.0.0.0/0", true),
        ] {
            assert_eq!(has_host_bits(&prefix(text).unwrap()), expected, "{text}");
        }
    }
}
