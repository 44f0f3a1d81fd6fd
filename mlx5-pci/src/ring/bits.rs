//! Bit fields of shared entries as compile-time constants, taken from the rows of `prm`.
//!
//! A queue entry is read and written word by word while the device looks on; copying it into a `prm` structure first
//! would double the work of the data path. So a field's place is looked up in the rows once, by the compiler, and an
//! offset still stands in one place only. A name that no row has stops the compiler.

use crate::prm::{FieldInfo, Shape};

/// Where a field lies in an entry of big-endian dwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bits {
    /// Index of the dword.
    pub(crate) word: usize,
    shift: u32,
    mask: u32,
}

impl Bits {
    /// The field `name` of `fields`; of a field of 64 bits, the upper half.
    pub(crate) const fn of(fields: &[FieldInfo], name: &str) -> Bits {
        let mut at = 0;
        while at < fields.len() {
            if same(fields[at].name, name) {
                let Shape::Bits { hi, lo } = fields[at].shape else { panic!("not a bit field") };
                let (hi, lo) = if hi == 63 { (31, 0) } else { (hi, lo) };
                return Bits { word: fields[at].offset / 4, shift: lo, mask: u32::MAX >> (31 - (hi - lo)) };
            }
            at += 1;
        }
        panic!("no such field")
    }

    /// The field in its dword.
    #[inline(always)]
    pub(crate) const fn get(self, word: u32) -> u32 {
        (word >> self.shift) & self.mask
    }

    /// `value`, cut to the field, at its place in an empty dword.
    #[inline(always)]
    pub(crate) const fn put(self, value: u32) -> u32 {
        (value & self.mask) << self.shift
    }
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prm::{Cqe64, WqeCtrlSeg, WqeDataSeg};

    #[test]
    fn a_field_is_where_its_row_says() {
        const COUNTER: Bits = Bits::of(Cqe64::FIELDS, "wqe_counter");
        let cqe = Cqe64::build().wqe_counter(0xabcd).signature(0xff).owner(true).done();
        let word = u32::from_be_bytes(*cqe.as_bytes()[4 * COUNTER.word..].first_chunk().unwrap());
        assert_eq!(COUNTER.get(word), 0xabcd);
        const QPN: Bits = Bits::of(WqeCtrlSeg::FIELDS, "qpn");
        let control = WqeCtrlSeg::build().qpn(0x12_3456).done();
        assert_eq!(QPN.put(0xff12_3456).to_be_bytes(), control.as_bytes()[4 * QPN.word..][..4]);
        assert_eq!(Bits::of(WqeDataSeg::FIELDS, "addr").word, 2);
    }
}
