//! The Internet checksum: whole (RFC 1071), and adjusted for one changed field (RFC 1624). Sums eight
//! bytes at a time in native byte order, which ones' complement addition permits (RFC 1071 2(B)).

use core::net::IpAddr;

/// A running ones' complement sum. Pieces may be added in any order, but every piece except the last
/// must have an even length.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    /// The empty sum.
    pub const fn new() -> Self {
        Self(0)
    }

    /// Adds a piece of the message.
    #[inline]
    #[must_use]
    pub fn with(self, bytes: &[u8]) -> Self {
        let mut wide = u128::from(self.0);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            wide += u128::from(u64::from_ne_bytes(*word));
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        wide += u128::from(u64::from_ne_bytes(last));
        // The high half counts the carries out of bit 63; ones' complement adds them back at bit 0.
        let (low, high) = (wide as u64, (wide >> 64) as u64);
        let (sum, carry) = low.overflowing_add(high);
        Self(sum + u64::from(carry))
    }

    /// Adds one 16-bit value in host order.
    #[inline]
    #[must_use]
    pub fn with_u16(self, value: u16) -> Self {
        self.with(&value.to_be_bytes())
    }

    /// Adds the pseudo-header of TCP, UDP (RFC 768, 9293) and ICMPv6 (RFC 8200 8.1).
    #[inline]
    #[must_use]
    pub fn with_pseudo(self, src: IpAddr, dst: IpAddr, proto: u8, length: u32) -> Self {
        let addresses = match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => self.with(&src.octets()).with(&dst.octets()),
            (IpAddr::V6(src), IpAddr::V6(dst)) => self.with(&src.octets()).with(&dst.octets()),
            // No packet has two families; the sum of nothing is as good as any.
            _ => self,
        };
        addresses.with(&length.to_be_bytes()).with_u16(u16::from(proto))
    }

    /// The checksum of what was added, in network byte order. Over a message that contains its own
    /// correct checksum this is zero.
    #[inline]
    pub fn finish(self) -> [u8; 2] {
        (!fold(self.0)).to_ne_bytes()
    }

    /// Whether the message, its own checksum included, sums up as it must.
    #[inline]
    pub fn is_valid(self) -> bool {
        fold(self.0) == 0xffff
    }
}

/// Folds a 64-bit ones' complement sum to 16 bits, native order.
#[inline]
fn fold(sum: u64) -> u16 {
    let mut sum = (sum & 0xffff_ffff) + (sum >> 32);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// The checksum of `bytes`, in network byte order.
#[inline]
pub fn of(bytes: &[u8]) -> [u8; 2] {
    Sum::new().with(bytes).finish()
}

/// Whether `bytes`, their own checksum included, sum up as they must.
#[inline]
pub fn is_valid(bytes: &[u8]) -> bool {
    Sum::new().with(bytes).is_valid()
}

/// `checksum` after the aligned 16-bit field `old` has become `new`. All in host order.
#[inline]
pub fn adjust(checksum: u16, old: u16, new: u16) -> u16 {
    //= rfc1624#3
    let mut sum = u32::from(!checksum) + u32::from(!old) + u32::from(new);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// RFC 1071 as prose has it: 16 bits at a time, end-around carry each time.
    fn naive(bytes: &[u8]) -> u16 {
        let mut sum: u16 = 0;
        for pair in bytes.chunks(2) {
            let word = u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
            let (low, carry) = sum.overflowing_add(word);
            sum = low + u16::from(carry);
        }
        !sum
    }

    #[test]
    fn the_example_of_rfc_1071() {
        // RFC 1071 3: bytes 00 01 f2 03 f4 f5 f6 f7 sum to ddf2.
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(of(&bytes), (!0xddf2u16).to_be_bytes());
    }

    #[test]
    fn the_example_of_rfc_1624() {
        // RFC 1624 4: old checksum dd2f, field 5555 becomes 3285, new checksum 0000.
        assert_eq!(adjust(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    #[test]
    fn all_ones_carry_to_the_end() {
        for length in [8, 16, 1500, 65_534] {
            let bytes = alloc::vec![0xff; length];
            assert_eq!(of(&bytes), [0, 0]);
            assert!(is_valid(&bytes));
        }
    }

    #[test]
    fn a_carry_out_of_the_carry() {
        // Two words of all ones and the number one: adding the carries of bit 63 carries once more.
        let mut bytes = [0xff; 24];
        bytes[16..].copy_from_slice(&1u64.to_ne_bytes());
        assert_eq!(u16::from_be_bytes(of(&bytes)), naive(&bytes));
    }

    proptest! {
        #[test]
        fn equals_the_naive_sum(bytes: Vec<u8>, split in 0usize..64) {
            prop_assert_eq!(u16::from_be_bytes(of(&bytes)), naive(&bytes));
            let at = (split * 2).min(bytes.len() & !1);
            let (a, b) = bytes.split_at(at);
            prop_assert_eq!(Sum::new().with(a).with(b).finish(), of(&bytes));
        }

        #[test]
        fn adjusting_equals_summing_again(mut bytes in proptest::collection::vec(any::<u8>(), 20), new: u16) {
            bytes[10] = 0;
            bytes[11] = 0;
            // An IPv4 header is never all zero, where the two zeros of ones' complement differ.
            bytes[0] = 0x45;
            let before = u16::from_be_bytes(of(&bytes));
            let old = u16::from_be_bytes([bytes[8], bytes[9]]);
            bytes[8..10].copy_from_slice(&new.to_be_bytes());
            prop_assert_eq!(adjust(before, old, new), u16::from_be_bytes(of(&bytes)));
        }
    }
}
