//! Doorbells: the registers of a UAR page (facts E.1, E.7–E.9).
//!
//! Queues ring here after they have written their record. What a doorbell may carry, and where, is said once.

use crate::hal::Bar;

/// Bytes of a UAR page.
const PAGE: usize = 4096;
/// Registers of a page.
const CQ_ARM: usize = 0x20;
const EQ_ARM: usize = 0x40;
const EQ_UPDATE: usize = 0x48;
const BLUEFLAME: usize = 0x800;
/// Counters of CQs and EQs have so many bits.
pub(crate) const COUNTER: u32 = 0x00ff_ffff;
/// Where the EQ number stands in an EQ's doorbell, and the sequence number in a CQ's arming word.
const EQN_SHIFT: u32 = 24;
const ARM_SEQUENCE_SHIFT: u32 = 28;

/// A UAR page that ALLOC_UAR has given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uar {
    /// Its number.
    pub page: u32,
    /// log2 of the bytes of a BlueFlame register, whose two halves are used in turn (`log_bf_reg_size`).
    pub log_bf_reg_size: u8,
}

impl Uar {
    const fn at(self, register: usize) -> usize {
        self.page as usize * PAGE + register
    }

    /// Tells EQ `eqn` what was taken, and asks for an interrupt if `arm`.
    pub(crate) fn update_eq(self, bar: &impl Bar, eqn: u8, consumer: u32, arm: bool) {
        let register = if arm { EQ_ARM } else { EQ_UPDATE };
        bar.write(self.at(register), u32::from(eqn) << EQN_SHIFT | consumer & COUNTER);
    }

    /// The word that asks CQ for its next event; it goes into the doorbell record too.
    pub(crate) fn arm_word(sequence: u32, consumer: u32) -> u32 {
        (sequence & 3) << ARM_SEQUENCE_SHIFT | consumer & COUNTER
    }

    /// Asks CQ `cqn` for an event.
    pub(crate) fn arm_cq(self, bar: &impl Bar, cqn: u32, word: u32) {
        bar.write_pair(self.at(CQ_ARM), [word, cqn]);
    }

    /// Rings for send WQEs; `head` is the first eight bytes of the last of them. `half` alternates.
    #[inline]
    pub(crate) fn ring_sq(self, bar: &impl Bar, half: bool, head: [u32; 2]) {
        bar.write_pair(self.blueflame(half), head);
    }

    /// Rings for the only send WQE, and carries it.
    #[inline]
    pub(crate) fn push_sq(self, bar: &impl Bar, half: bool, wqe: &[u8; 64]) {
        bar.write_block(self.blueflame(half), wqe);
    }

    /// Whether a half of the register holds a whole block.
    pub(crate) fn has_blueflame(self) -> bool {
        self.log_bf_reg_size >= 7
    }

    #[inline]
    fn blueflame(self, half: bool) -> usize {
        let size = if self.log_bf_reg_size == 0 { 0 } else { (1 << self.log_bf_reg_size) / 2 };
        self.at(BLUEFLAME) + if half { size } else { 0 }
    }
}
