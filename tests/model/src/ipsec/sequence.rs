//! What one packet does to an ASO context: its number, the window, the lifetimes, the events.
//!
//! Facts C.7, C.8, E.11. The card keeps the lower half of the sequence number, `mode_parameter`: on transmit the next
//! number to be sent, on receive the bottom of the window (so Linux's `macsec.c` says of the same context). The upper
//! half is `esn_msb`, which only the driver changes; while `esn_overlap` is set, numbers of the lower half of the number
//! space already belong to `esn_msb` + 1. The driver is told whenever `mode_parameter` enters the other half of the
//! number space, and sets `esn_overlap`, or clears it and counts `esn_msb` up. So the card knows the upper half before it
//! looks at the window, and the whole window lies on one side when the driver moves `esn_msb`.
//!
//! `remove_flow_pkt_cnt` counts down to 0, one for each packet that is encrypted or accepted. Reaching
//! `remove_flow_soft_lft` tells the driver while `soft_lft_arm` is set; reaching 0 tells it while `hard_lft_arm` is, and
//! takes the flow away if `remove_flow_enable` is set. Whatever was told is disarmed until a work queue entry arms it.
//!
//! Inferred: the meaning of `mode_parameter` on receive (Linux's `ipsec.c` fills it with the highest number seen, which
//! for a new SA is the same); bit *n* of the window, counted from the end, stands for bottom + *n*; packets that fail a
//! check neither count nor move the window; a number is never sent twice.

use super::object::{MODE_INC_SN, MODE_REPLAY_PROTECTION, Object};

/// The middle of the number space of the lower half.
const HALF: u32 = 1 << 31;

impl Object {
    /// The whole sequence number whose lower half is `low`.
    pub(super) fn whole(&self, low: u32) -> u64 {
        let high = match self.body.esn_en() {
            false => 0,
            true if self.body.esn_overlap() && low < HALF => self.body.esn_msb().wrapping_add(1),
            true => self.body.esn_msb(),
        };
        u64::from(high) << 32 | u64::from(low)
    }

    /// The number of the next packet to be sent; `None` when it was used already, because the driver has not looked
    /// after the upper half or because all numbers are spent.
    pub(super) fn next(&self) -> Option<u64> {
        let next = self.whole(self.aso.mode_parameter());
        (self.aso.mode() == MODE_INC_SN && self.sent.is_none_or(|sent| next > sent)).then_some(next)
    }

    /// `number` is on its way. Says whether the driver has to be told something.
    pub(super) fn sent(&mut self, number: u64) -> bool {
        self.sent = Some(number);
        let moved = self.advance_to((number as u32).wrapping_add(1));
        self.count() | moved
    }

    /// Whether a packet with this number may be accepted, as far as the window goes.
    pub(super) fn is_fresh(&self, low: u32) -> bool {
        if self.aso.mode() != MODE_REPLAY_PROTECTION {
            return true;
        }
        match self.whole(low).checked_sub(self.whole(self.aso.mode_parameter())) {
            None => false,
            Some(place) if place < self.window_size() => !Window::of(self).has(place),
            Some(_) => true,
        }
    }

    /// A packet with a fresh number was accepted. Says whether the driver has to be told something.
    pub(super) fn accepted(&mut self, low: u32) -> bool {
        let mut moved = false;
        if self.aso.mode() == MODE_REPLAY_PROTECTION {
            let bottom = self.aso.mode_parameter();
            let size = self.window_size();
            let mut place = self.whole(low).saturating_sub(self.whole(bottom));
            let mut window = Window::of(self);
            if place >= size {
                let distance = place - size + 1;
                window.slide(distance);
                place = size - 1;
                moved = self.advance_to(bottom.wrapping_add(distance as u32));
            }
            window.set(place);
            window.store(self);
        }
        self.count() | moved
    }

    fn window_size(&self) -> u64 {
        32 << self.aso.window_sz()
    }

    /// Moves `mode_parameter`; says whether that is an event.
    fn advance_to(&mut self, low: u32) -> bool {
        let crossed = (self.aso.mode_parameter() ^ low) & HALF != 0;
        self.aso.set().mode_parameter(low);
        let tell = crossed && self.body.esn_en() && self.aso.esn_event_arm();
        if tell {
            self.aso.set().esn_event_arm(false);
        }
        tell
    }

    /// Counts one packet against the lifetimes; says whether that is an event.
    fn count(&mut self) -> bool {
        let Some(left) = self.aso.remove_flow_pkt_cnt().checked_sub(1) else { return false };
        self.aso.set().remove_flow_pkt_cnt(left);
        let soft = self.aso.soft_lft_arm() && left == self.aso.remove_flow_soft_lft();
        if soft {
            self.aso.set().soft_lft_arm(false);
        }
        let hard = self.aso.hard_lft_arm() && left == 0;
        if hard {
            self.aso.set().hard_lft_arm(false);
        }
        self.removed |= left == 0 && self.aso.remove_flow_enable();
        soft | hard
    }
}

/// `replay_protection_window` as two numbers, the upper one first.
struct Window([u128; 2]);

impl Window {
    fn of(object: &Object) -> Window {
        let half = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte));
        let (upper, lower) = object.aso.replay_protection_window().split_at(16);
        Window([half(upper), half(lower)])
    }

    fn has(&self, place: u64) -> bool {
        self.0[1 - place as usize / 128] >> (place % 128) & 1 == 1
    }

    fn set(&mut self, place: u64) {
        self.0[1 - place as usize / 128] |= 1 << (place % 128);
    }

    fn slide(&mut self, distance: u64) {
        let [upper, lower] = self.0;
        self.0 = match distance {
            0 => [upper, lower],
            1..128 => [upper >> distance, lower >> distance | upper << (128 - distance)],
            128..256 => [0, upper >> (distance - 128)],
            _ => [0, 0],
        };
    }

    fn store(&self, object: &mut Object) {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&self.0[0].to_be_bytes());
        bytes[16..].copy_from_slice(&self.0[1].to_be_bytes());
        object.aso.set().replay_protection_window(&bytes);
    }
}
