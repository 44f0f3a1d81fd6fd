//! Queues as a [`Snapshot`](crate::snapshot::Snapshot) shows them.

use super::wq::State;
use super::{Queues, cq, rq};
use crate::objects::Kind;
use crate::snapshot::Queue;

impl State {
    fn name(self) -> &'static str {
        match self {
            State::Reset => "reset",
            State::Ready => "ready",
            State::Error => "error",
        }
    }
}

impl Queues {
    /// How many objects there are of each kind.
    pub(crate) fn counts(&self) -> [(Kind, usize); 9] {
        [
            (Kind::Eq, self.eqs.len()),
            (Kind::Cq, self.cqs.len()),
            (Kind::Sq, self.sqs.len()),
            (Kind::Rq, self.rqs.len()),
            (Kind::Rmp, self.rmps.len()),
            (Kind::Tis, self.tises.len()),
            (Kind::Tir, self.tirs.len()),
            (Kind::Rqt, self.rqts.len()),
            (Kind::QCounter, self.counters.len()),
        ]
    }

    /// Every queue.
    pub(crate) fn snapshot(&self) -> Vec<Queue> {
        let eqs = self.eqs.iter().map(|(number, eq)| eq.snapshot(number));
        let cqs = self.cqs.iter().map(|(number, cq)| Queue {
            kind: Kind::Cq,
            number,
            state: match (cq.health, cq.arm) {
                (cq::Health::Overflow | cq::Health::WriteFailure, _) => "overflow",
                (cq::Health::Ok, Some(_)) => "armed",
                (cq::Health::Ok, None) => "ready",
            },
            size: cq.ring.size(),
            counter: cq.producer,
            pending: Some(cq.pending()),
        });
        let sqs = self.sqs.iter().map(|(number, sq)| Queue {
            kind: Kind::Sq,
            number,
            state: sq.state.name(),
            size: sq.wq.ring.size(),
            counter: sq.consumer.into(),
            pending: None,
        });
        let rqs = self.rqs.iter().map(|(number, rq)| {
            // One that takes from an RMP has no ring of its own.
            let (size, counter) = match &rq.source {
                rq::Source::Own(receiver) => (receiver.wq.ring.size(), receiver.taken().into()),
                rq::Source::Rmp(_) => (0, 0),
            };
            Queue { kind: Kind::Rq, number, state: rq.state.name(), size, counter, pending: None }
        });
        let rmps = self.rmps.iter().map(|(number, rmp)| Queue {
            kind: Kind::Rmp,
            number,
            state: rmp.state.name(),
            size: rmp.receiver.wq.ring.size(),
            counter: rmp.receiver.taken().into(),
            pending: None,
        });
        eqs.chain(cqs).chain(sqs).chain(rqs).chain(rmps).collect()
    }
}
