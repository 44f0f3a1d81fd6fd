//! The gateway as a whole: what it owns, and the four calls by which it is driven.

use alloc::{boxed::Box, collections::BTreeMap, string::String, vec::Vec};

use core::net::IpAddr;

use ike_lite::{Endpoint, IkeId};
use ipsec::offload::Name;
use ipsec::{Ipsec, PolicyId};
use net::{Burst, Duration, Instant, Meta, Packet, Pool, PortId, Received, Stack, Trains};
use rand_core::CryptoRng;

use crate::cause::Counters;
use crate::config::{Protection, Side};
use crate::negotiation::Pair;
use crate::outbound::Origin;
use crate::quiet::Quiet;
use crate::slots::Slots;
use crate::tap::{Point, Tap};

/// A port as the gateway counts it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Frames.
    pub frames: u64,
    /// Bytes of those frames.
    pub bytes: u64,
}

#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) side: Side,
    /// Its card does ESP.
    pub(crate) esp: bool,
    pub(crate) rx: Traffic,
    pub(crate) tx: Traffic,
}

/// A policy of the SPD with what the configuration says beside it.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: PolicyId,
    pub(crate) name: String,
    /// Packets that met the policy while it had no SA.
    pub(crate) no_sa: u64,
}

/// A child of the configuration, found by its names.
#[derive(Debug)]
pub(crate) struct ChildRule {
    pub(crate) connection: String,
    pub(crate) child: String,
    pub(crate) policy: PolicyId,
    pub(crate) protection: Protection,
}

/// The gateway. See the crate's first page for how a packet passes through it.
pub struct Gateway {
    pub(crate) name: String,
    pub(crate) keylog: bool,
    pub(crate) ports: Vec<Port>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) children: Vec<ChildRule>,
    pub(crate) stack: Stack,
    pub(crate) ipsec: Ipsec,
    /// Nothing if the configuration has no connections.
    pub(crate) ike: Option<Endpoint>,
    pub(crate) ike_wake: Instant,
    pub(crate) rng: Box<dyn CryptoRng>,
    pub(crate) pool: Pool,
    /// The ports' addresses.
    pub(crate) own: Vec<IpAddr>,
    /// Identification of the last IPv4 packet of our own.
    pub(crate) ident: u16,
    pub(crate) slots: Slots,
    /// How many ports have a card that does ESP.
    pub(crate) cards: usize,
    /// TCP segments that are on their way out together.
    pub(crate) trains: Trains,
    /// How the frame came in that is being handled: the headroom it had, and a card's name for its SA.
    pub(crate) came: (usize, Option<u32>),
    /// ESP that came in fragments or by another port and was given to the card that does its SA.
    pub(crate) given_back: u64,
    /// Child SAs by their inbound SPI.
    pub(crate) pairs: BTreeMap<u32, Pair>,
    /// Authenticated IKE SAs and their connections.
    pub(crate) ike_sas: BTreeMap<IkeId, String>,
    /// Lines about refused peers.
    pub(crate) refusals: Quiet,
    pub(crate) counters: Counters,
    pub(crate) tap: Option<Box<dyn Tap>>,
    pub(crate) started: Instant,
    pub(crate) status_interval: Option<Duration>,
    pub(crate) status_at: Instant,
}

impl Gateway {
    /// Takes an Ethernet frame that came in by `port`.
    pub fn handle_frame(&mut self, now: Instant, port: PortId, frame: Packet) {
        self.frame(now, port, frame);
        self.send_trains(now);
    }

    fn frame(&mut self, now: Instant, port: PortId, mut frame: Packet) {
        let Meta { checksum_ok, inner_ok, sa_in, .. } = frame.meta;
        frame.meta = Meta { port, checksum_ok, inner_ok, ..Meta::default() };
        if let Some(port) = self.ports.get_mut(usize::from(port.0)) {
            // Only a card that does ESP may claim that something has come out of an SA.
            frame.meta.sa_in = sa_in.filter(|_| port.esp);
            port.rx.frames += 1;
            port.rx.bytes += frame.len() as u64;
        }
        self.watch(now, Point::FrameIn(port), &frame);
        self.came = (frame.headroom(), frame.meta.sa_in);
        if !self.trains.is_empty() {
            let ipsec = &mut self.ipsec;
            let count = |sa: Option<u32>, bytes| sa.is_none_or(|sa| ipsec.count_opened(now, sa, bytes));
            match self.trains.join(frame, self.came.1, count) {
                Ok(None) => return,
                Ok(Some((train, parsed))) => return self.route(now, train, &parsed, Origin::Forwarded),
                Err(other) => frame = other,
            }
        }
        if let Some(name) = frame.meta.sa_in {
            if let Ok(packet) = self.stack.unframe(frame) {
                self.opened_by_card(now, packet, Name(name));
            }
            return;
        }
        match self.stack.receive(now, frame) {
            Received::Ip(packet, parsed) => self.input(now, packet, parsed),
            Received::Consumed | Received::Dropped(_) => {}
        }
    }

    /// Takes every frame of a burst, in order; leaves it empty. TCP segments that follow each other in it and whose checksum a
    /// device has verified go on as one, see [`net::train`].
    pub fn handle_burst(&mut self, now: Instant, port: PortId, burst: &mut Burst) {
        for frame in core::mem::take(burst) {
            self.frame(now, port, frame);
        }
        self.send_trains(now);
    }

    /// Moves frames to be sent by `port` into `burst` until it is full or none is left. Their metadata says what is still to be
    /// done to them; what the port's device does not do is done by [`Complete`](net::software::Complete).
    pub fn take_tx(&mut self, now: Instant, port: PortId, burst: &mut Burst) {
        let before = burst.len();
        self.stack.take_tx(port, burst);
        let (mut sent, mut astray) = (Traffic::default(), false);
        for frame in burst.get(before..).unwrap_or_default() {
            sent.frames += frame.count();
            sent.bytes += frame.total() as u64;
            astray |= frame.meta.sa_out.is_some() && frame.meta.port != port;
        }
        if astray {
            sent = self.drop_astray(port, burst, before);
        }
        if let Some(port) = self.ports.get_mut(usize::from(port.0)) {
            port.tx.frames += sent.frames;
            port.tx.bytes += sent.bytes;
        }
        let new = burst.get(before..).unwrap_or_default();
        if let Some(tap) = &mut self.tap {
            new.iter().for_each(|frame| tap.packet(now, Point::FrameOut(port), frame.bytes()));
        }
    }

    /// Drops frames behind the first `before` that name an SA of another port's card: this one has another SA by that name.
    /// What is left.
    #[cold]
    fn drop_astray(&mut self, port: PortId, burst: &mut Burst, before: usize) -> Traffic {
        let mut left = Traffic::default();
        let mut at = before;
        while let Some(frame) = burst.get(at) {
            if frame.meta.sa_out.is_some() && frame.meta.port != port {
                let count = burst.remove(at).count();
                self.counters.add(crate::Cause::OtherPort, count);
            } else {
                left.frames += frame.count();
                left.bytes += frame.total() as u64;
                at += 1;
            }
        }
        left
    }

    /// Runs everything that time and earlier packets have made due: neighbours and fragments, SA events,
    /// IKE, the status. To be called after frames were handled and when the time it returned has come;
    /// there may be frames to send afterwards.
    pub fn poll(&mut self, now: Instant) -> Instant {
        let stack_wake = self.stack.poll(now);
        while let Some(packet) = self.stack.take_generated() {
            self.originate(now, packet);
        }
        self.drain_ipsec(now);
        if now >= self.ike_wake {
            self.drain_ike(now);
        }
        if let Some(interval) = self.status_interval
            && now >= self.status_at
        {
            self.status_at = now + interval;
            for line in self.status(now) {
                log::info!("{line}");
            }
        }
        stack_wake.min(self.ipsec.next_wake()).min(self.ike_wake).min(self.status_at)
    }

    /// Shows every packet to `tap` from now on, one by one: none go together then. Returns the tap that was there.
    pub fn set_tap(&mut self, tap: Option<Box<dyn Tap>>) -> Option<Box<dyn Tap>> {
        core::mem::replace(&mut self.tap, tap)
    }

    /// Counts one more drop.
    pub(crate) fn count(&mut self, cause: crate::Cause) {
        self.counters.count(cause);
    }

    /// Packets dropped by the gateway itself, by cause.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Packets with ESP that came in fragments or by another port and were given to the card that does their SA; what it made of them is counted
    /// under the SA.
    pub fn given_back(&self) -> u64 {
        self.given_back
    }

    /// SPD and SAD.
    pub fn ipsec(&self) -> &Ipsec {
        &self.ipsec
    }

    /// Link and network layer.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// Frames received and sent by a port.
    pub fn traffic(&self, port: PortId) -> Option<(Traffic, Traffic)> {
        self.ports.get(usize::from(port.0)).map(|port| (port.rx, port.tx))
    }

    #[inline]
    pub(crate) fn watch(&mut self, now: Instant, point: Point, packet: &Packet) {
        if let Some(tap) = &mut self.tap {
            tap.packet(now, point, packet.bytes());
        }
    }

    /// Which side of the IPsec boundary a port is on. A port that does not exist is outside.
    #[inline]
    pub(crate) fn is_outside(&self, port: PortId) -> bool {
        self.ports.get(usize::from(port.0)).is_none_or(|port| port.side == Side::Outside)
    }
}
