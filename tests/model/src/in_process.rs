//! The in-process front end: guest memory of our own, a device on it, and the least of a host that can give commands.
//!
//! Everything happens when it is called for, in one thread, in virtual time: the same calls give the same result.

use crate::caps::Profile;
use crate::trace::BLOCK;
use crate::{Device, Memory, Unmapped};
use core::time::Duration;
use mlx5_pci::prm::{CmdLayout, CmdStatus};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where the first allocation lies: not zero, and above 4 GiB, so that cut addresses are found out.
const FIRST: u64 = 0x5_0000_0000;
/// Space between allocations that nothing maps.
const GAP: u64 = 0x1_0000;
/// Data bytes of a mailbox.
const MAILBOX_DATA: usize = 512;

/// Guest memory: allocations far from one another, so that every access outside of one fails.
#[derive(Clone, Default)]
pub struct Arena(Arc<Mutex<Regions>>);

#[derive(Default)]
struct Regions {
    regions: BTreeMap<u64, Vec<u8>>,
    next: u64,
}

impl Arena {
    fn lock(&self) -> MutexGuard<'_, Regions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Maps `bytes` zeroed bytes, aligned to a page.
    pub fn alloc(&self, bytes: usize) -> u64 {
        let mut regions = self.lock();
        let address = (FIRST + regions.next).next_multiple_of(4096);
        regions.next = address - FIRST + bytes as u64 + GAP;
        regions.regions.insert(address, vec![0; bytes]);
        address
    }

    /// Unmaps an allocation.
    pub fn free(&self, address: u64) {
        self.lock().regions.remove(&address);
    }

    /// Reads where the test knows that memory is mapped.
    ///
    /// # Panics
    /// When it is not.
    pub fn get(&self, address: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.read(address, &mut bytes).expect("a mapped address");
        bytes
    }

    /// Writes where the test knows that memory is mapped.
    ///
    /// # Panics
    /// When it is not.
    pub fn put(&self, address: u64, bytes: &[u8]) {
        self.write(address, bytes).expect("a mapped address");
    }
}

impl Regions {
    fn place(&self, address: u64, length: usize) -> Result<(u64, usize), Unmapped> {
        let unmapped = Unmapped { address, length };
        let (start, region) = self.regions.range(..=address).next_back().ok_or(unmapped)?;
        let offset = usize::try_from(address - start).map_err(|_| unmapped)?;
        let end = offset.checked_add(length).ok_or(unmapped)?;
        if end > region.len() { Err(unmapped) } else { Ok((*start, offset)) }
    }
}

impl Memory for Arena {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Unmapped> {
        let regions = self.lock();
        let (start, offset) = regions.place(address, into.len())?;
        into.copy_from_slice(&regions.regions[&start][offset..offset + into.len()]);
        Ok(())
    }

    fn write(&self, address: u64, from: &[u8]) -> Result<(), Unmapped> {
        let mut regions = self.lock();
        let (start, offset) = regions.place(address, from.len())?;
        if let Some(region) = regions.regions.get_mut(&start) {
            region[offset..offset + from.len()].copy_from_slice(from);
        }
        Ok(())
    }
}

/// What the device answered to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Delivery status: 0 when the command was looked at.
    pub delivery: u8,
    /// Command status.
    pub status: CmdStatus,
    /// Syndrome.
    pub syndrome: u32,
    /// The whole output, status included.
    pub output: Vec<u8>,
}

impl Answer {
    /// A dword of the output.
    pub fn word(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.output[at..at + 4].try_into().expect("four bytes"))
    }

    /// The check that failed, by the upper half of our syndromes.
    pub fn check(&self) -> u16 {
        (self.syndrome >> 16) as u16
    }
}

/// A device and the memory of its host.
pub struct Host {
    /// The device.
    pub device: Device,
    /// The host's memory.
    pub memory: Arena,
    queue: u64,
    token: u8,
}

impl Host {
    /// A device after power-on, bus mastering on and its command queue set up.
    pub fn new(profile: Profile) -> Host {
        let memory = Arena::default();
        let queue = memory.alloc(4096);
        let mut host = Host { device: Device::new(profile), memory, queue, token: 0 };
        host.device.config_write(4, &[0x06, 0]);
        host.write32(0x10, (queue >> 32) as u32);
        host.write32(0x14, queue as u32);
        host
    }

    /// Reads a register.
    pub fn read32(&mut self, offset: u64) -> u32 {
        let mut bytes = [0; 4];
        self.device.bar_read(offset, &mut bytes);
        u32::from_be_bytes(bytes)
    }

    /// Writes a register.
    pub fn write32(&mut self, offset: u64, value: u32) {
        self.device.bar_write(&self.memory.clone(), offset, &value.to_be_bytes());
    }

    /// Writes two registers at once, as doorbells are.
    pub fn write64(&mut self, offset: u64, bytes: [u8; 8]) {
        self.device.bar_write(&self.memory.clone(), offset, &bytes);
    }

    /// Lets a frame arrive from the wire.
    pub fn receive(&mut self, frame: &[u8]) {
        self.device.receive(&self.memory.clone(), frame);
    }

    /// Lets time go on to `now`.
    pub fn advance(&mut self, now: Duration) {
        self.device.advance(&self.memory.clone(), now);
    }

    /// Puts a command into `slot` and rings; the command may still run when this returns.
    pub fn start(&mut self, slot: u8, input: &[u8], outlen: usize) {
        self.prepare(slot, input, outlen);
        self.write32(0x18, 1 << slot);
    }

    /// The entry of `slot` as it lies in memory.
    pub fn entry(&self, slot: u8) -> [u8; 64] {
        self.memory.get(self.queue + 64 * u64::from(slot), 64).try_into().expect("64 bytes")
    }

    /// Overwrites the entry of `slot`.
    pub fn put_entry(&self, slot: u8, entry: &[u8; 64]) {
        self.memory.put(self.queue + 64 * u64::from(slot), entry);
    }

    /// Puts a command into `slot` without ringing.
    pub fn prepare(&mut self, slot: u8, input: &[u8], outlen: usize) {
        self.token = self.token % 255 + 1;
        let mut entry = [0u8; 64];
        let inline = input.len().min(16);
        entry[0] = 7;
        entry[4..8].copy_from_slice(&(input.len() as u32).to_be_bytes());
        entry[0x38..0x3c].copy_from_slice(&(outlen as u32).to_be_bytes());
        entry[0x10..0x10 + inline].copy_from_slice(&input[..inline]);
        let inbox = self.chain(&input[inline..], input.len() - inline);
        let outbox = self.chain(&[], outlen.saturating_sub(16));
        entry[8..16].copy_from_slice(&inbox.to_be_bytes());
        entry[0x30..0x38].copy_from_slice(&outbox.to_be_bytes());
        entry[0x3c] = self.token;
        entry[0x3f] = 1;
        entry[0x3d] = !entry.iter().fold(0, |sum, byte| sum ^ byte);
        self.put_entry(slot, &entry);
    }

    fn chain(&self, data: &[u8], length: usize) -> u64 {
        let count = length.div_ceil(MAILBOX_DATA);
        let boxes: Vec<u64> = (0..count).map(|_| self.memory.alloc(4096)).collect();
        for (number, address) in boxes.iter().enumerate() {
            let mut block = [0u8; BLOCK];
            let part = data.chunks(MAILBOX_DATA).nth(number).unwrap_or_default();
            block[..part.len()].copy_from_slice(part);
            let next = boxes.get(number + 1).copied().unwrap_or(0);
            block[0x230..0x238].copy_from_slice(&next.to_be_bytes());
            block[0x238..0x23c].copy_from_slice(&(number as u32).to_be_bytes());
            block[0x23d] = self.token;
            block[0x23e] = !block[0x200..0x23e].iter().fold(0, |sum, byte| sum ^ byte);
            block[0x23f] = !block[..0x23f].iter().fold(0, |sum, byte| sum ^ byte);
            self.memory.put(*address, &block);
        }
        boxes.first().copied().unwrap_or(0)
    }

    /// The answer in `slot`, or `None` while the device still owns it. Mailboxes are freed.
    pub fn finish(&mut self, slot: u8) -> Option<Answer> {
        let entry = self.memory.get(self.queue + 64 * u64::from(slot), 64);
        let layout = CmdLayout::copy_from(&entry);
        if layout.owner() {
            return None;
        }
        let outlen = layout.outlen() as usize;
        let mut output = entry[0x20..0x20 + outlen.min(16)].to_vec();
        let mut next = layout.out_ptr();
        while next != 0 {
            let block = self.memory.get(next, BLOCK);
            let left = outlen - output.len();
            output.extend_from_slice(&block[..left.min(MAILBOX_DATA)]);
            self.memory.free(next);
            next = u64::from_be_bytes(block[0x230..0x238].try_into().expect("eight bytes"));
        }
        let mut next = layout.in_ptr();
        while next != 0 {
            let block = self.memory.get(next, BLOCK);
            self.memory.free(next);
            next = u64::from_be_bytes(block[0x230..0x238].try_into().expect("eight bytes"));
        }
        Some(Answer {
            delivery: layout.delivery_status(),
            status: CmdStatus(output.first().copied().unwrap_or(0)),
            syndrome: output.get(4..8).map_or(0, |bytes| u32::from_be_bytes(bytes.try_into().expect("4"))),
            output,
        })
    }

    /// A command in slot 0, to its end.
    ///
    /// # Panics
    /// When the device does not answer at once.
    pub fn exec(&mut self, input: &[u8], outlen: usize) -> Answer {
        self.start(0, input, outlen);
        self.finish(0).expect("an answer")
    }

    /// A command that has to succeed; its output.
    ///
    /// # Panics
    /// When it does not.
    pub fn expect(&mut self, input: &[u8], outlen: usize) -> Answer {
        let answer = self.exec(input, outlen);
        let last = self.device.log().refused().last();
        assert_eq!((answer.delivery, answer.status), (0, CmdStatus::OK), "{:02x?}: {last:?}", &input[..2]);
        answer
    }

    /// Brings the function up to INIT_HCA, in the documented order, with all the pages that it asks for.
    ///
    /// # Panics
    /// When the device refuses any of it.
    pub fn bring_up(&mut self) {
        let short = |opcode: u16, op_mod: u16| {
            let mut input = [0u8; 16];
            input[..2].copy_from_slice(&opcode.to_be_bytes());
            input[6..8].copy_from_slice(&op_mod.to_be_bytes());
            input
        };
        self.expect(&short(0x104, 0), 16);
        let mut set_issi = short(0x10b, 0);
        set_issi[11] = 1;
        self.expect(&set_issi, 16);
        for which in [1, 2] {
            self.give_pages(which);
        }
        let mut init = [0u8; 32];
        init[..2].copy_from_slice(&0x102u16.to_be_bytes());
        self.expect(&init, 16);
    }

    /// Gives the pages that QUERY_PAGES with op_mod `which` asks for; how many.
    ///
    /// # Panics
    /// When the device refuses them.
    pub fn give_pages(&mut self, which: u16) -> usize {
        let mut query = [0u8; 16];
        query[..2].copy_from_slice(&0x107u16.to_be_bytes());
        query[6..8].copy_from_slice(&which.to_be_bytes());
        let count = self.expect(&query, 16).word(0xc) as usize;
        let mut left = count;
        while left > 0 {
            let some = left.min(512);
            let mut give = vec![0u8; 16];
            give[..2].copy_from_slice(&0x108u16.to_be_bytes());
            give[7] = 1;
            give[12..16].copy_from_slice(&(some as u32).to_be_bytes());
            for _ in 0..some {
                give.extend_from_slice(&self.memory.alloc(4096).to_be_bytes());
            }
            self.expect(&give, 16);
            left -= some;
        }
        count
    }
}
