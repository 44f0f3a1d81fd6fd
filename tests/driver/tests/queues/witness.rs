//! A machine that knows where all shared memory is, so that a test can play a device that writes what it likes.

use core::cell::RefCell;
use core::time::Duration;
use mlx5_driver_tests::InProcess;
use mlx5_model::Memory;
use mlx5_pci::hal::{DmaMem, Function, HalError, Way};
use net::{Packet, Slab};
use std::rc::Rc;

/// Blocks of shared memory: bus address and bytes.
pub(crate) type Blocks = Rc<RefCell<Vec<(u64, usize)>>>;

pub(crate) struct Witness {
    machine: InProcess,
    blocks: Blocks,
}

impl Witness {
    pub(crate) fn new(machine: &InProcess) -> (Self, Blocks) {
        let blocks = Blocks::default();
        (Self { machine: machine.clone(), blocks: blocks.clone() }, blocks)
    }
}

/// Overwrites the dword at `address`, if anything lies there.
pub(crate) fn scribble(machine: &InProcess, address: u64, value: u32) {
    let _ = machine.space().write(address, &value.to_be_bytes());
}

impl Function for Witness {
    type Bar = InProcess;
    type Mem = <InProcess as Function>::Mem;
    type Loan = <InProcess as Function>::Loan;
    type Region = <InProcess as Function>::Region;

    fn config_read(&self, offset: u16) -> u32 {
        self.machine.config_read(offset)
    }

    fn config_write(&mut self, offset: u16, value: u32) {
        self.machine.config_write(offset, value);
    }

    fn map_bar(&mut self, index: u8) -> Result<InProcess, HalError> {
        self.machine.map_bar(index)
    }

    fn enable_interrupts(&mut self, count: u16) -> u16 {
        self.machine.enable_interrupts(count)
    }

    fn alloc(&self, bytes: usize, align: usize) -> Result<Self::Mem, HalError> {
        let memory = self.machine.alloc(bytes, align)?;
        self.blocks.borrow_mut().push((memory.iova(), bytes));
        Ok(memory)
    }

    fn lend(&self, packet: Packet, way: Way) -> Self::Loan {
        self.machine.lend(packet, way)
    }

    fn lend_slab(&self, slab: Slab) -> Self::Region {
        self.machine.lend_slab(slab)
    }

    fn now(&self) -> Duration {
        self.machine.now()
    }

    fn relax(&self) {
        self.machine.relax();
    }
}
