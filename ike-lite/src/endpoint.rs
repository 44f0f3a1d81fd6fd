//! The responder: SPI to session, bounds on half-open IKE SAs, dispatch, timers.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use rand_core::CryptoRng;

use crate::config::{Config, ConfigError};
use crate::cookie::CookieJar;
use crate::cx::Cx;
use crate::error::Cause;
use crate::established::{Established, Task};
use crate::init::{self, Load};
use crate::output::{Command, Datagram, IkeGoneReason, Output, RemoveReason, Spi};
use crate::refusal::Refusal;
use crate::session::{Message, Outcome, Session};
use crate::time::{Duration, Instant};
use crate::window::Path;
use crate::wire::header::MAJOR_VERSION;
use crate::wire::notify::{Notify, NotifyType};
use crate::wire::{ChainBuilder, Exchange, Header};

/// Unprotected answers to messages of no IKE SA: so many in each [`STRAY_PERIOD`].
const STRAY_ANSWERS: u32 = 10;
const STRAY_PERIOD: Duration = Duration::from_secs(1);

struct Entry {
    session: Session,
    deadline: Instant,
}

/// An IKEv2 responder. See the crate's first page for the drain rule.
pub struct Endpoint {
    config: Config,
    outputs: VecDeque<Output>,
    jar: CookieJar,
    /// By our SPI.
    sessions: BTreeMap<u64, Entry>,
    /// Our SPIs of sessions that nobody has been authenticated for, each with its initiator's SPI and address.
    half_open: BTreeMap<u64, (u64, Path)>,
    children: BTreeMap<Spi, u64>,
    timers: BTreeSet<(Instant, u64)>,
    stray: (Instant, u32),
    /// Outputs are left over: the drain rule.
    undrained: bool,
}

impl Endpoint {
    /// A responder without any IKE SA. `rng` seeds the COOKIE secret.
    ///
    /// # Errors
    /// What [`Config::check`] finds.
    pub fn new(config: Config, rng: &mut dyn CryptoRng) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self {
            config,
            outputs: VecDeque::new(),
            jar: CookieJar::new(rng),
            sessions: BTreeMap::new(),
            half_open: BTreeMap::new(),
            children: BTreeMap::new(),
            timers: BTreeSet::new(),
            stray: (Instant::ZERO, 0),
            undrained: false,
        })
    }

    /// IKE SAs that are half open, and all of them.
    pub fn load(&self) -> (usize, usize) {
        (self.half_open.len(), self.sessions.len())
    }

    /// Takes in one datagram.
    pub fn handle(&mut self, now: Instant, rng: &mut dyn CryptoRng, datagram: Datagram<'_>) {
        self.begin();
        let path = Path { local: datagram.local, remote: datagram.remote };
        let header = match Header::parse(datagram.bytes) {
            Ok((header, _)) => header,
            Err(_) => return self.cx(now, rng).dropped(path.remote, Cause::Header),
        };
        let message = Message { header: &header, bytes: datagram.bytes, path };
        if header.major() != MAJOR_VERSION {
            return self.other_version(now, rng, message);
        }
        if header.spi_i == 0 {
            return self.cx(now, rng).dropped(path.remote, Cause::Header);
        }
        if header.exchange == Exchange::IKE_SA_INIT {
            return self.on_init(now, rng, message);
        }
        let own = if header.initiator { header.spi_r } else { header.spi_i };
        match self.take(own) {
            Some(session) => {
                let outcome = if is_from_peer(&session, &header) {
                    session.on_message(&mut self.cx(now, rng), message)
                } else {
                    self.cx(now, rng).dropped(path.remote, Cause::Role);
                    session.into()
                };
                self.put(now, rng, outcome);
            }
            None => self.unknown(now, rng, message),
        }
    }

    /// Takes in one command.
    pub fn command(&mut self, now: Instant, rng: &mut dyn CryptoRng, command: Command) {
        self.begin();
        let own = match command {
            Command::DeleteIke(ike) => {
                let found = self.sessions.iter().find(
                    |(_, entry)| matches!(&entry.session, Session::Established(state) if state.id == ike),
                );
                found.map(|(own, _)| *own)
            }
            Command::DeleteChild { spi }
            | Command::SoftLimit { spi }
            | Command::HardLimit { spi }
            | Command::Traffic { spi } => self.children.get(&spi).copied(),
        };
        let Some(session) = own.and_then(|own| self.take(own)) else { return };
        let mut cx = self.cx(now, rng);
        let outcome = match session {
            Session::Established(mut state) => {
                apply(&mut state, &mut cx, command);
                state.run(&mut cx)
            }
            other => other.into(),
        };
        self.put(now, rng, outcome);
    }

    /// The next thing to do; [`Output::Wake`] when there is nothing more. Runs the timers that are due.
    pub fn poll(&mut self, now: Instant, rng: &mut dyn CryptoRng) -> Output {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return output;
            }
            match self.timers.first().copied() {
                Some((due, own)) if due <= now => match self.take(own) {
                    Some(session) => {
                        let outcome = session.on_timer(&mut self.cx(now, rng));
                        self.put(now, rng, outcome);
                    }
                    // Never: a timer leaves with its session. Left in, it would spin.
                    None => drop(self.timers.pop_first()),
                },
                next => {
                    self.undrained = false;
                    return Output::Wake(next.map_or(Instant::NEVER, |(due, _)| due));
                }
            }
        }
    }

    fn begin(&mut self) {
        debug_assert!(!self.undrained, "the drain rule: poll until Wake before the next input");
        self.undrained = true;
    }

    fn cx<'a>(&'a mut self, now: Instant, rng: &'a mut dyn CryptoRng) -> Cx<'a> {
        Cx { now, rng, config: &self.config, outputs: &mut self.outputs, children: &mut self.children }
    }

    fn take(&mut self, own: u64) -> Option<Session> {
        let entry = self.sessions.remove(&own)?;
        self.timers.remove(&(entry.deadline, own));
        self.half_open.remove(&own);
        Some(entry.session)
    }

    fn put(&mut self, now: Instant, rng: &mut dyn CryptoRng, outcome: Outcome) {
        let Outcome { next, born, initial_contact } = outcome;
        if initial_contact && let Some(Session::Established(state)) = &next {
            let (peer, connection) = (state.peer.clone(), state.connection);
            let before = self.outputs.len();
            self.replace_others(now, rng, &peer, connection);
            // What the new one put out comes after: its children take the place of the old ones'.
            self.outputs.rotate_left(before);
        }
        for session in next.into_iter().chain(born) {
            let own = session.own_spi();
            let deadline = session.deadline(&self.cx(now, rng));
            if session.is_half_open() {
                let (spis, path) = half_open_key(&session);
                self.half_open.insert(own, (spis, path));
            }
            if deadline < Instant::NEVER {
                self.timers.insert((deadline, own));
            }
            self.sessions.insert(own, Entry { session, deadline });
        }
    }

    /// Ends every other IKE SA of a peer that says it has none (RFC 7296, section 2.4).
    fn replace_others(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        peer: &crate::config::Identity,
        connection: usize,
    ) {
        //= rfc7296#2.4
        let others: Vec<u64> = self
            .sessions
            .iter()
            .filter(|(_, entry)| match &entry.session {
                Session::Established(state) => state.connection == connection && state.peer.matches(peer),
                _ => false,
            })
            .map(|(own, _)| *own)
            .collect();
        for own in others {
            if let Some(Session::Established(mut state)) = self.take(own) {
                state.end(&mut self.cx(now, rng), IkeGoneReason::Replaced);
            }
        }
    }

    fn on_init(&mut self, now: Instant, rng: &mut dyn CryptoRng, message: Message<'_>) {
        let Message { header, bytes, path } = message;
        if header.response || !header.initiator || header.message_id != 0 || header.spi_r != 0 {
            return self.cx(now, rng).dropped(path.remote, Cause::State);
        }
        let same = |(spi_i, at): &(u64, Path)| *spi_i == header.spi_i && at.remote == path.remote;
        let known = self.half_open.iter().filter(|(_, key)| same(key)).find_map(|(own, _)| {
            match self.sessions.get(own).map(|entry| &entry.session) {
                //= rfc7296#2.1
                Some(Session::ExpectAuth(state)) if state.request == bytes => Some(state.response.clone()),
                _ => None,
            }
        });
        if let Some(response) = known {
            return self.cx(now, rng).transmit(path, response);
        }
        let of_peer = self.half_open.values().filter(|(_, at)| at.remote.ip() == path.remote.ip()).count();
        let load = Load { half_open: self.half_open.len(), of_peer, ike_sas: self.sessions.len() };
        let Self { config, outputs, jar, children, .. } = self;
        let mut cx = Cx { now, rng, config, outputs, children };
        if let Some(state) = init::on_request(&mut cx, jar, load, message) {
            self.put(now, rng, Session::ExpectAuth(state).into());
        }
    }

    /// Whether one more unprotected answer may be sent now.
    fn may_answer(&mut self, now: Instant) -> bool {
        if now.since(self.stray.0) >= STRAY_PERIOD {
            self.stray = (now, 0);
        }
        self.stray.1 += 1;
        self.stray.1 <= STRAY_ANSWERS
    }

    fn other_version(&mut self, now: Instant, rng: &mut dyn CryptoRng, message: Message<'_>) {
        let Message { header, path, .. } = message;
        //= rfc7296#2.5
        if header.major() < MAJOR_VERSION || header.response || !self.may_answer(now) {
            return self.cx(now, rng).dropped(path.remote, Cause::Version);
        }
        let mut chain = ChainBuilder::new();
        chain.push_notify(Notify::new(NotifyType::INVALID_MAJOR_VERSION, &[MAJOR_VERSION]));
        let bytes = header.reply().message(chain.parts());
        let mut cx = self.cx(now, rng);
        cx.refused(path.remote, NotifyType::INVALID_MAJOR_VERSION);
        cx.transmit(path, bytes);
    }

    fn unknown(&mut self, now: Instant, rng: &mut dyn CryptoRng, message: Message<'_>) {
        let Message { header, path, .. } = message;
        //= rfc7296#2.21.4
        if header.response || !self.may_answer(now) {
            return self.cx(now, rng).dropped(path.remote, Cause::UnknownSpi);
        }
        let bytes = header.reply().message(Refusal::new(NotifyType::INVALID_IKE_SPI).chain().parts());
        let mut cx = self.cx(now, rng);
        cx.dropped(path.remote, Cause::UnknownSpi);
        cx.transmit(path, bytes);
    }
}

fn is_from_peer(session: &Session, header: &Header) -> bool {
    match session {
        Session::ExpectAuth(state) => state.sa.is_from_peer(header),
        Session::Established(state) => state.sa.is_from_peer(header),
        Session::Closing(state) => state.sa.is_from_peer(header),
    }
}

fn half_open_key(session: &Session) -> (u64, Path) {
    match session {
        Session::ExpectAuth(state) => (state.sa.spis.initiator, state.sa.path),
        Session::Established(state) => (state.sa.spis.initiator, state.sa.path),
        Session::Closing(state) => (state.sa.spis.initiator, state.sa.path),
    }
}

fn apply(state: &mut Established, cx: &mut Cx<'_>, command: Command) {
    match command {
        Command::DeleteIke(_) => state.wish(Task::DeleteIke(IkeGoneReason::Commanded)),
        Command::DeleteChild { spi } | Command::HardLimit { spi } => {
            state.delete_child(cx, spi, RemoveReason::Commanded);
        }
        Command::SoftLimit { spi } => state.wish(Task::RekeyChild(spi)),
        Command::Traffic { spi } => state.on_traffic(cx, spi),
    }
}
