//! What was learned about the MTU of paths (RFC 1191 6.3, RFC 8201 5.2): bounded, and forgotten after a
//! time, so that a path that has grown is noticed. Belief in a report is the caller's decision.

use alloc::collections::BTreeMap;
use core::net::IpAddr;

use crate::config::Limits;
use crate::ip::ipv6;
use crate::time::{Duration, Instant};

/// Below this no IPv4 report is believed: a forged one would otherwise slow us down to 68 bytes.
pub(crate) const MIN_V4: u16 = 576;

#[derive(Debug)]
pub(crate) struct PathMtus {
    table: BTreeMap<IpAddr, (u16, Instant)>,
    capacity: usize,
    lifetime: Duration,
    next_due: Instant,
}

/// The least path MTU that is believed for the family of `dst`.
pub(crate) fn floor(dst: IpAddr) -> u16 {
    match dst {
        IpAddr::V4(_) => MIN_V4,
        //= rfc8201#4
        IpAddr::V6(_) => ipv6::MIN_MTU,
    }
}

impl PathMtus {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            table: BTreeMap::new(),
            capacity: limits.path_mtus,
            lifetime: limits.path_mtu_time,
            next_due: Instant::NEVER,
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// What was learned for `dst`, if anything.
    #[inline]
    pub(crate) fn lookup(&self, dst: IpAddr) -> Option<u16> {
        if self.table.is_empty() {
            return None;
        }
        self.table.get(&dst).map(|(mtu, _)| *mtu)
    }

    /// Notes `mtu` for `dst`, unless `present` or what was learned before is no larger.
    pub(crate) fn learn(&mut self, now: Instant, dst: IpAddr, mtu: u16, present: u16) {
        let mtu = mtu.max(floor(dst));
        //= rfc8201#4
        // A report must never raise the estimate.
        if mtu >= present.min(self.lookup(dst).unwrap_or(u16::MAX)) || self.capacity == 0 {
            return;
        }
        if self.table.len() >= self.capacity && !self.table.contains_key(&dst) {
            let soonest = self.table.iter().min_by_key(|(_, (_, until))| *until).map(|(addr, _)| *addr);
            if let Some(soonest) = soonest {
                self.table.remove(&soonest);
            }
        }
        let until = now + self.lifetime;
        self.table.insert(dst, (mtu, until));
        self.next_due = self.next_due.min(until);
    }

    /// Forgets what is too old; returns when to be called again.
    pub(crate) fn poll(&mut self, now: Instant) -> Instant {
        if now >= self.next_due {
            self.table.retain(|_, (_, until)| now < *until);
            self.next_due = self.table.values().map(|(_, until)| *until).min().unwrap_or(Instant::NEVER);
        }
        self.next_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> PathMtus {
        PathMtus::new(&Limits { path_mtus: 2, path_mtu_time: Duration::from_secs(10), ..Limits::default() })
    }

    fn v4(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn only_shrinks_and_never_below_the_floor() {
        let mut store = store();
        let v6: IpAddr = "2001:db8::1".parse().unwrap();
        store.learn(Instant::ZERO, v4(1), 1600, 1500);
        assert_eq!(store.lookup(v4(1)), None);
        store.learn(Instant::ZERO, v4(1), 1400, 1500);
        store.learn(Instant::ZERO, v4(1), 1450, 1500);
        assert_eq!(store.lookup(v4(1)), Some(1400));
        store.learn(Instant::ZERO, v4(1), 0, 1500);
        store.learn(Instant::ZERO, v6, 68, 1500);
        assert_eq!((store.lookup(v4(1)), store.lookup(v6)), (Some(576), Some(1280)));
    }

    #[test]
    fn forgets_after_its_time_and_stays_within_its_size() {
        let mut store = store();
        store.learn(Instant::from_secs(1), v4(1), 1400, 1500);
        store.learn(Instant::from_secs(2), v4(2), 1400, 1500);
        store.learn(Instant::from_secs(3), v4(3), 1400, 1500);
        assert_eq!((store.table.len(), store.lookup(v4(1))), (2, None));
        assert_eq!(store.poll(Instant::from_secs(12)), Instant::from_secs(13));
        assert_eq!((store.lookup(v4(2)), store.lookup(v4(3))), (None, Some(1400)));
        assert_eq!(store.poll(Instant::from_secs(13)), Instant::NEVER);
        assert!(store.is_empty());
    }
}
