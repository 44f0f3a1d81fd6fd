use super::*;
use std::collections::BTreeMap;

/// Physical memory as a few blocks of bytes.
#[derive(Default)]
struct Memory(BTreeMap<u64, Vec<u8>>);

impl Memory {
    fn table(&mut self, at: u64, signature: &[u8; 4], body: &[u8]) {
        let mut bytes = vec![0; HEADER];
        bytes[..4].copy_from_slice(signature);
        bytes.extend(body);
        let len = bytes.len() as u32;
        bytes[4..8].copy_from_slice(&len.to_le_bytes());
        let sum = bytes.iter().fold(0_u8, |sum, &b| sum.wrapping_add(b));
        bytes[9] = 0_u8.wrapping_sub(sum);
        self.0.insert(at, bytes);
    }

    fn read(&self) -> Acpi {
        Acpi::read(0x1000, &|range: Range<u64>| {
            let (start, bytes) = self.0.range(..=range.start).next_back()?;
            bytes.get((range.start - start) as usize..(range.end - start) as usize)
        })
    }
}

fn rsdp(revision: u8, rsdt: u32, xsdt: u64) -> Vec<u8> {
    let mut bytes = b"RSD PTR \0BOCHS ".to_vec();
    bytes.push(revision);
    bytes.extend(rsdt.to_le_bytes());
    let sum = bytes.iter().fold(0_u8, |sum, &b| sum.wrapping_add(b));
    bytes[8] = 0_u8.wrapping_sub(sum);
    bytes.extend(36_u32.to_le_bytes());
    bytes.extend(xsdt.to_le_bytes());
    bytes.extend([0; 4]);
    bytes
}

/// A FADT body (behind the header) like that of QEMU's q35.
fn fadt(flags: u32) -> Vec<u8> {
    let mut bytes = vec![0; 256 + 12];
    bytes[FADT_DSDT..][..4].copy_from_slice(&0x5000_u32.to_le_bytes());
    bytes[FADT_PM1A_CONTROL..][..4].copy_from_slice(&0x604_u32.to_le_bytes());
    bytes[FADT_PM_TIMER..][..4].copy_from_slice(&0x608_u32.to_le_bytes());
    bytes[FADT_PM_TIMER_LEN] = 4;
    bytes[FADT_CENTURY] = 0x32;
    bytes[FADT_FLAGS..][..4].copy_from_slice(&flags.to_le_bytes());
    bytes[FADT_RESET_REGISTER] = 1;
    bytes[FADT_RESET_REGISTER + 4..][..8].copy_from_slice(&0xcf9_u64.to_le_bytes());
    bytes[FADT_RESET_VALUE] = 0x0f;
    bytes[FADT_SLEEP_CONTROL + 4..][..8].copy_from_slice(&0xfea0_0200_u64.to_le_bytes());
    bytes.split_off(HEADER)
}

fn machine(flags: u32, wide: bool) -> Memory {
    let mut memory = Memory::default();
    memory.0.insert(0x1000, rsdp(if wide { 2 } else { 0 }, 0x2000, 0x2800));
    let addresses = [0x3000_u64, 0x4000];
    memory.table(0x2000, b"RSDT", &addresses.map(|a| (a as u32).to_le_bytes()).concat());
    memory.table(0x2800, b"XSDT", &addresses.map(u64::to_le_bytes).concat());
    let mut mcfg = vec![0; 8];
    mcfg.extend(0xb000_0000_u64.to_le_bytes());
    mcfg.extend([0, 0, 0, 0xff, 0, 0, 0, 0]);
    memory.table(0x3000, b"MCFG", &mcfg);
    memory.table(0x4000, b"FACP", &fadt(flags));
    memory.table(0x5000, b"DSDT", &[0x08, b'_', b'S', b'5', b'_', 0x12, 6, 4, 0x0a, 5, 0, 0, 0]);
    memory
}

#[test]
fn reads_the_facts_of_q35() {
    for wide in [false, true] {
        let facts = machine(FLAG_RESET_REGISTER, wide).read();
        assert_eq!(facts.ecam, Some(Ecam { base: 0xb000_0000, first_bus: 0, last_bus: 0xff }));
        assert_eq!(facts.pm_timer, Some(0x608));
        assert_eq!(facts.reset, Some((Register::Port(0xcf9), 0x0f)));
        assert_eq!(facts.soft_off, Some(SoftOff::Fixed { a: (0x604, 5), b: None }));
        assert_eq!(facts.century, 0x32);
    }
}

#[test]
fn finds_the_root_pointer_by_its_checksum() {
    let mut memory = vec![0; 0x200];
    memory[0x38..0x38 + 36].copy_from_slice(&rsdp(0, 0x2000, 0));
    assert_eq!(find_root(&memory), None, "not at a multiple of 16");
    memory[0x40..0x48].copy_from_slice(SIGNATURE);
    assert_eq!(find_root(&memory), None, "a wrong checksum");
    memory[0x1c0..0x1c0 + 36].copy_from_slice(&rsdp(0, 0x2000, 0));
    assert_eq!(find_root(&memory), Some(0x1c0));
    assert_eq!(find_root(&memory[..0x1d0]), None);
}

#[test]
fn hardware_reduced_machines_have_another_switch_and_no_timer() {
    let facts = machine(FLAG_HARDWARE_REDUCED, true).read();
    assert_eq!(facts.pm_timer, None);
    assert_eq!(facts.reset, None);
    assert_eq!(facts.soft_off, Some(SoftOff::Reduced { control: Register::Memory(0xfea0_0200), kind: 5 }));
}

#[test]
fn damage_leaves_facts_out_and_never_panics() {
    let whole = machine(FLAG_RESET_REGISTER, true);
    for (&address, bytes) in &whole.0 {
        for at in 0..bytes.len() {
            let mut memory = machine(FLAG_RESET_REGISTER, true);
            memory.0.get_mut(&address).unwrap()[at] ^= 0x55;
            let _ = memory.read();
            memory.0.get_mut(&address).unwrap().truncate(at);
            let _ = memory.read();
        }
    }
    let mut memory = machine(FLAG_RESET_REGISTER, false);
    memory.0.get_mut(&0x3000).unwrap()[50] ^= 1;
    assert_eq!(memory.read().ecam, None, "a wrong checksum is not believed");
}
