//! Queues: event and completion queues, send and receive queues, and what lies between them and steering.
//!
//! The way of a frame out: doorbell ([`Device::ring`]) → `wqe` → `send` → [`Device::steer_out`]; in:
//! [`Device::deliver`] → `receive`. Both end with a CQE in `completion`, which raises an event in `eq`.

mod completion;
mod compress;
mod counter;
mod cq;
mod deliver;
mod eq;
mod limits;
mod lro;
mod named;
mod receive;
mod ring;
mod rmp;
mod rq;
mod rqt;
mod send;
mod snapshot;
mod sq;
mod tir;
mod tis;
mod umr;
mod wq;
mod wqe;

#[cfg(test)]
mod tests;

use crate::caps::Profile;
use crate::command::{Command, command};
use crate::objects::Numbered;
use crate::{Check, Device, Memory, Refusal};
use core::time::Duration;
use limits::Limits;
use mlx5_pci::prm::CmdStatus;

pub(crate) use eq::Event;

/// Registers of a UAR page.
const CQ_ARM: u32 = 0x20;
const EQ_ARM: u32 = 0x40;
const EQ_UPDATE: u32 = 0x48;
const SQ_FIRST: u32 = 0x800;

/// State of queues.
#[derive(Debug)]
pub(crate) struct Queues {
    limits: Limits,
    eqs: Numbered<eq::Eq>,
    cqs: Numbered<cq::Cq>,
    sqs: Numbered<sq::Sq>,
    rqs: Numbered<rq::Rq>,
    rmps: Numbered<rmp::Rmp>,
    tises: Numbered<tis::Tis>,
    tirs: Numbered<tir::Tir>,
    rqts: Numbered<rqt::Rqt>,
    counters: Numbered<counter::QCounter>,
    /// Flows whose packets wait to be merged.
    merging: Vec<lro::Session>,
}

impl Queues {
    /// As after reset.
    pub(crate) fn new(profile: &Profile) -> Queues {
        let limits = Limits::new(profile);
        let up_to = |log: u8| 1u32 << log.min(23);
        Queues {
            // Numbers of different kinds differ, so that one taken for another does not go unnoticed.
            eqs: Numbered::new(1, up_to(limits.log_max_eq).min(255)),
            cqs: Numbered::new(0x400, up_to(limits.log_max_cq)),
            sqs: Numbered::new(0x1000, up_to(limits.log_max_sq)),
            rqs: Numbered::new(0x2_0000, up_to(limits.log_max_rq)),
            rmps: Numbered::new(0x4_0000, up_to(limits.log_max_rmp)),
            tises: Numbered::new(0x10, up_to(limits.log_max_tis)),
            tirs: Numbered::new(0x20, up_to(limits.log_max_tir)),
            rqts: Numbered::new(0x30, up_to(limits.log_max_rqt)),
            counters: Numbered::new(1, 255),
            merging: Vec::new(),
            limits,
        }
    }

    /// Whether the TIR exists.
    pub(crate) fn has_tir(&self, tirn: u32) -> bool {
        self.tirs.get(tirn).is_some()
    }
}

/// The commands of this chapter.
pub(crate) const COMMANDS: &[&[Command]] = &[&[
    command!(CREATE_EQ, CreateEqIn + 8, CreateEqOut, Initialized, eq::create_eq),
    command!(DESTROY_EQ, DestroyEqIn, DestroyEqOut, Initialized, eq::destroy_eq),
    command!(QUERY_EQ, QueryEqIn, QueryEqOut, Initialized, eq::query_eq),
    command!(GEN_EQE, GenEqeIn, GenEqOut, Initialized, eq::gen_eqe),
    command!(CREATE_CQ, CreateCqIn + 8, CreateCqOut, Initialized, cq::create_cq),
    command!(DESTROY_CQ, DestroyCqIn, DestroyCqOut, Initialized, cq::destroy_cq),
    command!(QUERY_CQ, QueryCqIn, QueryCqOut, Initialized, cq::query_cq),
    command!(MODIFY_CQ, ModifyCqIn, ModifyCqOut, Initialized, cq::modify_cq),
    command!(CREATE_SQ, CreateSqIn + 8, CreateSqOut, Initialized, sq::create_sq),
    command!(MODIFY_SQ, ModifySqIn, ModifySqOut, Initialized, sq::modify_sq),
    command!(DESTROY_SQ, DestroySqIn, DestroySqOut, Initialized, sq::destroy_sq),
    command!(QUERY_SQ, QuerySqIn, QuerySqOut, Initialized, sq::query_sq),
    command!(CREATE_RQ, CreateRqIn + 8, CreateRqOut, Initialized, rq::create_rq),
    command!(MODIFY_RQ, ModifyRqIn, ModifyRqOut, Initialized, rq::modify_rq),
    command!(DESTROY_RQ, DestroyRqIn, DestroyRqOut, Initialized, rq::destroy_rq),
    command!(QUERY_RQ, QueryRqIn, QueryRqOut, Initialized, rq::query_rq),
    command!(CREATE_RMP, CreateRmpIn + 8, CreateRmpOut, Initialized, rmp::create_rmp),
    command!(MODIFY_RMP, ModifyRmpIn, ModifyRmpOut, Initialized, rmp::modify_rmp),
    command!(DESTROY_RMP, DestroyRmpIn, DestroyRmpOut, Initialized, rmp::destroy_rmp),
    command!(QUERY_RMP, QueryRmpIn, QueryRmpOut, Initialized, rmp::query_rmp),
    command!(CREATE_TIS, CreateTisIn, CreateTisOut, Initialized, tis::create_tis),
    command!(MODIFY_TIS, ModifyTisIn, ModifyTisOut, Initialized, tis::modify_tis),
    command!(DESTROY_TIS, DestroyTisIn, DestroyTisOut, Initialized, tis::destroy_tis),
    command!(QUERY_TIS, QueryTisIn, QueryTisOut, Initialized, tis::query_tis),
    command!(CREATE_TIR, CreateTirIn, CreateTirOut, Initialized, tir::create_tir),
    command!(MODIFY_TIR, ModifyTirIn, ModifyTirOut, Initialized, tir::modify_tir),
    command!(DESTROY_TIR, DestroyTirIn, DestroyTirOut, Initialized, tir::destroy_tir),
    command!(QUERY_TIR, QueryTirIn, QueryTirOut, Initialized, tir::query_tir),
    command!(CREATE_RQT, CreateRqtIn + 4, CreateRqtOut, Initialized, rqt::create_rqt),
    command!(MODIFY_RQT, ModifyRqtIn + 4, ModifyRqtOut, Initialized, rqt::modify_rqt),
    command!(DESTROY_RQT, DestroyRqtIn, DestroyRqtOut, Initialized, rqt::destroy_rqt),
    command!(QUERY_RQT, QueryRqtIn, QueryRqtOut, Initialized, rqt::query_rqt),
    command!(ALLOC_Q_COUNTER, AllocQCounterIn, AllocQCounterOut, Initialized, counter::alloc_q_counter),
    command!(
        DEALLOC_Q_COUNTER,
        DeallocQCounterIn,
        DeallocQCounterOut,
        Initialized,
        counter::dealloc_q_counter
    ),
    command!(QUERY_Q_COUNTER, QueryQCounterIn, QueryQCounterOut, Initialized, counter::query_q_counter),
]];

impl Device {
    /// The driver writes 4, 8 or 64 bytes into UAR page `uar` at `offset`.
    pub(crate) fn ring(&mut self, memory: &dyn Memory, uar: u32, offset: u32, data: &[u8]) {
        match (offset, data.len()) {
            (EQ_ARM | EQ_UPDATE, 4) => {
                if let Some(word) = data.first_chunk() {
                    self.ring_eq(uar, offset == EQ_ARM, u32::from_be_bytes(*word));
                }
            }
            (CQ_ARM, 8) => {
                if let Some(pair) = data.first_chunk::<8>() {
                    let pair = u64::from_be_bytes(*pair);
                    self.ring_cq(memory, uar, (pair >> 32) as u32, pair as u32);
                }
            }
            // What follows the first eight bytes of a BlueFlame buffer repeats the WQE, which is read from memory.
            (SQ_FIRST.., 8 | 64) if !offset.is_multiple_of(self.blueflame()) => {}
            (SQ_FIRST.., 8 | 64) => self.ring_sq(memory, uar, data),
            _ => {
                let refusal = Refusal::new(CmdStatus::BAD_PARAM, Check::Value, "register", offset as u16);
                self.misuse("doorbell", uar, refusal);
            }
        }
    }

    /// Bytes of a BlueFlame buffer: half a register, as the two are used in turn.
    fn blueflame(&self) -> u32 {
        1 << self.queues.limits.log_bf_reg_size.clamp(4, 11).saturating_sub(1)
    }

    /// Timers of the queues.
    pub(crate) fn advance_queues(&mut self, memory: &dyn Memory) {
        self.advance_merging(memory);
        self.advance_completions(memory);
    }

    /// When the next one is due.
    pub(crate) fn queues_deadline(&self) -> Option<Duration> {
        let completions = self.queues.cqs.iter().filter_map(|(_, cq)| cq.deadline()).min();
        [completions, self.merging_deadline()].into_iter().flatten().min()
    }
}
