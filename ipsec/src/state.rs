//! An installed SA: its parameters, its key, its use so far and the limits of it.

use alloc::vec::Vec;
use core::net::IpAddr;

use net::{Duration, Instant, PortId};

use crate::aead::{Algorithm, OpeningKey, SealingKey};
use crate::cards::Place;
use crate::cause::{Cause, Drops};
use crate::offload::{Card, CardCounts, CardSa, Name, Placement, Reason};
use crate::outer::Template;
use crate::replay::Window;
use crate::sa::{Direction, Handle, InstallError, Lifetimes, Mode, Outer, SaParams, SaStats, Spi, UdpEncap};
use crate::selector::Selector;
use crate::spd::PolicyId;

/// Shortest interval of NAT keepalives.
const KEEPALIVE_MIN: Duration = Duration::from_secs(1);

/// Something to tell the control path about an SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    Soft,
    Hard,
    Exhausted,
    Moved(IpAddr, u16),
    Lost,
}

/// Use of an SA, against its limits.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) installed: Instant,
    pub(crate) last_used: Instant,
    /// Carries nothing any more.
    pub(crate) expired: bool,
    soft: Ceiling,
    hard: Ceiling,
    /// Below these nothing happens.
    near: Ceiling,
    soft_raised: bool,
    soft_due: bool,
    hard_due: bool,
}

/// Limits with "none" spelled as never.
#[derive(Debug, Clone, Copy)]
struct Ceiling {
    packets: u64,
    bytes: u64,
    at: Instant,
}

impl Meter {
    fn new(now: Instant, lifetime: &Lifetimes, sequence_limit: u64) -> Self {
        let ceiling = |limits: crate::sa::Limits| Ceiling {
            packets: limits.packets.unwrap_or(u64::MAX),
            bytes: limits.bytes.unwrap_or(u64::MAX),
            at: limits.time.map_or(Instant::NEVER, |time| now + time),
        };
        let mut soft = ceiling(lifetime.soft);
        soft.packets = soft.packets.min(sequence_limit - sequence_limit / 16);
        let hard = ceiling(lifetime.hard);
        let mut meter = Self {
            packets: 0,
            bytes: 0,
            installed: now,
            last_used: now,
            expired: false,
            soft,
            hard,
            near: hard,
            soft_raised: false,
            soft_due: false,
            hard_due: false,
        };
        meter.look_ahead();
        meter
    }

    /// Finds out below what nothing happens.
    fn look_ahead(&mut self) {
        let Ceiling { packets, bytes, at } = self.hard;
        self.near = match (self.expired, self.soft_raised) {
            (true, _) => Ceiling { packets: 0, bytes: 0, at: Instant::ZERO },
            (false, true) => self.hard,
            (false, false) => {
                Ceiling { packets: packets.min(self.soft.packets), bytes: bytes.min(self.soft.bytes), at }
            }
        };
    }

    /// Counts a packet if that is far from every limit. If not, nothing has changed, and it is for [`Meter::allow`] and
    /// [`Meter::count`].
    #[inline]
    pub(crate) fn pass(&mut self, now: Instant, bytes: usize) -> bool {
        let (packets, bytes) = (self.packets.saturating_add(1), self.bytes.saturating_add(bytes as u64));
        let far = packets < self.near.packets && bytes < self.near.bytes && now < self.near.at;
        if far {
            (self.packets, self.bytes, self.last_used) = (packets, bytes, now);
        }
        far
    }

    /// Whether so many more packets, of so many bytes together, may pass.
    #[inline]
    pub(crate) fn has_room(&self, now: Instant, packets: u64, bytes: usize) -> bool {
        !self.expired
            && self.packets.saturating_add(packets) <= self.hard.packets
            && self.bytes.saturating_add(bytes as u64) <= self.hard.bytes
            && now < self.hard.at
    }

    /// Whether one more packet of this many bytes may pass. If not, the SA has expired, which is to be told.
    #[inline]
    pub(crate) fn allow(&mut self, now: Instant, bytes: usize) -> Result<(), Cause> {
        if !self.has_room(now, 1, bytes) {
            self.expire();
            return Err(Cause::Expired);
        }
        Ok(())
    }

    /// Counts so many packets that passed, of so many bytes together. Returns whether there is something to tell.
    #[inline]
    pub(crate) fn count(&mut self, now: Instant, packets: u64, bytes: usize) -> bool {
        self.packets += packets;
        self.bytes = self.bytes.saturating_add(bytes as u64);
        self.last_used = now;
        if self.packets >= self.hard.packets || self.bytes >= self.hard.bytes {
            self.expire();
        }
        if self.packets >= self.soft.packets || self.bytes >= self.soft.bytes {
            self.raise_soft();
        }
        self.soft_due || self.hard_due
    }

    /// Looks at the clock.
    fn tick(&mut self, now: Instant) {
        if now >= self.hard.at {
            self.expire();
        }
        if now >= self.soft.at {
            self.raise_soft();
        }
    }

    fn raise_soft(&mut self) {
        self.soft_due |= !self.soft_raised;
        self.soft_raised = true;
        self.look_ahead();
    }

    fn expire(&mut self) {
        self.hard_due |= !self.expired;
        self.expired = true;
        // Too late for a soft limit.
        self.soft_raised = true;
        self.soft_due = false;
        self.look_ahead();
    }

    /// Stops the SA for a reason that is told in another way.
    pub(crate) fn stop(&mut self) {
        self.expire();
        self.hard_due = false;
    }

    fn wake(&self) -> Instant {
        match (self.expired, self.soft_raised) {
            (true, _) => Instant::NEVER,
            (false, true) => self.hard.at,
            (false, false) => self.hard.at.min(self.soft.at),
        }
    }
}

/// What an SA needs for its direction.
pub(crate) enum Half {
    Out(Outbound),
    In(Inbound),
}

/// An SA on a card, which has the key.
#[derive(Debug)]
pub(crate) struct Carded {
    pub(crate) port: PortId,
    pub(crate) name: Name,
    /// Packets of the card's replay window.
    window: u32,
    /// What of the card's counts is in the SA's own already.
    counted: CardCounts,
}

/// What seals: there is one, and it is never another.
pub(crate) enum Sealer {
    Software(SealingKey),
    Card(Carded),
}

/// What opens.
pub(crate) enum Opener {
    Software(OpeningKey, Window),
    Card(Carded),
}

pub(crate) struct Outbound {
    pub(crate) sealer: Sealer,
    /// The outer header of tunnel mode.
    pub(crate) template: Option<Template>,
    /// When the last keepalive was asked for.
    pub(crate) keepalive_sent: Instant,
    pub(crate) exhausted_due: bool,
}

pub(crate) struct Inbound {
    pub(crate) opener: Opener,
    /// Where the peer was last seen, if not where it should be, and not told yet.
    pub(crate) moved: Option<(IpAddr, u16)>,
    /// The last place that was told.
    pub(crate) told: Option<(IpAddr, u16)>,
}

/// An installed SA.
pub(crate) struct Sa {
    pub(crate) spi: Spi,
    pub(crate) mode: Mode,
    pub(crate) encap: Option<UdpEncap>,
    pub(crate) keepalive: Option<Duration>,
    pub(crate) algorithm: Algorithm,
    pub(crate) esn: bool,
    pub(crate) selectors: Vec<Selector>,
    pub(crate) policy: PolicyId,
    pub(crate) outer: Outer,
    pub(crate) half: Half,
    pub(crate) meter: Meter,
    pub(crate) drops: Drops,
    /// Why software does it, if it does.
    why: Option<Reason>,
    /// Its card has failed, and whether that is still to be told.
    pub(crate) lost: bool,
    lost_due: bool,
}

impl Sa {
    /// Takes the parameters, and moves the key in them to its `place`. Fails before anything is kept.
    pub(crate) fn new(now: Instant, params: SaParams, place: Place<'_>) -> Result<Self, InstallError> {
        let told = CardSa::of(&params);
        let SaParams { spi, mode, encap, algorithm, key, esn, .. } = params;
        if spi < Spi::MIN {
            return Err(InstallError::ReservedSpi(spi));
        }
        if params.selectors.is_empty() {
            return Err(InstallError::NoSelectors);
        }
        if mode.local().is_ipv4() != mode.remote().is_ipv4() {
            return Err(InstallError::MixedEnds);
        }
        let key_length = InstallError::KeyLength { algorithm, given: key.len() };
        if key.len() != algorithm.key_len() {
            return Err(key_length);
        }
        let mut sequence_limit = u64::MAX;
        let mut why = None;
        let on_card = |(port, card): (PortId, &mut dyn Card), key| {
            let name = card.install(&told, key).map_err(InstallError::Card)?;
            Ok(Carded { port, name, window: told.window, counted: CardCounts::default() })
        };
        let half = match params.direction {
            Direction::Out => {
                let template = if mode.is_tunnel() {
                    Some(Template::new(&mode, encap, params.outer).ok_or(InstallError::MixedEnds)?)
                } else {
                    None
                };
                let sealer = match place {
                    Place::Software(reason) => {
                        why = Some(reason);
                        let key = SealingKey::new(algorithm, key, spi, esn).ok_or(key_length)?;
                        sequence_limit = key.limit();
                        Sealer::Software(key)
                    }
                    // The card stops it at its last sequence number, and says so.
                    Place::Card(port, card) => Sealer::Card(on_card((port, card), key)?),
                };
                Half::Out(Outbound { sealer, template, keepalive_sent: now, exhausted_due: false })
            }
            Direction::In => {
                let window = params.replay_window;
                if esn && window == 0 {
                    return Err(InstallError::EsnWithoutWindow);
                }
                let window = Window::new(window).ok_or(InstallError::ReplayWindow(window))?;
                let opener = match place {
                    Place::Software(reason) => {
                        why = Some(reason);
                        let key = OpeningKey::new(algorithm, key, spi, esn).ok_or(key_length)?;
                        Opener::Software(key, window)
                    }
                    Place::Card(port, card) => Opener::Card(on_card((port, card), key)?),
                };
                Half::In(Inbound { opener, moved: None, told: None })
            }
        };
        Ok(Self {
            spi,
            mode,
            encap,
            keepalive: params.keepalive,
            algorithm,
            esn,
            selectors: params.selectors,
            policy: params.policy,
            outer: params.outer,
            half,
            meter: Meter::new(now, &params.lifetime, sequence_limit),
            drops: Drops::default(),
            why,
            lost: false,
            lost_due: false,
        })
    }

    pub(crate) fn direction(&self) -> Direction {
        match self.half {
            Half::Out(_) => Direction::Out,
            Half::In(_) => Direction::In,
        }
    }

    pub(crate) fn stats(&self, handle: Handle) -> SaStats {
        let (sequence, window) = match &self.half {
            Half::Out(Outbound { sealer: Sealer::Software(key), .. }) => (key.last(), 0),
            Half::In(Inbound { opener: Opener::Software(_, window), .. }) => (window.top(), window.size()),
            // The card numbers packets, and only asking it would tell more.
            Half::Out(Outbound { sealer: Sealer::Card(_), .. }) => (self.meter.packets, 0),
            Half::In(Inbound { opener: Opener::Card(carded), .. }) => (self.meter.packets, carded.window),
        };
        SaStats {
            handle,
            spi: self.spi,
            direction: self.direction(),
            mode: self.mode,
            encap: self.encap,
            algorithm: self.algorithm,
            policy: self.policy,
            packets: self.meter.packets,
            bytes: self.meter.bytes,
            drops: self.drops,
            sequence,
            window,
            installed: self.meter.installed,
            last_used: self.meter.last_used,
            expired: self.meter.expired,
        }
    }

    /// The SA on its card, if one does it.
    pub(crate) fn carded(&self) -> Option<&Carded> {
        match &self.half {
            Half::Out(Outbound { sealer: Sealer::Card(carded), .. })
            | Half::In(Inbound { opener: Opener::Card(carded), .. }) => Some(carded),
            _ => None,
        }
    }

    /// Whether a card opens what comes by it.
    #[inline]
    pub(crate) fn is_opened_by_card(&self) -> bool {
        matches!(&self.half, Half::In(Inbound { opener: Opener::Card(_), .. }))
    }

    /// Where it is done.
    pub(crate) fn placement(&self) -> Placement {
        match self.carded() {
            Some(carded) => Placement::Card(carded.port),
            None => Placement::Software(self.why.clone().unwrap_or(Reason::Configured)),
        }
    }

    /// It carries nothing any more: its card has failed or can't follow.
    pub(crate) fn lose(&mut self) {
        self.lost_due |= !self.lost;
        self.lost = true;
        self.meter.stop();
    }

    /// The card's hard limit was reached.
    pub(crate) fn stop_by_card(&mut self) {
        self.meter.expire();
    }

    /// The card's soft limit was reached.
    pub(crate) fn raise_soft(&mut self) {
        self.meter.raise_soft();
    }

    /// Takes over what the card has counted since the last time; the drops of it.
    pub(crate) fn take_counts(&mut self, counts: CardCounts) -> Drops {
        let mut new = Drops::default();
        let (Half::Out(Outbound { sealer: Sealer::Card(carded), .. })
        | Half::In(Inbound { opener: Opener::Card(carded), .. })) = &mut self.half
        else {
            return new;
        };
        let before = core::mem::replace(&mut carded.counted, counts);
        for (cause, now, then) in [
            (Cause::BadIcv, counts.bad_icv, before.bad_icv),
            (Cause::BadPadding, counts.bad_trailer, before.bad_trailer),
            (Cause::Replayed, counts.replayed, before.replayed),
        ] {
            new.add(cause, now.saturating_sub(then));
            self.drops.add(cause, now.saturating_sub(then));
        }
        new
    }

    /// The next thing to tell, limits of time included.
    pub(crate) fn notice(&mut self, now: Instant) -> Option<Notice> {
        self.meter.tick(now);
        match &mut self.half {
            Half::Out(out) => {
                if core::mem::take(&mut out.exhausted_due) {
                    return Some(Notice::Exhausted);
                }
            }
            Half::In(inbound) => {
                if let Some((addr, port)) = inbound.moved.take() {
                    inbound.told = Some((addr, port));
                    return Some(Notice::Moved(addr, port));
                }
            }
        }
        if core::mem::take(&mut self.lost_due) {
            return Some(Notice::Lost);
        }
        if core::mem::take(&mut self.meter.hard_due) {
            return Some(Notice::Hard);
        }
        core::mem::take(&mut self.meter.soft_due).then_some(Notice::Soft)
    }

    /// When a keepalive is due, if this SA wants any.
    pub(crate) fn keepalive_at(&self) -> Instant {
        match (&self.half, self.encap, self.keepalive) {
            (Half::Out(out), Some(_), Some(interval)) if !self.meter.expired => {
                // Never so short that asking is all there is to do.
                self.meter.last_used.max(out.keepalive_sent) + interval.max(KEEPALIVE_MIN)
            }
            _ => Instant::NEVER,
        }
    }

    /// When there may be something to tell, if no packet comes.
    pub(crate) fn wake(&self) -> Instant {
        self.meter.wake().min(self.keepalive_at())
    }

    /// The peer's end is at another address and port from now on. False (and no change) if the family
    /// differs.
    pub(crate) fn set_peer(&mut self, remote: IpAddr, remote_port: u16) -> bool {
        if remote.is_ipv4() != self.mode.local().is_ipv4() {
            return false;
        }
        self.mode.set_remote(remote);
        if let Some(encap) = &mut self.encap {
            let other = encap.remote_port != remote_port;
            encap.remote_port = remote_port;
            if other && matches!(self.half, Half::Out(Outbound { sealer: Sealer::Card(_), .. })) {
                // The ports are in the card, which can't change them.
                self.lose();
            }
        }
        match &mut self.half {
            Half::Out(out) if self.mode.is_tunnel() => {
                out.template = Template::new(&self.mode, self.encap, self.outer);
            }
            Half::In(inbound) => (inbound.moved, inbound.told) = (None, None),
            Half::Out(_) => {}
        }
        true
    }
}
