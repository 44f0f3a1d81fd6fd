//! From a packet to the WQEs of a receive queue and its CQE (facts E.9; `en_rx.c` of Linux for multi-packet WQEs).
//!
//! A WQE is a list of data segments that ends with the ring's entry or with the terminator key. In a striding queue a
//! WQE holds many packets, each in one or more strides; what is left when the next packet does not fit is given back by
//! a filler CQE. In a linked list the first 16 bytes of a WQE name the next one, which is read before the CQE is
//! written: the driver may change it from then on.
//!
//! Left out: padding of packets in memory to cache lines, the low watermark.

use super::completion::{Posted, error_cqe};
use super::eq::Event;
use super::named::Key;
use super::rq::Source;
use super::wq::{Kind, State, Strides, WorkQueue};
use super::wqe::{RQ_EVENT, WqeError};
use crate::{Check, Device, Memory, Refusal};
use mlx5_pci::prm::{CmdStatus, Cqe64, CqeOpcode, EqeQpSrq, ErrCqe, EventType, WqeDataSeg};

/// Bytes of a data segment, and of the head of a linked WQE.
const SEGMENT: usize = 16;
/// Ends a list of data segments that is shorter than its WQE.
const TERMINATOR: u32 = 0x100;
/// Set in `byte_cnt` of a CQE that stands for strides without a packet.
const FILLER: u32 = 1 << 31;
/// `byte_cnt` of a multi-packet CQE: strides that are used, above the length.
const STRIDES_SHIFT: u32 = 16;

/// A data segment.
#[derive(Clone, Copy, Debug)]
struct Segment {
    key: u32,
    address: u64,
    bytes: u32,
}

/// A WQE that the device works on.
#[derive(Clone, Debug)]
struct Wqe {
    index: u16,
    next: u16,
    segments: Vec<Segment>,
}

impl Wqe {
    fn room(&self) -> u64 {
        self.segments.iter().map(|segment| u64::from(segment.bytes)).sum()
    }
}

/// A ring of receive WQEs and how far it is used.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) wq: WorkQueue,
    /// WQEs that are finished.
    taken: u16,
    /// The next one of a linked list.
    head: u16,
    /// The multi-packet WQE that is being filled, and its first free stride.
    open: Option<(Wqe, u32)>,
}

/// Where a packet goes.
enum Place {
    /// Nowhere: there is no WQE.
    Full,
    /// Not into this WQE: `strides` of it from `first` on are given back.
    Filler { index: u16, first: u32, strides: u32 },
    /// Here.
    At { segments: Vec<Segment>, offset: u64, completion: Completion },
}

/// What a CQE says about the place.
#[derive(Clone, Copy)]
struct Completion {
    /// The WQE of a multi-packet CQE.
    wqe_id: u16,
    wqe_counter: u16,
    /// Strides that are used, if the queue has any.
    strides: u32,
}

/// Why a receive queue cannot go on.
#[derive(Clone, Copy)]
struct Problem {
    /// The WQE that is to blame; without one it is the doorbell record.
    wqe: Option<u16>,
    error: WqeError,
}

impl Receiver {
    pub(super) fn new(wq: WorkQueue) -> Receiver {
        Receiver { wq, taken: 0, head: 0, open: None }
    }

    /// As after creation.
    pub(super) fn reset(&mut self) {
        self.taken = 0;
        self.head = 0;
        self.open = None;
    }

    /// How many WQEs are finished.
    pub(super) fn taken(&self) -> u16 {
        self.taken
    }

    /// How many WQEs are posted and not finished.
    fn posted(&self, memory: &dyn Memory) -> Result<u16, Problem> {
        let problem = |check| {
            let error = WqeError::new(WqeError::OPERATION, check, "receive counter", 0);
            Problem { wqe: None, error }
        };
        let counter = self.wq.record.first(memory).map_err(|_| problem(Check::Unmapped))?;
        let posted = (counter as u16).wrapping_sub(self.taken);
        if u32::from(posted) > self.wq.ring.size() { Err(problem(Check::Limit)) } else { Ok(posted) }
    }

    fn linked(&self) -> bool {
        matches!(self.wq.kind, Kind::LinkedList | Kind::LinkedListStriding(_))
    }

    /// Reads the next WQE, if one is posted.
    fn fetch(&self, memory: &dyn Memory) -> Result<Option<Wqe>, Problem> {
        if self.posted(memory)? == 0 {
            return Ok(None);
        }
        let index = if self.linked() { self.head } else { self.taken };
        let mut bytes = vec![0; self.wq.ring.stride()];
        if self.wq.ring.read(memory, u32::from(index), &mut bytes).is_err() {
            let error = WqeError::new(WqeError::PROTECTION, Check::Unmapped, "wqe", 0);
            return Err(Problem { wqe: Some(index), error });
        }
        let (next, list) = match bytes.first_chunk::<4>() {
            Some([_, _, high, low]) if self.linked() => {
                (u16::from_be_bytes([*high, *low]), bytes.get(SEGMENT..).unwrap_or_default())
            }
            _ => (0, bytes.as_slice()),
        };
        let mut segments = Vec::new();
        for part in list.chunks_exact(SEGMENT) {
            let segment = WqeDataSeg::copy_from(part);
            if segment.lkey() == TERMINATOR {
                break;
            }
            segments.push(Segment {
                key: segment.lkey(),
                address: segment.addr(),
                bytes: segment.byte_count(),
            });
        }
        Ok(Some(Wqe { index, next, segments }))
    }

    /// A WQE is finished.
    fn finish(&mut self, wqe: &Wqe) {
        self.taken = self.taken.wrapping_add(1);
        self.head = wqe.next;
    }

    /// Finds room for a packet of `bytes`.
    fn place(&mut self, memory: &dyn Memory, bytes: usize) -> Result<Place, Problem> {
        match self.wq.kind {
            Kind::LinkedList | Kind::Cyclic => self.place_whole(memory, bytes),
            Kind::LinkedListStriding(strides) | Kind::CyclicStriding(strides) => {
                self.place_strides(memory, bytes, strides)
            }
        }
    }

    fn place_whole(&mut self, memory: &dyn Memory, bytes: usize) -> Result<Place, Problem> {
        let Some(wqe) = self.fetch(memory)? else { return Ok(Place::Full) };
        self.finish(&wqe);
        if bytes as u64 > wqe.room() {
            return Err(too_long(wqe.index));
        }
        let completion = Completion { wqe_id: 0, wqe_counter: wqe.index, strides: 0 };
        Ok(Place::At { segments: wqe.segments, offset: 0, completion })
    }

    fn place_strides(
        &mut self,
        memory: &dyn Memory,
        bytes: usize,
        strides: Strides,
    ) -> Result<Place, Problem> {
        let (wqe, first) = match self.open.take() {
            Some(open) => open,
            None => match self.fetch(memory)? {
                Some(wqe) => (wqe, 0),
                None => return Ok(Place::Full),
            },
        };
        let shift = if strides.shifted { 2 } else { 0 };
        let count = 1u32 << strides.log_count;
        let needed = ((bytes as u64 + shift) >> strides.log_size) as u32
            + u32::from((bytes as u64 + shift) & ((1 << strides.log_size) - 1) != 0);
        let needed = needed.max(1);
        if needed > count {
            self.finish(&wqe);
            return Err(too_long(wqe.index));
        }
        let left = count - first;
        if needed > left {
            self.finish(&wqe);
            return Ok(Place::Filler { index: wqe.index, first, strides: left });
        }
        let offset = (u64::from(first) << strides.log_size) + shift;
        if offset + bytes as u64 > wqe.room() {
            self.finish(&wqe);
            return Err(too_long(wqe.index));
        }
        let completion = Completion { wqe_id: wqe.index, wqe_counter: first as u16, strides: needed };
        let segments = wqe.segments.clone();
        if needed == left {
            self.finish(&wqe);
        } else {
            self.open = Some((wqe, first + needed));
        }
        Ok(Place::At { segments, offset, completion })
    }
}

fn too_long(index: u16) -> Problem {
    let error = WqeError::new(WqeError::LENGTH, Check::Limit, "byte_count", 0);
    Problem { wqe: Some(index), error }
}

impl Completion {
    fn put(self, cqe: &mut Cqe64, bytes: u32) {
        cqe.set()
            .wqe_id(self.wqe_id)
            .byte_cnt(self.strides << STRIDES_SHIFT | bytes)
            .wqe_counter(self.wqe_counter);
    }
}

impl Device {
    fn receiver(&mut self, rqn: u32) -> Option<&mut Receiver> {
        let rq = self.queues.rqs.get_mut(rqn)?;
        match &mut rq.source {
            Source::Own(receiver) => Some(receiver),
            Source::Rmp(rmp) => {
                let rmp = self.queues.rmps.get_mut(*rmp)?;
                (rmp.state == State::Ready).then_some(&mut rmp.receiver)
            }
        }
    }

    /// Puts a packet into `rqn`; `cqe` is complete but for place and length. Says whether it got there.
    pub(super) fn receive_into(&mut self, memory: &dyn Memory, rqn: u32, data: &[u8], cqe: Cqe64) -> bool {
        let Some(rq) = self.queues.rqs.get(rqn) else { return false };
        if rq.state != State::Ready {
            return false;
        }
        let reserved = rq.context.rlky();
        loop {
            let Some(receiver) = self.receiver(rqn) else { return false };
            let key = Key { key: 0, pd: receiver.wq.pd, reserved };
            match receiver.place(memory, data.len()) {
                Ok(Place::Full) => {
                    self.count_at(rqn, |counter| &mut counter.out_of_buffer);
                    return false;
                }
                Ok(Place::Filler { index, first, strides }) => {
                    let mut filler = self.response_cqe(rqn);
                    let completion = Completion { wqe_id: index, wqe_counter: first as u16, strides };
                    completion.put(&mut filler, FILLER);
                    self.complete_response(memory, rqn, filler);
                }
                Ok(Place::At { segments, offset, completion }) => {
                    if let Err(error) = self.scatter(memory, &segments, offset, key, data) {
                        let wqe = Some(if completion.strides > 0 {
                            completion.wqe_id
                        } else {
                            completion.wqe_counter
                        });
                        self.rq_fails(memory, rqn, Problem { wqe, error });
                        return false;
                    }
                    let mut cqe = cqe;
                    completion.put(&mut cqe, data.len() as u32);
                    self.complete_response(memory, rqn, cqe);
                    return true;
                }
                Err(problem) => {
                    self.rq_fails(memory, rqn, problem);
                    return false;
                }
            }
        }
    }

    /// Writes `data` at `offset` of the memory that `segments` are together.
    fn scatter(
        &mut self,
        memory: &dyn Memory,
        segments: &[Segment],
        offset: u64,
        key: Key,
        data: &[u8],
    ) -> Result<(), WqeError> {
        let mut skip = offset;
        let mut rest = data;
        for segment in segments {
            let bytes = u64::from(segment.bytes);
            if skip >= bytes {
                skip -= bytes;
                continue;
            }
            let (part, after) = rest.split_at(rest.len().min((bytes - skip) as usize));
            let address = segment.address.wrapping_add(skip);
            self.write_key(memory, Key { key: segment.key, ..key }, address, part)
                .map_err(|check| WqeError::new(WqeError::PROTECTION, check, "lkey", 4))?;
            skip = 0;
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// A receive CQE with what all of them have.
    pub(super) fn response_cqe(&self, rqn: u32) -> Cqe64 {
        let user_index = self.queues.rqs.get(rqn).map_or(0, |rq| rq.context.user_index());
        Cqe64::build().srqn(user_index).timestamp(self.timestamp()).opcode(CqeOpcode::RESP_SEND.0).done()
    }

    fn complete_response(&mut self, memory: &dyn Memory, rqn: u32, cqe: Cqe64) {
        let Some(cqn) = self.queues.rqs.get(rqn).map(|rq| rq.context.cqn()) else { return };
        let posted = self.post_completion(memory, cqn, cqe);
        if posted == Posted::Failed {
            self.misuse("rq", rqn, Refusal::new(CmdStatus::BAD_SYS_STATE, Check::State, "cqn", 0));
        }
        if posted != Posted::Done
            && let Some(rq) = self.queues.rqs.get_mut(rqn)
        {
            rq.state = State::Error;
        }
    }

    /// Counts in the counter set of an RQ.
    fn count_at(&mut self, rqn: u32, field: fn(&mut super::counter::QCounter) -> &mut u32) {
        let Some(set) = self.queues.rqs.get(rqn).map(|rq| u32::from(rq.context.counter_set_id())) else {
            return;
        };
        if let Some(counter) = self.queues.counters.get_mut(set) {
            let value = field(counter);
            *value = value.wrapping_add(1);
        }
    }

    fn rq_fails(&mut self, memory: &dyn Memory, rqn: u32, problem: Problem) {
        let error = problem.error;
        let refusal = Refusal::new(CmdStatus::BAD_PKT, error.check, error.field, error.offset);
        self.misuse("rq", rqn, refusal);
        if let Some(rq) = self.queues.rqs.get_mut(rqn) {
            rq.state = State::Error;
        }
        let Some(index) = problem.wqe else {
            let data = *EqeQpSrq::build().type_(RQ_EVENT).qp_srq_n(rqn).done().as_bytes();
            return self.post_event(memory, Event { kind: EventType::WQ_CATAS_ERROR.0, sub_kind: 0, data });
        };
        match error.syndrome {
            WqeError::LENGTH => {
                let count = &mut self.port.environment().wqe_too_small;
                *count = count.wrapping_add(1);
                self.count_at(rqn, |counter| &mut counter.length_errors);
            }
            WqeError::PROTECTION => self.count_at(rqn, |counter| &mut counter.protection_errors),
            _ => {}
        }
        self.count_at(rqn, |counter| &mut counter.error_cqes);
        self.respond_error(memory, rqn, index, error.syndrome);
        self.flush_rq(memory, rqn);
    }

    fn respond_error(&mut self, memory: &dyn Memory, rqn: u32, index: u16, syndrome: u8) {
        let user_index = self.queues.rqs.get(rqn).map_or(0, |rq| rq.context.user_index());
        let error = ErrCqe::build()
            .srqn(user_index)
            .syndrome(syndrome)
            .qpn(rqn)
            .wqe_counter(index)
            .opcode(CqeOpcode::RESP_ERR.0)
            .done();
        let mut cqe = error_cqe(&error);
        // Multi-packet queues know their WQE by this.
        cqe.set().wqe_id(index);
        self.complete_response(memory, rqn, cqe);
    }

    /// The queue is in error: what is posted is flushed, if its context asks for that.
    pub(super) fn flush_rq(&mut self, memory: &dyn Memory, rqn: u32) {
        let Some(rq) = self.queues.rqs.get_mut(rqn) else { return };
        if !rq.context.flush_in_error_en() {
            return;
        }
        // The WQEs of an RMP stay for the other queues.
        let Source::Own(receiver) = &mut rq.source else { return };
        let mut flushed = Vec::new();
        if let Some((wqe, _)) = receiver.open.take() {
            receiver.finish(&wqe);
            flushed.push(wqe.index);
        }
        while let Ok(Some(wqe)) = receiver.fetch(memory) {
            receiver.finish(&wqe);
            flushed.push(wqe.index);
        }
        for index in flushed {
            self.count_at(rqn, |counter| &mut counter.flushed_cqes);
            self.respond_error(memory, rqn, index, WqeError::FLUSHED);
        }
    }
}
