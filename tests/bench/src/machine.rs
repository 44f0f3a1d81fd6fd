//! The driver's side of the seam with nothing behind it: registers and memory are plain memory, and lending a packet is
//! a move. Until it is switched off, the strict model answers, so that the driver's bring-up is the real one.

use crate::memory::{Block, Space};
use core::cell::{Cell, RefCell};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;
use mlx5_model::caps::Profile;
use mlx5_model::{BAR_SIZE, Device};
use mlx5_pci::hal::{Bar, Function, HalError, Loan, Region, Way};
use net::{Packet, Slab};
use std::rc::Rc;

/// How far time goes on whenever the driver waits.
const STEP: Duration = Duration::from_micros(100);
/// Bytes of registers that there are once nothing listens: more UAR pages than a function with a few queues has.
const REGISTERS: usize = 64 << 10;

/// A machine. Cloning gives another handle to the same one.
#[derive(Clone)]
pub(crate) struct Machine(Rc<Inner>);

struct Inner {
    model: RefCell<Device>,
    off: Cell<bool>,
    space: Space,
    now: Cell<Duration>,
}

/// The registers.
pub(crate) struct Registers {
    machine: Machine,
    memory: Box<[AtomicU64]>,
}

impl Machine {
    /// A machine with a card of this profile.
    pub(crate) fn new(profile: Profile) -> Self {
        let (model, off) = (RefCell::new(Device::new(profile)), Cell::new(false));
        Self(Rc::new(Inner { model, off, space: Space::default(), now: Cell::default() }))
    }

    /// From now on nothing listens.
    pub(crate) fn switch_off(&self) {
        self.0.off.set(true);
    }

    /// The memory that driver and device share.
    pub(crate) fn space(&self) -> &Space {
        &self.0.space
    }

    /// What the model has refused.
    pub(crate) fn misuse(&self) -> Vec<String> {
        self.0.model.borrow().log().refused().map(|refused| format!("{refused:x?}")).collect()
    }

    #[cold]
    fn with<R>(&self, act: impl FnOnce(&mut Device, &Space) -> R) -> R {
        let mut model = self.0.model.borrow_mut();
        model.advance(&self.0.space, self.0.now.get());
        let result = act(&mut model, &self.0.space);
        // Interrupts: the driver polls.
        let _ = model.take();
        result
    }
}

impl Function for Machine {
    type Bar = Registers;
    type Mem = Block;
    type Loan = Lent;
    type Region = LentSlab;

    fn config_read(&self, offset: u16) -> u32 {
        let mut bytes = [0; 4];
        self.with(|device, _| device.config_read(usize::from(offset), &mut bytes));
        u32::from_le_bytes(bytes)
    }

    fn config_write(&mut self, offset: u16, value: u32) {
        self.with(|device, _| device.config_write(usize::from(offset), &value.to_le_bytes()));
    }

    fn enable_interrupts(&mut self, _: u16) -> u16 {
        0
    }

    fn map_bar(&mut self, index: u8) -> Result<Registers, HalError> {
        if index != 0 {
            return Err(HalError::NoSuchBar(index));
        }
        let memory = (0..REGISTERS / 8).map(|_| AtomicU64::new(0)).collect();
        Ok(Registers { machine: self.clone(), memory })
    }

    fn alloc(&self, bytes: usize, align: usize) -> Result<Block, HalError> {
        Ok(self.0.space.alloc(bytes, align))
    }

    #[inline]
    fn lend(&self, packet: Packet, way: Way) -> Lent {
        Lent { packet, way }
    }

    fn lend_slab(&self, slab: Slab) -> LentSlab {
        LentSlab(slab)
    }

    fn now(&self) -> Duration {
        self.0.now.get()
    }

    fn relax(&self) {
        self.0.now.set(self.0.now.get() + STEP);
        self.with(|_, _| ());
    }
}

impl Registers {
    #[cold]
    fn tell(&self, offset: usize, bytes: &[u8]) {
        self.machine.with(|device, memory| device.bar_write(memory, offset as u64, bytes));
    }

    #[inline]
    fn keep(&self, offset: usize, pair: u64) {
        if let Some(place) = self.memory.get(offset / 8) {
            place.store(pair, Relaxed);
        }
    }
}

impl Bar for Registers {
    fn len(&self) -> usize {
        BAR_SIZE as usize
    }

    fn read(&self, offset: usize) -> u32 {
        let mut bytes = [0xff; 4];
        if offset + 4 <= self.len() {
            self.machine.with(|device, _| device.bar_read(offset as u64, &mut bytes));
        }
        u32::from_be_bytes(bytes)
    }

    fn write(&self, offset: usize, value: u32) {
        if !self.machine.0.off.get() {
            self.tell(offset, &value.to_be_bytes());
        }
    }

    #[inline]
    fn write_pair(&self, offset: usize, value: [u32; 2]) {
        let pair = u64::from(value[0]) << 32 | u64::from(value[1]);
        if self.machine.0.off.get() {
            self.keep(offset, pair.to_be());
        } else {
            self.tell(offset, &pair.to_be_bytes());
        }
    }

    #[inline]
    fn write_block(&self, offset: usize, bytes: &[u8; 64]) {
        if self.machine.0.off.get() {
            for (at, pair) in (offset..).step_by(8).zip(bytes.as_chunks::<8>().0) {
                self.keep(at, u64::from_ne_bytes(*pair));
            }
        } else {
            self.tell(offset, bytes);
        }
    }
}

/// A lent packet. Its bus address is where it lies.
pub(crate) struct Lent {
    packet: Packet,
    way: Way,
}

impl Loan for Lent {
    #[inline]
    fn iova(&self) -> u64 {
        self.packet.bytes().as_ptr() as u64
    }

    #[inline]
    fn len(&self) -> usize {
        match self.way {
            Way::ToDevice => self.packet.len(),
            Way::FromDevice => self.packet.tailroom(),
        }
    }

    #[inline]
    fn take_back(mut self, written: usize) -> Packet {
        if self.way == Way::FromDevice {
            let _ = self.packet.append(written.min(self.packet.tailroom()));
        }
        self.packet
    }
}

/// A lent slab.
pub(crate) struct LentSlab(Slab);

impl Region for LentSlab {
    #[inline]
    fn iova(&self) -> u64 {
        self.0.address() as u64
    }

    #[inline]
    fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    fn take(&mut self, start: usize, end: usize, bytes: usize) -> Option<Packet> {
        let mut packet = Packet::from(self.0.take(start, end, bytes)?);
        packet.append(bytes)?;
        Some(packet)
    }
}
