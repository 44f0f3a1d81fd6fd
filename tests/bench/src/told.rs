//! Where a port's queues are, from the commands that made them: how a device learns it.

use crate::memory::Space;
use core::cell::RefCell;
use core::sync::atomic::AtomicU32;
use mlx5_pci::cmd::Exchange;
use mlx5_pci::prm::{CmdLayout, CmdProtBlock, CreateCqIn, CreateCqOut, CreateRqIn, CreateSqIn, Opcode};
use std::collections::BTreeMap;

/// Bytes of a command's input that lie in its queue entry, and of the data of a mailbox block.
const INLINE: usize = 16;
const DATA: usize = 512;
/// What `log_wqe_num_of_strides` and `log_wqe_stride_size` are relative to; the former has four bits.
const LOG_STRIDES_BASE: u8 = 9;
const LOG_STRIDE_SIZE_BASE: u8 = 6;
const LOG_STRIDES_MASK: u8 = 0xf;
/// `wq_type` of WQEs in a linked list, which are slabs.
const STRIDING: u8 = 2;

type Words = &'static [AtomicU32];

/// A completion queue.
#[derive(Clone)]
pub(crate) struct Cq {
    pub(crate) ring: Words,
    pub(crate) log_size: u8,
}

/// A receive queue.
pub(crate) struct Rq {
    pub(crate) cqn: u32,
    pub(crate) record: Words,
    pub(crate) log_size: u8,
    /// log2 of the strides of a WQE and of their bytes.
    pub(crate) strides: Option<(u32, u32)>,
}

/// A send queue.
pub(crate) struct Sq {
    pub(crate) cqn: u32,
    pub(crate) ring: Words,
    pub(crate) record: Words,
    pub(crate) log_size: u8,
}

/// All queues that were made.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) cqs: BTreeMap<u32, Cq>,
    pub(crate) rq: Option<Rq>,
    pub(crate) sq: Option<Sq>,
}

std::thread_local! {
    /// Commands since the last look: the driver's trace is a plain function.
    static HEARD: RefCell<Vec<Exchange>> = const { RefCell::new(Vec::new()) };
}

/// Takes note of a command.
pub(crate) fn listen(exchange: &Exchange) {
    let queues = [Opcode::CREATE_CQ, Opcode::CREATE_RQ, Opcode::CREATE_SQ];
    if queues.contains(&Opcode(exchange.opcode)) {
        HEARD.with_borrow_mut(|heard| heard.push(exchange.clone()));
    }
}

/// Forgets commands of other ports.
pub(crate) fn forget() {
    HEARD.take();
}

/// The queues of the commands since the last time.
///
/// # Panics
/// When a queue does not lie in `space`.
pub(crate) fn queues(space: &Space) -> Told {
    let words = |iova: u64| space.words(iova).expect("memory of the machine");
    let mut told = Told::default();
    for exchange in HEARD.take() {
        let mut input = CmdLayout::copy_from(&exchange.entry).input().to_vec();
        exchange.input.iter().for_each(|block| input.extend(CmdProtBlock::copy_from(block).data()));
        debug_assert!(input.len() >= INLINE + DATA);
        // Pages are listed behind the structure of the command; queues lie in one piece.
        let first_page = |at: usize| u64::from_be_bytes(*input[at..].first_chunk().expect("a page"));
        match Opcode(exchange.opcode) {
            Opcode::CREATE_CQ => {
                let context = CreateCqIn::copy_from(&input).cq_context();
                let number = CreateCqOut::copy_from(CmdLayout::copy_from(&exchange.answer).output()).cqn();
                let ring = words(first_page(CreateCqIn::SIZE));
                told.cqs.insert(number, Cq { ring, log_size: context.log_cq_size() });
            }
            Opcode::CREATE_RQ => {
                let context = CreateRqIn::copy_from(&input).ctx();
                let wq = context.wq();
                let strides = (wq.wq_type() == STRIDING).then(|| {
                    let log_count = wq.log_wqe_num_of_strides().wrapping_add(LOG_STRIDES_BASE);
                    let log_size = wq.log_wqe_stride_size() + LOG_STRIDE_SIZE_BASE;
                    (u32::from(log_count & LOG_STRIDES_MASK), u32::from(log_size))
                });
                let record = words(wq.dbr_addr());
                told.rq = Some(Rq { cqn: context.cqn(), record, log_size: wq.log_wq_sz(), strides });
            }
            _ => {
                let context = CreateSqIn::copy_from(&input).ctx();
                let (wq, ring) = (context.wq(), words(first_page(CreateSqIn::SIZE)));
                let record = words(wq.dbr_addr());
                told.sq = Some(Sq { cqn: context.cqn(), ring, record, log_size: wq.log_wq_sz() });
            }
        }
    }
    told
}
