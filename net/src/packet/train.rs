//! Trains: TCP segments of one flow that follow each other, on their way through the gateway as one packet. The first one
//! leads; the others are in tow, each in the memory that it came in. Nothing is copied.
//!
//! ```text
//!   leader     | headers | payload |      a packet like any other, `meta.segment` the length of its payload
//!   follower  (| headers)| payload |      its bytes are its payload; its own headers lie in its headroom as they came
//!   follower  (| headers)| payload |      only the last one's may be shorter than the leader's
//! ```
//! What is true of the leader is true of all: headers are put on and changed at the leader alone, and no segment is longer
//! than it. How the followers' headers follow from the leader's is [`crate::train`]'s business.

use alloc::vec::Vec;

use super::{Packet, Train};

impl Packet {
    /// Takes `followers` in tow, in this order, and leaves the vector empty: the packet becomes a train. Its payload is
    /// `payload` bytes, like that of all but the last, which has the TCP flags `last` besides its leader's.
    pub(crate) fn lead(&mut self, followers: &mut Vec<Packet>, payload: u16, last: u8) {
        self.let_go();
        self.meta.train = Train { followers: followers.len() as u8, last };
        self.meta.segment = Some(payload);
        while let Some(mut follower) = followers.pop() {
            follower.next = self.next.take();
            self.next = follower.0.take();
        }
    }

    /// Whether it is a train.
    #[inline]
    pub fn is_train(&self) -> bool {
        self.meta.train.followers != 0
    }

    /// Packets that it is on the wire.
    #[inline]
    pub fn count(&self) -> u64 {
        1 + u64::from(self.meta.train.followers)
    }

    /// Bytes of all the packets that it is on the wire, from the header on that comes first now.
    #[inline]
    pub fn total(&self) -> usize {
        if !self.is_train() {
            return self.len();
        }
        let headers = self.len().saturating_sub(self.meta.segment.unwrap_or(0).into());
        self.len() + self.followers().map(|payload| headers + payload.len()).sum::<usize>()
    }

    /// The payloads in tow, in order.
    pub fn followers(&self) -> impl Iterator<Item = &[u8]> {
        let mut next = self.next.as_deref();
        core::iter::from_fn(move || {
            let body = next?;
            next = body.next.as_deref();
            Some(&body.buf[body.head..body.tail])
        })
    }

    /// Lets go of all followers. They come as the first of them, with the others in tow: the way to take a train apart is to
    /// split what was split off until there is nothing.
    #[inline]
    pub fn split(&mut self) -> Option<Packet> {
        let body = self.next.take()?;
        self.meta.train = Train::default();
        Some(Packet(Some(body)))
    }

    /// Drops all followers, one after the other.
    pub(super) fn let_go(&mut self) {
        let mut rest = self.split();
        while let Some(mut follower) = rest {
            rest = follower.split();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Pool;
    use alloc::vec;

    fn packet(pool: &Pool, bytes: &[u8]) -> Packet {
        let mut packet = pool.take().unwrap();
        packet.append(bytes.len()).unwrap().copy_from_slice(bytes);
        packet
    }

    #[test]
    fn followers_keep_their_order_and_go_home() {
        let pool = Pool::new(4);
        let mut leader = packet(&pool, b"headers+first");
        let rest = [&b"secnd"[..], b"third", b"4th"].map(|payload| packet(&pool, payload));
        leader.lead(&mut rest.into(), 5, 1);
        assert!(leader.is_train());
        assert_eq!((leader.count(), leader.total()), (4, 13 + (8 + 5) * 2 + 8 + 3));
        assert_eq!(leader.followers().collect::<Vec<_>>(), [&b"secnd"[..], b"third", b"4th"]);
        let mut rest = leader.split().unwrap();
        assert_eq!((leader.count(), rest.bytes()), (1, &b"secnd"[..]));
        let others = rest.split().unwrap();
        drop((leader, rest));
        assert_eq!(pool.available(), 2);
        drop(others);
        assert_eq!(pool.available(), 4);
    }

    #[test]
    fn what_is_reset_or_leads_others_drops_its_followers() {
        let pool = Pool::new(3);
        let mut leader = packet(&pool, b"head");
        leader.lead(&mut vec![packet(&pool, b"a")], 1, 0);
        leader.lead(&mut vec![packet(&pool, b"b")], 1, 0);
        assert_eq!(leader.followers().collect::<Vec<_>>(), [b"b"]);
        assert_eq!(pool.available(), 1);
        leader.reset(0);
        assert_eq!((leader.count(), leader.total(), pool.available()), (1, 0, 2));
    }
}
