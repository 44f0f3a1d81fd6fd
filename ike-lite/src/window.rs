//! Message IDs and retransmission with a request window of one (RFC 7296, sections 2.1 to 2.3).

use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::config::Retransmit;
use crate::time::Instant;

/// The peer's requests: which one is next, and our response to the last.
pub(crate) struct Inbound {
    next: u32,
    last_response: Vec<u8>,
}

/// What a request's message ID says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The next one.
    New,
    /// The last one again: the cached response answers it.
    Repeated,
    /// Neither.
    Outside,
}

impl Inbound {
    /// The next request has this ID.
    pub(crate) const fn new(next: u32) -> Self {
        Self { next, last_response: Vec::new() }
    }

    pub(crate) fn judge(&self, message_id: u32) -> Arrival {
        if message_id == self.next {
            Arrival::New
        } else if message_id.checked_add(1) == Some(self.next) && !self.last_response.is_empty() {
            Arrival::Repeated
        } else {
            Arrival::Outside
        }
    }

    /// Ends the handling of the next request.
    pub(crate) fn answered(&mut self, response: Vec<u8>) {
        // After 2^32 - 1 requests nothing is next any more, and the IKE SA can only end (RFC 7296, section 2.2).
        self.next = self.next.saturating_add(1);
        self.last_response = response;
    }

    pub(crate) fn last_response(&self) -> &[u8] {
        &self.last_response
    }
}

/// A request of ours that has no response yet.
pub(crate) struct Pending<P> {
    pub(crate) message_id: u32,
    pub(crate) purpose: P,
    bytes: Vec<u8>,
    sent: u32,
    interval_us: u64,
    due: Instant,
}

/// Our requests, one at a time.
pub(crate) struct Outbound<P> {
    next: u32,
    pending: Option<Pending<P>>,
}

/// What a request that is due needs.
pub(crate) enum Repeat {
    /// To be sent again.
    Send(Vec<u8>),
    /// The peer is dead.
    GiveUp,
}

impl<P> Outbound<P> {
    pub(crate) const fn new(next: u32) -> Self {
        Self { next, pending: None }
    }

    pub(crate) const fn is_idle(&self) -> bool {
        self.pending.is_none()
    }

    pub(crate) const fn next_id(&self) -> u32 {
        self.next
    }

    pub(crate) fn purpose(&self) -> Option<&P> {
        self.pending.as_ref().map(|pending| &pending.purpose)
    }

    pub(crate) fn purpose_mut(&mut self) -> Option<&mut P> {
        self.pending.as_mut().map(|pending| &mut pending.purpose)
    }

    /// Remembers the request with the next ID, which has just been sent.
    pub(crate) fn sent(&mut self, now: Instant, times: &Retransmit, bytes: Vec<u8>, purpose: P) {
        debug_assert!(self.pending.is_none(), "the window is one");
        let due = now + times.first;
        let interval_us = u64::try_from(times.first.as_micros()).unwrap_or(u64::MAX);
        self.pending = Some(Pending { message_id: self.next, purpose, bytes, sent: 1, interval_us, due });
        self.next = self.next.saturating_add(1);
    }

    /// Whether this is the ID that a response is awaited for.
    pub(crate) fn awaits(&self, message_id: u32) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.message_id == message_id)
    }

    /// The response has come.
    pub(crate) fn take(&mut self) -> Option<P> {
        self.pending.take().map(|pending| pending.purpose)
    }

    /// When something has to be done about the request.
    pub(crate) fn due(&self) -> Instant {
        self.pending.as_ref().map_or(Instant::NEVER, |pending| pending.due)
    }

    pub(crate) fn on_timer(&mut self, now: Instant, times: &Retransmit) -> Option<Repeat> {
        let pending = self.pending.as_mut().filter(|pending| pending.due <= now)?;
        if pending.sent > times.tries {
            return Some(Repeat::GiveUp);
        }
        pending.sent += 1;
        pending.interval_us = pending.interval_us.saturating_mul(times.base_percent.max(100).into()) / 100;
        pending.due = Instant(now.0.saturating_add(pending.interval_us));
        Some(Repeat::Send(pending.bytes.clone()))
    }
}

/// Where a message came from, and where its response goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
}

#[cfg(test)]
mod tests;
