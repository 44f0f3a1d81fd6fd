//! The page ledger: memory that the firmware asks for, holds, and gives back (facts E.3).
//!
//! Pages are given at boot, before INIT_HCA, and whenever the device asks by event; they are taken back when it offers
//! them, and all of them at teardown. An address that comes back has to be one that was given. Left out: pages of other
//! functions, whose requests are declined.

use crate::cmd::{Cause, CmdError, Commands};
use crate::event::Event;
use crate::hal::{DmaMem, Function};
use crate::prm::{EqePageReq, EventType, ManagePagesIn, Opcode, QueryPagesIn};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

/// Bytes of a page of the device.
const PAGE: usize = 4096;
/// Pages in one MANAGE_PAGES.
const BATCH: usize = 512;
/// Requests that wait; a device that floods is not served faster than this.
const REQUESTS: usize = 64;

/// `op_mod` of QUERY_PAGES: what the pages are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Everything before INIT_HCA.
    Boot = 1,
    /// INIT_HCA.
    Init = 2,
}

/// `op_mod` of MANAGE_PAGES.
const CANNOT_GIVE: u16 = 0;
const GIVE: u16 = 1;
const TAKE: u16 = 2;

/// All pages of one function.
pub(crate) struct Pages<M> {
    given: BTreeMap<u64, M>,
    /// The most that the device gets.
    limit: usize,
    requests: VecDeque<Request>,
    declined: u64,
}

/// A page request of the device: positive to give, negative to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Request {
    function: u16,
    embedded: bool,
    count: i32,
}

impl<M> Pages<M> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { given: BTreeMap::new(), limit, requests: VecDeque::new(), declined: 0 }
    }

    /// How many pages the device holds.
    pub(crate) fn held(&self) -> usize {
        self.given.len()
    }

    /// Page requests that were not, or not wholly, served.
    pub(crate) fn declined(&self) -> u64 {
        self.declined
    }

    /// After a reset the device holds nothing.
    pub(crate) fn forget(&mut self) {
        self.given.clear();
        self.requests.clear();
    }

    /// Takes `event` if it is a page request.
    pub(crate) fn note(&mut self, event: &Event) -> bool {
        if event.kind != EventType::PAGE_REQUEST {
            return false;
        }
        let request = EqePageReq::copy_from(&event.data);
        if self.requests.len() < REQUESTS {
            self.requests.push_back(Request {
                function: request.func_id(),
                embedded: request.embedded_cpu_function(),
                count: request.num_pages() as i32,
            });
        } else {
            self.declined += 1;
        }
        true
    }
}

impl<F: Function> Commands<F> {
    /// Pages that the device holds.
    pub fn pages_held(&self) -> usize {
        self.pages.held()
    }

    /// Page requests that were not, or not wholly, served: no memory, over the limit, or another function's.
    pub fn page_requests_declined(&self) -> u64 {
        self.pages.declined()
    }

    /// Gives what the device needs for `need`; how many pages.
    ///
    /// # Errors
    /// When a command fails or there is no memory.
    pub(crate) fn satisfy(&mut self, need: Need) -> Result<usize, CmdError> {
        let count = self.exec(&QueryPagesIn::build().op_mod(need as u16).done())?.num_pages() as i32;
        // Negative or nothing: the device has all it needs.
        let count = usize::try_from(count).unwrap_or(0);
        self.give(count)?;
        Ok(count)
    }

    /// Serves the page requests that have come.
    ///
    /// # Errors
    /// The first failure; the request is answered or dropped all the same.
    pub(crate) fn serve_pages(&mut self) -> Result<(), CmdError> {
        let mut outcome = Ok(());
        // Only what is there now: requests that come meanwhile wait for the next call.
        for _ in 0..self.pages.requests.len() {
            let Some(request) = self.pages.requests.pop_front() else { break };
            let served = match request {
                Request { function: 0, embedded: false, count } if count >= 0 => self.give(count as usize),
                Request { function: 0, embedded: false, count } => {
                    self.take(count.unsigned_abs() as usize).map(|_| ())
                }
                Request { function, embedded, .. } => {
                    self.pages.declined += 1;
                    self.decline(function, embedded)
                }
            };
            outcome = outcome.and(served);
        }
        outcome
    }

    /// Gives `count` pages.
    ///
    /// # Errors
    /// When a command fails or there is no memory; the device knows then that nothing more comes.
    fn give(&mut self, count: usize) -> Result<(), CmdError> {
        let room = self.pages.limit.saturating_sub(self.pages.held());
        if count > room {
            return self.cannot_give(count * PAGE);
        }
        let mut left = count;
        while left > 0 {
            let some = left.min(BATCH);
            self.give_batch(some)?;
            left -= some;
        }
        Ok(())
    }

    fn give_batch(&mut self, count: usize) -> Result<(), CmdError> {
        let (mut batch, mut list) = (Vec::with_capacity(count), Vec::with_capacity(8 * count));
        for _ in 0..count {
            let Ok(page) = self.function().alloc(PAGE, PAGE) else {
                return self.cannot_give(count * PAGE);
            };
            list.extend_from_slice(&page.iova().to_be_bytes());
            batch.push(page);
        }
        let input = ManagePagesIn::build().op_mod(GIVE).input_num_entries(count as u32).done();
        let outcome = self.exec_with(&input, &list);
        // Without an answer nobody knows whose they are: they stay in the ledger until a reset.
        if outcome.is_ok() || outcome.as_ref().is_err_and(CmdError::is_open) {
            self.pages.given.extend(batch.into_iter().map(|page| (page.iova(), page)));
        }
        outcome.map(|_| ())
    }

    fn cannot_give(&mut self, bytes: usize) -> Result<(), CmdError> {
        self.pages.declined += 1;
        self.decline(0, false)?;
        let cause = Cause::Memory(crate::hal::HalError::OutOfMemory { bytes });
        Err(CmdError { opcode: Opcode::MANAGE_PAGES, op_mod: GIVE, cause })
    }

    /// Tells the device that `function` gets no pages.
    fn decline(&mut self, function: u16, embedded: bool) -> Result<(), CmdError> {
        let input = ManagePagesIn::build()
            .op_mod(CANNOT_GIVE)
            .function_id(function)
            .embedded_cpu_function(embedded)
            .done();
        self.exec(&input).map(|_| ())
    }

    /// Takes up to `count` pages back; how many came.
    ///
    /// # Errors
    /// When a command fails, or a page comes back that was not given.
    pub(crate) fn take(&mut self, count: usize) -> Result<usize, CmdError> {
        let mut taken = 0;
        while taken < count.min(taken + self.pages.held()) {
            let some = (count - taken).min(BATCH).min(self.pages.held());
            let input = ManagePagesIn::build().op_mod(TAKE).input_num_entries(some as u32).done();
            let (output, list) = self.exec_list(&input, &[], 8 * some)?;
            let came = output.output_num_entries() as usize;
            let nonsense = CmdError { opcode: Opcode::MANAGE_PAGES, op_mod: TAKE, cause: Cause::Nonsense };
            if came > some {
                return Err(nonsense);
            }
            for address in list.as_chunks::<8>().0.iter().take(came) {
                self.pages.given.remove(&u64::from_be_bytes(*address)).ok_or(nonsense)?;
            }
            taken += came;
            if came == 0 {
                break;
            }
        }
        Ok(taken)
    }
}
