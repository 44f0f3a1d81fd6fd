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
use super::lifetime::Lifetime;
use super::made::{Ground, Headers, Made, Shared};
use super::names::{Handle, Names};
use super::queue::{Access, Change};
use super::receive::Receive;
use super::reformat::{self, Reformat};
use super::sa::{Install, Limits, Mode};
use super::send::{self, Send};
use crate::cmd::Commands;
use crate::device::Device;
use crate::error::Error;
use crate::hal::Function;
use crate::prm::IpsecAso;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

/// Sequence numbers without ESN, of which the last sixteenth is for whoever is late.
const NUMBERS: u64 = u32::MAX as u64;

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

/// What an SA has counted: packets, and bytes of frames as they came to the card's entry without FCS. On send these are
/// plain, on receive ESP; payload is less by headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All that met the SA, those that were dropped included.
    pub all: Count,
    /// Dropped: the ICV is wrong.
    pub bad_icv: Count,
    /// Dropped: authentic, but padding or next header are wrong.
    pub bad_trailer: Count,
    /// Dropped: the sequence number was seen or is too old.
    pub replay: Count,
    /// Dropped: not what the selector takes.
    pub selector: Count,
}

impl Counts {
    /// What went through.
    pub fn passed(&self) -> Count {
        [self.bad_icv, self.bad_trailer, self.replay, self.selector]
            .into_iter()
            .fold(self.all, |rest, dropped| rest - dropped)
    }

    pub(super) fn of(counts: &[Count]) -> Self {
        let at = |index: usize| counts.get(index).copied().unwrap_or_default();
        Self { all: at(0), bad_icv: at(1), bad_trailer: at(2), replay: at(3), selector: at(4) }
    }
}

/// The live state of an SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// What it has counted.
    pub counts: Counts,
    /// On send the next sequence number, on receive the lowest one that may still come.
    pub sequence: u64,
    /// Packets of the replay window.
    pub window: u16,
    /// What was seen of it: bit n of the last byte and of those before it for `sequence` + n.
    pub seen: [u8; 32],
    /// Packets until the hard limit, if there is one.
    pub left: Option<u64>,
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

/// What makes the headers of a tunnel.
#[derive(Debug)]
pub(super) struct Plan {
    source: IpAddr,
    udp: Option<super::sa::Ports>,
    mode: Mode,
}

/// IPsec on a function.
pub struct Offload<F: Function> {
    pub(super) settings: Settings,
    abilities: Abilities,
    pd: u32,
    receive: Receive,
    send: Send,
    pub(super) access: Access<F>,
    pub(super) counters: Counters,
    shared: Shared,
    /// Of packets that met no SA's rule: unsound on receive, without SA on send; and of all that left.
    rest: [Counter; 3],
    names: Names,
    /// By place.
    pub(super) sas: Vec<Option<Box<Sa>>>,
    pub(super) by_object: BTreeMap<u32, u32>,
    inbound: BTreeSet<(IpAddr, u32)>,
    pub(super) changed: BTreeSet<u32>,
    pub(super) events: VecDeque<Event>,
    pub(super) looked: Option<Duration>,
    pub(super) events_lost: u64,
    pub(super) checked_esn: bool,
    pub(super) broken: bool,
}

impl<F: Function> Offload<F> {
    /// Makes the tables. Received packets have to be led to [`Offload::entry`], which leads them on to table `next`;
    /// what is sent passes the send tables from now on. With `before`, names of SAs are not those of before a reset.
    ///
    /// # Errors
    /// When the card can't, or a command fails: then the device has to be reset.
    pub fn create(
        device: &mut Device<F>,
        settings: Settings,
        next: u32,
        before: Option<Self>,
    ) -> Result<Self, InstallError> {
        let abilities = Abilities::of(device.caps(), settings.log_sas)
            .map_err(|missing| super::refusal::Refusal::Lacks(missing))?;
        let domain = device.domain()?;
        let mut counters = Counters::new(device.caps());
        let commands = device.commands();
        let mut rest = Vec::new();
        for _ in 0..3 {
            rest.push(counters.take(commands)?);
        }
        let &[unsound, unnamed, left] = rest.as_slice() else { return Err(InstallError::Down) };
        let log_sas = abilities.log_sas;
        let selectors = abilities.no_selector.is_none();
        let receive = Receive::create(commands, log_sas, selectors, next, unsound)?;
        let send = Send::create(commands, log_sas, unnamed, left)?;
        let access = Access::create(commands, domain)?;
        let names = match before {
            Some(before) => before.names.forget(1 << log_sas),
            None => Names::new(1 << log_sas),
        };
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
            names,
            sas: Vec::new(),
            by_object: BTreeMap::new(),
            inbound: BTreeSet::new(),
            changed: BTreeSet::new(),
            events: VecDeque::new(),
            looked: None,
            events_lost: 0,
            checked_esn: false,
            broken: false,
        })
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
        self.sas.iter().flatten().count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sas.iter().flatten().next().is_none()
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
        let handle = self.names.take().ok_or(InstallError::Full)?;
        let (packets, expiry) = limits(sa);
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
            return Err(error.into());
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
        let plan = (!receives).then(|| Box::new(Plan { source: sa.source, udp: sa.udp, mode: sa.mode }));
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
    pub fn retire(
        &mut self,
        commands: &mut Commands<F>,
        handle: Handle,
    ) -> Result<Option<Counts>, Error> {
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

    /// Reads the live state of an SA from the card. Nothing if the handle names none.
    ///
    /// # Errors
    /// When the card does not answer.
    pub fn read(&mut self, commands: &mut Commands<F>, handle: Handle) -> Result<Option<State>, Error> {
        let Some((object, counters)) =
            self.sa(handle).and_then(|sa| Some((sa.made.object?, sa.made.counters.clone())))
        else {
            return Ok(None);
        };
        let context = self.access.one(commands, object, Change::NONE)?;
        let counts = self.count(commands, &counters)?;
        Ok(self.sa(handle).map(|sa| sa.state(&context, counts)))
    }

    fn count(&self, commands: &mut Commands<F>, counters: &[Counter]) -> Result<Counts, Error> {
        let mut sorted: Vec<(usize, Counter)> = counters.iter().copied().enumerate().collect();
        sorted.sort_unstable_by_key(|(_, counter)| counter.number);
        let numbers: Vec<Counter> = sorted.iter().map(|(_, counter)| *counter).collect();
        let mut counts = alloc::vec![Count::default(); counters.len()];
        for ((index, _), count) in sorted.iter().zip(self.counters.read(commands, &numbers)?) {
            if let Some(place) = counts.get_mut(*index) {
                *place = count;
            }
        }
        Ok(Counts::of(&counts))
    }

    /// Reads the counters of all SAs, many with each command.
    ///
    /// # Errors
    /// When a command fails.
    pub fn count_all(&self, commands: &mut Commands<F>) -> Result<Vec<(Handle, Counts)>, Error> {
        let mut sorted: Vec<(Counter, usize, usize)> = Vec::new();
        for (slot, sa) in self.sas.iter().enumerate() {
            let counters = sa.iter().flat_map(|sa| sa.made.counters.iter().enumerate());
            sorted.extend(counters.map(|(index, counter)| (*counter, slot, index)));
        }
        sorted.sort_unstable_by_key(|(counter, ..)| counter.number);
        let numbers: Vec<Counter> = sorted.iter().map(|(counter, ..)| *counter).collect();
        let mut counts: BTreeMap<usize, [Count; 5]> = BTreeMap::new();
        for ((_, slot, index), count) in sorted.iter().zip(self.counters.read(commands, &numbers)?) {
            if let Some(place) = counts.entry(*slot).or_default().get_mut(*index) {
                *place = count;
            }
        }
        let named = counts.into_iter().filter_map(|(slot, counts)| {
            Some((self.sas.get(slot)?.as_ref()?.handle, Counts::of(&counts)))
        });
        Ok(named.collect())
    }

    /// What was dropped without an SA: on receive what decryption left in a state that no SA's rule knows, on send what
    /// named no SA or could not be protected. And all that left, in clear or not.
    ///
    /// # Errors
    /// When a command fails.
    pub fn count_rest(&self, commands: &mut Commands<F>) -> Result<[Count; 3], Error> {
        let mut counts = [Count::default(); 3];
        for (place, counter) in counts.iter_mut().zip(&self.rest) {
            *place = self.counters.read(commands, &[*counter])?.pop().unwrap_or_default();
        }
        Ok(counts)
    }

    /// Gives an SA of the card's own tunnel mode another next hop: each packet goes to the old or the new one.
    ///
    /// # Errors
    /// When a command fails.
    pub fn redirect(
        &mut self,
        commands: &mut Commands<F>,
        handle: Handle,
        next_hop: [u8; 6],
    ) -> Result<bool, Error> {
        let place = self.sas.get_mut(handle.slot() as usize).and_then(Option::as_deref_mut);
        let Some(sa) = place.filter(|sa| sa.handle == handle && !sa.stopped && !self.broken) else {
            return Ok(false);
        };
        let (Some(plan), Some(object), [counter]) = (&mut sa.plan, sa.made.object, sa.made.counters.as_slice())
        else {
            return Ok(false);
        };
        let Mode::Tunnel { destination, .. } = &mut plan.mode else { return Ok(false) };
        let (Some(super::made::Entry::Send(index)), Some(Headers::Own(old))) =
            (sa.made.entries.last(), sa.made.headers.clone())
        else {
            return Ok(false);
        };
        *destination = next_hop;
        let shell = shell(sa.spi, sa.destination, plan);
        let reformat = Reformat::of(&shell).create(commands)?;
        let parts = send::Parts { object, reformat, counter: *counter };
        let changed = self.send.change(commands, *index, (handle, &shell), parts);
        let (unused, used) = if changed.is_ok() { (old, reformat) } else { (reformat, old) };
        sa.made.headers = Some(Headers::Own(used));
        let gone = reformat::destroy(commands, unused);
        if let Err(error) = changed.and(gone) {
            self.fail();
            return Err(error.into());
        }
        Ok(true)
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

    /// Takes everything down, SAs included, after nothing leads to the receive tables any more.
    ///
    /// # Errors
    /// When a command fails: then the device has to be reset.
    pub fn destroy(&mut self, commands: &mut Commands<F>) -> Result<(), Error> {
        let handles: Vec<Handle> = self.sas.iter().flatten().map(|sa| sa.handle).collect();
        for handle in handles {
            self.retire(commands, handle)?;
        }
        self.receive.destroy(commands)?;
        self.send.destroy(commands)?;
        for counter in self.rest {
            self.counters.give_back(commands, counter, Count::default())?;
        }
        debug_assert!(self.counters.is_empty());
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

impl Sa {
    fn state(&self, context: &IpsecAso, counts: Counts) -> State {
        let lower = context.mode_parameter();
        let sequence = self.esn.map_or(lower.into(), |esn| esn.whole(lower));
        const REPLAY: u8 = 1;
        let window = if context.mode() == REPLAY { 32 << context.window_sz() } else { 0 };
        let lifetime = self.lifetime.filter(Lifetime::is_hard);
        State {
            counts,
            sequence,
            window,
            seen: *context.replay_protection_window(),
            left: lifetime.map(|lifetime| lifetime.left(context.remove_flow_pkt_cnt())),
        }
    }
}

/// The limits in packets, and what a soft and a hard one stand for: without ESN, numbers must not come again.
fn limits(sa: &Install) -> (Limits, [Expiry; 2]) {
    let Limits { soft, hard } = sa.packets;
    if sa.esn || sa.direction.receives() {
        return (sa.packets, [Expiry::Packets; 2]);
    }
    let numbers = NUMBERS - (sa.sequence - 1);
    let early = numbers - numbers / 16;
    let pick = |limit: Option<u64>, numbers: u64| match limit {
        Some(limit) if limit <= numbers => (limit, Expiry::Packets),
        _ => (numbers, Expiry::Sequence),
    };
    let ((soft, of_soft), (hard, of_hard)) = (pick(soft, early), pick(hard, numbers));
    (Limits { soft: (soft < hard).then_some(soft), hard: Some(hard) }, [of_soft, of_hard])
}

/// What headers are made from, as an SA without a secret.
fn shell(spi: u32, destination: IpAddr, plan: &Plan) -> Install {
    use super::sa::{Direction, Key, Secret};
    Install {
        direction: Direction::Send,
        spi,
        source: plan.source,
        destination,
        mode: plan.mode,
        udp: plan.udp,
        vlan: None,
        secret: Secret { key: Key::Aes128([0; 16]), salt: [0; 4] },
        iv: [0; 8],
        esn: true,
        sequence: 1,
        packets: Limits::default(),
        octets: Limits::default(),
        selector: None,
    }
}
