//! The device that costs nothing: between two calls of the driver it writes the completions that the next call finds.
//! Where the queues are it has learnt from the driver's own commands ([`crate::told`]). It reads of the driver's what it
//! needs to be sure that work was done: doorbell records, and the segments of all that was sent.
//!
//! Facts E.8 and E.9. Left out: packets' bytes, which stay what they were.

use crate::told::{Cq, Rq, Sq, Told};
use core::sync::atomic::{AtomicU32, Ordering::Release};
use mlx5_pci::prm::{Cqe64, CqeOpcode, MiniCqe8Checksum, WqeCtrlSeg, WqeDataSeg, WqeEthSeg, WqeOpcode};

/// Dwords of a CQE, of a send WQE's basic block, and of a segment.
const CQE: usize = 16;
const BLOCK: usize = 16;
const SEGMENT: usize = 4;
/// Mini CQEs in the place of a CQE.
const MINIS: usize = 8;
/// The format of a title, behind which compressed CQEs lie.
const COMPRESSED: u8 = 3;
/// Set in the length of a CQE that stands for strides without a packet; strides stand above the length.
const FILLER: u32 = 1 << 31;
const STRIDES_SHIFT: u32 = 16;
/// Both checksums were right: `hds_ip_ext`.
const CHECKED: u8 = 1 << 1 | 1 << 2;
/// `l4_l3_hdr_type` of TCP without data in IPv4.
const TCP4: u8 = 1 << 4 | 2 << 2;
/// Register B of a packet that was opened.
const MARKER: u32 = 1 << 31;
/// The hash that all packets have.
pub(crate) const HASH: u32 = 0x5eed_cafe;

/// The queues of a port as its device has them.
pub(crate) struct Card {
    rq: Rq,
    rq_cq: Completions,
    sq: Sq,
    sq_cq: Completions,
    /// Packets, or slabs, that were filled.
    taken: u16,
    /// Strides of the slab that is being filled.
    stride: u32,
    /// Send blocks that were looked at.
    consumed: u16,
}

/// A completion queue as its device has it.
struct Completions {
    cq: Cq,
    producer: u32,
}

impl Completions {
    /// Writes an entry `ahead` of the next one.
    fn write(&self, ahead: u32, bytes: &[u8; 4 * CQE]) {
        let slot = (self.producer.wrapping_add(ahead) & ((1 << self.cq.log_size) - 1)) as usize;
        let place = self.cq.ring.iter().skip(slot * CQE).zip(bytes.as_chunks::<4>().0);
        // The owner bit is in the last dword.
        place.for_each(|(word, bytes)| word.store(u32::from_ne_bytes(*bytes), Release));
    }

    fn owner(&self) -> bool {
        self.producer >> self.cq.log_size & 1 != 0
    }

    fn push(&mut self, mut cqe: Cqe64) {
        cqe.set().owner(self.owner());
        self.write(0, cqe.as_bytes());
        self.producer = self.producer.wrapping_add(1);
    }

    /// Writes several as a compressed block.
    fn push_block(&mut self, cqes: &[Cqe64]) {
        let [title, _, ..] = cqes else {
            return cqes.iter().for_each(|cqe| self.push(cqe.clone()));
        };
        let mut title = title.clone();
        title.set().byte_cnt(cqes.len() as u32).format(COMPRESSED).owner(self.owner());
        for (index, part) in cqes.chunks(MINIS).enumerate() {
            let mut array = [0; 4 * CQE];
            for (place, cqe) in array.as_chunks_mut::<8>().0.iter_mut().zip(part) {
                let mini = MiniCqe8Checksum::build().stridx(cqe.wqe_counter()).byte_cnt(cqe.byte_cnt());
                *place = *mini.done().as_bytes();
            }
            self.write(if index == 0 { 1 } else { (index * MINIS) as u32 }, &array);
        }
        // Last, as it is what the driver looks at.
        self.write(0, title.as_bytes());
        self.producer = self.producer.wrapping_add(cqes.len() as u32);
    }
}

/// What was sent since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// WQEs.
    pub(crate) wqes: u32,
    /// Data segments, one of each packet.
    pub(crate) packets: u32,
    /// Bytes of those segments.
    pub(crate) bytes: u64,
}

impl Card {
    /// The device's end of the queues that were made.
    ///
    /// # Panics
    /// When there is not one of each.
    pub(crate) fn new(told: Told) -> Self {
        let completions = |number: u32| {
            let cq = told.cqs.get(&number).expect("the queue's CQ").clone();
            Completions { cq, producer: 0 }
        };
        let (rq, sq) = (told.rq.expect("a receive queue"), told.sq.expect("a send queue"));
        let (rq_cq, sq_cq) = (completions(rq.cqn), completions(sq.cqn));
        Self { rq, rq_cq, sq, sq_cq, taken: 0, stride: 0, consumed: 0 }
    }

    /// Writes CQEs for `count` packets of `length` bytes.
    ///
    /// # Panics
    /// When the driver has not posted enough.
    pub(crate) fn receive(&mut self, count: usize, length: usize, compressed: bool) {
        self.write(count, length, compressed, &|_| 0);
    }

    /// The same for packets that were opened: `name` tells the SA of each, 0 if there is none.
    ///
    /// # Panics
    /// When the driver has not posted enough.
    pub(crate) fn receive_marked(&mut self, count: usize, length: usize, name: &dyn Fn(usize) -> u32) {
        self.write(count, length, false, name);
    }

    fn write(&mut self, count: usize, length: usize, compressed: bool, name: &dyn Fn(usize) -> u32) {
        let mut block = Vec::with_capacity(count);
        for number in 0..count {
            let mut cqe = match self.rq.strides {
                None => self.in_buffer(length),
                Some((log_count, log_size)) => {
                    let strides = length.div_ceil(1 << log_size) as u32;
                    if self.stride + strides > 1 << log_count {
                        // What is left is too small.
                        self.rq_cq.push_block(&core::mem::take(&mut block));
                        let filler = self.in_strides((1 << log_count) - self.stride, 0, FILLER);
                        self.rq_cq.push(filler);
                    }
                    self.in_strides(strides, length, 0)
                }
            };
            let name = name(number);
            cqe.set().ft_metadata(if name == 0 { 0 } else { MARKER | name });
            if compressed { block.push(cqe) } else { self.rq_cq.push(cqe) }
        }
        self.rq_cq.push_block(&block);
    }

    /// A packet in a buffer of its own.
    fn in_buffer(&mut self, length: usize) -> Cqe64 {
        let posted = record(self.rq.record, 0) as u16;
        assert_ne!(posted, self.taken, "the driver has posted too little");
        let index = self.taken;
        self.taken = self.taken.wrapping_add(1);
        response(index).byte_cnt(length as u32).done()
    }

    /// A packet, or a filler, in the slab that is being filled.
    fn in_strides(&mut self, strides: u32, length: usize, flags: u32) -> Cqe64 {
        let (log_count, _) = self.rq.strides.expect("a striding queue");
        let posted = record(self.rq.record, 0) as u16;
        assert_ne!(posted, self.taken, "the driver has posted too little");
        let slot = self.taken & ((1 << self.rq.log_size) - 1);
        let cqe = response(self.stride as u16)
            .wqe_id(slot)
            .byte_cnt(flags | strides << STRIDES_SHIFT | length as u32)
            .done();
        self.stride += strides;
        if self.stride == 1 << log_count {
            (self.stride, self.taken) = (0, self.taken.wrapping_add(1));
        }
        cqe
    }

    /// Looks at what was posted since the last time, and completes it with one CQE.
    ///
    /// # Panics
    /// When the last WQE does not ask for a CQE, or one is not what a driver may write.
    pub(crate) fn send(&mut self) -> Sent {
        let posted = record(self.sq.record, 1) as u16;
        let mut sent = Sent::default();
        let mut last = None;
        while self.consumed != posted {
            let (control, blocks) = self.wqe(&mut sent);
            assert_eq!(control.wqe_index(), self.consumed);
            last = Some(control);
            self.consumed = self.consumed.wrapping_add(blocks);
        }
        if let Some(control) = last {
            assert_eq!(control.ce(), 2, "the last WQE of a burst asks for a CQE");
            let cqe = Cqe64::build().opcode(CqeOpcode::REQ.0).wqe_counter(control.wqe_index());
            self.sq_cq.push(cqe.sop_drop_qpn(control.qpn()).done());
        }
        sent
    }

    /// Adds up the WQE that is next; its control segment and its blocks.
    fn wqe(&self, sent: &mut Sent) -> (WqeCtrlSeg, u16) {
        let control = WqeCtrlSeg::copy_from(&self.segment(0));
        let ethernet = WqeEthSeg::copy_from(&self.segment(1));
        let segments = usize::from(control.ds());
        let first = match WqeOpcode(control.opcode()) {
            WqeOpcode::SEND | WqeOpcode::ENHANCED_MPSW => 2,
            // Two bytes of headers lie in the Ethernet segment.
            WqeOpcode::LSO => {
                2 + usize::from(ethernet.inline_hdr_sz()).saturating_sub(2).div_ceil(4 * SEGMENT)
            }
            other => panic!("opcode {other}"),
        };
        sent.wqes += 1;
        for index in first..segments {
            sent.packets += 1;
            sent.bytes += u64::from(WqeDataSeg::copy_from(&self.segment(index)).byte_count());
        }
        (control, segments.div_ceil(BLOCK / SEGMENT) as u16)
    }

    /// A segment of the WQE that is next.
    fn segment(&self, index: usize) -> [u8; 4 * SEGMENT] {
        let at = usize::from(self.consumed) * BLOCK + index * SEGMENT;
        let mut bytes = [0; 4 * SEGMENT];
        for (ahead, place) in bytes.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let word = (at + ahead) & ((BLOCK << self.sq.log_size) - 1);
            *place = self.sq.ring[word].load(core::sync::atomic::Ordering::Acquire).to_ne_bytes();
        }
        bytes
    }
}

/// Dword `index` of a doorbell record.
fn record(record: &[AtomicU32], index: usize) -> u32 {
    u32::from_be(record[index].load(core::sync::atomic::Ordering::Acquire))
}

/// A CQE of a packet, but for its length.
fn response(counter: u16) -> mlx5_pci::prm::Build<Cqe64, Cqe64> {
    Cqe64::build()
        .opcode(CqeOpcode::RESP_SEND.0)
        .wqe_counter(counter)
        .rss_hash_result(HASH)
        .hds_ip_ext(CHECKED)
        .l4_l3_hdr_type(TCP4)
}
