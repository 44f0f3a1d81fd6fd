use super::*;
use crate::elf::{Segment, Symbol};

fn segment(kind: u32, flags: u32, memory: core::ops::Range<u64>) -> Segment {
    Segment { kind, flags, file: 0..0, memory }
}

/// Judges a file that keeps every promise but for `change`.
fn judged(change: impl FnOnce(&mut Elf<'_>)) -> Vec<String> {
    let bytes = note_file();
    let mut elf = Elf::parse(&bytes).unwrap();
    elf.symbols =
        vec![Symbol { name: "start".into(), address: 0x10_0000, size: 1, function: true, section: Some(1) }];
    change(&mut elf);
    broken_promises(&elf)
}

/// A minimal file: code at 1 MiB, variables a page later, and the PVH note.
fn note_file() -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01".to_vec();
    file.resize(0x2000, 0);
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(16, &2u16.to_le_bytes());
    put(32, &64u64.to_le_bytes());
    put(56, &3u16.to_le_bytes());
    let rows = [
        (elf::LOAD, elf::READ | elf::EXECUTE, 0x1000u64, 0x10_0000u64, 0x100u64),
        (elf::LOAD, elf::READ | elf::WRITE, 0x1100, 0x10_1000, 0x100),
        (elf::NOTE, elf::READ, 0x1010, 0x10_0010, 20),
    ];
    for (index, (kind, flags, offset, address, size)) in rows.into_iter().enumerate() {
        let mut header = [kind.to_le_bytes(), flags.to_le_bytes()].concat();
        for field in [offset, address, address, size, size, 0x1000] {
            header.extend(field.to_le_bytes());
        }
        put(64 + index * 56, &header);
    }
    let note = [4u32, 4, 18, u32::from_le_bytes(*b"Xen\0"), 0x10_0040];
    put(0x1010, &note.map(u32::to_le_bytes).concat());
    file
}

#[test]
fn a_fit_image_breaks_nothing() {
    assert_eq!(judged(|_| {}), Vec::<String>::new());
}

#[test]
fn each_broken_promise_is_named() {
    let names = |broken: Vec<String>, word: &str| {
        assert_eq!(broken.len(), 1, "{broken:?}");
        assert!(broken[0].contains(word), "{broken:?}");
    };
    names(judged(|elf| elf.kind = 3), "EXEC");
    names(judged(|elf| elf.segments.push(segment(elf::DYNAMIC, 4, 0..0))), "dynamic");
    names(judged(|elf| elf.segments.push(segment(elf::INTERP, 4, 0..0))), "interpreter");
    names(judged(|elf| elf.segments.retain(|segment| segment.kind != elf::NOTE)), "PVH");
    names(judged(|elf| elf.segments[0].memory = 0x20_0000..0x20_1000), "PVH entry");
    names(judged(|elf| elf.segments[0].flags |= elf::WRITE), "writable and executable");
    names(judged(|elf| elf.segments[0].memory.end = 0x10_1001), "share the page");
    names(judged(|elf| elf.symbols[0].section = None), "start is undefined");
    names(judged(|elf| elf.symbols.clear()), "symbol table");
}

#[test]
fn the_crate_is_the_first_path_segment() {
    for (name, expected) in [
        ("_ZN4core3fmt5write17h0123456789abcdefE", "core"),
        ("_ZN52_$LT$net..flow..Flow$u20$as$u20$core..fmt..Debug$GT$3fmt17h0123456789abcdefE", "net"),
        ("_ZN44_$LT$$RF$T$u20$as$u20$core..fmt..Display$GT$3fmt17h0123456789abcdefE", "core"),
        ("anon.0123456789abcdef.12", UNNAMED),
        ("memcpy", "(assembly and builtins)"),
    ] {
        assert_eq!(crate_of(name), expected);
    }
}
