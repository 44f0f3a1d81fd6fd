//! A card that lies: the model in one process, whose answers are corrupted on their way to the driver.
//!
//! Any word of memory that the driver looks at may change at any time, as a device that masters the bus can do; any
//! register may read as anything; faults of the model happen at random. Everything comes from one seed.

use crate::in_process::{InProcess, Lent};
use crate::lent::LentSlab;
use crate::machine::Machine;
use crate::memory::Region;
use core::cell::Cell;
use core::sync::atomic::Ordering;
use core::time::Duration;
use mlx5_model::Fault;
use mlx5_pci::hal::{Bar, Function, HalError, Way};
use net::{Packet, Slab};
use std::rc::Rc;

/// Steps of waiting in one life; a driver that waits longer does not end.
const PATIENCE: u64 = 20_000_000;

/// How often the card lies: once in so many chances. 0 is never.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lies {
    /// A word of memory, whenever the driver waits or rings.
    pub memory: u32,
    /// A register that is read.
    pub registers: u32,
    /// A fault of the model, whenever the driver rings.
    pub faults: u32,
}

/// The machine. Cloning gives another handle to the same one.
#[derive(Clone)]
pub struct Liar {
    honest: InProcess,
    lies: Rc<Cell<Lies>>,
    random: Rc<Cell<u64>>,
    waits: Rc<Cell<u64>>,
}

impl Liar {
    /// A machine with a card of this profile; its lies come from `seed`.
    pub fn new(profile: &str, seed: u64) -> Self {
        Self {
            honest: InProcess::new(profile),
            lies: Rc::default(),
            random: Rc::new(Cell::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)),
            waits: Rc::default(),
        }
    }

    /// From now on it lies like this.
    pub fn set(&self, lies: Lies) {
        self.lies.set(lies);
    }

    /// The machine behind the lies.
    pub fn honest(&self) -> &InProcess {
        &self.honest
    }

    /// A random number below `bound`.
    pub fn random(&self, bound: u32) -> u32 {
        // xorshift64*, Vigna 2016.
        let mut state = self.random.get();
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.random.set(state);
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32 % bound.max(1)
    }

    fn once_in(&self, chances: u32) -> bool {
        chances != 0 && self.random(chances) == 0
    }

    /// A lie about `truth`.
    fn lie(&self, truth: u32) -> u32 {
        match self.random(6) {
            0 => 0,
            1 => u32::MAX,
            2 => self.random(u32::MAX),
            3 => self.random(0x1000).to_be(),
            _ => truth ^ 1 << self.random(32),
        }
    }

    fn corrupt_memory(&self) {
        if !self.once_in(self.lies.get().memory) {
            return;
        }
        let used = self.honest.space().used();
        let Some((_, words)) = used.get(self.random(used.len() as u32) as usize) else { return };
        for _ in 0..=self.random(8) {
            if let Some(word) = words.get(self.random(words.len() as u32) as usize) {
                word.store(self.lie(word.load(Ordering::Relaxed)), Ordering::Relaxed);
            }
        }
    }

    fn fault(&self) {
        if !self.once_in(self.lies.get().faults) {
            return;
        }
        let fault = match self.random(20) {
            0 => Fault::CommandTimeout { opcode: None },
            1 => Fault::CommandDelay { opcode: None, by: Duration::from_secs(self.random(200).into()) },
            2 => Fault::CommandStatus {
                opcode: None,
                status: self.random(256) as u8,
                syndrome: self.random(u32::MAX),
            },
            3 => Fault::HealthStuck,
            4 => Fault::HealthFatal { syndrome: self.random(256) as u8 },
            5 => Fault::Death,
            6..10 => Fault::PageRequest { pages: self.random(3000) as i32 - 1500, times: self.random(100) },
            _ => Fault::LinkFlap { down: Duration::from_millis(self.random(100).into()) },
        };
        self.honest.inject(fault);
    }
}

impl Function for Liar {
    type Bar = Liar;
    type Mem = Region;
    type Loan = Lent;
    type Region = LentSlab;

    fn config_read(&self, offset: u16) -> u32 {
        let truth = self.honest.config_read(offset);
        if self.once_in(self.lies.get().registers) { self.lie(truth) } else { truth }
    }

    fn config_write(&mut self, offset: u16, value: u32) {
        self.honest.config_write(offset, value);
    }

    fn map_bar(&mut self, index: u8) -> Result<Liar, HalError> {
        self.honest.map_bar(index)?;
        Ok(self.clone())
    }

    fn enable_interrupts(&mut self, count: u16) -> u16 {
        self.honest.enable_interrupts(count)
    }

    fn alloc(&self, bytes: usize, align: usize) -> Result<Region, HalError> {
        self.honest.alloc(bytes, align)
    }

    fn lend(&self, packet: Packet, way: Way) -> Lent {
        self.honest.lend(packet, way)
    }

    fn lend_slab(&self, slab: Slab) -> LentSlab {
        self.honest.lend_slab(slab)
    }

    fn now(&self) -> Duration {
        self.honest.now()
    }

    fn relax(&self) {
        self.waits.set(self.waits.get() + 1);
        assert!(self.waits.get() < PATIENCE, "the driver waits without end");
        self.honest.relax();
        self.corrupt_memory();
    }
}

impl Bar for Liar {
    fn len(&self) -> usize {
        Bar::len(&self.honest)
    }

    fn read(&self, offset: usize) -> u32 {
        let truth = self.honest.read(offset);
        if self.once_in(self.lies.get().registers) { self.lie(truth) } else { truth }
    }

    fn write(&self, offset: usize, value: u32) {
        self.fault();
        self.honest.write(offset, value);
        self.corrupt_memory();
    }

    fn write_pair(&self, offset: usize, value: [u32; 2]) {
        self.honest.write_pair(offset, value);
        self.corrupt_memory();
    }

    fn write_block(&self, offset: usize, bytes: &[u8; 64]) {
        self.honest.write_block(offset, bytes);
        self.corrupt_memory();
    }
}
