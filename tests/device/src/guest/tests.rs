use super::*;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use std::io::Write;
use std::os::unix::fs::FileExt;

const PAGE: u64 = 4096;

/// A shared file of `pages` pages.
fn file(pages: u64) -> File {
    let fd = memfd_create("guest", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&fd, pages * PAGE).unwrap();
    File::from(fd)
}

fn mapped(address: u64, pages: u64) -> (GuestMemory, File) {
    let (memory, file) = (GuestMemory::default(), file(pages));
    memory.map(address, pages * PAGE, Some((file.try_clone().unwrap(), 0)), true).unwrap();
    (memory, file)
}

fn byte(memory: &GuestMemory, address: u64) -> Option<u8> {
    let mut byte = [0];
    memory.read(address, &mut byte).ok().map(|()| byte[0])
}

#[test]
fn bytes_go_to_the_file_at_its_offset() {
    let (memory, file) = (GuestMemory::default(), file(4));
    memory.map(0x10_0000, PAGE, Some((file.try_clone().unwrap(), 2 * PAGE)), true).unwrap();
    for length in [1, 2, 3, 4, 5, 8, 15, 16, 64, 1500] {
        for skew in 0..9 {
            let bytes: Vec<u8> = (0..length).map(|n| (n * 7 + skew * 13) as u8).collect();
            memory.write(0x10_0000 + skew, &bytes).unwrap();
            let mut raw = vec![0; bytes.len()];
            file.read_exact_at(&mut raw, 2 * PAGE + skew).unwrap();
            assert_eq!(raw, bytes, "{length} bytes at {skew}");
            let mut back = vec![0; bytes.len()];
            memory.read(0x10_0000 + skew, &mut back).unwrap();
            assert_eq!(back, bytes, "{length} bytes at {skew}");
        }
    }
}

#[test]
fn an_access_is_whole_or_not_done() {
    let (memory, file) = mapped(0x1000, 1);
    for (address, length) in [(0xfff, 2), (0x1fff, 2), (0, 1), (0x2000, 1), (u64::MAX, 4), (0x1000, 4097)] {
        let answer = memory.write(address, &vec![0xaa; length]);
        assert_eq!(answer, Err(Unmapped { address, length }));
        assert_eq!(memory.read(address, &mut vec![0; length]), Err(Unmapped { address, length }));
    }
    let mut all = vec![1; 4096];
    file.read_exact_at(&mut all, 0).unwrap();
    assert!(all.iter().all(|byte| *byte == 0), "a part was written");
}

#[test]
fn an_access_may_cross_from_window_to_window() {
    let (memory, mut first) = mapped(0x1000, 1);
    let second = file(1);
    memory.map(0x2000, PAGE, Some((second.try_clone().unwrap(), 0)), true).unwrap();
    let bytes: Vec<u8> = (1..=64).collect();
    memory.write(0x2000 - 30, &bytes).unwrap();
    let mut tail = [0; 34];
    second.read_exact_at(&mut tail, 0).unwrap();
    assert_eq!(tail[..], bytes[30..]);
    first.write_all(&[0x55]).unwrap();
    assert_eq!(byte(&memory, 0x1000), Some(0x55), "the guest's own writes are seen");
}

#[test]
fn windows_without_a_file_and_read_only_ones() {
    let memory = GuestMemory::default();
    memory.map(0xc_0000, 8 * PAGE, None, true).unwrap();
    assert_eq!(byte(&memory, 0xc_0000), None);
    assert_eq!(memory.reachable(), 0);
    assert!(matches!(memory.map(0xc_1000, PAGE, None, true), Err(MapError::Overlap)));
    memory.map(0x1000, PAGE, Some((file(1), 0)), false).unwrap();
    assert_eq!(byte(&memory, 0x1000), Some(0));
    assert!(memory.write(0x1000, &[1]).is_err());
}

#[test]
fn windows_that_make_no_sense_are_refused() {
    let memory = GuestMemory::default();
    assert!(matches!(memory.map(0, 0, None, true), Err(MapError::Range)));
    assert!(matches!(memory.map(u64::MAX, 2, None, true), Err(MapError::Range)));
    assert!(matches!(memory.map(0, 2 * PAGE, Some((file(1), 0)), true), Err(MapError::PastEnd)));
    assert!(matches!(memory.map(0, PAGE, Some((file(1), u64::MAX)), true), Err(MapError::Range)));
    assert_eq!(memory.reachable(), 0);
}

#[test]
fn unmapping_cuts_windows_where_it_says() {
    let (memory, file) = mapped(0x10_000, 8);
    for page in 0..8 {
        file.write_at(&[page as u8 + 1], page * PAGE).unwrap();
    }
    memory.unmap(0x12_000, 2 * PAGE);
    let seen: Vec<Option<u8>> = (0..8).map(|page| byte(&memory, 0x10_000 + page * PAGE)).collect();
    assert_eq!(seen, [Some(1), Some(2), None, None, Some(5), Some(6), Some(7), Some(8)]);
    memory.map(0x12_000, 2 * PAGE, Some((file.try_clone().unwrap(), 0)), true).unwrap();
    assert_eq!(byte(&memory, 0x12_000), Some(1), "the gap can be filled again");
    memory.unmap(0, u64::MAX);
    assert_eq!(memory.reachable(), 0);
}

#[test]
fn unmapping_lets_go_of_the_mapping() {
    let (memory, _file) = mapped(0x5000, 3);
    let mappings = || {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines().filter(|line| line.contains("memfd:unmapping-lets-go")).count()
    };
    let fd = memfd_create("unmapping-lets-go", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&fd, 4 * PAGE).unwrap();
    memory.map(0x10_000, 4 * PAGE, Some((File::from(fd), 0)), true).unwrap();
    assert_eq!(mappings(), 1);
    memory.unmap(0x11_000, PAGE);
    assert_eq!(mappings(), 1, "two windows still use it");
    memory.unmap(0x10_000, 4 * PAGE);
    assert_eq!(mappings(), 0);
}

#[test]
fn the_last_dword_comes_last() {
    // One thread writes entries whose last dword is their number, the other must never see a number before its body.
    const ENTRIES: u32 = 20_000;
    let (memory, _file) = mapped(0, 1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1..=ENTRIES {
                let mut entry = [0; 64];
                entry.chunks_exact_mut(4).for_each(|dword| dword.copy_from_slice(&number.to_ne_bytes()));
                memory.write(0x40, &entry).unwrap();
            }
        });
        loop {
            let (mut last, mut entry) = ([0; 4], [0; 64]);
            memory.read(0x7c, &mut last).unwrap();
            memory.read(0x40, &mut entry).unwrap();
            let last = u32::from_ne_bytes(last);
            for dword in entry[..60].as_chunks::<4>().0 {
                assert!(u32::from_ne_bytes(*dword) >= last, "entry {last} was not whole");
            }
            if last == ENTRIES {
                break;
            }
        }
    });
}
