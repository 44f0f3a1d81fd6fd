//! PCI functions: configuration space by ECAM or by the legacy ports, enumeration, base address registers,
//! capabilities, MSI-X (PCI 3.0 chapter 6, PCI Express base 7.5). Buses and BARs stay where firmware has placed them;
//! where it has placed no BAR at all (QEMU's microvm), that is done here.
#![expect(unsafe_code, reason = "configuration space is MMIO or I/O ports")]

use spin::{Mutex, Once};

use crate::acpi::Ecam;
use crate::cpu;
use crate::mem::{self, Mmio, NoMemory};

pub mod bar;
pub mod config;
mod enumerate;
pub mod msix;
mod place;

pub use bar::{Bar, BarError, BarKind};
pub use config::{Capability, Config};
pub use enumerate::enumerate;
pub use msix::Msix;

/// Place of a function in the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Bus, 0 to 255.
    pub bus: u8,
    /// Device, 0 to 31.
    pub device: u8,
    /// Function, 0 to 7.
    pub function: u8,
}

impl core::fmt::Display for Address {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:02x}:{:02x}.{}", self.bus, self.device, self.function)
    }
}

/// Vendor and device identifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    /// Vendor.
    pub vendor: u16,
    /// Device.
    pub device: u16,
}

/// How configuration space is reached.
enum Access {
    Ecam { window: Mmio, first_bus: u8, last_bus: u8 },
    Ports,
}

static ACCESS: Once<Access> = Once::new();
/// Address and data port are one resource.
static PORTS: Mutex<()> = Mutex::new(());
const ADDRESS_PORT: u16 = 0xcf8;
const DATA_PORT: u16 = 0xcfc;
/// Bytes of configuration space that the legacy ports reach.
const LEGACY_LEN: u16 = 256;
/// Bytes of configuration space of a PCI Express function.
const EXPRESS_LEN: u16 = 4096;

/// Where QEMU's microvm has its only bus. Its tables have no MCFG: they say it in the DSDT's bytecode, which nobody
/// runs here.
const MICROVM: Ecam = Ecam { base: 0xe000_0000, first_bus: 0, last_bus: 0 };
/// QEMU's generic host bridge (vendor 1b36, device 0008), the first function of that bus.
const MICROVM_BRIDGE: u32 = 0x0008_1b36;

/// Chooses the way to configuration space, and places the BARs if firmware has not. A machine without the fixed
/// hardware of a PC (`reduced`) has no legacy ports either.
pub(crate) fn init(ecam: Option<Ecam>, reduced: bool) -> Result<(), NoMemory> {
    let mut taken = None;
    let ecam = match ecam {
        None if reduced => microvm()?,
        known => known,
    };
    let access = match ecam {
        Some(Ecam { base, first_bus, last_bus }) => {
            let len = (usize::from(last_bus) + 1) << 20;
            taken = Some(base..base.saturating_add(len as u64));
            // SAFETY: MCFG says that this is configuration space.
            let window = unsafe { mem::map_mmio(base, len) }?;
            Access::Ecam { window, first_bus, last_bus }
        }
        None => Access::Ports,
    };
    ACCESS.call_once(|| access);
    place::place_all(enumerate().filter(|function| function.address.bus == 0).map(|f| f.config()), taken);
    Ok(())
}

/// microvm's configuration space, if its host bridge answers there.
fn microvm() -> Result<Option<Ecam>, NoMemory> {
    // SAFETY: nobody else's: on this kind of machine RAM ends below, and what answers is looked at before use.
    let window = unsafe { mem::map_mmio(MICROVM.base, 1 << 20) }?;
    Ok((window.read32(0) == MICROVM_BRIDGE).then_some(MICROVM))
}

impl Address {
    fn ecam_offset(self, offset: u16) -> usize {
        usize::from(self.bus) << 20
            | usize::from(self.device & 31) << 15
            | usize::from(self.function & 7) << 12
            | usize::from(offset & 0xffc)
    }

    fn legacy_word(self, offset: u16) -> u32 {
        const ENABLE: u32 = 1 << 31;
        ENABLE
            | u32::from(self.bus) << 16
            | u32::from(self.device & 31) << 11
            | u32::from(self.function & 7) << 8
            | u32::from(offset & 0xfc)
    }
}

/// Reads the dword of configuration space that holds byte `offset`; all ones where nothing answers.
pub fn read(address: Address, offset: u16) -> u32 {
    match ACCESS.get() {
        Some(Access::Ecam { window, first_bus, last_bus }) => {
            if offset >= EXPRESS_LEN || !(*first_bus..=*last_bus).contains(&address.bus) {
                return u32::MAX;
            }
            window.read32(address.ecam_offset(offset))
        }
        Some(Access::Ports) if offset < LEGACY_LEN => {
            let _ports = PORTS.lock();
            // SAFETY: the configuration address port.
            unsafe { cpu::outl(ADDRESS_PORT, address.legacy_word(offset)) };
            // SAFETY: the configuration data port.
            unsafe { cpu::inl(DATA_PORT) }
        }
        _ => u32::MAX,
    }
}

/// Writes the dword of configuration space that holds byte `offset`.
///
/// What a device then does is its driver's business: the kernel trusts drivers to give devices only memory
/// that is theirs.
pub fn write(address: Address, offset: u16, value: u32) {
    match ACCESS.get() {
        Some(Access::Ecam { window, first_bus, last_bus })
            if offset < EXPRESS_LEN && (*first_bus..=*last_bus).contains(&address.bus) =>
        {
            window.write32(address.ecam_offset(offset), value);
        }
        Some(Access::Ports) if offset < LEGACY_LEN => {
            let _ports = PORTS.lock();
            // SAFETY: the configuration address port.
            unsafe { cpu::outl(ADDRESS_PORT, address.legacy_word(offset)) };
            // SAFETY: the configuration data port.
            unsafe { cpu::outl(DATA_PORT, value) }
        }
        _ => {}
    }
}

/// The configuration space of this machine, as [`Config`].
#[derive(Debug, Clone, Copy)]
pub struct Space(Address);

impl Config for Space {
    fn read32(&self, offset: u16) -> u32 {
        read(self.0, offset)
    }

    fn write32(&self, offset: u16, value: u32) {
        write(self.0, offset, value);
    }
}

/// One function that answered.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// Where it is.
    pub address: Address,
    /// What it is.
    pub ids: Ids,
    /// Base class, sub-class and programming interface, from the highest of three bytes down.
    pub class: u32,
    /// Subsystem identifiers, which tell virtio devices of the old kind apart.
    pub subsystem: Ids,
}

impl Function {
    /// Its configuration space.
    pub fn config(&self) -> Space {
        Space(self.address)
    }

    /// Reads a dword of configuration space.
    pub fn read32(&self, offset: u16) -> u32 {
        read(self.address, offset)
    }

    /// Writes a dword of configuration space.
    pub fn write32(&self, offset: u16, value: u32) {
        write(self.address, offset, value);
    }

    /// Its capabilities, in the order of their list.
    pub fn capabilities(&self) -> impl Iterator<Item = Capability> {
        config::capabilities(self.config())
    }

    /// Lets it answer in memory and do DMA.
    pub fn enable(&self) {
        self.config().set_command(config::MEMORY | config::BUS_MASTER);
    }

    /// The base address register `index` (0 to 5), sized with decoding off.
    pub fn bar(&self, index: u8) -> Result<Bar, BarError> {
        bar::probe(&self.config(), index)
    }

    /// Maps the registers behind a memory BAR.
    pub fn map(&self, bar: &Bar) -> Result<Mmio, BarError> {
        let BarKind::Memory { .. } = bar.kind else { return Err(BarError::NotMemory(bar.index)) };
        if bar.address == 0 {
            return Err(BarError::NotPlaced(bar.index));
        }
        // SAFETY: the function decodes this range, so it is registers.
        unsafe { mem::map_mmio(bar.address, bar.size as usize) }.map_err(BarError::NoMemory)
    }

    /// Maps and masks its MSI-X table; `None` if it has none.
    pub fn msix(&self) -> Result<Option<Msix>, BarError> {
        Msix::find(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_offsets() {
        let address = Address { bus: 2, device: 3, function: 1 };
        assert_eq!(address.ecam_offset(0x13c), 0x21_913c);
        assert_eq!(address.legacy_word(0x3f), 0x8002_193c);
        assert_eq!(address.to_string(), "02:03.1");
    }
}
