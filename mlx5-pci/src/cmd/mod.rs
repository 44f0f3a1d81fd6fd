//! The command interface: everything that the driver asks of the firmware (facts E.2).
//!
//! 1. A command takes a slot of the queue: the last one for MANAGE_PAGES, the first free one for all others.
//! 2. Input beyond 16 bytes goes to a chain of mailboxes, and a second chain waits for the output.
//! 3. The entry is written, the dword with the owner bit last; then the doorbell of the slot rings.
//! 4. The driver polls the owner bit. Meanwhile it drains the event queue and gives or takes the pages that the device
//!    asks for, for without them the device may never answer.
//! 5. Delivery status, command status and syndrome are looked at before the output.
//!
//! Commands block, one at a time. A slot whose answer has not come in time is the device's until the answer comes.
//! Left out: completion by event, which polling makes needless.

mod command;
mod error;
mod mailbox;
pub mod trace;

pub use command::Command;
pub use error::{Cause, CmdError};
pub use trace::Exchange;

use crate::eq::{Eq, Event};
use crate::hal::{Bar, DmaExt, DmaMem, Function, HalError};
use crate::health::{self, Illness};
use crate::pages::Pages;
use crate::prm::{CmdLayout, CmdStatus, DeliveryStatus, Layout, Opcode};
use crate::timeouts::Timeouts;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;
use mailbox::{Chain, Mailboxes};
use zeroize::Zeroize;

/// Registers of the initialization segment.
const QUEUE_HIGH: usize = 0x10;
const QUEUE_LOW: usize = 0x14;
const DOORBELL: usize = 0x18;
/// Bytes of the queue.
const QUEUE: usize = 4096;
/// PCI transport.
const TRANSPORT_PCI: u8 = 7;
/// Bytes of input and output that lie in the entry.
const INLINE: usize = 16;
/// Where the dword with token, signature, status and owner lies.
const LAST: usize = 0x3c;
const OWNER: u32 = 1;
/// The largest input or output, in bytes, that a command may have.
const LONGEST: usize = 64 << 10;
/// How often the device's health is looked at while a command waits.
const SENSE: Duration = Duration::from_millis(100);
/// Events that are kept for the caller; of a device that floods, the newest are lost.
const EVENTS: usize = 1024;

/// The queue of commands of one function. It owns the function, because everything that the driver does to the device
/// goes through here or through the registers.
pub struct Commands<F: Function> {
    function: F,
    bar: F::Bar,
    queue: F::Mem,
    mailboxes: Mailboxes<F::Mem>,
    layout: QueueLayout,
    token: u8,
    /// Slots whose answer has not come in time, with their mailboxes.
    lost: Vec<Lost>,
    trace: Option<Trace>,
    source: Option<Eq<F::Mem>>,
    events: VecDeque<Event>,
    events_lost: u64,
    pub(crate) pages: Pages<F::Mem>,
    pub(crate) timeouts: Timeouts,
    /// The longest that a command may take, if the firmware would have it take longer.
    pub(crate) patience: Duration,
}

/// What is called with every command that was answered.
pub type Trace = Box<dyn FnMut(&Exchange)>;

/// The queue's shape, as the device says.
#[derive(Clone, Copy)]
struct QueueLayout {
    slots: u8,
    log_stride: u32,
}

/// A slot that the device still owns.
struct Lost {
    slot: u8,
    chains: [Chain; 2],
}

/// A command between doorbell and answer.
struct Sent {
    opcode: Opcode,
    op_mod: u16,
    slot: u8,
    entry: CmdLayout,
    chains: [Chain; 2],
    outlen: usize,
}

impl<F: Function> Commands<F> {
    /// The interface of `function` whose BAR 0 is `bar`. The device does not know of it before [`Commands::connect`].
    ///
    /// # Errors
    /// When there is no memory.
    pub(crate) fn new(function: F, bar: F::Bar, page_limit: usize) -> Result<Self, HalError> {
        let queue = function.alloc(QUEUE, QUEUE)?;
        if queue.bytes() < QUEUE {
            return Err(HalError::OutOfMemory { bytes: QUEUE });
        }
        Ok(Self {
            function,
            bar,
            queue,
            mailboxes: Mailboxes::new(),
            layout: QueueLayout { slots: 0, log_stride: 6 },
            token: 0,
            lost: Vec::new(),
            trace: None,
            source: None,
            events: VecDeque::new(),
            events_lost: 0,
            pages: Pages::new(page_limit),
            timeouts: Timeouts::default(),
            patience: Duration::MAX,
        })
    }

    /// The function.
    pub fn function(&self) -> &F {
        &self.function
    }

    /// The function, for its configuration space.
    pub(crate) fn function_mut(&mut self) -> &mut F {
        &mut self.function
    }

    /// BAR 0.
    pub fn bar(&self) -> &F::Bar {
        &self.bar
    }

    /// How long the firmware wants the driver to wait for what.
    pub fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// Calls `trace` with every command that is answered; instead of key material it sees ones. `None` ends it.
    pub fn set_trace(&mut self, trace: Option<Trace>) {
        self.trace = trace;
    }

    /// Forgets everything that the device had before a reset: slots, mailboxes, pages and events are the driver's.
    pub(crate) fn forget(&mut self) {
        for lost in core::mem::take(&mut self.lost) {
            lost.chains.into_iter().for_each(|chain| self.mailboxes.release(chain));
        }
        self.source = None;
        self.events.clear();
        self.pages.forget();
        self.timeouts = Timeouts::default();
        self.patience = Duration::MAX;
        self.layout.slots = 0;
    }

    /// Tells the device where the queue is. The shape that it asks for has to fit a page and leave a slot for pages.
    ///
    /// # Errors
    /// The register, when it doesn't.
    pub(crate) fn connect(&mut self) -> Result<(), u32> {
        let shape = self.bar.read(QUEUE_LOW);
        let (log_slots, log_stride) = (shape >> 4 & 0xf, shape & 0xf);
        if !(1..=5).contains(&log_slots) || !(6..=12).contains(&log_stride) || log_slots + log_stride > 12 {
            return Err(shape);
        }
        self.layout = QueueLayout { slots: 1 << log_slots, log_stride };
        for slot in 0..self.layout.slots {
            self.queue.store(self.layout.at(slot), &[0; CmdLayout::SIZE]);
        }
        let iova = self.queue.iova();
        self.queue.publish();
        self.bar.write(QUEUE_HIGH, (iova >> 32) as u32);
        self.bar.write(QUEUE_LOW, iova as u32);
        Ok(())
    }

    /// From now on blocking commands drain `source`, and pages that the device asks for are given.
    pub(crate) fn listen(&mut self, source: Option<Eq<F::Mem>>) {
        self.source = source;
    }

    /// The next event that is not a page request. Page requests are served on the way.
    ///
    /// # Errors
    /// When a page request could not be served.
    pub fn event(&mut self) -> Result<Option<Event>, CmdError> {
        self.drain();
        self.serve_pages()?;
        Ok(self.events.pop_front())
    }

    /// Events that came faster than they were taken, and are lost.
    pub fn events_lost(&self) -> u64 {
        self.events_lost
    }

    /// Asks for an interrupt when the next event comes.
    pub fn arm_events(&mut self) {
        if let Some(source) = &mut self.source {
            source.arm(&self.bar);
        }
    }

    /// Carries out `input` and waits for the answer. The opcode is filled in.
    ///
    /// # Errors
    /// [`CmdError`] with opcode, status and syndrome.
    pub fn exec<C: Command>(&mut self, input: &C) -> Result<C::Output, CmdError> {
        Ok(self.exec_list(input, &[], 0)?.0)
    }

    /// As [`Commands::exec`], with a list of pages, of queues or of actions behind the input.
    ///
    /// # Errors
    /// As [`Commands::exec`].
    pub fn exec_with<C: Command>(&mut self, input: &C, list: &[u8]) -> Result<C::Output, CmdError> {
        Ok(self.exec_list(input, list, 0)?.0)
    }

    /// As [`Commands::exec_with`], with room for `room` bytes behind the output, which come as they are.
    ///
    /// # Errors
    /// As [`Commands::exec`].
    pub fn exec_list<C: Command>(
        &mut self,
        input: &C,
        list: &[u8],
        room: usize,
    ) -> Result<(C::Output, Vec<u8>), CmdError> {
        let mut bytes = Vec::with_capacity(input.bytes().len() + list.len());
        bytes.extend_from_slice(input.bytes());
        bytes.extend_from_slice(list);
        bytes[..2].copy_from_slice(&C::OPCODE.0.to_be_bytes());
        let answer = self.run(C::OPCODE, &bytes, C::Output::SIZE + room);
        // It may hold a key.
        bytes.zeroize();
        let mut answer = answer?;
        let output = C::Output::copy_from(&answer);
        Ok((output, answer.split_off(C::Output::SIZE)))
    }

    /// Steps 1 to 5. The answer is `outlen` bytes long.
    fn run(&mut self, opcode: Opcode, input: &[u8], outlen: usize) -> Result<Vec<u8>, CmdError> {
        let op_mod = u16::from_be_bytes([input[6], input[7]]);
        let fail = |cause| CmdError { opcode, op_mod, cause };
        self.find_lost();
        let for_pages = opcode == Opcode::MANAGE_PAGES;
        let slot = self.slot(for_pages).ok_or(fail(Cause::NoSlot))?;
        let sent =
            self.send(opcode, op_mod, slot, input, outlen).map_err(|error| fail(Cause::Memory(error)))?;
        let outcome = self.wait(&sent, for_pages);
        match outcome {
            Ok(()) => self.receive(sent),
            Err(cause) => {
                self.lost.push(Lost { slot, chains: sent.chains });
                Err(fail(cause))
            }
        }
    }

    /// Step 1.
    fn slot(&self, for_pages: bool) -> Option<u8> {
        let last = self.layout.slots.checked_sub(1)?;
        let mut fitting = if for_pages { last..last + 1 } else { 0..last };
        fitting.find(|slot| self.lost.iter().all(|lost| lost.slot != *slot))
    }

    /// Slots whose answer has come late are free again.
    fn find_lost(&mut self) {
        let mut still = Vec::new();
        for lost in core::mem::take(&mut self.lost) {
            if self.owned_by_device(lost.slot) {
                still.push(lost);
            } else {
                lost.chains.into_iter().for_each(|chain| self.mailboxes.release(chain));
            }
        }
        self.lost = still;
    }

    fn owned_by_device(&self, slot: u8) -> bool {
        self.queue.word(self.layout.at(slot) + LAST) & OWNER != 0
    }

    /// Steps 2 and 3.
    fn send(
        &mut self,
        opcode: Opcode,
        op_mod: u16,
        slot: u8,
        input: &[u8],
        outlen: usize,
    ) -> Result<Sent, HalError> {
        let longest = input.len().max(outlen);
        if longest > LONGEST {
            return Err(HalError::OutOfMemory { bytes: longest });
        }
        self.token = self.token % u8::MAX + 1;
        let (inline, rest) = input.split_at(INLINE.min(input.len()));
        let inbox = self.mailboxes.chain(&self.function, rest, rest.len(), self.token)?;
        let outbox =
            match self.mailboxes.chain(&self.function, &[], outlen.saturating_sub(INLINE), self.token) {
                Ok(outbox) => outbox,
                Err(error) => {
                    self.mailboxes.release(inbox);
                    return Err(error);
                }
            };
        let mut first = [0; INLINE];
        first[..inline.len()].copy_from_slice(inline);
        let mut entry = CmdLayout::build()
            .type_(TRANSPORT_PCI)
            .inlen(input.len() as u32)
            .in_ptr(self.mailboxes.address(&inbox))
            .input(&first)
            .out_ptr(self.mailboxes.address(&outbox))
            .outlen(outlen as u32)
            .token(self.token)
            .owner(true)
            .done();
        let sum = mailbox::xor(entry.as_bytes());
        entry.set().sig(!sum);
        let at = self.layout.at(slot);
        let (body, last) = entry.as_bytes().split_at(LAST);
        self.queue.store(at, body);
        self.queue.set_word(at + LAST, u32::from_be_bytes([last[0], last[1], last[2], last[3]]));
        self.queue.publish();
        self.bar.write(DOORBELL, 1 << slot);
        Ok(Sent { opcode, op_mod, slot, entry, chains: [inbox, outbox], outlen })
    }

    /// Step 4.
    fn wait(&mut self, sent: &Sent, for_pages: bool) -> Result<(), Cause> {
        let start = self.function.now();
        let mut sensed = start;
        while self.owned_by_device(sent.slot) {
            self.function.relax();
            self.drain();
            if !for_pages {
                // What fails here is the page request's own failure: the device decides what becomes of the command.
                let _ = self.serve_pages();
            }
            let now = self.function.now();
            if now.saturating_sub(sensed) >= SENSE {
                sensed = now;
                if let Some(illness) = health::sense(&self.bar) {
                    return Err(Cause::Dead(illness));
                }
            }
            let waited = now.saturating_sub(start);
            if waited > self.timeouts.command.min(self.patience) {
                return Err(Cause::Timeout(waited));
            }
        }
        Ok(())
    }

    /// Moves events from the device to the driver; page requests go to the ledger.
    fn drain(&mut self) {
        let Some(source) = &mut self.source else { return };
        for _ in 0..EVENTS {
            let Some(event) = source.next(&self.bar) else { break };
            if self.pages.note(&event) {
                continue;
            }
            if self.events.len() < EVENTS {
                self.events.push_back(event);
            } else {
                self.events_lost += 1;
            }
        }
    }

    /// Step 5.
    fn receive(&mut self, sent: Sent) -> Result<Vec<u8>, CmdError> {
        let Sent { opcode, op_mod, slot, entry, chains, outlen } = sent;
        let mut answer = CmdLayout::default();
        self.queue.load(self.layout.at(slot), answer.as_bytes_mut());
        let blocks = self.mailboxes.blocks(&chains[1]);
        if let Some(trace) = &mut self.trace {
            let mut input = self.mailboxes.blocks(&chains[0]);
            trace::hide_keys(opcode, entry.input(), &mut input);
            trace(&Exchange {
                opcode: opcode.0,
                entry: *entry.as_bytes(),
                input,
                answer: *answer.as_bytes(),
                output: blocks.clone(),
            });
        }
        chains.into_iter().for_each(|chain| self.mailboxes.release(chain));
        let fail = |cause| Err(CmdError { opcode, op_mod, cause });
        let delivery = DeliveryStatus(answer.delivery_status());
        if delivery != DeliveryStatus::OK {
            return fail(Cause::Undelivered(delivery));
        }
        let mut output = answer.output()[..INLINE.min(outlen)].to_vec();
        for block in &blocks {
            let left = outlen - output.len();
            output.extend_from_slice(&block[..left.min(mailbox::DATA)]);
        }
        let syndrome = u32::from_be_bytes([output[4], output[5], output[6], output[7]]);
        match CmdStatus(output[0]) {
            CmdStatus::OK => Ok(output),
            status => fail(Cause::Refused { status, syndrome }),
        }
    }

    /// What ails the device, by its registers.
    pub fn sense(&self) -> Option<Illness> {
        health::sense(&self.bar)
    }
}

impl QueueLayout {
    fn at(self, slot: u8) -> usize {
        usize::from(slot) << self.log_stride
    }
}

impl<F: Function> Drop for Commands<F> {
    /// All memory that the device may reach goes away with the driver, so the device has to be kept from reaching it.
    fn drop(&mut self) {
        crate::pci::stop(&mut self.function);
    }
}
