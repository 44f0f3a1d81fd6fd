//! All SAs of a function, and the tables that they are in.
//!
//! After a command that failed in a way that leaves the card's state unknown nothing is installed any more: the function
//! has to be reset, and [`Event::Dead`] says so.

use super::abilities::Abilities;
use super::counters::{Count, Counter, Counters};
use super::error::InstallError;
use super::esn::Esn;
use super::event::{Event, Expiry};
use super::install;
use super::lifetime::{self, Lifetime};
use super::made::{Ground, Made, Shared};
use super::names::{Handle, Names};
use super::next_hop::Plan;
use super::queue::Access;
use super::receive::Receive;
use super::refusal::Refusal;
use super::sa::{Install, Limits};
use super::send::Send;
use super::state::Counts;
use super::watch::Watch;
use crate::cmd::Commands;
use crate::device::Device;
use crate::error::Error;
use crate::hal::Function;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

/// How IPsec on a function shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// log2 of the SAs that there is room for, both directions together; the card may have less.
    pub log_sas: u8,
    /// How often counters are read for limits in bytes.
    pub interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { log_sas: 17, interval: Duration::from_secs(1) }
    }
}

/// An SA on the card.
#[derive(Debug)]
pub(super) struct Sa {
    pub(super) handle: Handle,
    /// As installed, without its secret.
    pub(super) receives: bool,
    pub(super) spi: u32,
    pub(super) destination: IpAddr,
    /// Kept for those whose headers may change.
    pub(super) plan: Option<Box<Plan>>,
    pub(super) esn: Option<Esn>,
    pub(super) lifetime: Option<Lifetime>,
    /// Which limit the lifetime in packets stands for.
    pub(super) expiry: [Expiry; 2],
    pub(super) octets: Limits,
    /// It reached a hard limit and is out of the tables.
    pub(super) stopped: bool,
    pub(super) made: Made,
}

/// IPsec on a function.
pub struct Offload<F: Function> {
    pub(super) settings: Settings,
    abilities: Abilities,
    pd: u32,
    pub(super) receive: Receive,
    pub(super) send: Send,
    pub(super) access: Access<F>,
    pub(super) counters: Counters,
    pub(super) shared: Shared,
    /// Of packets that met no SA's rule: unsound on receive, without SA on send; and of all that left.
    pub(super) rest: [Counter; 3],
    names: Names,
    /// By place.
    pub(super) sas: Vec<Option<Box<Sa>>>,
    pub(super) by_object: BTreeMap<u32, u32>,
    inbound: BTreeSet<(IpAddr, u32)>,
    pub(super) changed: BTreeSet<u32>,
    /// The object whose turn to be looked at is next.
    pub(super) turn: u32,
    pub(super) watch: Watch<F>,
    pub(super) events: VecDeque<Event>,
    pub(super) looked: Option<Duration>,
    pub(super) checked_esn: bool,
    pub(super) broken: bool,
}

impl<F: Function> Offload<F> {
    /// Makes the tables. Received packets have to be led to [`Offload::entry`], which leads them on to table `next`;
    /// what is sent passes the send tables from now on.
    ///
    /// # Errors
    /// When the card can't, which changes nothing, or when a command fails: then the device has to be reset.
    pub fn create(device: &mut Device<F>, settings: Settings, next: u32) -> Result<Self, InstallError> {
        let abilities = Abilities::of(device.caps(), settings.log_sas).map_err(Refusal::Lacks)?;
        let domain = device.domain()?;
        let mut counters = Counters::new(device.caps());
        let commands = device.commands();
        let mut rest = Vec::new();
        for _ in 0..3 {
            rest.push(counters.take(commands)?);
        }
        let &[unsound, unnamed, left] = rest.as_slice() else { return Err(InstallError::Down) };
        let log_sas = abilities.log_sas;
        let with = (abilities.no_selector.is_none(), abilities.receive.tunnel);
        let receive = Receive::create(commands, log_sas, with, next, unsound)?;
        let send = Send::create(commands, log_sas, abilities.send.tunnel, unnamed, left)?;
        let access = Access::create(commands, domain)?;
        let watch = Watch::create(commands, domain.uar, log_sas)?;
        Ok(Self {
            settings,
            abilities,
            pd: domain.pd,
            receive,
            send,
            access,
            counters,
            shared: Shared::default(),
            rest: [unsound, unnamed, left],
            names: Names::new(1 << log_sas),
            sas: Vec::new(),
            by_object: BTreeMap::new(),
            inbound: BTreeSet::new(),
            changed: BTreeSet::new(),
            turn: 0,
            watch,
            events: VecDeque::new(),
            looked: None,
            checked_esn: false,
            broken: false,
        })
    }

    /// Makes the tables anew on a device that was reset, and so has forgotten all SAs. SAs have other names than before.
    ///
    /// # Errors
    /// As for [`Offload::create`]; it may be tried again after another reset.
    pub fn renew(&mut self, device: &mut Device<F>, next: u32) -> Result<(), InstallError> {
        self.bury();
        let mut fresh = Self::create(device, self.settings, next)?;
        fresh.names = core::mem::take(&mut self.names).forget(1 << fresh.abilities.log_sas);
        fresh.events = core::mem::take(&mut self.events);
        *self = fresh;
        Ok(())
    }

    /// What the card can do.
    pub fn abilities(&self) -> &Abilities {
        &self.abilities
    }

    /// The table that received packets have to enter by.
    pub fn entry(&self) -> u32 {
        self.receive.entry()
    }

    /// SAs on the card.
    pub fn len(&self) -> usize {
        self.by_object.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_object.is_empty()
    }

    /// Whether there is room for `sa`.
    pub fn has_room(&self, sa: &Install) -> bool {
        self.len() < 1 << self.abilities.log_sas && self.counters.has(install::counters(sa))
    }

    /// Whether the state of the card is not known any more, so that the function has to be reset.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Installs `sa`. When this returns, received packets are opened; packets to be sent may name it.
    ///
    /// # Errors
    /// Why it is not on the card; nothing of it is. If the state of the card is not known, [`Offload::is_broken`].
    pub fn install(&mut self, commands: &mut Commands<F>, sa: &Install) -> Result<Handle, InstallError> {
        if self.broken {
            return Err(InstallError::Down);
        }
        self.abilities.check(sa)?;
        let receives = sa.direction.receives();
        if receives && self.inbound.contains(&(sa.destination, sa.spi)) {
            return Err(InstallError::Exists);
        }
        if !self.counters.has(install::counters(sa)) {
            return Err(InstallError::Full);
        }
        let handle = self.names.take().ok_or(InstallError::Full)?;
        let (packets, expiry) = lifetime::limits(sa);
        let lifetime = Lifetime::new(packets);
        let mut made = Made::default();
        let mut ground = Ground {
            receive: &self.receive,
            send: &self.send,
            counters: &mut self.counters,
            shared: &mut self.shared,
        };
        let (pd, named) = (self.pd, (handle, sa));
        let outcome = install::make(commands, &mut ground, pd, named, lifetime.as_ref(), &mut made)
            .map_err(Error::Cmd)
            .and_then(|()| match made.object.filter(|_| sa.esn && !self.checked_esn) {
                Some(object) if !super::object::can_set_esn(commands, object)? => {
                    Err(Error::Lacks("changes of the upper half of sequence numbers"))
                }
                _ => Ok(()),
            });
        if let Err(error) = outcome {
            // A command that may yet be carried out leaves what nobody knows of.
            let open = matches!(error, Error::Cmd(error) if error.is_open());
            let down = made.destroy(commands, &mut ground);
            if open || down.is_err() {
                self.fail();
            }
            self.names.give_back(handle);
            return Err(InstallError::of(error));
        }
        self.checked_esn |= sa.esn;
        let slot = handle.slot();
        if let Some(object) = made.object {
            self.by_object.insert(object, slot);
        }
        if receives {
            self.inbound.insert((sa.destination, sa.spi));
        }
        if self.sas.len() <= slot as usize {
            self.sas.resize_with(slot as usize + 1, || None);
        }
        let plan = (!receives).then(|| Box::new(Plan::of(sa)));
        let installed = Sa {
            handle,
            receives,
            spi: sa.spi,
            destination: sa.destination,
            plan,
            esn: sa.esn.then(|| Esn::new(sa.sequence)),
            lifetime,
            expiry,
            octets: sa.octets,
            stopped: false,
            made,
        };
        if let Some(place) = self.sas.get_mut(slot as usize) {
            *place = Some(Box::new(installed));
        }
        Ok(handle)
    }

    pub(super) fn sa(&self, handle: Handle) -> Option<&Sa> {
        self.sas.get(handle.slot() as usize)?.as_deref().filter(|sa| sa.handle == handle)
    }

    /// Takes an SA off the card, with its key; what it has counted. Nothing if the handle names none.
    ///
    /// Packets that name it and are not sent yet are dropped: see [`Mlx5::drained`](crate::nic::Mlx5::drained).
    ///
    /// # Errors
    /// When a command fails: the state of the card is not known then.
    pub fn retire(&mut self, commands: &mut Commands<F>, handle: Handle) -> Result<Option<Counts>, Error> {
        if self.broken || self.sa(handle).is_none() {
            return Ok(None);
        }
        let place = self.sas.get_mut(handle.slot() as usize);
        let Some(sa) = place.and_then(Option::take) else { return Ok(None) };
        if let Some(object) = sa.made.object {
            self.by_object.remove(&object);
            self.changed.remove(&object);
        }
        if sa.receives {
            self.inbound.remove(&(sa.destination, sa.spi));
        }
        let mut ground = Ground {
            receive: &self.receive,
            send: &self.send,
            counters: &mut self.counters,
            shared: &mut self.shared,
        };
        match sa.made.destroy(commands, &mut ground) {
            Ok(counts) => {
                self.names.give_back(handle);
                Ok(Some(Counts::of(&counts)))
            }
            Err(error) => {
                self.fail();
                Err(error.into())
            }
        }
    }

    /// Nothing is known of the card any more.
    pub(super) fn fail(&mut self) {
        if !self.broken {
            self.broken = true;
            self.events.push_back(Event::Dead);
        }
    }

    /// The device is gone, and all SAs with it. What it was made of stays until the device was reset.
    pub fn bury(&mut self) {
        self.fail();
        self.sas.clear();
        self.by_object.clear();
        self.inbound.clear();
        self.changed.clear();
    }

    /// What has happened, until nothing.
    pub fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Takes SAs and receive tables down, after nothing leads to those any more. Packets that name an SA are dropped.
    ///
    /// # Errors
    /// When a command fails: then the device has to be reset.
    pub fn close(&mut self, commands: &mut Commands<F>) -> Result<(), Error> {
        let handles: Vec<Handle> = self.sas.iter().flatten().map(|sa| sa.handle).collect();
        for handle in handles {
            self.retire(commands, handle)?;
        }
        // What is not taken down must not be used.
        self.broken = true;
        Ok(self.receive.destroy(commands)?)
    }

    /// Takes the rest down, after [`Offload::close`] and after all send queues are gone: without the send tables, what
    /// names an SA leaves in clear.
    ///
    /// # Errors
    /// When a command fails: then the device has to be reset.
    pub fn destroy(&mut self, commands: &mut Commands<F>) -> Result<(), Error> {
        self.send.destroy(commands)?;
        for counter in self.rest {
            self.counters.give_back(commands, counter, Count::default())?;
        }
        debug_assert!(self.counters.is_empty());
        self.watch.destroy(commands)?;
        self.access.destroy(commands)
    }

    /// Takes an SA out of the tables, which is to do nothing more; the rest of it goes when it is retired.
    pub(super) fn stop(&mut self, commands: &mut Commands<F>, slot: u32) -> Result<(), Error> {
        let place = self.sas.get_mut(slot as usize).and_then(Option::as_deref_mut);
        let Some(sa) = place.filter(|sa| !sa.stopped) else { return Ok(()) };
        sa.stopped = true;
        let ground = Ground {
            receive: &self.receive,
            send: &self.send,
            counters: &mut self.counters,
            shared: &mut self.shared,
        };
        let outcome = sa.made.close(commands, &ground);
        if let Err(error) = outcome {
            self.fail();
            return Err(error.into());
        }
        Ok(())
    }
}
