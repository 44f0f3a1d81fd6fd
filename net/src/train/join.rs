//! The express lane: a frame that goes on where a waiting segment of its stream ends, and whose headers are those of that
//! segment, gets the same answer to every question. So none is asked, and it follows as it came.
//!
//! What a header says that is not compared is checked here: lengths, IPv4's checksum, identification and sequence number. What
//! is counted for each packet of an SA is counted by the caller.

use super::{
    ACK_NUMBER, BYTES, Departure, FLAGS, FOLLOWERS, LAST, SEQUENCE, Segment, Trains, URGENT, WINDOW, Waiting,
};
use crate::checksum;
use crate::ethernet;
use crate::ip::{array, be16, ipv4, ipv6};
use crate::packet::Packet;

/// How a packet came in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Came {
    /// Bytes in front of its IP header: Ethernet, and the outer IP header of what a device has opened.
    pub front: usize,
    /// The device's name for the SA that it has opened it under.
    pub name: Option<u32>,
}

/// Whether two IP headers agree in all but length, identification and checksum, and the second has so many hops more.
#[inline]
fn same_ip(one: &[u8], other: &[u8], hops: u8) -> bool {
    let (Some(one), Some(other)) = (one.first_chunk::<{ ipv4::HEADER }>(), other.first_chunk()) else {
        return false;
    };
    let [a, b]: [&[u8; ipv4::HEADER]; 2] = [one, other];
    a[..2] == b[..2]
        && a[ipv4::FLAGS..ipv4::TTL] == b[ipv4::FLAGS..ipv4::TTL]
        && a[ipv4::TTL].wrapping_add(hops) == b[ipv4::TTL]
        && a[ipv4::PROTOCOL] == b[ipv4::PROTOCOL]
        && a[ipv4::SRC..] == b[ipv4::SRC..]
}

/// The same of IPv6.
#[inline]
fn same_ip6(one: &[u8], other: &[u8], hops: u8) -> bool {
    let (Some(one), Some(other)) = (one.first_chunk::<{ ipv6::HEADER }>(), other.first_chunk()) else {
        return false;
    };
    let [a, b]: [&[u8; ipv6::HEADER]; 2] = [one, other];
    a[..ipv6::PAYLOAD_LENGTH] == b[..ipv6::PAYLOAD_LENGTH]
        && a[ipv6::NEXT_HEADER] == b[ipv6::NEXT_HEADER]
        && a[ipv6::HOP_LIMIT].wrapping_add(hops) == b[ipv6::HOP_LIMIT]
        && a[ipv6::SRC..] == b[ipv6::SRC..]
}

/// Whether an IP header says the length of its packet.
#[inline]
fn says_length(packet: &[u8], v4: bool) -> bool {
    if v4 {
        be16(packet, ipv4::TOTAL_LENGTH).map(usize::from) == Some(packet.len())
    } else {
        be16(packet, ipv6::PAYLOAD_LENGTH).map(|length| usize::from(length) + ipv6::HEADER)
            == Some(packet.len())
    }
}

impl Waiting {
    /// What `frame` says if it follows.
    #[inline]
    fn follower(&self, frame: &Packet, name: Option<u32>) -> Option<Segment> {
        let Came { front, .. } = self.came;
        let Segment { network, headers, .. } = self.first;
        let (bytes, leader) = (frame.bytes(), self.leader.bytes());
        let packet = bytes.get(front..)?;
        let (header, payload) = (packet.get(..headers)?, packet.len() - headers);
        let tcp = header.get(network..)?;
        // First what tells streams apart.
        let sequence = u32::from_be_bytes(array(tcp, SEQUENCE)?);
        let lead = leader.get(network..headers)?;
        if sequence != self.sequence || tcp[..SEQUENCE] != lead[..SEQUENCE] || name != self.came.name {
            return None;
        }
        let v4 = network == ipv4::HEADER;
        let meta = &frame.meta;
        let verified = if front > ethernet::HEADER { meta.inner_ok } else { meta.checksum_ok };
        let flags = *tcp.get(FLAGS)?;
        let follows = verified
            && meta.port == self.leader.meta.port
            && (1..=self.first.payload).contains(&payload)
            && self.followers.len() < FOLLOWERS
            && self.bytes + payload <= BYTES
            && flags & !LAST == self.first.flags
            && tcp[ACK_NUMBER..FLAGS] == lead[ACK_NUMBER..FLAGS]
            && tcp[WINDOW..WINDOW + 2] == lead[WINDOW..WINDOW + 2]
            && tcp[URGENT..] == lead[URGENT..]
            && says_length(packet, v4);
        if !follows || !self.same_front(bytes) {
            return None;
        }
        let mut ident = 0;
        if v4 {
            ident = be16(header, ipv4::IDENT)?;
            if ident != self.ident
                || !same_ip(leader, header, 1)
                || !checksum::is_valid(&header[..ipv4::HEADER])
            {
                return None;
            }
        } else if !same_ip6(leader, header, 1) {
            return None;
        }
        Some(Segment { network, headers, payload, sequence, ident, flags })
    }

    /// Whether the same lies in front of the packet in `frame` as in front of the leader.
    #[inline]
    fn same_front(&self, frame: &[u8]) -> bool {
        let front = self.came.front;
        let (Some(one), Some(other)) = (self.leader.before(front), frame.get(..front)) else { return false };
        let (Some((ethernet, outer)), Some((same, around))) =
            (one.split_at_checked(ethernet::HEADER), other.split_at_checked(ethernet::HEADER))
        else {
            return false;
        };
        ethernet == same
            && match outer.len() {
                0 => true,
                ipv4::HEADER => same_ip(outer, around, 0) && says_length(&frame[ethernet::HEADER..], true),
                ipv6::HEADER => same_ip6(outer, around, 0) && says_length(&frame[ethernet::HEADER..], false),
                _ => false,
            }
    }
}

impl Trains {
    /// Takes a frame as it came in, which a device has opened under the SA that it calls `name`, if it goes on where a stream
    /// of the same kind ends: then the train comes back if it ends with it. `count` is told which SA the stream came by, and
    /// how many bytes this one has behind what was taken off; if it does not agree, or the frame is anything else, it comes back
    /// as it was.
    #[inline]
    pub fn join(
        &mut self,
        mut frame: Packet,
        name: Option<u32>,
        count: impl FnOnce(Option<u32>, usize) -> bool,
    ) -> Result<Option<Departure>, Packet> {
        let found = self.waiting.iter().enumerate();
        let found = found.filter_map(|(at, waiting)| Some((at, waiting.follower(&frame, name)?))).next();
        let Some((at, segment)) = found else { return Err(frame) };
        let Some(waiting) = self.waiting.get_mut(at) else { return Err(frame) };
        if !count(waiting.leader.meta.sa_in, segment.headers + segment.payload) {
            return Err(frame);
        }
        // It has as many bytes, and more.
        let _ = frame.pull(waiting.came.front);
        let ends = segment.flags & LAST != 0 || segment.payload < waiting.first.payload;
        waiting.add(frame, &segment);
        let mut leaving = heapless::Vec::new();
        if ends {
            self.depart(at, segment.flags & LAST, &mut leaving);
        }
        Ok(leaving.pop())
    }

    /// Whether nothing waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
