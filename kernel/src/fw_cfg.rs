//! Files that QEMU hands to the guest (`-fw_cfg name=…`; QEMU's specs/fw_cfg.rst): selector and data port,
//! by DMA where the device offers it, because a port read per byte is dear under TCG.
#![expect(unsafe_code, reason = "the device is behind I/O ports and writes memory by DMA")]

use alloc::vec;
use alloc::vec::Vec;
use core::cell::UnsafeCell;

use crate::cpu;

const SELECTOR: u16 = 0x510;
const DATA: u16 = 0x511;
const DMA_HIGH: u16 = 0x514;
const DMA_LOW: u16 = 0x518;

// Keys.
const SIGNATURE: u16 = 0x00;
const FEATURES: u16 = 0x01;
const DIRECTORY: u16 = 0x19;

/// Bit of the features: the DMA interface exists.
const HAS_DMA: u32 = 1 << 1;
// Bits of a DMA command.
const DMA_ERROR: u32 = 1 << 0;
const DMA_READ: u32 = 1 << 1;
const DMA_SELECT: u32 = 1 << 3;

/// Bytes of a directory entry: size, key, reserved, name. Numbers are big-endian.
const ENTRY: usize = 64;
const NAME: usize = 8;
/// Directory entries beyond this are damage.
const MAX_ENTRIES: u32 = 1024;
/// A larger file is not for us.
const MAX_FILE: u32 = 16 << 20;

/// A file of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    size: u32,
    key: u16,
}

/// What the device is told: what to do, how much, where to. Big-endian.
#[repr(C, align(16))]
struct Command(UnsafeCell<[u32; 4]>);

fn select(key: u16) {
    // SAFETY: fw_cfg's selector, or nothing.
    unsafe { cpu::outw(SELECTOR, key) };
}

fn next_byte() -> u8 {
    // SAFETY: fw_cfg's data port, or nothing.
    unsafe { cpu::inb(DATA) }
}

fn next_u32_le() -> u32 {
    u32::from_le_bytes(core::array::from_fn(|_| next_byte()))
}

fn present() -> bool {
    select(SIGNATURE);
    core::array::from_fn(|_| next_byte()) == *b"QEMU"
}

/// Fills `into` with the first bytes of `key`.
fn read(key: u16, into: &mut [u8]) {
    select(FEATURES);
    if next_u32_le() & HAS_DMA == 0 || !read_by_dma(key, into) {
        select(key);
        into.fill_with(next_byte);
    }
}

/// The same by DMA; false if the device refuses.
fn read_by_dma(key: u16, into: &mut [u8]) -> bool {
    let Ok(len) = u32::try_from(into.len()) else { return false };
    let control = u32::from(key) << 16 | DMA_SELECT | DMA_READ;
    let to = into.as_mut_ptr() as u64;
    let words = [control, len, (to >> 32) as u32, to as u32];
    let command = Command(UnsafeCell::new(words.map(u32::to_be)));
    let at = command.0.get() as u64;
    // SAFETY: fw_cfg's DMA register: nothing starts before its lower half is written.
    unsafe { cpu::outl(DMA_HIGH, ((at >> 32) as u32).to_be()) };
    // SAFETY: the device reads `command` and writes `into`, both alive and unshared until the loop below has
    // seen it finish; addresses are physical because of the identity map.
    unsafe { cpu::outl(DMA_LOW, (at as u32).to_be()) };
    loop {
        // SAFETY: the device writes this word; it is read volatile and nobody else uses it.
        let status = u32::from_be(unsafe { command.0.get().cast::<u32>().read_volatile() });
        if status & !DMA_ERROR == 0 {
            return status == 0;
        }
        core::hint::spin_loop();
    }
}

/// Looks `name` up in a directory (without its leading count).
fn look_up(directory: &[u8], name: &str) -> Option<Entry> {
    directory.chunks_exact(ENTRY).find_map(|entry| {
        let stored = entry.get(NAME..)?.split(|&byte| byte == 0).next()?;
        let size = u32::from_be_bytes(entry.get(..4)?.try_into().ok()?);
        let key = u16::from_be_bytes(entry.get(4..6)?.try_into().ok()?);
        (stored == name.as_bytes()).then_some(Entry { size, key })
    })
}

/// The content of the file `name`, such as `opt/ravelin/config`. `None` if there is no such file, or no fw_cfg,
/// or the file is larger than 16 MiB.
pub fn file(name: &str) -> Option<Vec<u8>> {
    if !present() {
        return None;
    }
    let mut count = [0; 4];
    read(DIRECTORY, &mut count);
    let count = u32::from_be_bytes(count).min(MAX_ENTRIES) as usize;
    let mut directory = vec![0; 4 + count * ENTRY];
    read(DIRECTORY, &mut directory);
    let entry = look_up(directory.get(4..)?, name).filter(|entry| entry.size <= MAX_FILE)?;
    let mut content = vec![0; entry.size as usize];
    read(entry.key, &mut content);
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_file_by_its_whole_name() {
        let entry = |size: u32, key: u16, name: &str| {
            let mut bytes = size.to_be_bytes().to_vec();
            bytes.extend(key.to_be_bytes());
            bytes.extend([0; 2]);
            bytes.extend(name.as_bytes());
            bytes.resize(ENTRY, 0);
            bytes
        };
        let directory =
            [entry(5, 0x20, "opt/ravelin/config.d"), entry(7, 0x21, "opt/ravelin/config")].concat();
        assert_eq!(look_up(&directory, "opt/ravelin/config"), Some(Entry { size: 7, key: 0x21 }));
        assert_eq!(look_up(&directory, "opt/ravelin"), None);
        assert_eq!(look_up(&directory[..100], "opt/ravelin/config"), None);
    }
}
