//! Queues as views see them.

use super::rig::{Rig, plain};
use crate::objects::Kind;
use crate::snapshot::Queue;
use mlx5_pci::prm::WqeOpcode;

#[test]
fn queues_show_state_and_counters() {
    let mut rig = Rig::new();
    let eq = rig.eq(6, 0);
    let mut cq = rig.cq(eq.number, 5);
    let mut sq = rig.sq(cq.number, 4, |_| ());
    let rq = rig.rq(cq.number, 3, 4, |_| ());
    let queue =
        |kind, number, state, size, counter, pending| Queue { kind, number, state, size, counter, pending };
    let fresh = [
        queue(Kind::Eq, eq.number, "ready", 64, 0, Some(0)),
        queue(Kind::Cq, cq.number, "ready", 32, 0, Some(0)),
        queue(Kind::Sq, sq.number, "ready", 16, 0, None),
        queue(Kind::Rq, rq.number, "ready", 8, 0, None),
    ];
    assert_eq!(rig.host.device.snapshot().queues, fresh);

    rig.ring_eq(&eq, true);
    rig.arm_cq(&cq, 0, false);
    let armed: Vec<&str> = rig.host.device.snapshot().queues.iter().map(|queue| queue.state).collect();
    assert_eq!(armed, ["armed", "armed", "ready", "ready"]);

    let frame = [plain(), rig.pointer(&[0x55; 64])].concat();
    for _ in 0..3 {
        rig.submit(&mut sq, WqeOpcode::SEND, 0, &frame);
    }
    let seen = rig.host.device.snapshot().queues;
    assert_eq!((seen[0].state, seen[0].counter, seen[0].pending), ("ready", 1, Some(1)));
    assert_eq!((seen[1].state, seen[1].counter, seen[1].pending), ("ready", 3, Some(3)));
    assert_eq!((seen[2].counter, seen[2].state), (3, "ready"));

    // A WQE that is none: the queue is in error, and its CQE waits.
    assert_eq!(rig.drain(&mut cq).len(), 3);
    rig.submit(&mut sq, WqeOpcode(0x7f), 0, &frame);
    let seen = rig.host.device.snapshot();
    assert_eq!((seen.queues[2].state, seen.refusals), ("error", 1));
    assert_eq!(rig.modify_rq(rq.number, 1, 3).status.0, 0);
    assert_eq!(rig.host.device.snapshot().queues[3].state, "error");

    let kinds = seen.objects.iter().map(|(kind, _)| *kind);
    let expected = [
        Kind::Uar,
        Kind::Pd,
        Kind::TransportDomain,
        Kind::Mkey,
        Kind::Eq,
        Kind::Cq,
        Kind::Sq,
        Kind::Rq,
        Kind::Tis,
    ];
    assert!(kinds.eq(expected), "{:?}", seen.objects);
}
