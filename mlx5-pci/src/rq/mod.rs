//! Receive queues (facts E.9): buffers that the device fills, and the packets that come of them.
//!
//! There are two kinds with one face, [`Receive`]: in `cyclic` each packet has a buffer of its own, in `striding` many
//! packets share a slab. What a CQE says is held against what was posted: a number that is not outstanding changes
//! nothing, a number that skips others means that their completions are lost, and lost completions lose no memory.

pub(crate) mod command;
pub(crate) mod cyclic;
pub(crate) mod striding;

use crate::cq::{Completion, Cq, Failure, Received};
use crate::hal::{DmaMem, Function};
use crate::ipsec::MARKER;
use crate::prm::Cqe64;
use crate::ring::Bits;
use net::{Burst, Meta, Packet, PortId};

const CHECKS: Bits = Bits::of(Cqe64::FIELDS, "hds_ip_ext");
const KIND: Bits = Bits::of(Cqe64::FIELDS, "l4_l3_hdr_type");
const VLAN: Bits = Bits::of(Cqe64::FIELDS, "vlan_info");
/// `hds_ip_ext`: checksums that were found right.
const L3_OK: u32 = 1 << 1;
const L4_OK: u32 = 1 << 2;
/// `l4_l3_hdr_type`: a tag was taken off.
const STRIPPED: u32 = 1 << 0;
/// The flow tag.
const TAG: u32 = 0x00ff_ffff;
/// The shortest frame that is handed on.
const ETHERNET: usize = 14;

/// What a receive queue has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Frames handed on.
    pub(crate) frames: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Frames that were lost: no fresh buffer, or the device's word about them cannot be.
    pub(crate) drops: u64,
    /// CQEs that cannot be.
    pub(crate) strange: u64,
}

/// What both kinds of receive queues do.
pub(crate) trait Receive<F: Function> {
    /// The packet that a CQE tells of, against a fresh buffer.
    fn take(&mut self, function: &F, received: &Received) -> Option<Packet>;
    /// Posts fresh buffers where there are none; whether there was anything to do.
    #[inline(always)]
    fn refill(&mut self, _: &F) -> bool {
        false
    }
    /// Tells the device of fresh buffers.
    fn publish(&mut self);
    /// What it has counted.
    fn counters(&mut self) -> &mut Counters;
    /// A WQE failed, and the queue with it.
    fn fail(&mut self, failure: Failure);
}

/// Moves packets into `out` until it is full or there are no more.
#[inline]
pub(crate) fn poll<F: Function, R: Receive<F>>(
    function: &F,
    queue: &mut R,
    cq: &mut Cq<F::Mem>,
    port: PortId,
    out: &mut Burst,
) -> usize {
    let before = out.len();
    let (mut any, mut bytes) = (false, 0);
    while !out.is_full() {
        let Some(received) = cq.packet() else {
            let Some(other) = cq.other() else { break };
            any = true;
            take_note(queue, &other);
            continue;
        };
        any = true;
        let Some(mut packet) = queue.take(function, &received) else { continue };
        describe(&mut packet.meta, &received, port);
        bytes += packet.len() as u64;
        // Not full, by the loop's condition.
        let _ = out.push(packet);
    }
    // A queue that has run dry is filled again as soon as packets have come back.
    if queue.refill(function) || any {
        queue.publish();
        cq.publish();
    }
    let count = out.len() - before;
    let counters = queue.counters();
    counters.frames += count as u64;
    counters.bytes += bytes;
    count
}

/// What is not a packet.
#[cold]
fn take_note<F: Function, R: Receive<F>>(queue: &mut R, completion: &Completion) {
    match completion {
        Completion::Packets => {}
        Completion::Failed(failure) if !failure.request => queue.fail(*failure),
        _ => queue.counters().strange += 1,
    }
}

/// What the device says about a packet, as `net` has it.
#[inline(always)]
fn describe(meta: &mut Meta, received: &Received, port: PortId) {
    let checks = CHECKS.get(received.headers);
    meta.port = port;
    meta.header_ok = checks & L3_OK != 0;
    meta.checksum_ok = checks & (L3_OK | L4_OK) == L3_OK | L4_OK;
    meta.inner_ok = meta.checksum_ok && received.tunneled;
    meta.vlan = (KIND.get(received.headers) & STRIPPED != 0).then_some(VLAN.get(received.headers) as u16);
    meta.mark = received.tag & TAG;
    meta.hash = received.hash;
    // Only the rule of an SA sets the marker, and only sound packets come this far with it.
    meta.sa_in = (received.metadata & MARKER != 0).then_some(received.metadata & !MARKER);
}

/// Empties a completion queue whose receive queue is in reset.
fn drain<M: DmaMem>(cq: &mut Cq<M>) {
    while cq.next().is_some() {}
    cq.publish();
}
