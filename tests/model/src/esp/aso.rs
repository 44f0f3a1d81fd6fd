//! The ASO context of an IPsec object: 64 bytes that count sequence numbers (transmit) or hold the replay window
//! (receive), count lifetimes down and say which events are armed.
//!
//! Semantics from Linux's `en_accel/ipsec_offload.c` and its use of work queue entries: an arm bit is cleared when its
//! event fires; the soft event fires when the counter reaches the soft limit, the hard one at zero, and from then on
//! nothing passes; the ESN event fires when the lower half of the sequence number crosses 2^31 or 2^32.
//! Inferred: `mode_parameter` is the next number to send on transmit and the highest one seen on receive; bit 0 of the
//! bitmap is that number; the counter only counts while a lifetime is set; windows of writes step by four bytes.

use super::window::{Bitmap, Esn, Replay};
use mlx5_pci::prm::{IpsecAso, WqeAsoCtrlSeg};

/// Where the lower half of a sequence number raises an event, besides zero.
const MIDDLE: u32 = 0x8000_0000;

/// What the context does with sequence numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// 0: nothing.
    None,
    /// 1: receive, with the replay window.
    ReplayProtection,
    /// 2: transmit, counting.
    IncrementSequence,
}

/// Events that fired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// The upper half of the sequence number needs care.
    pub esn: bool,
    /// The soft lifetime is reached.
    pub soft: bool,
    /// The hard lifetime is reached: this was the last packet.
    pub hard: bool,
}

impl Events {
    /// Whether the driver gets an event.
    pub fn any(&self) -> bool {
        self.esn || self.soft || self.hard
    }

    /// Those of both.
    #[must_use]
    pub fn and(self, other: Events) -> Events {
        Events { esn: self.esn || other.esn, soft: self.soft || other.soft, hard: self.hard || other.hard }
    }
}

/// Why an access is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessError {
    /// A data mask mode that IPsec contexts don't have (only 0, 64 bits bitwise).
    MaskMode,
    /// A condition that does not exist.
    Condition,
    /// The window lies outside of the context.
    Window,
    /// The mask covers reserved bits.
    Reserved,
}

/// An ASO context.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AsoContext {
    layout: IpsecAso,
}

impl AsoContext {
    /// As the driver wrote it into the object.
    pub fn new(layout: IpsecAso) -> AsoContext {
        AsoContext { layout }
    }

    /// As the driver reads it.
    pub fn layout(&self) -> &IpsecAso {
        &self.layout
    }

    /// The mode; `None` for the value that is not one.
    pub fn mode(&self) -> Option<Mode> {
        match self.layout.mode() {
            0 => Some(Mode::None),
            1 => Some(Mode::ReplayProtection),
            2 => Some(Mode::IncrementSequence),
            _ => None,
        }
    }

    /// Size of the replay window.
    pub fn window(&self) -> u32 {
        32 << self.layout.window_sz()
    }

    /// Whether the hard lifetime is over: the flow is removed, nothing passes.
    pub fn is_exhausted(&self) -> bool {
        self.layout.remove_flow_enable() && self.layout.remove_flow_pkt_cnt() == 0
    }

    /// Counts a packet against the lifetimes; `None` if it may not pass any more.
    pub fn count(&mut self) -> Option<Events> {
        let layout = &mut self.layout;
        let limited = layout.remove_flow_enable() || layout.soft_lft_arm() || layout.hard_lft_arm();
        if !limited {
            return Some(Events::default());
        }
        let Some(left) = layout.remove_flow_pkt_cnt().checked_sub(1) else {
            return (!layout.remove_flow_enable()).then(Events::default);
        };
        let soft = layout.soft_lft_arm() && left == layout.remove_flow_soft_lft();
        let hard = layout.hard_lft_arm() && left == 0;
        let (soft_arm, hard_arm) = (layout.soft_lft_arm() && !soft, layout.hard_lft_arm() && !hard);
        layout.set().remove_flow_pkt_cnt(left).soft_lft_arm(soft_arm).hard_lft_arm(hard_arm);
        Some(Events { esn: false, soft, hard })
    }

    /// The sequence number of the next packet to send. `None` when the context does not count, or when the number would
    /// be zero: without ESN the counter has run out (RFC 4303, section 3.3.3), with it the driver began wrongly.
    pub fn next_sequence(&mut self, esn: &Esn) -> Option<(u64, Events)> {
        if self.mode() != Some(Mode::IncrementSequence) {
            return None;
        }
        let low = self.layout.mode_parameter();
        let sequence = esn.extend(low);
        if sequence == 0 {
            return None;
        }
        let next = low.wrapping_add(1);
        self.layout.set().mode_parameter(next);
        Some((sequence, self.crossed(esn, low, u64::from(low) + 1)))
    }

    /// The whole sequence number of a received packet; `None` if it would be before the first.
    pub fn infer(&self, esn: &Esn, low: u32) -> Option<u64> {
        match self.mode() {
            Some(Mode::ReplayProtection) => esn.infer(self.layout.mode_parameter(), self.window(), low),
            _ => Some(esn.extend(low)),
        }
    }

    /// What the window says about a received packet. Whether it is authentic is not known yet.
    pub fn check(&self, esn: &Esn, low: u32) -> Replay {
        if self.mode() != Some(Mode::ReplayProtection) {
            return Replay::Fresh;
        }
        let top = esn.extend(self.layout.mode_parameter());
        match self.infer(esn, low) {
            Some(sequence) => self.bitmap().check(self.window(), top, sequence),
            None => Replay::Stale,
        }
    }

    /// Notes an authentic packet.
    pub fn mark(&mut self, esn: &Esn, low: u32) -> Events {
        let (Some(Mode::ReplayProtection), Some(sequence)) = (self.mode(), self.infer(esn, low)) else {
            return Events::default();
        };
        let old = self.layout.mode_parameter();
        let top = esn.extend(old);
        let mut bitmap = self.bitmap();
        let new = bitmap.mark(self.window(), top, sequence);
        self.layout.set().mode_parameter(new as u32).replay_protection_window(&bitmap.store());
        self.crossed(esn, old, u64::from(old) + new.saturating_sub(top))
    }

    /// [`AsoContext::check`], and [`AsoContext::mark`] if it is fresh, for a packet that is known to be authentic.
    pub fn check_and_mark(&mut self, esn: &Esn, low: u32) -> (Replay, Events) {
        let replay = self.check(esn, low);
        let events = if replay == Replay::Fresh { self.mark(esn, low) } else { Events::default() };
        (replay, events)
    }

    fn bitmap(&self) -> Bitmap {
        Bitmap::load(self.layout.replay_protection_window())
    }

    /// Fires the ESN event if the lower half went from `old` to `new`, counted on beyond 32 bits, over a border.
    fn crossed(&mut self, esn: &Esn, old: u32, new: u64) -> Events {
        let middle = u64::from(MIDDLE);
        let crossed = u64::from(old) / middle != new / middle;
        if !crossed || !esn.enabled || !self.layout.esn_event_arm() {
            return Events::default();
        }
        self.layout.set().esn_event_arm(false);
        Events { esn: true, ..Events::default() }
    }

    /// The modifying half of an ASO access: if the conditions hold, the bits under the mask are replaced. Whether they
    /// held. (What READ_EN wants is [`AsoContext::layout`].)
    pub fn access(&mut self, control: &WqeAsoCtrlSeg) -> Result<bool, AccessError> {
        let first = (control.condition_0_operand(), control.condition_0_offset());
        let second = (control.condition_1_operand(), control.condition_1_offset());
        let first = self.condition(first, control.condition_0_data(), control.condition_0_mask())?;
        let second = self.condition(second, control.condition_1_data(), control.condition_1_mask())?;
        let holds = match control.condition_operand() {
            0 => first && second,
            1 => first || second,
            _ => return Err(AccessError::Condition),
        };
        if control.data_mask_mode() != 0 {
            return Err(AccessError::MaskMode);
        }
        let (data, mask) = (control.bitwise_data(), control.data_mask());
        let start = usize::from(control.data_offset());
        let claims = IpsecAso::CLAIMS.get(start..start + 2).ok_or(AccessError::Window)?;
        let mut claimed = 0;
        for dword in claims {
            claimed = claimed << 32 | u64::from(*dword);
        }
        if mask & !claimed != 0 {
            return Err(AccessError::Reserved);
        }
        let bytes = self.layout.as_bytes_mut().get_mut(start * 4..).and_then(|bytes| bytes.first_chunk_mut());
        let bytes: &mut [u8; 8] = bytes.ok_or(AccessError::Window)?;
        if holds {
            let old = u64::from_be_bytes(*bytes);
            *bytes = (old & !mask | data & mask).to_be_bytes();
        }
        Ok(holds)
    }

    /// One condition: operand and offset in dwords, what the dword under the mask is compared with.
    fn condition(&self, (operand, offset): (u8, u8), data: u32, mask: u32) -> Result<bool, AccessError> {
        let (dwords, _) = self.layout.as_bytes().as_chunks::<4>();
        let dword = dwords.get(usize::from(offset)).ok_or(AccessError::Window)?;
        let (value, data) = (u32::from_be_bytes(*dword) & mask, data & mask);
        let ahead = value.wrapping_sub(data) as i32;
        match operand {
            0 => Ok(false),
            1 => Ok(true),
            2 => Ok(value == data),
            3 => Ok(value != data),
            4 => Ok(value >= data),
            5 => Ok(value <= data),
            6 => Ok(value < data),
            7 => Ok(value > data),
            8 => Ok(ahead > 0),
            9 => Ok(ahead < 0),
            _ => Err(AccessError::Condition),
        }
    }
}

#[cfg(test)]
mod tests;
