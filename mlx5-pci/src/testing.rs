//! A machine for unit tests: memory that nothing but the test looks at, a register window that writes down what it is
//! given, and loans that are what was lent.

use crate::hal::{Bar, DmaExt, DmaMem, Function, HalError, Loan, Region, Way};
use core::cell::{Cell, RefCell};
use core::sync::atomic::AtomicU32;
use core::time::Duration;
use net::{Packet, Slab};
use std::rc::Rc;
use std::vec::Vec;

/// The machine. Addresses are made up and never twice the same.
pub(crate) struct Machine {
    next: Cell<u64>,
}

impl Machine {
    pub(crate) fn new() -> Machine {
        Machine { next: Cell::new(0x7_0000_0000) }
    }

    fn place(&self, bytes: usize) -> u64 {
        let at = self.next.get();
        self.next.set((at + bytes as u64).next_multiple_of(4096) + 4096);
        at
    }
}

/// Shared memory, of which a test can keep a copy.
#[derive(Clone)]
pub(crate) struct Words {
    iova: u64,
    words: Rc<[AtomicU32]>,
}

impl DmaMem for Words {
    fn iova(&self) -> u64 {
        self.iova
    }

    fn words(&self) -> &[AtomicU32] {
        &self.words
    }
}

impl Words {
    /// The bytes at `offset`.
    pub(crate) fn get<const N: usize>(&self, offset: usize) -> [u8; N] {
        let mut bytes = [0; N];
        self.load(offset, &mut bytes);
        bytes
    }
}

/// A packet that is lent.
pub(crate) struct Lent {
    packet: Packet,
    iova: u64,
    len: usize,
    way: Way,
}

impl Loan for Lent {
    fn iova(&self) -> u64 {
        self.iova
    }

    fn len(&self) -> usize {
        self.len
    }

    fn take_back(mut self, written: usize) -> Packet {
        if self.way == Way::FromDevice {
            let room = self.packet.tailroom();
            let _ = self.packet.append(written.min(room));
        }
        self.packet
    }
}

/// A slab that is lent.
pub(crate) struct LentSlab {
    slab: Slab,
    iova: u64,
}

impl Region for LentSlab {
    fn iova(&self) -> u64 {
        self.iova
    }

    fn len(&self) -> usize {
        self.slab.len()
    }

    fn take(&mut self, start: usize, end: usize, bytes: usize) -> Option<Packet> {
        let mut packet = Packet::from(self.slab.take(start, end, bytes)?);
        packet.append(bytes)?;
        Some(packet)
    }
}

/// What was written to registers: offset and dwords.
#[derive(Default)]
pub(crate) struct Registers(pub(crate) RefCell<Vec<(usize, Vec<u32>)>>);

impl Bar for Registers {
    fn len(&self) -> usize {
        1 << 25
    }

    fn read(&self, _: usize) -> u32 {
        0
    }

    fn write(&self, offset: usize, value: u32) {
        self.0.borrow_mut().push((offset, std::vec![value]));
    }

    fn write_pair(&self, offset: usize, value: [u32; 2]) {
        self.0.borrow_mut().push((offset, value.to_vec()));
    }
}

impl Function for Machine {
    type Bar = Registers;
    type Mem = Words;
    type Loan = Lent;
    type Region = LentSlab;

    fn config_read(&self, _: u16) -> u32 {
        0
    }

    fn config_write(&mut self, _: u16, _: u32) {}

    fn map_bar(&mut self, _: u8) -> Result<Registers, HalError> {
        Ok(Registers::default())
    }

    fn enable_interrupts(&mut self, count: u16) -> u16 {
        count
    }

    fn alloc(&self, bytes: usize, _: usize) -> Result<Words, HalError> {
        let words = (0..bytes.div_ceil(4)).map(|_| AtomicU32::new(0)).collect();
        Ok(Words { iova: self.place(bytes), words })
    }

    fn lend(&self, packet: Packet, way: Way) -> Lent {
        let len = if way == Way::ToDevice { packet.len() } else { packet.tailroom() };
        Lent { iova: self.place(len), len, way, packet }
    }

    fn lend_slab(&self, slab: Slab) -> LentSlab {
        LentSlab { iova: self.place(slab.len()), slab }
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn relax(&self) {}
}
