//! The command queue: entries, mailboxes, tokens, signatures, ownership (facts E.2).
//!
//! 1. The driver fills an entry, sets its owner bit and rings the doorbell bit of its slot.
//! 2. The entry and the chain of input mailboxes are read and checked; what is wrong here is answered with a delivery
//!    status, and the command is not looked at.
//! 3. The dispatcher runs it, unless it needs pages that have not come: then it waits, and other slots go on.
//! 4. Output goes to the entry and the output mailboxes, ownership goes back, and an EQE of type CMD is posted when an
//!    event queue has subscribed to it.

use crate::command::Stage;
use crate::fault::Interference;
use crate::memory::{read_array, read_vec};
use crate::queues::Event;
use crate::trace::{BLOCK, Exchange};
use crate::{Check, Device, Memory, Refusal, Unmapped};
use mlx5_pci::prm::{CmdLayout, CmdProtBlock, CmdStatus, DeliveryStatus};
use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// log2 of the entries of the queue.
const LOG_ENTRIES: u32 = 5;
/// log2 of an entry's bytes.
const LOG_STRIDE: u32 = 6;
/// Data bytes of a mailbox.
const MAILBOX_DATA: usize = 512;
/// The first 16 bytes of input and output lie in the entry.
const INLINE: usize = 16;
/// PCI transport, the only type there is.
const TRANSPORT_PCI: u8 = 7;
/// The longest input or output that is taken.
const LONGEST: usize = 1 << 20;
/// Event type CMD.
const COMMAND_DONE: u8 = 0x0a;
/// `nic_interface`: full driver, disabled, software reset.
const NIC_FULL: u32 = 0;
const NIC_DISABLED: u32 = 1;
const NIC_SOFTWARE_RESET: u32 = 7;

/// Registers and running commands.
#[derive(Default)]
pub(crate) struct CommandInterface {
    high: u32,
    low: u32,
    nic_interface: u32,
    ready: bool,
    running: BTreeMap<u8, Running>,
}

/// A command between doorbell and completion.
struct Running {
    entry: [u8; 64],
    /// Whether an event queue for completions of commands was there when the doorbell rang: a command that was given
    /// before, CREATE_EQ itself above all, is polled for.
    announced: bool,
    input: Vec<u8>,
    blocks: Vec<[u8; BLOCK]>,
}

/// A mailbox's address and contents.
type Mailbox = (u64, [u8; BLOCK]);

impl CommandInterface {
    pub(crate) fn set_address_high(&mut self, word: u32) {
        self.high = word;
        self.ready = false;
    }

    /// `cmdq_addr_l_sz` as it reads.
    pub(crate) fn address_low(&self) -> u32 {
        (self.low & !0xfff) | self.nic_interface << 8 | LOG_ENTRIES << 4 | LOG_STRIDE
    }

    /// `cmdq_addr_h` as it reads.
    pub(crate) fn address_high(&self) -> u32 {
        self.high
    }

    fn entry_address(&self, slot: u8) -> u64 {
        let base = u64::from(self.high) << 32 | u64::from(self.low & !0xfff);
        base + (u64::from(slot) << LOG_STRIDE)
    }

    /// The interface is gone, as after a fatal error.
    pub(crate) fn disable(&mut self) {
        self.nic_interface = NIC_DISABLED;
    }
}

impl Device {
    pub(crate) fn write_command_queue_low(&mut self, word: u32) {
        let interface = word >> 8 & 7;
        match interface {
            NIC_FULL => {
                if word & 0x8ff != 0 {
                    let refusal = Refusal::new(CmdStatus::BAD_PARAM, Check::Reserved, "cmdq_addr_l_sz", 0x14);
                    return self.misuse("register", 0x14, refusal);
                }
                self.commands.low = word;
                self.commands.nic_interface = NIC_FULL;
                self.commands.ready = true;
            }
            NIC_DISABLED => {
                self.commands.nic_interface = NIC_DISABLED;
                self.forget_objects();
                self.log.note("driver has disabled the interface");
            }
            NIC_SOFTWARE_RESET => {
                self.log.note("software reset through nic_interface");
                self.commands.nic_interface = NIC_SOFTWARE_RESET;
                self.forget_objects();
                self.faults.heal();
            }
            _ => {
                let refusal = Refusal::new(CmdStatus::BAD_PARAM, Check::Value, "nic_interface", 0x14);
                self.misuse("register", 0x14, refusal);
            }
        }
    }

    /// The driver writes `mask` to the command doorbell.
    pub(crate) fn ring_commands(&mut self, memory: &dyn Memory, mask: u32) {
        let refuse = |check, field| Refusal::new(CmdStatus::BAD_SYS_STATE, check, field, 0x18);
        if !self.commands.ready || self.commands.nic_interface != NIC_FULL {
            return self.misuse("doorbell", mask, refuse(Check::State, "command queue not set up"));
        }
        if !self.pci.bus_master() {
            return self.misuse("doorbell", mask, refuse(Check::State, "bus mastering is off"));
        }
        for slot in (0..32u8).filter(|slot| mask >> slot & 1 == 1) {
            if self.commands.running.contains_key(&slot) {
                self.misuse("doorbell", slot.into(), refuse(Check::InUse, "the slot's command still runs"));
                continue;
            }
            self.take_command(memory, slot);
        }
        self.run_commands(memory);
    }

    /// Step 2: reads the entry and its input.
    fn take_command(&mut self, memory: &dyn Memory, slot: u8) {
        let refuse = |check, field| Refusal::new(CmdStatus::BAD_SYS_STATE, check, field, 0x3f);
        let Ok(entry) = read_array::<64>(memory, self.commands.entry_address(slot)) else {
            return self.misuse("command queue", slot.into(), refuse(Check::Unmapped, "cmdq_addr"));
        };
        let layout = CmdLayout::copy_from(&entry);
        if !layout.owner() {
            return self.misuse("command queue", slot.into(), refuse(Check::State, "owner"));
        }
        match self.gather(memory, &entry) {
            Ok((input, blocks)) => {
                let announced = self.subscribed(COMMAND_DONE);
                self.commands.running.insert(slot, Running { entry, announced, input, blocks });
            }
            Err(status) => {
                let field = "delivery status";
                let offset = u16::from(status.0);
                let refusal = Refusal::new(CmdStatus::INT_ERR, Check::Value, field, offset);
                self.misuse("command queue", slot.into(), refusal);
                self.complete(memory, slot, &entry, &[], status);
                if self.subscribed(COMMAND_DONE) {
                    self.announce(memory, slot);
                }
            }
        }
    }

    fn gather(
        &self,
        memory: &dyn Memory,
        entry: &[u8; 64],
    ) -> Result<(Vec<u8>, Vec<[u8; BLOCK]>), DeliveryStatus> {
        let layout = CmdLayout::copy_from(entry);
        if layout.type_() != TRANSPORT_PCI {
            return Err(DeliveryStatus::BAD_COMMAND_TYPE);
        }
        if mlx5_pci::prm::reserved_bit(entry, &CmdLayout::CLAIMS).is_some() {
            return Err(DeliveryStatus::RESERVED_NOT_ZERO);
        }
        let signed = self.hca.command_signatures(&self.profile);
        if signed && entry.iter().fold(0, |sum, byte| sum ^ byte) != 0xff {
            return Err(DeliveryStatus::SIGNATURE_ERROR);
        }
        let (inlen, outlen) = (layout.inlen() as usize, layout.outlen() as usize);
        if !(8..=LONGEST).contains(&inlen) {
            return Err(DeliveryStatus::INPUT_LENGTH);
        }
        if !(8..=LONGEST).contains(&outlen) {
            return Err(DeliveryStatus::OUTPUT_LENGTH);
        }
        let boxes = mailboxes(memory, layout.in_ptr(), inlen, layout.token(), signed)
            .map_err(|status| if status.0 == 4 { DeliveryStatus::BAD_INPUT_POINTER } else { status })?;
        // The output's chain has to be sound before anything is done.
        mailboxes(memory, layout.out_ptr(), outlen, layout.token(), false)?;
        let mut input = entry[0x10..0x10 + INLINE.min(inlen)].to_vec();
        for (_, block) in &boxes {
            let left = inlen - input.len();
            input.extend_from_slice(&block[..left.min(MAILBOX_DATA)]);
        }
        Ok((input, boxes.into_iter().map(|(_, block)| block).collect()))
    }

    /// Steps 3 and 4 for every command that can go on.
    pub(crate) fn run_commands(&mut self, memory: &dyn Memory) {
        loop {
            let slots: Vec<u8> = self.commands.running.keys().copied().collect();
            let mut progress = false;
            for slot in slots {
                progress |= self.run_command(memory, slot);
            }
            if !progress {
                return;
            }
        }
    }

    /// Whether the slot's command has left the queue.
    fn run_command(&mut self, memory: &dyn Memory, slot: u8) -> bool {
        let Some(running) = self.commands.running.get(&slot) else {
            return false;
        };
        let opcode = crate::dispatch::opcode(&running.input);
        if self.waits_for_pages(opcode) {
            return false;
        }
        let interference = self.faults.command(opcode, slot, self.now);
        if interference == Interference::NotYet {
            return false;
        }
        let Some(running) = self.commands.running.remove(&slot) else {
            return false;
        };
        self.log.command(opcode);
        let outlen = CmdLayout::copy_from(&running.entry).outlen() as usize;
        let output = match interference {
            Interference::Never => {
                self.log.note(format!("command {opcode:#x} in slot {slot} is left unanswered"));
                return true;
            }
            Interference::Status(status, syndrome) => {
                let refusal = Refusal::new(CmdStatus(status), Check::Injected, "opcode", 0);
                self.log.refuse(opcode, slot.into(), refusal);
                let mut output = vec![0; outlen];
                output[0] = status;
                output[4..8].copy_from_slice(&syndrome.to_be_bytes());
                output
            }
            Interference::None | Interference::NotYet => self.execute(memory, slot, &running.input, outlen),
        };
        let answer = self.complete(memory, slot, &running.entry, &output, DeliveryStatus::OK);
        if running.announced {
            self.announce(memory, slot);
        }
        self.log.exchange(|| {
            let layout = CmdLayout::copy_from(&running.entry);
            let boxes = mailboxes(memory, layout.out_ptr(), outlen, layout.token(), false);
            Exchange {
                opcode,
                entry: running.entry,
                input: running.blocks,
                answer,
                output: boxes.unwrap_or_default().into_iter().map(|(_, block)| block).collect(),
            }
        });
        true
    }

    /// Hands output and ownership back. Output that does not fit the mailboxes was refused at the doorbell.
    fn complete(
        &mut self,
        memory: &dyn Memory,
        slot: u8,
        entry: &[u8; 64],
        output: &[u8],
        status: DeliveryStatus,
    ) -> [u8; 64] {
        let mut layout = CmdLayout::copy_from(entry);
        let outcome = self.write_output(memory, &mut layout, output);
        layout.set().owner(false).delivery_status(status.0).sig(0);
        let signature = !layout.as_bytes().iter().fold(0, |sum, byte| sum ^ byte);
        layout.set().sig(signature);
        let mut answer = *entry;
        answer.copy_from_slice(layout.as_bytes());
        let address = self.commands.entry_address(slot);
        // The dword with the owner bit goes last: the driver polls it.
        let written = outcome
            .and_then(|()| memory.write(address, &answer[..0x3c]))
            .and_then(|()| memory.write(address + 0x3c, &answer[0x3c..]));
        if written.is_err() {
            let refusal = Refusal::new(CmdStatus::BAD_SYS_STATE, Check::Unmapped, "output", 0x30);
            self.misuse("command queue", slot.into(), refusal);
        }
        answer
    }

    /// Says by event that the command in `slot` is done.
    fn announce(&mut self, memory: &dyn Memory, slot: u8) {
        let mut data = [0; 28];
        data[..4].copy_from_slice(&(1u32 << slot).to_be_bytes());
        self.post_event(memory, Event { kind: COMMAND_DONE, sub_kind: 0, data });
    }

    fn write_output(
        &self,
        memory: &dyn Memory,
        layout: &mut CmdLayout,
        output: &[u8],
    ) -> Result<(), Unmapped> {
        let inline = output.len().min(INLINE);
        layout.as_bytes_mut()[0x20..0x20 + inline].copy_from_slice(&output[..inline]);
        let boxes = mailboxes(memory, layout.out_ptr(), output.len(), layout.token(), false);
        for ((address, mut block), data) in
            boxes.unwrap_or_default().into_iter().zip(output[inline..].chunks(MAILBOX_DATA))
        {
            block[..data.len()].copy_from_slice(data);
            block[data.len()..MAILBOX_DATA].fill(0);
            sign_block(&mut block);
            memory.write(address, &block)?;
        }
        Ok(())
    }

    /// Whether a command that makes something has to wait until pages have come.
    fn waits_for_pages(&self, opcode: u16) -> bool {
        self.hca.stage() == Stage::Initialized && crate::dispatch::allocates(opcode) && !self.pages.covered()
    }
}

fn sign_block(block: &mut [u8; BLOCK]) {
    block[0x23e] = 0;
    block[0x23f] = 0;
    block[0x23e] = !block[0x200..0x23e].iter().fold(0, |sum, byte| sum ^ byte);
    block[0x23f] = !block[..0x23f].iter().fold(0, |sum, byte| sum ^ byte);
}

/// Follows the chain of mailboxes for a message of `length` bytes.
fn mailboxes(
    memory: &dyn Memory,
    first: u64,
    length: usize,
    token: u8,
    signed: bool,
) -> Result<Vec<Mailbox>, DeliveryStatus> {
    let count = length.saturating_sub(INLINE).div_ceil(MAILBOX_DATA);
    let mut boxes = Vec::with_capacity(count);
    let mut address = first;
    for number in 0..count {
        if address == 0 || !address.is_multiple_of(512) {
            return Err(DeliveryStatus::BAD_OUTPUT_POINTER);
        }
        let bytes = read_vec(memory, address, BLOCK).map_err(|_| DeliveryStatus::BAD_OUTPUT_POINTER)?;
        let block: [u8; BLOCK] = bytes.try_into().map_err(|_| DeliveryStatus::INTERNAL)?;
        let layout = CmdProtBlock::copy_from(&block);
        if layout.token() != token {
            return Err(DeliveryStatus::TOKEN_ERROR);
        }
        if layout.block_num() as usize != number {
            return Err(DeliveryStatus::BAD_BLOCK_NUMBER);
        }
        if signed && block.iter().fold(0, |sum, byte| sum ^ byte) != 0xff {
            return Err(DeliveryStatus::SIGNATURE_ERROR);
        }
        boxes.push((address, block));
        address = layout.next();
    }
    Ok(boxes)
}
