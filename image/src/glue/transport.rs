//! virtio over PCI, modern interface (virtio 1.2 section 4.1), as the crate's [`Transport`].
//!
//! Used instead of the crate's own for two reasons: MSI-X vectors have to be set while a queue is being
//! set up, and a notification has to be a single register write (the crate's takes three accesses, and
//! under emulation each costs more than a packet). Registers are reached through [`Mmio`], so nothing here is
//! unsafe. What the device says about its own layout is checked against the BAR before it is used.
//!
//! Left out: the legacy interface, and the INTx line.

use kernel::mem::Mmio;
use kernel::pci::{Bar, BarError, Config, Function, Ids};
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{Error, PhysAddr};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// PCI vendor of every virtio device.
const VENDOR: u16 = 0x1af4;
/// Device ids: transitional ones, and 0x1040 + virtio device type (4.1.2).
const TRANSITIONAL_NETWORK: u16 = 0x1000;
const TRANSITIONAL_ENTROPY: u16 = 0x1005;
const MODERN: u16 = 0x1040;

/// `struct virtio_pci_cap` (4.1.4), offsets from the capability.
mod capability {
    pub(super) const ID: u8 = 0x09;
    pub(super) const LENGTH: u16 = 2;
    pub(super) const KIND: u16 = 3;
    pub(super) const BAR: u16 = 4;
    pub(super) const OFFSET: u16 = 8;
    pub(super) const SIZE: u16 = 12;
    pub(super) const NOTIFY_MULTIPLIER: u16 = 16;

    pub(super) const COMMON: u8 = 1;
    pub(super) const NOTIFY: u8 = 2;
    pub(super) const DEVICE: u8 = 4;
}

/// `struct virtio_pci_common_cfg` (4.1.4.3).
mod common {
    pub(super) const DEVICE_FEATURE_SELECT: usize = 0x00;
    pub(super) const DEVICE_FEATURE: usize = 0x04;
    pub(super) const DRIVER_FEATURE_SELECT: usize = 0x08;
    pub(super) const DRIVER_FEATURE: usize = 0x0c;
    pub(super) const STATUS: usize = 0x14;
    pub(super) const GENERATION: usize = 0x15;
    pub(super) const QUEUE_SELECT: usize = 0x16;
    pub(super) const QUEUE_SIZE: usize = 0x18;
    pub(super) const QUEUE_VECTOR: usize = 0x1a;
    pub(super) const QUEUE_ENABLE: usize = 0x1c;
    pub(super) const QUEUE_NOTIFY_OFFSET: usize = 0x1e;
    pub(super) const QUEUE_DESCRIPTORS: usize = 0x20;
    pub(super) const QUEUE_DRIVER: usize = 0x28;
    pub(super) const QUEUE_DEVICE: usize = 0x30;
    pub(super) const BYTES: usize = 0x38;
}

/// "This queue raises no interrupt" (4.1.5.1.3).
const NO_VECTOR: u16 = 0xffff;
/// Queues of the devices driven here: receive and transmit, or the one of an entropy device.
const QUEUES: usize = 2;

/// Why a function cannot be driven as virtio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// Not a virtio device with a modern interface, by vendor and device id.
    NotVirtio(Ids),
    /// No usable capability for the structure of this kind (4.1.4).
    Structure(u8),
    /// A BAR that a structure lies in.
    Bar(BarError),
}

impl From<BarError> for Unusable {
    fn from(error: BarError) -> Self {
        Self::Bar(error)
    }
}

impl core::fmt::Display for Unusable {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NotVirtio(ids) => write!(f, "{:04x}:{:04x} is no virtio device", ids.vendor, ids.device),
            Self::Structure(kind) => write!(f, "virtio structure {kind} is missing or too small"),
            Self::Bar(error) => write!(f, "{error}"),
        }
    }
}

/// The kind of virtio device that a PCI function is.
pub(crate) fn kind(ids: Ids) -> Option<DeviceType> {
    match (ids.vendor, ids.device) {
        (VENDOR, TRANSITIONAL_NETWORK) => Some(DeviceType::Network),
        (VENDOR, TRANSITIONAL_ENTROPY) => Some(DeviceType::EntropySource),
        (VENDOR, id) => DeviceType::try_from(id.checked_sub(MODERN)?).ok(),
        _ => None,
    }
}

/// One structure of the device: a part of a BAR.
struct Window {
    registers: Mmio,
    start: usize,
    len: usize,
}

impl Window {
    /// Where the field of `size` bytes at `offset` lies in the BAR. The device chooses some offsets.
    fn at(&self, offset: usize, size: usize) -> Option<usize> {
        let inside = offset.is_multiple_of(size) && offset.checked_add(size)? <= self.len;
        inside.then_some(self.start + offset)
    }
}

/// Maps the structure that the capability at `capability` describes. `seen` keeps the last BAR that was
/// sized: usually all structures share one, and sizing remaps the device, which costs a hypervisor a
/// millisecond.
fn window(
    function: &Function,
    seen: &mut Option<Bar>,
    capability: u16,
    least: usize,
    alignment: usize,
) -> Result<Window, Unusable> {
    let config = function.config();
    let kind = config.read8(capability + capability::KIND);
    let index = config.read8(capability + capability::BAR);
    let bar = match seen.filter(|bar| bar.index == index) {
        Some(bar) => bar,
        None => *seen.insert(function.bar(index)?),
    };
    let start = config.read32(capability + capability::OFFSET);
    let len = config.read32(capability + capability::SIZE);
    if u64::from(start) + u64::from(len) > bar.size {
        return Err(BarError::TooSmall(bar.index).into());
    }
    let (start, len) = (start as usize, len as usize);
    if len < least || !start.is_multiple_of(alignment) {
        return Err(Unusable::Structure(kind));
    }
    Ok(Window { registers: function.map(&bar)?, start, len })
}

/// A virtio device behind PCI. Dropping it resets the device.
pub(crate) struct PciTransport {
    kind: DeviceType,
    common: Window,
    notify: Window,
    notify_multiplier: usize,
    device: Option<Window>,
    /// MSI-X table entry that each queue signals.
    vectors: [u16; QUEUES],
    /// Where in the registers of `notify` each queue that is set up listens.
    doorbells: [Option<usize>; QUEUES],
}

impl PciTransport {
    /// Finds the structures of `function` and lets it do DMA. Its queues raise no interrupts, unless
    /// [`PciTransport::set_vector`] says so.
    pub(crate) fn new(function: &Function) -> Result<Self, Unusable> {
        let kind = kind(function.ids).ok_or(Unusable::NotVirtio(function.ids))?;
        let config = function.config();
        // The first capability of a kind counts (4.1.4.1), provided it is long enough to be one.
        let find = |kind: u8, length: u8| {
            let mut all = function.capabilities().filter(|it| it.id == capability::ID);
            let found = all.find(|it| {
                config.read8(it.offset + capability::KIND) == kind
                    && config.read8(it.offset + capability::LENGTH) >= length
            });
            found.map(|it| it.offset).ok_or(Unusable::Structure(kind))
        };
        let notify_at = find(capability::NOTIFY, 20)?;
        let mut bar = None;
        let device = match find(capability::DEVICE, 16) {
            Ok(at) => Some(window(function, &mut bar, at, 0, 4)?),
            Err(_) => None,
        };
        let common = window(function, &mut bar, find(capability::COMMON, 16)?, common::BYTES, 8)?;
        let notify = window(function, &mut bar, notify_at, 2, 2)?;
        let notify_multiplier = config.read32(notify_at + capability::NOTIFY_MULTIPLIER) as usize;
        function.enable();
        let unused = [NO_VECTOR; QUEUES];
        Ok(Self {
            kind,
            common,
            notify,
            notify_multiplier,
            device,
            vectors: unused,
            doorbells: [None; QUEUES],
        })
    }

    /// Lets `queue` raise interrupts through an entry of the MSI-X table, from when it is set up.
    pub(crate) fn set_vector(&mut self, queue: usize, entry: u16) {
        if let Some(slot) = self.vectors.get_mut(queue) {
            *slot = entry;
        }
    }

    fn read16(&self, field: usize) -> u16 {
        self.common.registers.read16(self.common.start + field)
    }

    fn write16(&self, field: usize, value: u16) {
        self.common.registers.write16(self.common.start + field, value);
    }

    fn read32(&self, field: usize) -> u32 {
        self.common.registers.read32(self.common.start + field)
    }

    fn write32(&self, field: usize, value: u32) {
        self.common.registers.write32(self.common.start + field, value);
    }

    /// A 64-bit field, as the two halves that every device takes (4.1.3.1).
    fn write64(&self, field: usize, value: u64) {
        self.write32(field, value as u32);
        self.write32(field + 4, (value >> 32) as u32);
    }
}

impl Transport for PciTransport {
    fn device_type(&self) -> DeviceType {
        self.kind
    }

    fn read_device_features(&mut self) -> u64 {
        let half = |select| {
            self.write32(common::DEVICE_FEATURE_SELECT, select);
            u64::from(self.read32(common::DEVICE_FEATURE))
        };
        half(0) | half(1) << 32
    }

    fn write_driver_features(&mut self, features: u64) {
        for (select, half) in [(0, features as u32), (1, (features >> 32) as u32)] {
            self.write32(common::DRIVER_FEATURE_SELECT, select);
            self.write32(common::DRIVER_FEATURE, half);
        }
    }

    fn max_queue_size(&mut self, queue: u16) -> u32 {
        self.write16(common::QUEUE_SELECT, queue);
        self.read16(common::QUEUE_SIZE).into()
    }

    fn notify(&mut self, queue: u16) {
        if let Some(&Some(at)) = self.doorbells.get(usize::from(queue)) {
            self.notify.registers.write16(at, queue);
        }
    }

    fn get_status(&self) -> DeviceStatus {
        let status = self.common.registers.read8(self.common.start + common::STATUS);
        DeviceStatus::from_bits_retain(status.into())
    }

    fn set_status(&mut self, status: DeviceStatus) {
        self.common.registers.write8(self.common.start + common::STATUS, status.bits() as u8);
    }

    fn set_guest_page_size(&mut self, _: u32) {
        // Of the legacy interface.
    }

    fn requires_legacy_layout(&self) -> bool {
        false
    }

    fn queue_set(&mut self, queue: u16, size: u32, table: PhysAddr, driver: PhysAddr, device: PhysAddr) {
        self.write16(common::QUEUE_SELECT, queue);
        // At most what the device offers in 16 bits: the caller has asked `max_queue_size`.
        self.write16(common::QUEUE_SIZE, size as u16);
        self.write64(common::QUEUE_DESCRIPTORS, table);
        self.write64(common::QUEUE_DRIVER, driver);
        self.write64(common::QUEUE_DEVICE, device);
        let index = usize::from(queue);
        self.write16(common::QUEUE_VECTOR, self.vectors.get(index).copied().unwrap_or(NO_VECTOR));
        let offset = usize::from(self.read16(common::QUEUE_NOTIFY_OFFSET)) * self.notify_multiplier;
        let doorbell = self.notify.at(offset, 2);
        if doorbell.is_none() {
            log::error!("virtio queue {queue}: its notification register is outside the BAR");
        }
        if let Some(slot) = self.doorbells.get_mut(index) {
            *slot = doorbell;
        }
        self.write16(common::QUEUE_ENABLE, 1);
    }

    fn queue_unset(&mut self, _: u16) {
        // Over PCI, a queue ends with a reset of the device.
    }

    fn queue_used(&mut self, queue: u16) -> bool {
        self.write16(common::QUEUE_SELECT, queue);
        self.read16(common::QUEUE_ENABLE) == 1
    }

    fn ack_interrupt(&mut self) -> InterruptStatus {
        // MSI-X needs none, and the status register is of INTx (4.1.4.5).
        InterruptStatus::empty()
    }

    fn read_config_generation(&self) -> u32 {
        self.common.registers.read8(self.common.start + common::GENERATION).into()
    }

    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T, Error> {
        let device = self.device.as_ref().ok_or(Error::ConfigSpaceMissing)?;
        let mut value = T::new_zeroed();
        let bytes = value.as_mut_bytes();
        // 16- and 32-bit fields are read whole, anything else byte by byte (4.1.3.1).
        let step = if matches!(bytes.len(), 2 | 4) { bytes.len() } else { 1 };
        for (index, part) in bytes.chunks_mut(step).enumerate() {
            let at = device.at(offset + index * step, step).ok_or(Error::ConfigSpaceTooSmall)?;
            match step {
                2 => part.copy_from_slice(&device.registers.read16(at).to_le_bytes()),
                4 => part.copy_from_slice(&device.registers.read32(at).to_le_bytes()),
                _ => part.copy_from_slice(&[device.registers.read8(at)]),
            }
        }
        Ok(value)
    }

    fn write_config_space<T: IntoBytes + Immutable>(&mut self, _: usize, _: T) -> Result<(), Error> {
        // Neither a network nor an entropy device has a field that a driver writes.
        Err(Error::Unsupported)
    }
}

impl Drop for PciTransport {
    fn drop(&mut self) {
        self.set_status(DeviceStatus::empty());
    }
}
