//! Large receive: which packets of a TIR wait to be merged, for how long, and the CQE of what comes of it.
//!
//! What may be merged is in `packet::merge`. A flow waits for `lro_timeout_period_usecs` from its first packet on.

use crate::packet::Headers;
use crate::packet::merge::Merge;
use crate::{Device, Memory};
use core::time::Duration;
use mlx5_pci::prm::Cqe64;

/// How many flows wait at once; the oldest has to go for another.
const FLOWS: usize = 32;
/// `tcppsh_abort_dupack`: the PSH bit of the merged segments.
const PUSH: u8 = 1 << 6;
/// Where the number of segments stands in `srqn`.
const SEGMENTS_SHIFT: u32 = 24;

/// A flow whose packets wait.
#[derive(Debug)]
pub(super) struct Session {
    rqn: u32,
    merge: Merge,
    /// The first packet, as it came.
    first: Vec<u8>,
    cqe: Cqe64,
    due: Duration,
}

/// How a TIR merges.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// IP payload of a merged packet at most.
    pub(super) limit: usize,
    /// How long a flow waits.
    pub(super) timeout: Duration,
}

impl Session {
    /// Whether a packet with `cqe` says the same but for what every segment has of its own.
    fn agrees(&self, cqe: &Cqe64) -> bool {
        let common = |cqe: &Cqe64| {
            (
                cqe.ft_metadata(),
                cqe.sop_drop_qpn(),
                cqe.vlan_info(),
                cqe.l4_l3_hdr_type() & 1,
                cqe.rss_hash_result(),
            )
        };
        common(&self.cqe) == common(cqe)
    }
}

impl Device {
    /// A packet for `rqn` that may be merged with others.
    pub(super) fn merge_into(
        &mut self,
        memory: &dyn Memory,
        rqn: u32,
        bytes: Vec<u8>,
        headers: &Headers,
        cqe: Cqe64,
        terms: Terms,
    ) {
        let sessions = &mut self.queues.merging;
        let of_flow = |session: &Session| session.rqn == rqn && session.merge.is_flow_of(headers);
        if let Some(at) = sessions.iter().position(of_flow)
            && let Some(session) = sessions.get_mut(at)
        {
            let taken = session.agrees(&cqe) && session.merge.push(&bytes, headers, terms.limit);
            if !taken || session.merge.is_complete() {
                let session = sessions.remove(at);
                self.deliver_merged(memory, session);
            }
            if taken {
                return;
            }
        }
        match Merge::start(&bytes, headers) {
            Some(merge) if !merge.is_complete() => {
                if self.queues.merging.len() >= FLOWS {
                    let oldest = self.queues.merging.remove(0);
                    self.deliver_merged(memory, oldest);
                }
                let due = self.now + terms.timeout;
                self.queues.merging.push(Session { rqn, merge, first: bytes, cqe, due });
            }
            _ => {
                self.receive_into(memory, rqn, &bytes, cqe);
            }
        }
    }

    fn deliver_merged(&mut self, memory: &dyn Memory, session: Session) {
        if session.merge.segments() < 2 {
            self.receive_into(memory, session.rqn, &session.first, session.cqe);
            return;
        }
        let merged = session.merge.finish();
        let mut cqe = session.cqe;
        let srqn = cqe.srqn() | u32::from(merged.segments) << SEGMENTS_SHIFT;
        cqe.set()
            .srqn(srqn)
            .lro_tcppsh_abort_dupack(if merged.push { PUSH } else { 0 })
            .lro_min_ttl(merged.min_ttl)
            .lro_tcp_win(merged.window)
            .lro_ack_seq_num(merged.acknowledgement)
            .check_sum(merged.check_sum);
        self.receive_into(memory, session.rqn, &merged.frame, cqe);
    }

    /// Delivers what has waited long enough.
    pub(super) fn advance_merging(&mut self, memory: &dyn Memory) {
        while let Some(at) = self.queues.merging.iter().position(|session| session.due <= self.now) {
            let session = self.queues.merging.remove(at);
            self.deliver_merged(memory, session);
        }
    }

    /// When the next flow has waited long enough.
    pub(super) fn merging_deadline(&self) -> Option<Duration> {
        self.queues.merging.iter().map(|session| session.due).min()
    }

    /// Forgets what waits for an RQ that is reset or gone.
    pub(super) fn forget_merging(&mut self, rqn: u32) {
        self.queues.merging.retain(|session| session.rqn != rqn);
    }
}
