//! The model in the driver's own process and thread, in virtual time: the same calls give the same result.
//!
//! Time goes on only when the driver waits: little at first, and more the longer it does nothing else.

use crate::lent::LentSlab;
use crate::machine::Machine;
use crate::memory::{Region, Space};
use core::time::Duration;
use mlx5_model::caps::Profile;
use mlx5_model::{BAR_SIZE, Device, Fault, Memory};
use mlx5_pci::hal::{Bar, DmaMem, Function, HalError, Loan, Way};
use mlx5_pci::pci;
use net::{Packet, Slab};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How far time goes when the driver begins to wait, and at most.
const SHORTEST: Duration = Duration::from_micros(1);
const LONGEST: Duration = Duration::from_millis(10);

/// A machine. Cloning gives another handle to the same one.
#[derive(Clone)]
pub struct InProcess {
    model: Arc<Mutex<Model>>,
    space: Space,
}

struct Model {
    device: Device,
    now: Duration,
    step: Duration,
    frames: Vec<Vec<u8>>,
    vectors: Vec<u16>,
    memory_left: usize,
}

impl InProcess {
    /// A machine with a card of this profile.
    pub fn with_profile(profile: Profile) -> Self {
        let model = Model {
            device: Device::new(profile),
            now: Duration::ZERO,
            step: SHORTEST,
            frames: Vec::new(),
            vectors: Vec::new(),
            memory_left: usize::MAX,
        };
        Self { model: Arc::new(Mutex::new(model)), space: Space::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to the model at the present time; what it sends is kept.
    pub fn with<R>(&self, act: impl FnOnce(&mut Device, &dyn Memory) -> R) -> R {
        let mut model = self.lock();
        let now = model.now;
        model.device.advance(&self.space, now);
        let result = act(&mut model.device, &self.space);
        let outbox = model.device.take();
        model.frames.extend(outbox.frames);
        model.vectors.extend(outbox.vectors);
        result
    }

    /// The memory that driver and model share.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// From now on the machine gives no more than `bytes` of memory.
    pub fn limit_memory(&self, bytes: usize) {
        self.lock().memory_left = bytes;
    }

    /// The driver does something: waiting begins anew.
    fn act<R>(&self, act: impl FnOnce(&mut Device, &dyn Memory) -> R) -> R {
        self.lock().step = SHORTEST;
        self.with(act)
    }
}

impl Machine for InProcess {
    type Function = InProcess;

    fn new(profile: &str) -> Self {
        Self::with_profile(Profile::named(profile).expect("a profile of the model"))
    }

    fn function(&self) -> InProcess {
        self.clone()
    }

    fn misuse(&self) -> Vec<String> {
        self.lock().device.log().refused().map(|refused| format!("{refused:x?}")).collect()
    }

    fn inject(&self, fault: Fault) {
        self.with(|device, _| device.inject(fault));
        // Faults that are due happen now.
        self.with(|_, _| ());
    }

    fn pages_held(&self) -> usize {
        self.lock().device.pages_held()
    }

    fn receive(&self, frame: &[u8]) {
        self.with(|device, memory| device.receive(memory, frame));
    }

    fn sent(&self) -> Vec<Vec<u8>> {
        core::mem::take(&mut self.lock().frames)
    }

    fn interrupts(&self) -> Vec<u16> {
        core::mem::take(&mut self.lock().vectors)
    }

    fn pass(&self, time: Duration) {
        self.lock().now += time;
        self.with(|_, _| ());
    }
}

impl Function for InProcess {
    type Bar = InProcess;
    type Mem = Region;
    type Loan = Lent;
    type Region = LentSlab;

    fn config_read(&self, offset: u16) -> u32 {
        let mut bytes = [0; 4];
        self.with(|device, _| device.config_read(usize::from(offset), &mut bytes));
        u32::from_le_bytes(bytes)
    }

    fn config_write(&mut self, offset: u16, value: u32) {
        self.act(|device, _| device.config_write(usize::from(offset), &value.to_le_bytes()));
    }

    fn map_bar(&mut self, index: u8) -> Result<InProcess, HalError> {
        if index == 0 { Ok(self.clone()) } else { Err(HalError::NoSuchBar(index)) }
    }

    fn enable_interrupts(&mut self, count: u16) -> u16 {
        count.min(pci::interrupts(self))
    }

    fn alloc(&self, bytes: usize, align: usize) -> Result<Region, HalError> {
        let mut model = self.lock();
        model.memory_left = model.memory_left.checked_sub(bytes).ok_or(HalError::OutOfMemory { bytes })?;
        drop(model);
        Ok(self.space.alloc(bytes, align))
    }

    fn lend(&self, packet: Packet, way: Way) -> Lent {
        Lent::new(&self.space, packet, way)
    }

    fn lend_slab(&self, slab: Slab) -> LentSlab {
        LentSlab::new(&self.space, slab)
    }

    fn now(&self) -> Duration {
        self.lock().now
    }

    fn relax(&self) {
        let mut model = self.lock();
        let step = model.step;
        model.now += step;
        model.step = (step * 2).min(LONGEST);
        drop(model);
        self.with(|_, _| ());
    }
}

impl Bar for InProcess {
    fn len(&self) -> usize {
        BAR_SIZE as usize
    }

    fn read(&self, offset: usize) -> u32 {
        let mut bytes = [0xff; 4];
        if offset + 4 <= Bar::len(self) {
            self.with(|device, _| device.bar_read(offset as u64, &mut bytes));
        }
        u32::from_be_bytes(bytes)
    }

    fn write(&self, offset: usize, value: u32) {
        self.put(offset, &value.to_be_bytes());
    }

    fn write_pair(&self, offset: usize, value: [u32; 2]) {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&value[0].to_be_bytes());
        bytes[4..].copy_from_slice(&value[1].to_be_bytes());
        self.put(offset, &bytes);
    }

    fn write_block(&self, offset: usize, bytes: &[u8; 64]) {
        self.put(offset, bytes);
    }
}

impl InProcess {
    fn put(&self, offset: usize, bytes: &[u8]) {
        if offset + bytes.len() <= Bar::len(self) {
            self.act(|device, memory| device.bar_write(memory, offset as u64, bytes));
        }
    }
}

/// A lent packet: its bytes are copied to where the device reaches them, and back.
pub struct Lent {
    region: Region,
    packet: Packet,
    way: Way,
    bytes: usize,
}

impl Lent {
    pub(crate) fn new(space: &Space, packet: Packet, way: Way) -> Self {
        let bytes = match way {
            Way::ToDevice => packet.len(),
            Way::FromDevice => packet.tailroom(),
        };
        let region = space.alloc(bytes, 64);
        region.use_it();
        if way == Way::ToDevice {
            let _ = space.write(region.iova(), packet.bytes());
        }
        Self { region, packet, way, bytes }
    }
}

impl Loan for Lent {
    fn iova(&self) -> u64 {
        self.region.iova()
    }

    fn len(&self) -> usize {
        self.bytes
    }

    fn take_back(mut self, written: usize) -> Packet {
        if self.way == Way::FromDevice
            && let Some(place) = self.packet.append(written.min(self.bytes))
        {
            for (at, byte) in place.iter_mut().enumerate() {
                let word = self.region.words()[at / 4].load(core::sync::atomic::Ordering::Acquire);
                *byte = word.to_ne_bytes()[at % 4];
            }
        }
        self.packet
    }
}
