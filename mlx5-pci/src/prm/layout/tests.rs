//! What `prm!` and `codes!` make of rows.

use super::*;
use std::format;

prm! {
    /// With holes.
    pub struct Inner [0x8] {
        0x00 [31:24] first: u8,
        0x04 [0:0] last: bool,
    }

    /// With everything a row can be.
    pub struct Outer [0x28] {
        0x00 [31:16] code: Code,
        0x00 [15:0] number: u16,
        0x04 [30:4] middle: u32,
        0x08 [63:0] whole: u64,
        0x10 [..] inner: Inner,
        0x1a [..] mac: [u8; 6],
        0x20 [31:0] dword: u32,
    }
}

codes! {
    /// A code.
    pub enum Code: u16 {
        ONE = 1,
        TOP = 0xffff,
    }
}

fn outer() -> Outer {
    let inner = Inner::build().first(0xa5).last(true).done();
    Outer::build()
        .code(Code::TOP)
        .number(0x1234)
        .middle(0x7ff_fffe)
        .whole(0x0102_0304_0506_0708)
        .inner(&inner)
        .mac(&[1, 2, 3, 4, 5, 6])
        .dword(u32::MAX)
        .done()
}

#[test]
fn fields_stand_where_the_rows_say() {
    let want = [
        0xff, 0xff, 0x12, 0x34, 0x7f, 0xff, 0xff, 0xe0, 1, 2, 3, 4, 5, 6, 7, 8, 0xa5, 0, 0, 0, 0, 0, 0, 1, 0,
        0, 1, 2, 3, 4, 5, 6, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0,
    ];
    assert_eq!(outer().as_bytes(), &want);
}

#[test]
fn fields_read_back() {
    let read = Outer::copy_from(outer().as_bytes());
    assert_eq!((read.code(), read.number(), read.middle()), (Code::TOP, 0x1234, 0x7ff_fffe));
    assert_eq!(
        (read.whole(), read.mac(), read.dword()),
        (0x0102_0304_0506_0708, &[1, 2, 3, 4, 5, 6], u32::MAX)
    );
    assert_eq!((read.inner().first(), read.inner().last()), (0xa5, true));
}

#[test]
fn a_field_set_in_place_leaves_its_neighbours() {
    let mut changed = Outer::copy_from(&[0xff; Outer::SIZE]);
    changed.set().middle(0).number(0x0102);
    let mut want = [0xff; Outer::SIZE];
    want[2..8].copy_from_slice(&[1, 2, 0x80, 0, 0, 0x0f]);
    assert_eq!(changed.as_bytes(), &want);
}

#[test]
#[should_panic(expected = "does not fit")]
fn a_value_that_is_too_wide_panics() {
    let _ = Outer::build().middle(1 << 27);
}

#[test]
fn short_input_ends_in_zeroes_and_long_input_is_cut() {
    let short = Outer::copy_from(&[0xff; 3]);
    assert_eq!((short.code(), short.number(), short.dword()), (Code::TOP, 0xff00, 0));
    assert_eq!(Outer::copy_from(&[0xff; 100]).as_bytes(), &[0xff; Outer::SIZE]);
}

#[test]
fn what_no_row_takes_is_reserved() {
    let claims = [
        0xffff_ffff,
        0x7fff_fff0,
        0xffff_ffff,
        0xffff_ffff,
        0xff00_0000,
        1,
        0x0000_ffff,
        0xffff_ffff,
        0xffff_ffff,
        0,
    ];
    assert_eq!(Outer::CLAIMS, claims);
}

#[test]
fn the_first_reserved_bit_is_found() {
    assert_eq!(reserved_bit(outer().as_bytes(), &Outer::CLAIMS), None);
    for (at, bit, found) in
        [(4, 0x80, 4), (0x11, 0x01, 0x10), (0x17, 0x02, 0x14), (0x18, 0x40, 0x18), (0x27, 1, 0x24)]
    {
        let mut bytes = *outer().as_bytes();
        bytes[at] |= bit;
        assert_eq!(reserved_bit(&bytes, &Outer::CLAIMS), Some(found), "byte {at:#x}");
    }
    // Bytes behind the layout, and a layout behind the bytes, are not judged.
    assert_eq!(reserved_bit(&[0xff; 4], &Outer::CLAIMS), None);
    let mut long = [0; Outer::SIZE + 4];
    long[Outer::SIZE] = 1;
    assert_eq!(reserved_bit(&long, &Outer::CLAIMS), None);
}

#[test]
fn rows_are_known_by_name() {
    let names: std::vec::Vec<_> = Outer::FIELDS.iter().map(|field| (field.name, field.offset)).collect();
    assert_eq!(names[2..5], [("middle", 4), ("whole", 8), ("inner", 0x10)]);
    assert!(matches!(Outer::FIELDS[2].shape, Shape::Bits { hi: 30, lo: 4 }));
    assert!(matches!(Outer::FIELDS[4].shape, Shape::Structure(fields) if fields.len() == 2));
    assert!(matches!(Outer::FIELDS[5].shape, Shape::Bytes(6)));
}

#[test]
fn only_what_is_set_is_printed() {
    let some = Outer::build().number(0x12).inner(&Inner::build().last(true).done()).done();
    assert_eq!(format!("{some:?}"), "Outer { number: 0x12, inner:  { last: 0x1 } }");
    assert_eq!(format!("{:?}", Outer::default()), "Outer");
}

#[test]
fn codes_print_their_names() {
    assert_eq!(format!("{} {:?} {}", Code::ONE, Code(0xffff), Code(2)), "ONE TOP unknown(0x2)");
    assert_eq!(Code::ALL, [Code::ONE, Code::TOP]);
}

#[test]
fn rows_that_cannot_be_are_refused() {
    let refused = |row: fn()| std::panic::catch_unwind(row).is_err();
    assert!(refused(|| _ = claim([0; 2], "", 2, 31, 0)), "not a dword's offset");
    assert!(refused(|| _ = claim([0; 2], "", 0, 3, 4)), "reversed");
    assert!(refused(|| _ = claim([0; 2], "", 0, 32, 0)), "wider than a dword");
    assert!(refused(|| _ = claim([0; 2], "", 0, 63, 1)), "not a whole qword");
    assert!(refused(|| _ = claim([0; 2], "", 4, 63, 0)), "outside");
    assert!(refused(|| _ = claim([0, 0x10], "", 4, 7, 4)), "taken");
    assert!(refused(|| _ = claim_bytes([0; 2], "", 5, 4)), "bytes outside");
    assert!(refused(|| _ = claim_structure([0; 2], "", 2, &[0])), "structure not aligned");
    assert!(refused(|| _ = claim_structure([0; 2], "", 4, &[0, 0])), "structure outside");
    assert!(refused(|| _ = claim_structure([8; 2], "", 4, &[8])), "structure on what is taken");
    assert!(refused(|| claim_type("", 9, 8)), "wider than its type");
    assert_eq!(claim_structure([8, 1], "", 4, &[8]), [8, 9]);
}
