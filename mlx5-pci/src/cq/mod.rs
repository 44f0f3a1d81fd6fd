//! Completion queues (facts E.8): reading CQEs, those that are compressed too, and asking for events.
//!
//! A CQE is a claim, not a fact. Here it is only made sure that each one is looked at once, in order, and that a block of
//! compressed ones has a believable size; whether its counters and lengths can be is for the queue that knows what it
//! has posted. Left out: CQEs of 128 bytes, the enhanced layout of compressed CQEs, solicited events.

mod command;
#[cfg(test)]
mod tests;

use crate::hal::{Bar, DmaMem, Function, HalError};
use crate::prm::{Cqe64, CqeOpcode, CqeSyndrome, ErrCqe, MiniCqe8Checksum};
use crate::ring::{Bits, Ring, load, load_owner, store_owner};
use crate::uar::{COUNTER, Uar};
use core::sync::atomic::AtomicU32;

/// Dwords of a CQE.
pub(crate) const WORDS: usize = Cqe64::SIZE / 4;
/// Mini CQEs in the place of a CQE.
const MINIS: u32 = 8;
/// The format of a title, behind which compressed CQEs lie.
const COMPRESSED: u32 = 3;
/// The most CQEs that a title can stand for: no device keeps more back.
const BLOCK_MAX: u32 = 256;

const fn field(name: &str) -> Bits {
    Bits::of(Cqe64::FIELDS, name)
}

const OWNER: Bits = field("owner");
const FORMAT: Bits = field("format");
const OPCODE: Bits = field("opcode");
const COUNTER_FIELD: Bits = field("wqe_counter");
const WQE_ID: Bits = field("wqe_id");
const BYTES: Bits = field("byte_cnt");
const TUNNELED: Bits = field("outer_l3_tunneled");
const HASH: Bits = field("rss_hash_result");
const HEADERS: Bits = field("hds_ip_ext");
const METADATA: Bits = field("ft_metadata");
const TAG: Bits = field("sop_drop_qpn");
const _: () = assert!(TUNNELED.word == WQE_ID.word);
const SEGMENTS: Bits = field("srqn");
const SYNDROME: Bits = Bits::of(ErrCqe::FIELDS, "syndrome");
const VENDOR: Bits = Bits::of(ErrCqe::FIELDS, "vendor_err_synd");
const MINI_STRIDE: Bits = Bits::of(MiniCqe8Checksum::FIELDS, "stridx");

/// What says whose a CQE is and what, and what is there in the CQE of a single packet, but for the owner.
const OWN_KIND: u32 = OPCODE.put(u32::MAX) | FORMAT.put(u32::MAX) | OWNER.put(u32::MAX);
const PACKET: u32 = OPCODE.put(CqeOpcode::RESP_SEND.0 as u32);

/// Whether and how the device may compress CQEs of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    /// Each packet has a CQE of its own.
    Off,
    /// The place of a packet follows from the one before it.
    Counted,
    /// Mini CQEs tell the first stride.
    StrideIndex,
}

/// What the device says about a packet that it has received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    /// The WQE; in a striding queue the first stride.
    pub(crate) counter: u16,
    /// The WQE of a striding queue.
    pub(crate) wqe: u16,
    /// Bytes; in a striding queue strides are above, see `rq::striding`.
    pub(crate) bytes: u32,
    /// The RSS hash, 0 where it is not told.
    pub(crate) hash: u32,
    /// What it is and what was verified: `hds_ip_ext`, `l4_l3_hdr_type`, `vlan_info`.
    pub(crate) headers: u32,
    /// There is a packet inside, which the verdicts are about, too.
    pub(crate) tunneled: bool,
    /// Register B of steering.
    pub(crate) metadata: u32,
    /// The flow tag.
    pub(crate) tag: u32,
    /// Dword with the number of segments that LRO has merged.
    pub(crate) segments: u32,
}

/// What the device says about a WQE that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Whether a send failed.
    pub(crate) request: bool,
    /// The WQE.
    pub(crate) counter: u16,
    /// The WQE of a striding queue.
    pub(crate) wqe: u16,
    /// Why.
    pub(crate) syndrome: u8,
    /// Why, in the vendor's words.
    pub(crate) vendor: u8,
}

impl Failure {
    /// A queue that failed without a CQE: an event said so.
    pub(crate) const UNTOLD: Failure = Failure { request: false, counter: 0, wqe: 0, syndrome: 0, vendor: 0 };
}

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if *self == Self::UNTOLD {
            return f.write_str("in error");
        }
        let syndrome = CqeSyndrome(self.syndrome);
        write!(f, "WQE {:#x} failed: {syndrome}, vendor syndrome {:#x}", self.counter, self.vendor)
    }
}

/// A CQE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completion {
    /// A packet has come.
    Received(Received),
    /// What comes next are packets: ask [`Cq::packet`] for them.
    Packets,
    /// Send WQEs up to this one are done.
    Sent(u16),
    /// A WQE failed, and its queue with it.
    Failed(Failure),
    /// Nothing that a device should write.
    Nonsense,
}

/// A block of compressed CQEs that is being read.
#[derive(Clone, Copy, Debug, Default)]
struct Session {
    title: Received,
    /// How many are read.
    index: u32,
    /// How many are left.
    left: u32,
    minis: [u32; WORDS],
}

/// A completion queue.
pub(crate) struct Cq<M> {
    ring: Ring<M, WORDS>,
    number: u32,
    uar: Uar,
    consumer: u32,
    /// Events seen, which arming words carry.
    sequence: u32,
    compression: Compression,
    session: Session,
}

impl<M: DmaMem> Cq<M> {
    /// A ring for CQEs; the device does not know of it yet.
    ///
    /// # Errors
    /// When there is no memory.
    pub(crate) fn new<F: Function<Mem = M>>(
        function: &F,
        log_size: u8,
        uar: Uar,
        compression: Compression,
    ) -> Result<Self, HalError> {
        let ring = Ring::new(function, log_size)?;
        // An entry of zeroes would look like one that the device has written on its first round.
        ring.fill(OWNER.word, OWNER.put(1) | OPCODE.put(u32::from(CqeOpcode::INVALID.0)));
        Ok(Self { ring, number: 0, uar, consumer: 0, sequence: 0, compression, session: Session::default() })
    }

    /// Lets a test write CQEs.
    #[cfg(test)]
    pub(crate) fn ring(&self) -> &Ring<M, WORDS> {
        &self.ring
    }

    /// Its number.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// The next CQE.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Completion> {
        loop {
            if let Some(packet) = self.packet() {
                return Some(Completion::Received(packet));
            }
            match self.other()? {
                Completion::Packets => {}
                other => return Some(other),
            }
        }
    }

    /// The packet that the next CQE tells of; nothing if there is none, or if it is one of [`Cq::other`].
    ///
    /// On its own, and always inlined, so that what a CQE says goes from the ring to where it is used without a copy.
    #[inline(always)]
    pub(crate) fn packet(&mut self) -> Option<Received> {
        if self.session.left != 0 {
            return self.mini();
        }
        let entry = self.ring.entry(self.consumer)?;
        let owner = load_owner(entry, OWNER.word);
        if owner & OWN_KIND != PACKET | OWNER.put(self.ring.lap(self.consumer)) {
            return None;
        }
        let packet = received(entry, COUNTER_FIELD.get(owner) as u16);
        self.consumer = self.consumer.wrapping_add(1);
        Some(packet)
    }

    /// The next CQE, if it is not that of a single packet. It may be one all the same where the device has written it since
    /// [`Cq::packet`] looked; then it stays.
    #[inline(never)]
    pub(crate) fn other(&mut self) -> Option<Completion> {
        let entry = self.ring.entry(self.consumer)?;
        let owner = load_owner(entry, OWNER.word);
        let opcode = OPCODE.get(owner);
        if OWNER.get(owner) != self.ring.lap(self.consumer) || opcode == u32::from(CqeOpcode::INVALID.0) {
            return None;
        }
        let counter = COUNTER_FIELD.get(owner) as u16;
        let completion = match CqeOpcode(opcode as u8) {
            CqeOpcode::RESP_SEND if FORMAT.get(owner) == COMPRESSED => return Some(self.open()),
            CqeOpcode::RESP_SEND if FORMAT.get(owner) == 0 => return Some(Completion::Packets),
            CqeOpcode::REQ => Completion::Sent(counter),
            CqeOpcode::REQ_ERR | CqeOpcode::RESP_ERR => Completion::Failed(Failure {
                request: opcode == u32::from(CqeOpcode::REQ_ERR.0),
                counter,
                wqe: WQE_ID.get(load(entry, WQE_ID.word)) as u16,
                syndrome: SYNDROME.get(load(entry, SYNDROME.word)) as u8,
                vendor: VENDOR.get(load(entry, VENDOR.word)) as u8,
            }),
            _ => Completion::Nonsense,
        };
        self.consumer = self.consumer.wrapping_add(1);
        Some(completion)
    }

    /// Opens the block whose title is next.
    fn open(&mut self) -> Completion {
        let Some(entry) = self.ring.entry(self.consumer) else { return Completion::Nonsense };
        let title = received(entry, COUNTER_FIELD.get(load(entry, COUNTER_FIELD.word)) as u16);
        let count = title.bytes;
        if self.compression == Compression::Off || !(2..=self.ring.size().min(BLOCK_MAX)).contains(&count) {
            self.consumer = self.consumer.wrapping_add(1);
            return Completion::Nonsense;
        }
        self.session = Session { title, index: 0, left: count, minis: [0; WORDS] };
        Completion::Packets
    }

    /// The next packet of an open block.
    #[inline(always)]
    fn mini(&mut self) -> Option<Received> {
        let session = &mut self.session;
        let place = session.index % MINIS;
        if place == 0 {
            // The first array lies behind the title, the others in every eighth entry.
            let ahead = if session.index == 0 { 1 } else { 0 };
            let entry = self.ring.entry(self.consumer.wrapping_add(ahead))?;
            for (word, from) in session.minis.iter_mut().zip(entry) {
                *word = u32::from_be(from.load(core::sync::atomic::Ordering::Relaxed));
            }
        }
        let [first, bytes] = *session.minis.as_chunks::<2>().0.get(place as usize)?;
        let counter = match self.compression {
            Compression::StrideIndex => MINI_STRIDE.get(first) as u16,
            _ => session.title.counter,
        };
        let packet = Received { counter, bytes, ..session.title };
        // Those after it are in the next place, and only the title's hash is known.
        session.title.counter = counter.wrapping_add(strides(bytes).max(1));
        session.title.hash = 0;
        session.index += 1;
        session.left -= 1;
        // What a mini CQE has left there could pass for a CQE of the next round: make it one of this round.
        let owner = OWNER.put(self.ring.lap(self.consumer)) | OPCODE.put(u32::from(CqeOpcode::INVALID.0));
        if let Some(entry) = self.ring.entry(self.consumer) {
            store_owner(entry, OWNER.word, owner);
        }
        self.consumer = self.consumer.wrapping_add(1);
        Some(packet)
    }

    /// Lets the device use again what was read.
    #[inline]
    pub(crate) fn publish(&self) {
        self.ring.set_first(self.consumer & COUNTER);
    }

    /// Asks for an event when the next CQE comes; false if one is there already.
    pub(crate) fn arm(&mut self, bar: &impl Bar) -> bool {
        self.publish();
        let word = Uar::arm_word(self.sequence, self.consumer);
        self.ring.set_second(word);
        self.uar.arm_cq(bar, self.number, word);
        !self.has_next()
    }

    /// An event of this queue was seen.
    pub(crate) fn notified(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// Whether there is nothing to read.
    pub(crate) fn is_idle(&self) -> bool {
        !self.has_next()
    }

    fn has_next(&self) -> bool {
        let Some(entry) = self.ring.entry(self.consumer) else { return false };
        let owner = load_owner(entry, OWNER.word);
        self.session.left != 0
            || OWNER.get(owner) == self.ring.lap(self.consumer)
                && OPCODE.get(owner) != u32::from(CqeOpcode::INVALID.0)
    }
}

/// Strides that a packet takes, which a striding queue's CQEs tell above the length.
#[inline]
pub(crate) fn strides(bytes: u32) -> u16 {
    (bytes >> 16) as u16 & 0x7fff
}

#[inline(always)]
fn received(entry: &[AtomicU32; WORDS], counter: u16) -> Received {
    let first = load(entry, WQE_ID.word);
    Received {
        counter,
        wqe: WQE_ID.get(first) as u16,
        bytes: BYTES.get(load(entry, BYTES.word)),
        hash: HASH.get(load(entry, HASH.word)),
        headers: load(entry, HEADERS.word),
        tunneled: TUNNELED.get(first) != 0,
        metadata: METADATA.get(load(entry, METADATA.word)),
        tag: TAG.get(load(entry, TAG.word)),
        segments: load(entry, SEGMENTS.word),
    }
}
