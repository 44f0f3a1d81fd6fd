//! ACCESS_ASO (facts E.12): the live state of IPSEC objects, read and changed by send WQEs on a queue of their own.
//!
//! 1. A WQE of one block names the object, where its context of 64 bytes goes, and up to 64 bits to change.
//! 2. Many go out with one doorbell; only the last one asks for a CQE.
//! 3. The context that comes back is that of before the change.
//!
//! Every change sets bits to what they shall be, so that one whose completion was lost can be made again.

use crate::cmd::Commands;
use crate::cq::{Completion, Compression, Cq};
use crate::device::Domain;
use crate::error::Error;
use crate::hal::{DmaExt, DmaMem, Function};
use crate::prm::{
    CreateSqIn, DestroySqIn, IpsecAso, ModifySqIn, Sqc, Wq, WqeAsoCtrlSeg, WqeCtrlSeg, WqeOpcode,
};
use crate::queue::{CYCLIC, State};
use crate::ring::{Ring, load, store};
use crate::wqe::{self, BLOCK, BLOCK_SEGMENTS, SEGMENT};
use alloc::vec::Vec;
use core::time::Duration;

/// log2 of the accesses that are under way at once, and of the blocks of the queue.
const LOG_SIZE: u8 = 6;
const SIZE: usize = 1 << LOG_SIZE;
const LOG_BLOCK: u8 = 6;
/// Bytes of a context.
const CONTEXT: usize = IpsecAso::SIZE;
/// Linux gives an access 10 ms; here as many may wait as fit.
const PATIENCE: Duration = Duration::from_millis(100);
/// A condition that always holds.
const ALWAYS: u8 = 1;
/// Bits of the first window, two dwords from the start of the context.
const SOFT_ARM: u64 = 1 << 57;
const ESN_ARM: u64 = 1 << 54;
const COUNTER_TOP: u64 = 1 << 31;
/// The second window has the threshold in its lower half.
const THRESHOLD_WINDOW: u8 = 1;
const THRESHOLD: u64 = 0xffff_ffff;

/// What to change of a context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    window: u8,
    bits: u64,
    mask: u64,
}

impl Change {
    /// Nothing: it is only read.
    pub(super) const NONE: Self = Self { window: 0, bits: 0, mask: 0 };
    /// Tell of the next crossing of the sequence number.
    pub(super) const ARM_ESN: Self = Self { window: 0, bits: ESN_ARM, mask: ESN_ARM };

    /// Tell when the counter of packets reaches its threshold; it gets a round more before, if `add`.
    pub(super) const fn arm_soft(add: bool) -> Self {
        let bits = if add { SOFT_ARM | COUNTER_TOP } else { SOFT_ARM };
        Self { window: 0, bits, mask: bits }
    }

    /// The counter of packets gets a round more.
    pub(super) const ADD: Self = Self { window: 0, bits: COUNTER_TOP, mask: COUNTER_TOP };

    /// The threshold.
    pub(super) const fn threshold(value: u32) -> Self {
        Self { window: THRESHOLD_WINDOW, bits: value as u64, mask: THRESHOLD }
    }
}

/// A queue for accesses.
struct Queue<F: Function> {
    ring: Ring<F::Mem, { BLOCK / 4 }>,
    cq: Cq<F::Mem>,
    number: u32,
    half: bool,
    producer: u16,
}

/// Access to the contexts of all objects.
pub(super) struct Access<F: Function> {
    domain: Domain,
    contexts: F::Mem,
    /// Made anew after a failure.
    queue: Option<Queue<F>>,
    /// What the device has not said to have forgotten: its memory stays until the function is reset.
    lost: Vec<Queue<F>>,
}

impl<F: Function> Access<F> {
    pub(super) fn create(commands: &mut Commands<F>, domain: Domain) -> Result<Self, Error> {
        let contexts = commands.function().alloc(SIZE * CONTEXT, SIZE * CONTEXT)?;
        let queue = Some(Queue::create(commands, &domain)?);
        Ok(Self { domain, contexts, queue, lost: Vec::new() })
    }

    /// Carries out accesses in order; the contexts as they were before each change.
    pub(super) fn run(
        &mut self,
        commands: &mut Commands<F>,
        accesses: &[(u32, Change)],
    ) -> Result<Vec<IpsecAso>, Error> {
        let mut contexts = Vec::with_capacity(accesses.len());
        for part in accesses.chunks(SIZE) {
            if !self.try_part(commands, part)? {
                // What a queue in error has not done, another one does.
                self.reopen(commands)?;
                if !self.try_part(commands, part)? {
                    return Err(Error::Lacks("completions of ACCESS_ASO"));
                }
            }
            for at in 0..part.len() {
                let mut bytes = [0; CONTEXT];
                self.contexts.load(at * CONTEXT, &mut bytes);
                contexts.push(IpsecAso::copy_from(&bytes));
            }
        }
        Ok(contexts)
    }

    /// One access.
    pub(super) fn one(
        &mut self,
        commands: &mut Commands<F>,
        object: u32,
        change: Change,
    ) -> Result<IpsecAso, Error> {
        Ok(self.run(commands, &[(object, change)])?.pop().unwrap_or_default())
    }

    fn try_part(&mut self, commands: &mut Commands<F>, part: &[(u32, Change)]) -> Result<bool, Error> {
        let iova = self.contexts.iova();
        let queue = match &mut self.queue {
            Some(queue) => queue,
            place => place.insert(Queue::create(commands, &self.domain)?),
        };
        queue.post(commands, &self.domain, iova, part);
        Ok(queue.wait(commands))
    }

    fn reopen(&mut self, commands: &mut Commands<F>) -> Result<(), Error> {
        let Some(queue) = self.queue.take() else { return Ok(()) };
        let outcome = queue.destroy(commands);
        if outcome.is_err() {
            self.lost.push(queue);
        }
        outcome
    }

    pub(super) fn destroy(&mut self, commands: &mut Commands<F>) -> Result<(), Error> {
        self.reopen(commands)
    }
}

impl<F: Function> Queue<F> {
    fn create(commands: &mut Commands<F>, domain: &Domain) -> Result<Self, Error> {
        let cq = Cq::create(commands, domain.uar, domain.eqn, LOG_SIZE, Compression::Off)?;
        let ring = Ring::new(commands.function(), LOG_SIZE)?;
        let wq = Wq::build()
            .wq_type(CYCLIC)
            .pd(domain.pd)
            .uar_page(domain.uar.page)
            .dbr_addr(ring.record())
            .log_wq_stride(LOG_BLOCK)
            .log_wq_sz(LOG_SIZE)
            .done();
        let context = Sqc::build().flush_in_error_en(true).cqn(cq.number()).wq(&wq).done();
        let number = commands.exec_with(&CreateSqIn::build().ctx(&context).done(), &ring.pages())?.sqn();
        let ready = Sqc::build().state(State::Ready as u8).done();
        let input = ModifySqIn::build().sqn(number).sq_state(State::Reset as u8).ctx(&ready).done();
        commands.exec(&input)?;
        Ok(Self { ring, cq, number, half: false, producer: 0 })
    }

    fn destroy(&self, commands: &mut Commands<F>) -> Result<(), Error> {
        commands.exec(&DestroySqIn::build().sqn(self.number).done())?;
        Ok(self.cq.destroy(commands)?)
    }

    /// Steps 1 and 2.
    fn post(&mut self, commands: &Commands<F>, domain: &Domain, contexts: u64, part: &[(u32, Change)]) {
        let mut head = [0; 2];
        for (at, (object, change)) in part.iter().enumerate() {
            let address = contexts + (at * CONTEXT) as u64;
            let mut access = WqeAsoCtrlSeg::build()
                .va_h((address >> 32) as u32)
                .va_l((address as u32) >> 6)
                .read_en(true)
                .l_key(domain.mkey)
                .done();
            if *change != Change::NONE {
                access
                    .set()
                    .condition_0_operand(ALWAYS)
                    .condition_1_operand(ALWAYS)
                    .data_offset(change.window)
                    .bitwise_data(change.bits)
                    .data_mask(change.mask);
            }
            let last = at + 1 == part.len();
            let mut control =
                wqe::control(WqeOpcode::ACCESS_ASO, self.producer, self.number, BLOCK_SEGMENTS, last);
            control[OBJECT] = *object;
            let start = self.ring.slot(self.producer.into()) * BLOCK_SEGMENTS;
            let parts = access.as_bytes().chunks(SEGMENT).map(wqe::bytes);
            let segments = self.ring.segments().get(start..).unwrap_or_default();
            for (place, segment) in segments.iter().zip(core::iter::once(control).chain(parts)) {
                store(place, segment);
            }
            if let Some(control) = segments.first() {
                head = [load(control, 0), load(control, 1)];
            }
            self.producer = self.producer.wrapping_add(1);
        }
        self.ring.set_second(self.producer.into());
        core::sync::atomic::fence(core::sync::atomic::Ordering::Release);
        domain.uar.ring_sq(commands.bar(), self.half, head);
        self.half = !self.half;
    }

    /// Waits for the CQE of the last access; whether it came and says that all went well.
    fn wait(&mut self, commands: &Commands<F>) -> bool {
        let start = commands.function().now();
        let last = self.producer.wrapping_sub(1);
        loop {
            while let Some(completion) = self.cq.next() {
                self.cq.publish();
                match completion {
                    Completion::Sent(index) if index == last => return true,
                    Completion::Failed(failure) => {
                        log::warn!("access to IPsec objects: {failure}");
                        return false;
                    }
                    // An earlier one that was written twice, or nonsense: it changes nothing.
                    _ => {}
                }
            }
            if commands.function().now().saturating_sub(start) > PATIENCE {
                log::warn!("access to IPsec objects: no completion");
                return false;
            }
            commands.function().relax();
        }
    }
}

/// Dword of the control segment that names the object.
const OBJECT: usize = crate::ring::Bits::of(WqeCtrlSeg::FIELDS, "imm").word;
