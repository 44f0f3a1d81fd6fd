//! The SAD at work: sealing and opening, and what there is to tell about SAs. ESP itself is done here in software, or asked
//! of the card that an SA is on ([`crate::offload`]).

use net::flow::Parsed;
use net::{Instant, Packet};

use crate::agenda::Agenda;
use crate::cards::Place;
use crate::cause::{Cause, Drop, Drops};
use crate::offload::Event;
use crate::open::{self, Found};
use crate::sa::{Handle, InstallError, SaParams};
use crate::sad::Sad;
use crate::state::{Half, Notice, Outbound, Sa, Sealer};
use crate::{open::Located, seal};

/// The software engine.
pub struct Software {
    pub(crate) sad: Sad,
    pub(crate) drops: Drops,
    /// IPv4 identification of the next outer header that may be fragmented.
    ident: u16,
    /// Who has something to tell.
    agenda: Agenda,
}

impl Software {
    /// An engine for at most `limit` SAs, both directions together.
    pub fn new(limit: usize) -> Self {
        Self { sad: Sad::new(limit), drops: Drops::default(), ident: 0, agenda: Agenda::default() }
    }

    /// Seals a packet in place: see [`crate::Ipsec::seal`].
    pub fn seal(&mut self, now: Instant, handle: Handle, packet: &mut Packet) -> Result<(), Drop> {
        let Some(sa) = self.sad.sa_mut(handle) else {
            let handle = Some(handle);
            return Err(self.drop_early(Drop { handle, ..Cause::UnknownHandle.into() }));
        };
        let ident = self.ident.wrapping_add(1);
        let count = packet.count();
        self.ident = self.ident.wrapping_add(count as u16);
        match seal::seal(sa, now, packet, ident) {
            Ok(told) => {
                if told {
                    self.agenda.tell(handle.slot());
                }
                Ok(())
            }
            Err(cause) => {
                sa.drops.add(cause, count);
                self.drops.add(cause, count);
                if cause == Cause::Expired {
                    self.agenda.tell(handle.slot());
                }
                let sequence = match &sa.half {
                    Half::Out(Outbound { sealer: Sealer::Software(key), .. }) => Some(key.last()),
                    _ => None,
                };
                Err(Drop { cause, handle: Some(handle), spi: Some(sa.spi), sequence })
            }
        }
    }

    /// As [`Software::seal`], for a packet of which it is known what its header says.
    #[inline]
    pub(crate) fn seal_parsed(
        &mut self,
        now: Instant,
        handle: Handle,
        packet: &mut Packet,
        parsed: &Parsed,
    ) -> Result<(), Drop> {
        if let Some(sa) = self.sad.sa_mut(handle)
            && seal::hand_over(sa, now, packet, parsed, self.ident.wrapping_add(1))
        {
            self.ident = self.ident.wrapping_add(1);
            return Ok(());
        }
        self.seal(now, handle, packet)
    }

    /// Opens a packet in place: see [`crate::Ipsec::open`]. Returns the SA and what came out.
    pub fn open(&mut self, now: Instant, packet: &mut Packet) -> Result<(Handle, Parsed), Drop> {
        let located = open::locate(packet.bytes()).map_err(|cause| self.drop_early(cause.into()))?;
        let Located { spi, sequence, .. } = located;
        let Some((handle, sa)) = self.sad.inbound_mut(spi) else {
            let (spi, sequence) = (Some(spi), Some(sequence.into()));
            return Err(self.drop_early(Drop { spi, sequence, ..Cause::UnknownSpi.into() }));
        };
        let mut found = Found { sequence: Some(sequence.into()), told: false };
        let opened = open::open(sa, now, packet, &located, &mut found);
        if found.told {
            self.agenda.tell(handle.slot());
        }
        opened.map(|parsed| (handle, parsed)).map_err(|cause| {
            sa.drops.count(cause);
            self.drops.count(cause);
            Drop { cause, handle: Some(handle), spi: Some(spi), sequence: found.sequence }
        })
    }

    /// Finishes a packet that a card has opened under an SA: see [`crate::Ipsec::open_by_card`].
    pub(crate) fn finish(
        &mut self,
        now: Instant,
        handle: Option<Handle>,
        packet: &mut Packet,
    ) -> Result<(Handle, Parsed), Drop> {
        let found = handle.and_then(|handle| Some((handle, self.sad.sa_mut(handle)?)));
        let Some((handle, sa)) = found else {
            return Err(self.drop_early(Drop { handle, ..Cause::UnknownHandle.into() }));
        };
        let mut found = Found::default();
        let opened = open::finish(sa, now, packet, &mut found);
        if found.told {
            self.agenda.tell(handle.slot());
        }
        opened.map(|parsed| (handle, parsed)).map_err(|cause| {
            sa.drops.count(cause);
            self.drops.count(cause);
            Drop { cause, handle: Some(handle), spi: Some(sa.spi), sequence: None }
        })
    }

    /// Something about an SA has changed that is to be told.
    pub(crate) fn tell(&mut self, handle: Handle) {
        self.agenda.tell(handle.slot());
    }

    /// The same of any SA.
    pub(crate) fn tell_all(&mut self) {
        for (handle, _) in self.sad.iter() {
            self.agenda.tell(handle.slot());
        }
    }

    /// Counts a drop that no SA is to blame for.
    fn drop_early(&mut self, drop: Drop) -> Drop {
        self.drops.count(drop.cause);
        drop
    }

    /// Installs an SA at its `place`.
    pub(crate) fn install(
        &mut self,
        now: Instant,
        params: SaParams,
        place: Place<'_>,
    ) -> Result<Handle, InstallError> {
        self.sad.admit(params.direction, params.spi, params.mode.remote())?;
        let sa = Sa::new(now, params, place)?;
        let wake = sa.wake();
        let handle = self.sad.insert(sa)?;
        // What was due to an earlier SA in its place does not count.
        self.agenda.wake(handle.slot(), Instant::NEVER);
        self.agenda.wake(handle.slot(), wake);
        Ok(handle)
    }

    /// The keepalive that is due on the SA in a slot, marked as sent on all SAs between the same ends.
    fn keepalive(&mut self, now: Instant, index: usize) -> Option<Event> {
        let (handle, sa) = self.sad.at_mut(index)?;
        let encap = sa.encap?;
        if now < sa.keepalive_at() {
            return None;
        }
        let mode = sa.mode;
        let ends = (mode.local(), mode.remote(), Some(encap));
        for sa in self.sad.iter_mut() {
            if let Half::Out(out) = &mut sa.half
                && (sa.mode.local(), sa.mode.remote(), sa.encap) == ends
            {
                out.keepalive_sent = now;
            }
        }
        Some(Event::Keepalive {
            handle,
            local: mode.local(),
            local_port: encap.local_port,
            remote: mode.remote(),
            remote_port: encap.remote_port,
        })
    }

    fn event(&mut self, now: Instant, index: usize) -> Option<Event> {
        let (handle, sa) = self.sad.at_mut(index)?;
        let (spi, direction) = (sa.spi, sa.direction());
        match sa.notice(now) {
            Some(Notice::Soft) => Some(Event::SoftLimit { handle, spi, direction }),
            Some(Notice::Hard) => Some(Event::HardLimit { handle, spi, direction }),
            Some(Notice::Exhausted) => Some(Event::SequenceExhausted { handle, spi }),
            Some(Notice::Lost) => Some(Event::Lost { handle, spi, direction }),
            Some(Notice::Moved(remote, remote_port)) => {
                Some(Event::PeerMoved { handle, spi, remote, remote_port })
            }
            None => self.keepalive(now, index),
        }
    }
}

impl Software {
    /// What has happened to SAs since the last call, until nothing.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Event> {
        while let Some(slot) = self.agenda.next(now) {
            if let Some(event) = self.event(now, slot) {
                // Until it has nothing more to tell.
                self.agenda.ask_again(slot);
                return Some(event);
            }
            let wake = self.sad.at_mut(slot).map_or(Instant::NEVER, |(_, sa)| sa.wake());
            self.agenda.wake(slot, wake);
        }
        None
    }

    /// When to call [`Software::poll`] next, if nothing else happens.
    pub(crate) fn next_wake(&self) -> Instant {
        self.agenda.next_wake()
    }
}
