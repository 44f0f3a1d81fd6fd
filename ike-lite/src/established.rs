//! An IKE SA whose peer has been authenticated: which message goes where, which of our own requests is next, and what
//! time does. The exchanges themselves are in `informational`, `create_child`, `child_rekey` and `ike_rekey`.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::child::{self, ChildState};
use crate::child_rekey::ChildRekey;
use crate::closing::{Closing, LINGER};
use crate::config::{Connection, Identity};
use crate::cx::Cx;
use crate::error::Cause;
use crate::ike_rekey::IkeRekey;
use crate::ike_sa::IkeSa;
use crate::output::{Event, IkeGoneReason, IkeId, Output, RemoveReason, Spi};
use crate::refusal::Refusal;
use crate::session::{Message, Outcome, Session};
use crate::time::{Duration, Instant};
use crate::window::Arrival;
use crate::wire::notify::NotifyType;
use crate::wire::sk::{OpenError, Opened};
use crate::wire::{ChainBuilder, Exchange};

/// What a request of ours is for.
pub(crate) enum Purpose {
    Liveness,
    DeleteChild(Spi, RemoveReason),
    DeleteIke,
    RekeyChild(Box<ChildRekey>),
    RekeyIke(Box<IkeRekey>),
}

/// A request that waits for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    Liveness,
    DeleteChild(Spi, RemoveReason),
    RekeyChild(Spi),
    RekeyIke,
    DeleteIke(IkeGoneReason),
}

/// A replaced child that still receives.
pub(crate) struct Draining {
    spi_in: Spi,
    spi_out: Spi,
    until: Instant,
}

/// How soon a request is tried again that met TEMPORARY_FAILURE.
pub(crate) const RETRY: Duration = Duration::from_secs(3);

pub(crate) struct Established {
    pub(crate) id: IkeId,
    pub(crate) sa: IkeSa<Purpose>,
    /// Index in the configuration.
    pub(crate) connection: usize,
    pub(crate) peer: Identity,
    pub(crate) children: Vec<ChildState>,
    pub(crate) draining: Vec<Draining>,
    pub(crate) tasks: VecDeque<Task>,
    /// Requests to be tried again, each with its time.
    pub(crate) retries: Vec<(Instant, Task)>,
    /// When the peer last gave a sign of life.
    heard: Instant,
    rekey_at: Instant,
    expires: Instant,
}

/// How a message leaves the IKE SA.
pub(crate) enum After {
    Stay,
    /// It has ended; why, if that hasn't been told yet.
    Close(IkeGoneReason),
    /// The peer has replaced it by this one, and will delete it.
    ReplacedByPeer(Box<IkeSa<Purpose>>),
    /// We have, and do.
    ReplacedByUs(Box<IkeSa<Purpose>>),
}

impl Established {
    pub(crate) fn new(cx: &Cx<'_>, id: IkeId, sa: IkeSa<Purpose>, connection: usize, peer: Identity) -> Self {
        let config = cx.config.connections.get(connection);
        let rekey = config.and_then(|config| config.rekey_time);
        let over = config.map(|config| config.over_time).unwrap_or_default();
        let rekey_at = rekey.map_or(Instant::NEVER, |time| cx.now + time);
        Self {
            id,
            sa,
            connection,
            peer,
            children: Vec::new(),
            draining: Vec::new(),
            tasks: VecDeque::new(),
            retries: Vec::new(),
            heard: cx.now,
            rekey_at,
            expires: rekey_at + over,
        }
    }

    pub(crate) fn config<'c>(&self, cx: &Cx<'c>) -> Option<&'c Connection> {
        cx.config.connections.get(self.connection)
    }

    // ---- messages

    pub(crate) fn on_message(mut self, cx: &mut Cx<'_>, message: Message<'_>) -> Outcome {
        let after = if message.header.response {
            self.on_response(cx, message)
        } else {
            self.on_request(cx, message)
        };
        match after {
            Ok(after) => self.become_(cx, after),
            Err(cause) => {
                cx.dropped(message.path.remote, cause);
                Session::Established(self).into()
            }
        }
    }

    pub(crate) fn become_(mut self, cx: &mut Cx<'_>, after: After) -> Outcome {
        match after {
            After::Stay => self.run(cx),
            After::Close(why) => self.close(cx, why).into(),
            After::ReplacedByPeer(sa) => {
                self.sa.outbound.take();
                self.replace(cx, *sa)
            }
            After::ReplacedByUs(sa) => {
                self.request_ike_delete(cx);
                self.replace(cx, *sa)
            }
        }
    }

    fn on_request(&mut self, cx: &mut Cx<'_>, message: Message<'_>) -> Result<After, Cause> {
        let Message { header, bytes, path } = message;
        match self.sa.inbound.judge(header.message_id) {
            Arrival::New => {}
            Arrival::Repeated => {
                //= rfc7296#2.1
                self.authentic(bytes, message)?;
                self.sa.repeat_response(cx, path);
                return Ok(After::Stay);
            }
            Arrival::Outside => return Err(Cause::MessageId),
        }
        let opened = self.authentic(bytes, message)?;
        self.alive(cx, message);
        let syntax = Refusal::new(NotifyType::INVALID_SYNTAX);
        let chain = opened.as_ref().ok_or(syntax).and_then(|opened| opened.chain().map_err(Refusal::from));
        match header.exchange {
            Exchange::INFORMATIONAL => {
                let mut reply = ChainBuilder::new();
                let result = chain.and_then(|chain| self.on_informational(cx, &chain, &mut reply));
                self.finish(cx, message, reply, result)
            }
            Exchange::CREATE_CHILD_SA => match chain {
                Ok(chain) => self.on_create_child(cx, message, &chain),
                Err(refusal) => self.finish(cx, message, ChainBuilder::new(), Err(refusal)),
            },
            _ => Err(Cause::State),
        }
    }

    /// Answers a request, with `reply` or with the refusal instead.
    pub(crate) fn finish(
        &mut self,
        cx: &mut Cx<'_>,
        message: Message<'_>,
        reply: ChainBuilder,
        result: Result<After, Refusal>,
    ) -> Result<After, Cause> {
        match result {
            Ok(after) => {
                self.sa.respond(cx, message.path, message.header, &reply);
                Ok(after)
            }
            Err(refusal) => {
                cx.refused(message.path.remote, refusal.kind);
                self.sa.respond(cx, message.path, message.header, &refusal.chain());
                //= rfc7296#2.21.3
                Ok(if refusal.is_fatal() { After::Close(IkeGoneReason::Protocol) } else { After::Stay })
            }
        }
    }

    fn on_response(&mut self, cx: &mut Cx<'_>, message: Message<'_>) -> Result<After, Cause> {
        if !self.sa.outbound.awaits(message.header.message_id) {
            return Err(Cause::UnexpectedResponse);
        }
        let opened = self.authentic(message.bytes, message)?;
        self.alive(cx, message);
        let purpose = self.sa.outbound.take().ok_or(Cause::UnexpectedResponse)?;
        let chain = match opened.as_ref().map(Opened::chain) {
            Some(Ok(chain)) => chain,
            // Nothing sensible can follow an authentic response that can't be read.
            _ => return Ok(After::Close(IkeGoneReason::Protocol)),
        };
        if chain.notify(NotifyType::INVALID_SYNTAX).is_some() {
            //= rfc7296#2.21.3
            cx.event(Event::PeerRefused { ike: self.id, notify: NotifyType::INVALID_SYNTAX });
            return Ok(After::Close(IkeGoneReason::Protocol));
        }
        match purpose {
            Purpose::Liveness | Purpose::DeleteIke => {}
            Purpose::DeleteChild(spi, why) => self.retire(cx, spi, why),
            Purpose::RekeyChild(rekey) => self.on_child_rekeyed(cx, *rekey, &chain),
            Purpose::RekeyIke(rekey) => return Ok(self.on_ike_rekeyed(cx, *rekey, &chain)),
        }
        Ok(After::Stay)
    }

    /// The decrypted message; `None` if it is authentic but badly padded.
    fn authentic(&self, bytes: &[u8], message: Message<'_>) -> Result<Option<Opened>, Cause> {
        match self.sa.open(bytes, message.header) {
            Ok(opened) => Ok(Some(opened)),
            Err(OpenError::Padding) => Ok(None),
            Err(OpenError::Integrity) => Err(Cause::Integrity),
            Err(OpenError::Outer(_)) => Err(Cause::Payloads),
        }
    }

    /// Takes note of a new authentic message, and of where it came from.
    fn alive(&mut self, cx: &mut Cx<'_>, message: Message<'_>) {
        self.heard = cx.now;
        let moved = message.path != self.sa.path;
        //= rfc7296#2.23
        if !moved || !self.sa.nat.peer || self.sa.nat.local {
            return;
        }
        self.sa.path = message.path;
        cx.event(Event::PeerMoved { ike: self.id, remote: message.path.remote });
        let encap = self.config(cx).and_then(|connection| child::encap(&self.sa, connection));
        let Some(encap) = encap else { return };
        let live = self.children.iter().map(|child| (child.spi_in, child.spi_out));
        for (spi_in, spi_out) in live.chain(self.draining.iter().map(|old| (old.spi_in, old.spi_out))) {
            cx.put(Output::MoveChild { spi_in, spi_out, encap });
        }
    }

    // ---- children

    pub(crate) fn child(&self, spi_in: Spi) -> Option<&ChildState> {
        self.children.iter().find(|child| child.spi_in == spi_in)
    }

    pub(crate) fn child_mut(&mut self, spi_in: Spi) -> Option<&mut ChildState> {
        self.children.iter_mut().find(|child| child.spi_in == spi_in)
    }

    /// Takes in an installed child. A new one is used at once; one that replaces another when the peer shows that
    /// it uses it, or deletes the old one.
    pub(crate) fn adopt(&mut self, cx: &mut Cx<'_>, child: ChildState) {
        let (spi, replaces) = (child.spi_in, child.replaces);
        self.children.push(child);
        match replaces.and_then(|old| self.child_mut(old)) {
            Some(old) => old.replaced_by = Some(spi),
            None => self.activate(cx, spi),
        }
    }

    pub(crate) fn activate(&mut self, cx: &mut Cx<'_>, spi_in: Spi) {
        if let Some(child) = self.child_mut(spi_in).filter(|child| !child.active) {
            child.active = true;
            let spi_out = child.spi_out;
            cx.put(Output::ActivateOutbound { spi_in, spi_out });
        }
    }

    /// Ends a child. One that was replaced receives for a little longer.
    pub(crate) fn retire(&mut self, cx: &mut Cx<'_>, spi_in: Spi, why: RemoveReason) {
        self.tasks.retain(
            |task| !matches!(task, Task::DeleteChild(spi, _) | Task::RekeyChild(spi) if *spi == spi_in),
        );
        let Some(index) = self.children.iter().position(|child| child.spi_in == spi_in) else { return };
        let gone = self.children.remove(index);
        for old in &mut self.children {
            if old.replaced_by == Some(spi_in) {
                old.replaced_by = None;
            }
        }
        if let Some(successor) = gone.replaced_by {
            self.activate(cx, successor);
        }
        let spi_out = gone.spi_out;
        if why == RemoveReason::Rekeyed {
            self.draining.push(Draining { spi_in, spi_out, until: cx.now + cx.config.limits.overlap });
        } else {
            cx.children.remove(&spi_in);
            cx.put(Output::RemoveChild { spi_in, spi_out, why });
        }
        cx.event(Event::ChildGone { ike: self.id, spi: spi_in, why });
    }

    fn drain(&mut self, cx: &mut Cx<'_>, now: Instant) {
        self.draining.retain(|old| {
            let over = old.until <= now;
            if over {
                let (spi_in, spi_out) = (old.spi_in, old.spi_out);
                cx.children.remove(&spi_in);
                cx.put(Output::RemoveChild { spi_in, spi_out, why: RemoveReason::Rekeyed });
            }
            !over
        });
    }

    // ---- ends

    /// Ends all children and says why the IKE SA is gone.
    pub(crate) fn end(&mut self, cx: &mut Cx<'_>, why: IkeGoneReason) {
        while let Some(child) = self.children.first() {
            self.retire(cx, child.spi_in, RemoveReason::IkeGone);
        }
        self.drain(cx, Instant::NEVER);
        if let Some(Purpose::RekeyChild(rekey)) = self.sa.outbound.purpose() {
            cx.children.remove(&rekey.spi_in);
        }
        cx.event(Event::IkeGone { ike: self.id, why });
    }

    /// The peer knows of the end: only its repetitions are still answered.
    fn close(mut self, cx: &mut Cx<'_>, why: IkeGoneReason) -> Session {
        self.end(cx, why);
        self.sa.outbound.take();
        Session::Closing(Closing { sa: self.sa, authenticated: true, until: cx.now + LINGER })
    }

    /// Hands everything over to the IKE SA that replaces this one.
    fn replace(self, cx: &mut Cx<'_>, sa: IkeSa<Purpose>) -> Outcome {
        //= rfc7296#2.8
        let own = sa.spis.own();
        let mut next = Self::new(cx, self.id, sa, self.connection, self.peer);
        next.children = self.children;
        next.draining = self.draining;
        next.tasks = self.tasks;
        next.tasks.retain(|task| !matches!(task, Task::RekeyIke | Task::Liveness));
        next.retries = self.retries;
        let live = next.children.iter().map(|child| child.spi_in);
        for spi_in in live.chain(next.draining.iter().map(|old| old.spi_in)) {
            cx.children.insert(spi_in, own);
        }
        cx.event(Event::IkeRekeyed { ike: self.id });
        // Long enough for the side that rekeyed to delete the old one, however many repetitions that takes.
        let old = Closing { sa: self.sa, authenticated: true, until: cx.now + LINGER * 6 };
        let born = next.run(cx);
        Outcome { next: Some(Session::Closing(old)), born: born.next, initial_contact: false }
    }

    // ---- our own requests and time

    /// Queues a request of ours, once.
    pub(crate) fn wish(&mut self, task: Task) {
        if !self.tasks.contains(&task) {
            self.tasks.push_back(task);
        }
    }

    /// Sends the next of our own requests, if none is under way.
    pub(crate) fn run(mut self, cx: &mut Cx<'_>) -> Outcome {
        while self.sa.outbound.is_idle() {
            let Some(task) = self.tasks.pop_front() else { break };
            match task {
                Task::Liveness => {
                    self.sa.request(cx, Exchange::INFORMATIONAL, &ChainBuilder::new(), Purpose::Liveness);
                }
                Task::DeleteChild(spi, why) => self.request_child_delete(cx, spi, why),
                Task::RekeyChild(spi) => self.request_child_rekey(cx, spi),
                Task::RekeyIke => self.request_ike_rekey(cx),
                Task::DeleteIke(why) => {
                    self.end(cx, why);
                    self.request_ike_delete(cx);
                    return Session::Closing(Closing {
                        sa: self.sa,
                        authenticated: true,
                        until: Instant::NEVER,
                    })
                    .into();
                }
            }
        }
        Session::Established(self).into()
    }

    /// The peer has been heard on a child.
    pub(crate) fn on_traffic(&mut self, cx: &mut Cx<'_>, spi: Spi) {
        self.heard = cx.now;
        self.activate(cx, spi);
    }

    fn liveness_at(&self, cx: &Cx<'_>) -> Instant {
        let delay = self.config(cx).and_then(|connection| connection.dpd_delay);
        delay.filter(|_| self.sa.outbound.is_idle()).map_or(Instant::NEVER, |delay| self.heard + delay)
    }

    pub(crate) fn deadline(&self, cx: &Cx<'_>) -> Instant {
        let drained = self.draining.iter().map(|old| old.until);
        let retried = self.retries.iter().map(|(at, _)| *at);
        let fixed = [self.sa.outbound.due(), self.liveness_at(cx), self.rekey_at, self.expires];
        drained.chain(retried).chain(fixed).min().unwrap_or(Instant::NEVER)
    }

    pub(crate) fn on_timer(mut self, cx: &mut Cx<'_>) -> Outcome {
        let now = cx.now;
        self.drain(cx, now);
        if !self.sa.on_timer(cx) {
            self.end(cx, IkeGoneReason::PeerDead);
            return Outcome::default();
        }
        if self.liveness_at(cx) <= now {
            self.wish(Task::Liveness);
        }
        let (due, later): (Vec<_>, Vec<_>) = self.retries.drain(..).partition(|(at, _)| *at <= now);
        self.retries = later;
        due.into_iter().for_each(|(_, task)| self.wish(task));
        if self.rekey_at <= now {
            self.rekey_at = Instant::NEVER;
            self.wish(Task::RekeyIke);
        }
        if self.expires <= now {
            self.expires = Instant::NEVER;
            self.wish(Task::DeleteIke(IkeGoneReason::Expired));
        }
        self.run(cx)
    }

    /// Whether an end of this IKE SA is queued.
    pub(crate) fn is_ending(&self) -> bool {
        self.tasks.iter().any(|task| matches!(task, Task::DeleteIke(_)))
    }
}
