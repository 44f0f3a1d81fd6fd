//! CREATE, MODIFY and DESTROY_RQ, and the repair of a queue in error (facts E.9).

use super::cyclic::Cyclic;
use super::striding::{Strides, Striding};
use super::{Counters, Receive, poll};
use crate::cmd::{CmdError, Commands};
use crate::cq::{Compression, Cq, Failure};
use crate::device::Domain;
use crate::error::Error;
use crate::hal::{DmaMem, Function, HalError};
use crate::prm::{CreateRqIn, DestroyRqIn, ModifyRqIn, QueryRqIn, Rqc, Wq};
use crate::queue::{CYCLIC, LINKED_STRIDING, State};
use crate::ring::Ring;
use crate::uar::Uar;
use net::{Burst, Pool, PortId, Slabs};

/// What `log_wqe_num_of_strides` and `log_wqe_stride_size` are relative to; the former is four bits of two's complement.
const LOG_STRIDES_BASE: u8 = 9;
const LOG_STRIDE_SIZE_BASE: u8 = 6;
const LOG_STRIDES_BITS: u8 = 0xf;

/// Where the buffers of a queue come from, which decides its kind.
pub(crate) enum Buffers {
    /// One for each packet, and how many WQEs there are (log2).
    Pool(Pool, u8),
    /// Many packets in one, and how many WQEs there are (log2).
    Slabs(Slabs, Strides, u8),
}

/// Either kind of queue.
enum Kind<F: Function> {
    Cyclic(Cyclic<F>),
    Striding(Striding<F>),
}

/// A receive queue of either kind and its completion queue.
pub(crate) struct Rq<F: Function> {
    kind: Kind<F>,
    cq: Cq<F::Mem>,
}

impl<F: Function> Rq<F> {
    /// A queue that receives once steering leads to it. `strip`: take VLAN tags off.
    ///
    /// # Errors
    /// When there is no memory or a command fails.
    pub(crate) fn create(
        commands: &mut Commands<F>,
        domain: &Domain,
        uar: Uar,
        eqn: u8,
        buffers: Buffers,
        compression: Compression,
        strip: bool,
    ) -> Result<Self, Error> {
        let log_packets = match &buffers {
            Buffers::Pool(_, log_size) => *log_size,
            Buffers::Slabs(_, strides, log_size) => log_size + strides.log_count,
        };
        let cq = Cq::create(commands, uar, eqn, log_packets, compression)?;
        let context =
            |wq: &Wq| Rqc::build().vsd(!strip).flush_in_error_en(true).cqn(cq.number()).wq(wq).done();
        let kind = match buffers {
            Buffers::Pool(pool, log_size) => {
                let ring = Ring::new(commands.function(), log_size)?;
                let wq = work_queue(domain, uar, CYCLIC, &ring);
                let number = create_rq(commands, &context(&wq), &ring)?;
                Kind::Cyclic(Cyclic::new(ring, number, domain.mkey, pool))
            }
            Buffers::Slabs(slabs, strides, log_size) => {
                let ring = Ring::new(commands.function(), log_size)?;
                let mut wq = work_queue(domain, uar, LINKED_STRIDING, &ring);
                wq.set()
                    .log_wqe_num_of_strides(
                        strides.log_count.wrapping_sub(LOG_STRIDES_BASE) & LOG_STRIDES_BITS,
                    )
                    .log_wqe_stride_size(strides.log_size - LOG_STRIDE_SIZE_BASE);
                let number = create_rq(commands, &context(&wq), &ring)?;
                Kind::Striding(Striding::new(ring, number, domain.mkey, strides, slabs))
            }
        };
        let mut rq = Self { kind, cq };
        rq.start(commands)?;
        Ok(rq)
    }

    /// From reset to ready, with buffers posted.
    fn start(&mut self, commands: &mut Commands<F>) -> Result<(), Error> {
        modify(commands, self.number(), State::Reset, State::Ready)?;
        let missing = match &mut self.kind {
            Kind::Cyclic(queue) => queue.start(commands.function()),
            Kind::Striding(queue) => queue.start(commands.function()),
        };
        if missing > 0 {
            Err(HalError::OutOfMemory { bytes: missing * net::packet::BUFFER }.into())
        } else {
            Ok(())
        }
    }

    /// Its number.
    pub(crate) fn number(&self) -> u32 {
        match &self.kind {
            Kind::Cyclic(queue) => queue.number(),
            Kind::Striding(queue) => queue.number(),
        }
    }

    /// Why it receives nothing, if it does not.
    pub(crate) fn failure(&self) -> Option<Failure> {
        match &self.kind {
            Kind::Cyclic(queue) => queue.failure(),
            Kind::Striding(queue) => queue.failure(),
        }
    }

    /// What it has counted.
    pub(crate) fn counters(&self) -> Counters {
        match &self.kind {
            Kind::Cyclic(queue) => queue.counted(),
            Kind::Striding(queue) => queue.counted(),
        }
    }

    /// The queue is in error, an event says.
    pub(crate) fn fail(&mut self) {
        match &mut self.kind {
            Kind::Cyclic(queue) => Receive::<F>::fail(queue, Failure::UNTOLD),
            Kind::Striding(queue) => Receive::<F>::fail(queue, Failure::UNTOLD),
        }
    }

    /// Its completion queue.
    pub(crate) fn cq(&mut self) -> &mut Cq<F::Mem> {
        &mut self.cq
    }

    /// Moves packets into `out`, until it is full or there are no more.
    #[inline]
    pub(crate) fn poll(&mut self, function: &F, port: PortId, out: &mut Burst) -> usize {
        match &mut self.kind {
            Kind::Cyclic(queue) => poll(function, queue, &mut self.cq, port, out),
            Kind::Striding(queue) => poll(function, queue, &mut self.cq, port, out),
        }
    }

    /// Brings a queue in error back: through reset, in which the device forgets what was posted. What it had received and
    /// was not taken is lost; no other queue notices.
    ///
    /// # Errors
    /// When a command fails, or there are no buffers.
    pub(crate) fn repair(&mut self, commands: &mut Commands<F>) -> Result<(), Error> {
        let found = commands.exec(&QueryRqIn::build().rqn(self.number()).done())?.rq_context().state();
        modify(commands, self.number(), State::from_device(found), State::Reset)?;
        match &mut self.kind {
            Kind::Cyclic(queue) => queue.clear(&mut self.cq),
            Kind::Striding(queue) => queue.clear(&mut self.cq),
        }
        self.start(commands)
    }

    /// Makes the device forget it. Buffers and memory may go afterwards.
    ///
    /// # Errors
    /// When a command fails.
    pub(crate) fn destroy(&self, commands: &mut Commands<F>) -> Result<(), CmdError> {
        commands.exec(&DestroyRqIn::build().rqn(self.number()).done())?;
        self.cq.destroy(commands)
    }
}

fn work_queue<M: DmaMem, const WORDS: usize>(
    domain: &Domain,
    uar: Uar,
    kind: u8,
    ring: &Ring<M, WORDS>,
) -> Wq {
    Wq::build()
        .wq_type(kind)
        .pd(domain.pd)
        .uar_page(uar.page)
        .dbr_addr(ring.record())
        .log_wq_stride((WORDS * 4).ilog2() as u8)
        .log_wq_sz(ring.log_size())
        .done()
}

fn create_rq<F: Function, const WORDS: usize>(
    commands: &mut Commands<F>,
    context: &Rqc,
    ring: &Ring<F::Mem, WORDS>,
) -> Result<u32, CmdError> {
    Ok(commands.exec_with(&CreateRqIn::build().ctx(context).done(), &ring.pages())?.rqn())
}

fn modify<F: Function>(commands: &mut Commands<F>, rqn: u32, from: State, to: State) -> Result<(), CmdError> {
    let context = Rqc::build().state(to as u8).done();
    let input = ModifyRqIn::build().rqn(rqn).rq_state(from as u8).ctx(&context).done();
    commands.exec(&input).map(|_| ())
}
