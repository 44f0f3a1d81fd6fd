//! The neighbour cache of both families: the state machine of RFC 4861 7.3, used for ARP as well, with
//! bounded queues of packets that wait for an answer. Knows neither ARP nor ND messages: it says whom
//! to ask, and is told what was learned.
//!
//! ```text
//!   (none) ──packet──► Incomplete ──answer──► Reachable ──30 s──► Stale ──packet──► Delay ──5 s──► Probe
//!                          │ 3 × 1 s              ▲                 ▲                                │
//!                       forgotten                 └──── answer ─────┴─ other news ◄──────────────────┤
//!                                                                             forgotten ◄── 3 × 1 s ─┘
//! ```
//! Static entries neither age nor change. Forbidden: news never creates an entry by itself unless the
//! neighbour asks us something; entries without an answer take more than half of the cache.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::config::Limits;
use crate::nic::PortId;
use crate::packet::Packet;
use crate::time::{Duration, Instant};
use crate::wire::EthernetAddress;

/// Constants of RFC 4861 10.
const REACHABLE_TIME: Duration = Duration::from_secs(30);
const DELAY_FIRST_PROBE: Duration = Duration::from_secs(5);
const RETRANS_TIMER: Duration = Duration::from_secs(1);
const MAX_SOLICITS: u8 = 3;

/// A neighbour: an address on the link of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) port: PortId,
    pub(crate) addr: IpAddr,
}

/// What an answer, or a neighbour's own question, says about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct News {
    pub(crate) mac: Option<EthernetAddress>,
    /// Answers our question.
    pub(crate) solicited: bool,
    /// Replaces a hardware address that we know.
    pub(crate) overriding: bool,
}

/// A question to put on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) key: Key,
    /// Ask only this station; otherwise ask all.
    pub(crate) to: Option<EthernetAddress>,
}

/// What becomes of a packet to a neighbour.
#[derive(Debug)]
pub(crate) enum Resolution {
    /// Send it to this station.
    Known(EthernetAddress, Packet),
    /// It waits; ask, if there is a question.
    Waits(Option<Question>),
    /// It waits in the place of one that waited longer, which was dropped: so many packets.
    Replaced(u64),
    /// It was dropped: too many packets wait.
    Refused,
}

/// What a timer gave rise to.
#[derive(Debug)]
pub(crate) enum Due {
    Ask(Question),
    /// The neighbour did not answer; these packets waited for it.
    Unreachable(VecDeque<Packet>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Static,
    Incomplete { asked: u8, due: Instant },
    Reachable { until: Instant },
    Stale,
    Delay { due: Instant },
    Probe { asked: u8, due: Instant },
}

#[derive(Debug)]
struct Entry {
    state: State,
    /// Meaningless while incomplete.
    mac: EthernetAddress,
    pending: VecDeque<Packet>,
    used: Instant,
}

/// An address with its station, good until then.
type Recent = (IpAddr, EthernetAddress, Instant);

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Neighbours {
    table: BTreeMap<Key, Entry>,
    /// By port the neighbour last sent to, while there is nothing to do for it: spares the search.
    recent: Vec<Option<Recent>>,
    capacity: usize,
    incomplete: usize,
    statics: usize,
    waiting: usize,
    waiting_max: usize,
    waiting_each: usize,
    next_due: Instant,
}

impl Neighbours {
    pub(crate) fn new(ports: usize, limits: &Limits) -> Self {
        Self {
            table: BTreeMap::new(),
            recent: vec![None; ports],
            capacity: limits.neighbours.max(2),
            incomplete: 0,
            statics: 0,
            waiting: 0,
            waiting_max: limits.pending,
            waiting_each: limits.pending_per_neighbour.max(1),
            next_due: Instant::NEVER,
        }
    }

    /// Adds a neighbour that is known beforehand.
    pub(crate) fn insert_static(&mut self, key: Key, mac: EthernetAddress) {
        let entry = Entry { state: State::Static, mac, pending: VecDeque::new(), used: Instant::ZERO };
        if self.table.insert(key, entry).is_none() {
            self.statics += 1;
        }
    }

    /// Finds the station for `packet`, or keeps the packet until there is one.
    #[inline]
    pub(crate) fn resolve(&mut self, now: Instant, key: Key, packet: Packet) -> Resolution {
        match self.recent.get(usize::from(key.port.0)) {
            Some(Some((addr, mac, until))) if *addr == key.addr && now < *until => {
                Resolution::Known(*mac, packet)
            }
            _ => self.resolve_slowly(now, key, packet),
        }
    }

    fn resolve_slowly(&mut self, now: Instant, key: Key, packet: Packet) -> Resolution {
        let Some(entry) = self.table.get_mut(&key) else { return self.begin(now, key, packet) };
        entry.used = now;
        match entry.state {
            State::Static => remember(&mut self.recent, key, entry.mac, Instant::NEVER),
            State::Reachable { until } if now < until => {
                remember(&mut self.recent, key, entry.mac, until);
            }
            State::Reachable { .. } | State::Stale => {
                //= rfc4861#7.3.3
                let due = now + DELAY_FIRST_PROBE;
                entry.state = State::Delay { due };
                self.next_due = self.next_due.min(due);
            }
            State::Delay { .. } | State::Probe { .. } => {}
            State::Incomplete { .. } => {
                if self.waiting >= self.waiting_max && entry.pending.is_empty() {
                    return Resolution::Refused;
                }
                entry.pending.push_back(packet);
                self.waiting += 1;
                //= rfc4861#7.2.2
                if entry.pending.len() > self.waiting_each || self.waiting > self.waiting_max {
                    // The new arrival replaces the oldest.
                    let oldest = entry.pending.pop_front();
                    self.waiting -= 1;
                    return Resolution::Replaced(oldest.map_or(0, |packet| packet.count()));
                }
                return Resolution::Waits(None);
            }
        }
        Resolution::Known(entry.mac, packet)
    }

    /// First packet to a neighbour that nothing is known of.
    fn begin(&mut self, now: Instant, key: Key, packet: Packet) -> Resolution {
        // Scanning a large prefix fills at most half of the cache (RFC 6583 6.2).
        if self.incomplete >= self.capacity / 2 || self.waiting >= self.waiting_max || !self.make_room() {
            return Resolution::Refused;
        }
        let due = now + RETRANS_TIMER;
        let state = State::Incomplete { asked: 1, due };
        let pending = core::iter::once(packet).collect();
        self.table.insert(key, Entry { state, mac: EthernetAddress::default(), pending, used: now });
        self.incomplete += 1;
        self.waiting += 1;
        self.next_due = self.next_due.min(due);
        Resolution::Waits(Some(Question { key, to: None }))
    }

    /// Makes sure that there is room for one more entry; false if only static and unanswered ones are there.
    fn make_room(&mut self) -> bool {
        if self.table.len() - self.statics < self.capacity {
            return true;
        }
        let answered = self
            .table
            .iter()
            .filter(|(_, entry)| !matches!(entry.state, State::Static | State::Incomplete { .. }));
        let Some(oldest) = answered.min_by_key(|(_, entry)| entry.used).map(|(key, _)| *key) else {
            return false;
        };
        self.recent.fill(None);
        self.table.remove(&oldest);
        true
    }

    /// A neighbour has asked us something and named its station (RFC 4861 7.2.3, RFC 826). Returns the
    /// packets that waited for it, and the station to send them to.
    pub(crate) fn heard(
        &mut self,
        now: Instant,
        key: Key,
        mac: EthernetAddress,
    ) -> Option<(EthernetAddress, VecDeque<Packet>)> {
        if !self.table.contains_key(&key) {
            if self.make_room() {
                let entry = Entry { state: State::Stale, mac, pending: VecDeque::new(), used: now };
                self.table.insert(key, entry);
            }
            return None;
        }
        self.learn(now, key, News { mac: Some(mac), solicited: false, overriding: true })
    }

    /// Whether a question about this neighbour is open.
    pub(crate) fn is_asked(&self, key: &Key) -> bool {
        self.table.get(key).is_some_and(|entry| {
            matches!(entry.state, State::Incomplete { .. } | State::Delay { .. } | State::Probe { .. })
        })
    }

    /// News of a neighbour that we may know (RFC 4861 7.2.5). Returns the packets that waited for it, and
    /// the station to send them to.
    pub(crate) fn learn(
        &mut self,
        now: Instant,
        key: Key,
        news: News,
    ) -> Option<(EthernetAddress, VecDeque<Packet>)> {
        //= rfc4861#7.2.5
        // No entry: nobody here wanted to know.
        let entry = self.table.get_mut(&key)?;
        let reachable = State::Reachable { until: now + REACHABLE_TIME };
        if entry.state == State::Static {
            return None;
        }
        self.recent.fill(None);
        if let State::Incomplete { .. } = entry.state {
            entry.mac = news.mac?;
            entry.state = if news.solicited { reachable } else { State::Stale };
            self.incomplete -= 1;
            self.waiting -= entry.pending.len();
            return Some((entry.mac, core::mem::take(&mut entry.pending)));
        }
        let differs = news.mac.is_some_and(|mac| mac != entry.mac);
        if differs && !news.overriding {
            if matches!(entry.state, State::Reachable { .. }) {
                entry.state = State::Stale;
            }
            return None;
        }
        entry.mac = news.mac.unwrap_or(entry.mac);
        if news.solicited {
            entry.state = reachable;
        } else if differs {
            entry.state = State::Stale;
        }
        None
    }

    /// Runs the timers; hands what is due to `out`. Returns when to be called again.
    pub(crate) fn poll(&mut self, now: Instant, out: &mut Vec<Due>) -> Instant {
        if now < self.next_due {
            return self.next_due;
        }
        let mut next = Instant::NEVER;
        let mut gone = Vec::new();
        for (key, entry) in &mut self.table {
            let (asked, due, to) = match entry.state {
                State::Incomplete { asked, due } => (asked, due, None),
                State::Delay { due } => (0, due, Some(entry.mac)),
                State::Probe { asked, due } => (asked, due, Some(entry.mac)),
                State::Static | State::Reachable { .. } | State::Stale => continue,
            };
            if now < due {
                next = next.min(due);
            } else if asked >= MAX_SOLICITS {
                gone.push(*key);
            } else {
                let due = now + RETRANS_TIMER;
                entry.state = match to {
                    None => State::Incomplete { asked: asked + 1, due },
                    Some(_) => State::Probe { asked: asked + 1, due },
                };
                next = next.min(due);
                out.push(Due::Ask(Question { key: *key, to }));
            }
        }
        for key in gone {
            let Some(entry) = self.table.remove(&key) else { continue };
            if let State::Incomplete { .. } = entry.state {
                self.incomplete -= 1;
                self.waiting -= entry.pending.len();
                out.push(Due::Unreachable(entry.pending));
            }
        }
        self.recent.fill(None);
        self.next_due = next;
        next
    }
}

fn remember(recent: &mut [Option<Recent>], key: Key, mac: EthernetAddress, until: Instant) {
    if let Some(slot) = recent.get_mut(usize::from(key.port.0)) {
        *slot = Some((key.addr, mac, until));
    }
}

#[cfg(test)]
mod tests;
