//! CQE compression of receive completions: runs of CQEs that differ only in length, checksum and place become one title
//! and eight bytes for each packet (mini CQEs), as Linux's `en_rx.c` unpacks them.
//!
//! In the basic layout the title comes first and says how many packets follow; arrays of eight mini CQEs lie in the
//! entry after it and in every eighth. In the enhanced layout the title is an ordinary CQE that was written before, and
//! each block is one entry with up to seven mini CQEs. Either way a block takes as many entries as it has packets.
//! Left out: compression of send CQEs.

use super::limits::Limits;
use crate::{Check, Refusal};
use core::time::Duration;
use mlx5_pci::prm::{CmdStatus, Cqe64, CqeOpcode, MiniCqe8, MiniCqe8Checksum};

/// How long CQEs are kept back for others to join them.
const WAIT: Duration = Duration::from_micros(8);
/// Packets in a block of the basic layout.
const BASIC_MAX: usize = 56;
/// Packets in a block of the enhanced layout.
const ENHANCED_MAX: usize = 7;
/// Mini CQEs in an array.
const ARRAY: usize = 8;
/// The format of a title, and of a block of the enhanced layout.
const COMPRESSED: u8 = 3;
/// Set in `byte_cnt` when strides are consumed without a packet.
const FILLER: u32 = 1 << 31;

/// What the first dword of a mini CQE holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// The RSS hash.
    Hash = 0,
    /// The checksum; the place is counted on.
    Checksum = 1,
    /// The checksum and the stride index.
    ChecksumStride = 3,
}

/// Receive CQEs that wait to be written together.
#[derive(Debug)]
pub(super) struct Compressor {
    format: Format,
    enhanced: bool,
    title: Option<Cqe64>,
    last: Option<Cqe64>,
    kept: Vec<Cqe64>,
    since: Duration,
}

/// Entries of a CQ that take `slots` places.
pub(super) struct Block {
    /// Places that are used up.
    pub(super) slots: u32,
    /// What to write, by place; the first one carries the owner bit.
    pub(super) entries: Vec<(u32, Cqe64)>,
}

impl Compressor {
    /// A compressor as a CQ's context asks for.
    ///
    /// # Errors
    /// BAD_PARAM when the format is not one of those that capabilities offer.
    pub(super) fn new(limits: Limits, format: u8, layout: u8) -> Result<Compressor, Refusal> {
        let refusal = |check, field| Refusal::new(CmdStatus::BAD_PARAM, check, field, 0x10);
        if !limits.cqe_compression {
            return Err(refusal(Check::Capability, "cqe_comp_en"));
        }
        let format = match format {
            0 => Format::Hash,
            1 => Format::Checksum,
            3 if limits.mini_cqe_resp_stride_index => Format::ChecksumStride,
            3 => return Err(refusal(Check::Capability, "mini_cqe_res_format")),
            _ => return Err(refusal(Check::Value, "mini_cqe_res_format")),
        };
        let enhanced = match layout {
            0 => false,
            1 if limits.enhanced_cqe_compression => true,
            1 => return Err(refusal(Check::Capability, "cqe_compression_layout")),
            _ => return Err(refusal(Check::Value, "cqe_compression_layout")),
        };
        Ok(Compressor { format, enhanced, title: None, last: None, kept: Vec::new(), since: Duration::ZERO })
    }

    /// Whether the layout is the enhanced one.
    pub(super) fn is_enhanced(&self) -> bool {
        self.enhanced
    }

    /// Whether `cqe` can join what is kept.
    pub(super) fn takes(&self, cqe: &Cqe64) -> bool {
        if !plain(cqe) {
            return false;
        }
        let (Some(title), Some(last)) = (&self.title, &self.last) else { return !self.enhanced };
        self.common(title) == self.common(cqe)
            && (self.format == Format::ChecksumStride || follows(last, cqe))
    }

    /// A CQE without what mini CQEs carry, and without what is lost for all packets but the title's.
    fn common(&self, cqe: &Cqe64) -> Cqe64 {
        let mut common = cqe.clone();
        let rest =
            common.set().byte_cnt(0).timestamp(0).wqe_counter(0).rss_hash_result(0).signature(0).owner(false);
        if self.format != Format::Hash {
            rest.check_sum(0);
        }
        common
    }

    /// Keeps `cqe`, which [`Compressor::takes`] has agreed to.
    pub(super) fn keep(&mut self, cqe: Cqe64, now: Duration) {
        if self.kept.is_empty() {
            self.since = now;
        }
        if self.title.is_none() {
            self.title = Some(cqe.clone());
        }
        self.last = Some(cqe.clone());
        self.kept.push(cqe);
    }

    /// `cqe` was written as it is: in the enhanced layout the next ones may refer to it.
    pub(super) fn written(&mut self, cqe: &Cqe64) {
        self.title = (self.enhanced && plain(cqe)).then(|| cqe.clone());
        self.last = self.title.clone();
    }

    /// Whether a block is complete.
    pub(super) fn is_full(&self) -> bool {
        self.kept.len() >= if self.enhanced { ENHANCED_MAX } else { BASIC_MAX }
    }

    /// When what is kept has to be written.
    pub(super) fn deadline(&self) -> Option<Duration> {
        (!self.kept.is_empty()).then(|| self.since + WAIT)
    }

    /// What was kept, as entries.
    pub(super) fn take(&mut self) -> Option<Block> {
        let kept = core::mem::take(&mut self.kept);
        let first = kept.first()?;
        let slots = kept.len() as u32;
        let minis: Vec<[u8; MiniCqe8::SIZE]> = kept.iter().map(|cqe| self.mini(cqe)).collect();
        if self.enhanced {
            let mut entry = array(&minis);
            entry.set().opcode((slots - 1) as u8).format(COMPRESSED);
            return Some(Block { slots, entries: vec![(0, entry)] });
        }
        self.title = None;
        self.last = None;
        if kept.len() == 1 {
            return Some(Block { slots, entries: vec![(0, first.clone())] });
        }
        let mut title = first.clone();
        title.set().byte_cnt(slots).format(COMPRESSED);
        let mut entries = vec![(0, title)];
        for (index, part) in minis.chunks(ARRAY).enumerate() {
            let place = if index == 0 { 1 } else { (index * ARRAY) as u32 };
            entries.push((place, array(part)));
        }
        Some(Block { slots, entries })
    }

    fn mini(&self, cqe: &Cqe64) -> [u8; MiniCqe8::SIZE] {
        if self.format == Format::Hash {
            let mini = MiniCqe8::build().rx_hash_result(cqe.rss_hash_result()).byte_cnt(cqe.byte_cnt());
            return *mini.done().as_bytes();
        }
        let mut mini = MiniCqe8Checksum::build().checksum(cqe.check_sum()).byte_cnt(cqe.byte_cnt()).done();
        if self.format == Format::ChecksumStride {
            mini.set().stridx(cqe.wqe_counter());
        }
        *mini.as_bytes()
    }
}

/// Whether `cqe` is that of a packet.
fn plain(cqe: &Cqe64) -> bool {
    CqeOpcode(cqe.opcode()) == CqeOpcode::RESP_SEND && !cqe.solicited() && cqe.byte_cnt() & FILLER == 0
}

fn array(minis: &[[u8; MiniCqe8::SIZE]]) -> Cqe64 {
    let mut entry = Cqe64::default();
    for (place, mini) in entry.as_bytes_mut().as_chunks_mut().0.iter_mut().zip(minis) {
        *place = *mini;
    }
    entry
}

/// Whether `cqe` uses the place after that of `last`: the next WQE, or the next stride of a multi-packet WQE, whose
/// CQEs say in the upper half of `byte_cnt` how many strides they consume.
fn follows(last: &Cqe64, cqe: &Cqe64) -> bool {
    let strides = (last.byte_cnt() >> 16 & 0x7fff) as u16;
    cqe.wqe_counter() == last.wqe_counter().wrapping_add(strides.max(1))
}
