//! The knot between IKE and IPsec: datagrams in and out, Child SAs into the SAD and out of it, limits and
//! signs of life back to IKE. Order at installation as in design D9: the inbound SA works before the
//! response leaves, the outbound one carries traffic when IKE says so, the old pair stays until IKE removes it.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use ike_lite::{ChildSa, Command, Datagram, Event as IkeEvent, KeyLog, Output};
use ipsec::offload::Hardware;
use ipsec::wire::{KEEPALIVE, NON_ESP_MARKER};
use ipsec::{
    Direction, Handle, InstallError, Key, Placement, PolicyId, Reason, SaParams, Selector, Spi, UdpEncap,
    Wish,
};
use net::{Instant, Local, Packet, Parsed, PortId};

use crate::config::Protection;
use crate::gateway::Gateway;
use crate::pipeline::NAT_PORT;
use crate::setup;
use crate::slots::{HINT_INTERVAL, Sends, Slot};

/// The two SAs of a child.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) policy: PolicyId,
    pub(crate) inbound: Handle,
    pub(crate) outbound: Handle,
    /// What was wished for when they were installed, and for which peer.
    pub(crate) wish: Wish,
    pub(crate) remote: IpAddr,
    pub(crate) protection: Protection,
    /// They are being replaced because the way to the peer leads by another port.
    pub(crate) moving: bool,
}

/// Why a Child SA was not installed.
enum Refused {
    /// The configuration has no such child.
    NoChild,
    /// No selector pair of one family.
    NoSelectors,
    /// The key has no length that any algorithm has.
    Key,
    /// The engine's reason.
    Install(Direction, InstallError),
}

impl core::fmt::Display for Refused {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NoChild => write!(f, "the configuration has no such child"),
            Self::NoSelectors => write!(f, "the traffic selectors cover no packet"),
            Self::Key => write!(f, "the key is longer than any algorithm's"),
            Self::Install(direction, InstallError::Card(reason)) => {
                write!(f, "{direction:?}: not on a card: {reason}")
            }
            Self::Install(direction, error) => write!(f, "{direction:?}: {error:?}"),
        }
    }
}

fn ike_time(now: Instant) -> ike_lite::Instant {
    ike_lite::Instant(now.0)
}

impl Gateway {
    /// A datagram to the IKE port, `marker` in front of the message.
    pub(crate) fn input_ike(&mut self, now: Instant, packet: Packet, parsed: &Parsed, marker: &[u8]) {
        if packet.meta.sa_in.is_some() {
            return self.count(crate::Cause::Nested);
        }
        let Local::Udp(packet, udp) = self.stack.local(now, packet, parsed) else { return };
        let Some(bytes) = packet.bytes().get(udp.payload.start + marker.len()..udp.payload.end) else {
            return;
        };
        let Some(ike) = &mut self.ike else { return };
        let datagram = Datagram { local: udp.dst, remote: udp.src, bytes };
        ike.handle(ike_time(now), &mut *self.rng, datagram);
        self.drain_ike(now);
    }

    pub(crate) fn command(&mut self, now: Instant, command: Command) {
        if let Some(ike) = &mut self.ike {
            ike.command(ike_time(now), &mut *self.rng, command);
            // Not drained here: this may be in the middle of a packet. `poll` does.
            self.ike_wake = now;
        }
    }

    /// Tells IKE, now and then, that a peer lives. On the fast path.
    #[inline]
    pub(crate) fn hint(&mut self, now: Instant, handle: Handle) {
        if let Some(slot) = self.slots.of(handle)
            && now >= slot.hint_at
            && let Some(spi) = slot.ike_spi
        {
            slot.hint_at = now + HINT_INTERVAL;
            self.command(now, Command::Traffic { spi: ike_lite::Spi(spi) });
        }
    }

    /// Does what IKE says until it says nothing more.
    pub(crate) fn drain_ike(&mut self, now: Instant) {
        self.ike_wake = Instant::NEVER;
        loop {
            let Some(ike) = &mut self.ike else { return };
            match ike.poll(ike_time(now), &mut *self.rng) {
                Output::Transmit { local, remote, bytes } => {
                    let marker: &[u8] = if local.port() == NAT_PORT { &NON_ESP_MARKER } else { &[] };
                    self.send_udp(now, local, remote, [marker, &bytes]);
                }
                Output::InstallChild(child) => self.install_child(now, &child),
                Output::ActivateOutbound { spi_in, .. } => {
                    if let Some(pair) = self.pairs.get(&spi_in.0) {
                        self.ipsec.activate_outbound(pair.policy, pair.outbound);
                    }
                }
                Output::RemoveChild { spi_in, .. } => self.remove_child(spi_in.0),
                Output::MoveChild { spi_in, encap, .. } => {
                    if let Some(inbound) = self.pairs.get(&spi_in.0).map(|pair| pair.inbound) {
                        self.move_peer(now, inbound, encap.remote);
                    }
                }
                Output::Event(event) => self.note(now, &event),
                Output::KeyLog(keys) => self.log_keys(&keys),
                Output::Wake(at) => {
                    self.ike_wake = Instant(at.0);
                    return;
                }
            }
        }
    }

    fn install_child(&mut self, now: Instant, child: &ChildSa) {
        let spi_in = child.spi_in.0;
        match self.install_pair(now, child) {
            Ok(pair) => {
                self.pairs.insert(spi_in, pair);
            }
            Err(refused) => {
                log::error!(
                    "{}.{}: Child SA {spi_in:08x} not installed: {refused}",
                    child.connection,
                    child.child
                );
                self.command(now, Command::DeleteChild { spi: child.spi_in });
            }
        }
    }

    fn install_pair(&mut self, now: Instant, child: &ChildSa) -> Result<Pair, Refused> {
        let named = |rule: &&crate::gateway::ChildRule| {
            rule.connection == child.connection && rule.child == child.child
        };
        let rule = self.children.iter().find(named).ok_or(Refused::NoChild)?;
        let (policy, protection) = (rule.policy, rule.protection);
        let selectors = setup::selectors(&child.local_ts, &child.remote_ts);
        if selectors.is_empty() {
            return Err(Refused::NoSelectors);
        }
        let mode = setup::mode(child.mode, child.local, child.remote);
        let encap = child
            .encap
            .map(|encap| UdpEncap { local_port: encap.local.port(), remote_port: encap.remote.port() });
        let keepalive = child.encap.is_some_and(|encap| encap.keepalive);
        let wish = self.wish(&protection, child.remote);
        let mut install = |direction, spi: u32, key: &[u8], selectors: Vec<Selector>| {
            let key = Key::new(key).ok_or(Refused::Key)?;
            let algorithm = setup::algorithm(child.algorithm);
            let params = SaParams {
                encap,
                keepalive: keepalive.then_some(SaParams::KEEPALIVE),
                esn: child.esn,
                replay_window: protection.replay_window,
                lifetime: setup::lifetimes(&child.lifetimes),
                outer: setup::outer(&protection),
                wish,
                ..SaParams::new(direction, Spi(spi), mode, (algorithm, key), (policy, selectors))
            };
            self.ipsec.install(now, params).map_err(|error| Refused::Install(direction, error))
        };
        let inbound = install(Direction::In, child.spi_in.0, &child.key_in, selectors.clone())?;
        let whole = selectors.iter().all(|selector| selector.upper == ipsec::Upper::Any);
        let outbound = match install(Direction::Out, child.spi_out.0, &child.key_out, selectors) {
            Ok(handle) => handle,
            Err(refused) => {
                self.ipsec.retire(inbound);
                return Err(refused);
            }
        };
        let spi = Some(child.spi_in.0);
        let tunnel = mode.is_tunnel();
        let card = |handle| self.ipsec.placement(handle).and_then(|placement| placement.card());
        let (opens, seals) = (card(inbound), card(outbound));
        self.slots.insert(Slot { card: opens, ..Slot::new(inbound, spi, child.remote, tunnel) });
        let ports = encap.map(|encap| (encap.local_port, encap.remote_port));
        let sends = Sends { spi: child.spi_out.0, local: child.local, ports, cut_inside: whole };
        self.slots.insert(Slot {
            sends: Some(sends),
            card: seals,
            ..Slot::new(outbound, spi, child.remote, tunnel)
        });
        let remote = child.remote;
        Ok(Pair { policy, inbound, outbound, wish, remote, protection, moving: false })
    }

    fn remove_child(&mut self, spi_in: u32) {
        let Some(pair) = self.pairs.remove(&spi_in) else { return };
        for handle in [pair.inbound, pair.outbound] {
            self.ipsec.retire(handle);
            self.slots.remove(handle);
        }
    }

    /// Hands on what has happened to SAs.
    pub(crate) fn drain_ipsec(&mut self, now: Instant) {
        use ipsec::Event;
        while let Some(event) = self.ipsec.poll(now) {
            match event {
                Event::SoftLimit { handle, spi, direction } => match self.ike_spi(handle) {
                    Some(spi) => self.command(now, Command::SoftLimit { spi }),
                    None => log::warn!("SA {spi} {direction:?} has reached a soft limit"),
                },
                Event::HardLimit { handle, spi, .. } => {
                    log::warn!("SA {spi} has reached its hard limit");
                    if let Some(spi) = self.ike_spi(handle) {
                        self.command(now, Command::HardLimit { spi });
                    }
                }
                Event::SequenceExhausted { handle, spi } => {
                    log::warn!("SA {spi} has used all its sequence numbers");
                    if let Some(spi) = self.ike_spi(handle) {
                        self.command(now, Command::HardLimit { spi });
                    }
                }
                Event::Keepalive { local, local_port, remote, remote_port, .. } => {
                    let (local, remote) =
                        (SocketAddr::new(local, local_port), SocketAddr::new(remote, remote_port));
                    self.send_udp(now, local, remote, [&[KEEPALIVE], &[]]);
                }
                Event::PeerMoved { handle, spi, remote, remote_port } => {
                    log::info!("SA {spi}: the peer is at {remote} port {remote_port} now");
                    self.move_peer(now, handle, SocketAddr::new(remote, remote_port));
                }
                Event::Lost { handle, spi, direction } => match self.ike_spi(handle) {
                    // New keys, by whatever can do it now.
                    Some(spi) => self.command(now, Command::SoftLimit { spi }),
                    None => log::error!(
                        "SA {spi} {direction:?} is lost with its card; static keys are not used again"
                    ),
                },
                Event::CardUp { port } => self.return_to_card(now, port),
            }
        }
    }

    /// What the configuration wants of cards for an SA with `remote`: the one of the port that leads there, unless it is
    /// pinned to one.
    pub(crate) fn wish(&self, protection: &Protection, remote: IpAddr) -> Wish {
        let pinned = protection.hw_interface.and_then(|port| u8::try_from(port).ok()).map(PortId);
        let port = pinned.or_else(|| self.stack.egress(remote).map(|egress| egress.port));
        Wish { hardware: protection.hw_offload, port }
    }

    /// Has children renewed that software does because the card of `port` was down.
    fn return_to_card(&mut self, now: Instant, port: PortId) {
        let down = Some(Placement::Software(Reason::Down(port)));
        let away = |pair: &Pair| {
            [pair.inbound, pair.outbound].into_iter().any(|handle| self.ipsec.placement(handle) == down)
        };
        let children: Vec<u32> =
            self.pairs.iter().filter(|(_, pair)| away(pair)).map(|(&spi, _)| spi).collect();
        for spi in children {
            self.command(now, Command::SoftLimit { spi: ike_lite::Spi(spi) });
        }
    }

    /// A port has a link from now on, or has none. Routes follow, and with them the SAs on cards: see [`Self::follow_routes`].
    pub fn set_link(&mut self, now: Instant, port: PortId, up: bool) {
        if self.stack.set_link(port, up) {
            self.slots.forget_ways();
            self.follow_routes(now);
        }
    }

    /// Has children renewed whose peer is reached by another port than when they were installed, so that the card of that port
    /// does them. Until then the old ones carry what there is, by the old port while it has a link.
    fn follow_routes(&mut self, now: Instant) {
        let astray = |pair: &Pair| {
            let wish = self.wish(&pair.protection, pair.remote);
            !pair.moving && pair.wish.hardware != Hardware::No && wish.port.is_some() && wish != pair.wish
        };
        let moving: Vec<u32> =
            self.pairs.iter().filter(|(_, pair)| astray(pair)).map(|(&spi, _)| spi).collect();
        for spi in moving {
            if let Some(pair) = self.pairs.get_mut(&spi) {
                pair.moving = true;
            }
            log::info!("Child SA {spi:08x}: its peer is reached by another port now");
            self.command(now, Command::SoftLimit { spi: ike_lite::Spi(spi) });
        }
    }

    fn ike_spi(&mut self, handle: Handle) -> Option<ike_lite::Spi> {
        self.slots.of(handle).and_then(|slot| slot.ike_spi).map(ike_lite::Spi)
    }

    /// The SAs of the same ends as `inbound` follow their peer behind its NAT (RFC 7296, section 2.23).
    fn move_peer(&mut self, now: Instant, inbound: Handle, to: SocketAddr) {
        let Some(before) = self.ipsec.stats(inbound).map(|sa| (sa.mode.local(), sa.mode.remote())) else {
            return;
        };
        if self.ipsec.set_peer(inbound, to.ip(), to.port()) == 0 {
            return;
        }
        for sa in self.ipsec.sas().filter(|sa| sa.mode.remote() == to.ip()) {
            if let Some(slot) = self.slots.of(sa.handle)
                && slot.remote == before.1
            {
                slot.remote = to.ip();
                slot.limit_until = Instant::ZERO;
                if let Some(sends) = &mut slot.sends {
                    sends.ports = sa.encap.map(|encap| (encap.local_port, encap.remote_port));
                }
            }
        }
        self.pairs.values_mut().filter(|pair| pair.remote == before.1).for_each(|pair| pair.remote = to.ip());
        self.follow_routes(now);
    }

    fn note(&mut self, now: Instant, event: &IkeEvent) {
        match event {
            IkeEvent::IkeUp { ike, connection, peer, remote } => {
                self.ike_sas.insert(*ike, connection.clone());
                log::info!("{connection}: IKE SA {} up with {peer:?} at {remote}", ike.0);
            }
            IkeEvent::IkeGone { ike, why } => {
                self.ike_sas.remove(ike);
                log::info!("IKE SA {} gone: {why:?}", ike.0);
            }
            IkeEvent::IkeRekeyed { ike } => log::info!("IKE SA {} rekeyed", ike.0),
            IkeEvent::ChildUp { ike, spi, replaces } => match replaces {
                Some(old) => {
                    log::info!("IKE SA {}: Child SA {:08x} up, replaces {:08x}", ike.0, spi.0, old.0)
                }
                None => log::info!("IKE SA {}: Child SA {:08x} up", ike.0, spi.0),
            },
            IkeEvent::ChildGone { ike, spi, why } => {
                log::info!("IKE SA {}: Child SA {:08x} gone: {why:?}", ike.0, spi.0);
            }
            IkeEvent::PeerMoved { ike, remote } => {
                log::info!("IKE SA {}: the peer is at {remote} now", ike.0)
            }
            IkeEvent::Refused { remote, notify } => match self.refusals.admit(now) {
                Some(0) => log::warn!("IKE: {remote} refused with {notify:?}"),
                Some(n) => log::warn!("IKE: {remote} refused with {notify:?}; {n} more before"),
                None => {}
            },
            IkeEvent::PeerRefused { ike, notify } => {
                log::warn!("IKE SA {}: the peer refused with {notify:?}", ike.0)
            }
            IkeEvent::Dropped { remote, cause } => {
                log::debug!("IKE: datagram from {remote} dropped: {cause:?}")
            }
        }
    }

    /// Keys in the columns of Wireshark's decryption tables. Only with `keylog = true`.
    fn log_keys(&self, keys: &KeyLog) {
        if !self.keylog {
            return;
        }
        let hex = |octets: &[u8]| {
            octets
                .iter()
                .fold(alloc::string::String::new(), |text, octet| alloc::format!("{text}{octet:02x}"))
        };
        match keys {
            KeyLog::Ike { spi_i, spi_r, sk_ei, sk_er } => {
                log::info!("keylog ike {spi_i:016x},{spi_r:016x},{},{}", hex(sk_ei), hex(sk_er));
            }
            KeyLog::Child { spi_in, spi_out, key_in, key_out } => {
                log::info!("keylog esp in 0x{:08x} 0x{}", spi_in.0, hex(key_in));
                log::info!("keylog esp out 0x{:08x} 0x{}", spi_out.0, hex(key_out));
            }
        }
    }
}
