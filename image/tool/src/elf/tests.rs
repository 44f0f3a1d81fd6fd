use super::*;

/// A file with one LOAD segment at 1 MiB, a NOTE segment inside it, and an empty header.
fn sample() -> Vec<u8> {
    let mut file = vec![0; 0x1100];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x7fELF\x02\x01\x01");
    put(TYPE_AT, &TYPE_EXEC.to_le_bytes());
    put(PHOFF_AT, &64u64.to_le_bytes());
    put(PHNUM_AT, &3u16.to_le_bytes());
    let header = |kind: u32, flags: u32, offset: u64, size: u64| {
        let mut bytes = [kind.to_le_bytes(), flags.to_le_bytes()].concat();
        for field in [offset, 0x10_0000 + offset - 0x1000, 0, size, size, 0x1000] {
            bytes.extend(field.to_le_bytes());
        }
        bytes
    };
    put(64, &header(LOAD, READ | EXECUTE, 0x1000, 0x100));
    put(64 + PROGRAM_HEADER, &header(NOTE, READ, 0x1010, 20));
    put(64 + 2 * PROGRAM_HEADER, &header(NULL, READ, 0x1000, 0));
    let mut note = [4u32.to_le_bytes(), 4u32.to_le_bytes(), PHYS32_ENTRY.to_le_bytes()].concat();
    note.extend(b"Xen\0");
    note.extend(0x10_0040u32.to_le_bytes());
    put(0x1010, &note);
    file
}

#[test]
fn reads_segments_and_the_pvh_entry() {
    let file = sample();
    let elf = Elf::parse(&file).unwrap();
    assert_eq!(elf.kind, TYPE_EXEC);
    assert_eq!(elf.segments[0].memory, 0x10_0000..0x10_0100);
    assert_eq!(elf.segments[0].file, 0x1000..0x1100);
    assert_eq!(elf.pvh_entry(), Some(0x10_0040));
}

#[test]
fn ships_the_names_in_the_empty_header() {
    let file = sample();
    let shipped = Elf::parse(&file).unwrap().shipped(b"names").unwrap();
    let elf = Elf::parse(&shipped).unwrap();
    let names = &elf.segments[2];
    assert_eq!((names.kind, names.flags), (LOAD, READ));
    assert_eq!(names.memory, 0x10_1000..0x10_1005);
    assert_eq!(&shipped[names.file.clone()], b"names");
    assert_eq!(elf.pvh_entry(), Some(0x10_0040));
}

#[test]
fn a_cut_file_is_malformed_and_never_a_panic() {
    let file = sample();
    for length in 0..file.len() {
        assert!(Elf::parse(&file[..length]).is_err());
    }
}

#[test]
fn damage_is_never_a_panic() {
    let file = sample();
    for at in 0..64 + 3 * PROGRAM_HEADER {
        let mut bad = file.clone();
        bad[at] ^= 0xff;
        if let Ok(elf) = Elf::parse(&bad) {
            let _ = (elf.pvh_entry(), elf.shipped(b"names"));
        }
    }
}
