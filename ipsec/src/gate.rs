//! The whole of IPsec for a gateway: the SPD, the SAD and the cards behind one door (RFC 4301 section 5).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;

use net::flow::{Flow, Parsed};
use net::{Instant, Packet, PortId};

use crate::cards::Cards;
use crate::cause::{Cause, Drop, Drops};
use crate::offload::{Card, CardEvent, Event, Name, Placement};
use crate::sa::{Direction, Handle, InstallError, SaParams, SaStats};
use crate::software::Software;
use crate::spd::{Action, Policy, PolicyId, Spd, Verdict};
use crate::state::{Half, Sa};
use crate::{open, seal};

/// What to do with an outbound packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outbound {
    /// Send it as it is.
    Bypass,
    /// Drop it. Counted already: a DISCARD policy covers it, or none at all.
    Discard,
    /// Seal it with this SA.
    Protect(Handle),
    /// The policy has no SA for this flow: have one negotiated; drop or hold the packet.
    NeedSa(PolicyId),
    /// A fragment that a rule with ports, or transport mode, might cover: reassemble the datagram and ask
    /// again. If this is the answer for a whole datagram, its ports are unreadable: drop it.
    NeedReassembly,
}

/// A packet that came out of ESP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// The SA that it came by.
    pub handle: Handle,
    /// What its header says.
    pub parsed: Parsed,
}

/// SPD, SAD and ESP.
pub struct Ipsec {
    spd: Spd,
    pub(crate) engine: Software,
    cards: Cards,
}

impl Ipsec {
    /// An empty SPD, which drops everything, and room for `sa_max` SAs, both directions together.
    pub fn new(sa_max: usize) -> Self {
        Self { spd: Spd::default(), engine: Software::new(sa_max), cards: Cards::default() }
    }

    /// From now on the card of `port` does ESP for SAs that wish it.
    pub fn attach(&mut self, port: PortId, card: Box<dyn Card>) {
        self.cards.attach(port, card);
    }

    /// The policies.
    pub fn spd(&self) -> &Spd {
        &self.spd
    }

    /// The policies, to add to.
    pub fn spd_mut(&mut self) -> &mut Spd {
        &mut self.spd
    }

    /// Takes a policy out of the SPD and retires its SAs.
    pub fn remove_policy(&mut self, policy: PolicyId) -> Option<Policy> {
        let of_policy = |sa: SaStats| (sa.policy == policy).then_some(sa.handle);
        let handles: Vec<_> = self.sas().filter_map(of_policy).collect();
        for handle in handles {
            self.retire(handle);
        }
        self.spd.remove(policy)
    }

    /// Installs an SA. An inbound one opens packets from here on; an outbound one is not used before
    /// [`Ipsec::activate_outbound`] says so. On failure nothing has changed, and the key is wiped.
    pub fn install(&mut self, now: Instant, sa: SaParams) -> Result<Handle, InstallError> {
        let protects =
            self.spd.policy(sa.policy).is_some_and(|policy| matches!(policy.action, Action::Protect { .. }));
        if !protects {
            return Err(InstallError::NoPolicy(sa.policy));
        }
        self.engine.sad.admit(sa.direction, sa.spi, sa.mode.remote())?;
        let place = self.cards.place(&sa)?;
        let handle = self.engine.install(now, sa, place)?;
        if let Some(carded) = self.engine.sad.sa(handle).and_then(Sa::carded) {
            let (port, name) = (carded.port, carded.name);
            self.cards.bind(port, name, handle);
        }
        Ok(handle)
    }

    /// Sends the outbound traffic of `policy`, as far as the SA's selectors cover it, through this SA from
    /// the next packet on. SAs that it replaces stay installed until they are retired; they are returned.
    /// Nothing if the handle names no outbound SA of this policy.
    pub fn activate_outbound(&mut self, policy: PolicyId, handle: Handle) -> Option<Vec<Handle>> {
        let sa = self.engine.sad.sa(handle)?;
        if sa.policy != policy || sa.direction() != Direction::Out {
            return None;
        }
        Some(self.spd.activate(policy, handle, &sa.selectors))
    }

    /// Stops an SA, wipes its key and returns its last state; nothing if the handle names none.
    pub fn retire(&mut self, handle: Handle) -> Option<SaStats> {
        // No packet is given to the card any more before the SA goes.
        self.spd.deactivate(handle);
        let mut sa = self.engine.sad.remove(handle)?;
        if let Some((port, name)) = sa.carded().map(|carded| (carded.port, carded.name))
            && let Some(counts) = self.cards.retire(port, name)
        {
            let new = sa.take_counts(counts);
            new.iter().for_each(|(cause, times)| self.engine.drops.add(cause, times));
        }
        Some(sa.stats(handle))
    }

    /// What to do with an outbound packet of this flow.
    //= rfc4301#5.1
    #[inline]
    pub fn outbound(&mut self, now: Instant, flow: &Flow) -> Outbound {
        self.outbound_train(now, flow, 1)
    }

    /// As [`Ipsec::outbound`], for so many packets of this flow.
    #[inline]
    pub fn outbound_train(&mut self, _now: Instant, flow: &Flow, packets: u64) -> Outbound {
        let cause = match self.spd.lookup(flow) {
            Verdict::Protect(_, Some(handle)) => return Outbound::Protect(handle),
            Verdict::Protect(policy, None) => return Outbound::NeedSa(policy),
            Verdict::Bypass => return Outbound::Bypass,
            Verdict::Unknown => return Outbound::NeedReassembly,
            Verdict::Discard => Cause::PolicyDiscard,
            Verdict::NoPolicy => Cause::NoPolicy,
        };
        self.engine.drops.add(cause, packets);
        Outbound::Discard
    }

    /// Whether the SA takes this train as one. If not, [`Ipsec::seal`] takes its packets one by one.
    pub fn takes_train(&self, now: Instant, handle: Handle, train: &Packet) -> bool {
        self.engine.sad.sa(handle).is_some_and(|sa| match &sa.half {
            Half::Out(out) => seal::takes_train(&out.sealer, &sa.meter, now, train),
            Half::In(_) => false,
        })
    }

    /// Whether an inbound packet in the clear may pass: only if a BYPASS policy covers it. Drops are counted,
    /// but for [`Cause::FragmentUnmatched`], which is no verdict yet: reassemble the datagram and ask again.
    /// If that is the answer for a whole datagram, its ports are unreadable: drop and count it.
    //= rfc4301#5.2
    #[inline]
    pub fn check_clear(&mut self, flow: &Flow) -> Result<(), Drop> {
        let cause = match self.spd.lookup(&flow.reversed()) {
            Verdict::Bypass => return Ok(()),
            Verdict::Unknown => return Err(Cause::FragmentUnmatched.into()),
            Verdict::Protect(..) => Cause::ClearForProtected,
            Verdict::Discard => Cause::PolicyDiscard,
            Verdict::NoPolicy => Cause::NoPolicy,
        };
        self.engine.drops.count(cause);
        Err(cause.into())
    }

    /// The largest IP packet that is at most `outer_mtu` bytes long after sealing; zero if there is none
    /// or no such SA.
    pub fn max_inner(&self, handle: Handle, outer_mtu: u16) -> u16 {
        self.engine.sad.sa(handle).map_or(0, |sa| seal::max_inner(sa, outer_mtu))
    }

    /// Turns a whole IP packet, in place, into the outer IP packet that protects it, complete with UDP
    /// encapsulation and checksums. A train stays one, if the SA takes it. Needs 64 bytes of headroom and 21 of tailroom at most. On failure the
    /// packet is to be dropped; the drop is counted.
    pub fn seal(&mut self, now: Instant, handle: Handle, packet: &mut Packet) -> Result<(), Drop> {
        self.engine.seal(now, handle, packet)
    }

    /// As [`Ipsec::seal`], for a packet of which it is known what its header says.
    #[inline]
    pub fn seal_parsed(
        &mut self,
        now: Instant,
        handle: Handle,
        packet: &mut Packet,
        parsed: &Parsed,
    ) -> Result<(), Drop> {
        self.engine.seal_parsed(now, handle, packet, parsed)
    }

    /// Turns a whole IP packet that carries ESP or UDP-encapsulated ESP, in place, into what it protects.
    /// On failure the packet is to be dropped; the drop is counted.
    pub fn open(&mut self, now: Instant, packet: &mut Packet) -> Result<Opened, Drop> {
        let (handle, parsed) = self.engine.open(now, packet)?;
        Ok(Opened { handle, parsed })
    }

    /// Turns a whole IP packet that the card of `port` has opened, and calls `name`'s, in place, into what it protects: the
    /// outer header of tunnel mode goes, and what comes out is compared with the SA's selectors. On failure the packet is to be
    /// dropped; the drop is counted.
    #[inline]
    pub fn open_by_card(
        &mut self,
        now: Instant,
        (port, name): (PortId, Name),
        packet: &mut Packet,
    ) -> Result<Opened, Drop> {
        let handle = self.cards.tenant(port, name);
        let (handle, parsed) = self.engine.finish(now, handle, packet)?;
        Ok(Opened { handle, parsed })
    }

    /// Counts a packet of `bytes` that the card of the inbound SA with this handle has opened, whose headers are those of the
    /// packet before it, so that [`Ipsec::open_by_card`] would say the same. False if it might not: the SA is near a limit, or
    /// not there any more.
    #[inline]
    pub fn count_opened(&mut self, now: Instant, handle: u32, bytes: usize) -> bool {
        let sa = self.engine.sad.sa_mut(Handle::from_bits(handle));
        sa.is_some_and(|sa| sa.is_opened_by_card() && sa.meter.pass(now, bytes))
    }

    /// The port whose card does the SA of a whole packet with ESP that has come in fragments, which no card opens, or by another
    /// port, and the largest packet that the card takes back ([`Card::takes_back`]). Nothing if no card does it, or none takes it back: such
    /// a packet is for [`Ipsec::open`].
    ///
    /// The key and the replay window are the card's alone, and so is the verdict.
    pub fn card_of(&mut self, packet: &[u8]) -> Option<(PortId, u16)> {
        let located = open::locate(packet).ok()?;
        let (_, sa) = self.engine.sad.inbound_mut(located.spi)?;
        let port = sa.carded().filter(|_| !sa.lost)?.port;
        Some((port, self.cards.takes_back(port))).filter(|(_, largest)| *largest > 0)
    }

    /// Where an SA is done.
    pub fn placement(&self, handle: Handle) -> Option<Placement> {
        self.engine.sad.sa(handle).map(Sa::placement)
    }

    /// Asks the cards what they have counted.
    pub fn refresh(&mut self) {
        let Self { engine, cards, .. } = self;
        cards.counts(|handle, counts| {
            if let Some(sa) = engine.sad.sa_mut(handle) {
                let new = sa.take_counts(counts);
                new.iter().for_each(|(cause, times)| engine.drops.add(cause, times));
            }
        });
    }

    /// From the next packet on the peer of all SAs between `mode`'s ends and port is at `remote`, see
    /// [`Event::PeerMoved`]. Returns how many SAs follow; an address of another family moves none.
    pub fn set_peer(&mut self, inbound: Handle, remote: IpAddr, remote_port: u16) -> usize {
        let Some(sa) = self.engine.sad.sa(inbound) else { return 0 };
        let ends = (sa.mode, sa.encap);
        let moving = self.engine.sad.iter_mut().filter(|sa| (sa.mode, sa.encap) == ends);
        let moved = moving.map(|sa| sa.set_peer(remote, remote_port)).filter(|&moved| moved).count();
        if moved > 0 {
            self.engine.sad.reindex();
            self.engine.tell_all();
        }
        moved
    }

    /// What has happened to SAs, until nothing. An outbound SA that has reached its end is not offered by
    /// [`Ipsec::outbound`] any more once its event has been taken.
    pub fn poll(&mut self, now: Instant) -> Option<Event> {
        while let Some((port, event, handle)) = self.cards.poll(now) {
            if let Some(port) = self.note(port, event, handle) {
                return Some(Event::CardUp { port });
            }
        }
        let event = self.engine.poll(now)?;
        if let Event::HardLimit { handle, .. }
        | Event::SequenceExhausted { handle, .. }
        | Event::Lost { handle, .. } = event
        {
            self.spd.deactivate(handle);
        }
        Some(event)
    }

    /// Does to SAs what has happened on a card; its port, if it works again.
    fn note(&mut self, port: PortId, event: CardEvent, handle: Option<Handle>) -> Option<PortId> {
        let sa = handle.and_then(|handle| self.engine.sad.sa_mut(handle));
        match (event, sa) {
            (CardEvent::Up, _) => return Some(port),
            (CardEvent::Dead, _) => {
                let on_card = |sa: &&mut Sa| sa.carded().is_some_and(|carded| carded.port == port);
                self.engine.sad.iter_mut().filter(on_card).for_each(Sa::lose);
            }
            (CardEvent::Soft(_), Some(sa)) => sa.raise_soft(),
            (CardEvent::Hard(_), Some(sa)) => sa.stop_by_card(),
            (CardEvent::Soft(_) | CardEvent::Hard(_), None) => return None,
        }
        match handle {
            Some(handle) => self.engine.tell(handle),
            None => self.engine.tell_all(),
        }
        None
    }

    /// When to call [`Ipsec::poll`] next, if no packet comes.
    pub fn next_wake(&self) -> Instant {
        self.engine.next_wake()
    }

    /// What an SA has done so far.
    pub fn stats(&self, handle: Handle) -> Option<SaStats> {
        self.engine.sad.sa(handle).map(|sa| sa.stats(handle))
    }

    /// Every SA.
    pub fn sas(&self) -> impl Iterator<Item = SaStats> {
        self.engine.sad.iter().map(|(handle, sa)| sa.stats(handle))
    }

    /// Every drop since the start, by cause: of all SAs, living or retired, and of none.
    pub fn drops(&self) -> &Drops {
        &self.engine.drops
    }

    /// The same as [`Ipsec::drops`].
    pub fn counters(&self) -> &Drops {
        self.drops()
    }
}

#[cfg(test)]
mod tests;
