//! Putting TCP segments together into trains ([`crate::packet`]), and taking trains apart, without a byte lost or changed: the
//! gateway decides once for all of them, and a device that cuts TCP sends all of them with one request.
//!
//! 1. Only what [`Apart`], or a device, restores exactly is put together: IPv4 without options and with DF, IPv6 without
//!    extension headers; the same fields but for lengths, checksums, identification, which counts up, and sequence number,
//!    which goes on where the last one ended; TCP options alike; no flags but ACK, ECE, and PSH and FIN, which end a train; all
//!    payloads but the last of one length.
//! 2. Only segments whose checksum is known to be right are put together: a device writes it anew, and would make a
//!    damaged packet a good one.
//! 3. No packet overtakes another one of its flow: one that does not fit sends off what waits of the flow before it.
//!
//! Who puts trains together must send off what waits at the end of each burst: nothing here waits for more.

mod apart;
mod join;

pub use apart::Apart;
pub use join::Came;

use alloc::vec::Vec;

use crate::flow::{Flow, Parsed};
use crate::ip::{array, be16, ipv4, ipv6, proto};
use crate::packet::{Meta, Packet};

/// Flows of which something waits.
const FLOWS: usize = 8;
/// Most followers of a train: they have to fit a request to a device, and a burst has no more.
const FOLLOWERS: usize = 31;
/// Most payload bytes of a train: less than an IP packet can have, which devices and peers count on.
const BYTES: usize = 65_000;

/// Fields of TCP, in bytes from its header (RFC 9293, section 3.1).
const SEQUENCE: usize = 4;
const ACK_NUMBER: usize = 8;
const DATA_OFFSET: usize = 12;
const FLAGS: usize = 13;
const WINDOW: usize = 14;
const URGENT: usize = 18;
const HEADER: usize = 20;
/// Flags.
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
const ECE: u8 = 0x40;
/// Those with which a train ends.
const LAST: u8 = FIN | PSH;

/// What the header of a segment says that can be part of a train.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    /// Bytes of the IP header.
    network: usize,
    /// Bytes of the IP and the TCP header.
    headers: usize,
    payload: usize,
    sequence: u32,
    /// IPv4 only.
    ident: u16,
    flags: u8,
}

impl Segment {
    fn of(packet: &Packet, parsed: &Parsed) -> Option<Self> {
        if parsed.flow.proto != proto::TCP || parsed.fragment.is_some() || !packet.meta.checksum_ok {
            return None;
        }
        let bytes = packet.bytes();
        let v4 = parsed.flow.src.is_ipv4();
        let bare = if v4 { ipv4::HEADER } else { ipv6::HEADER };
        if parsed.header_len != bare || packet.meta.fragment_size.is_some() || packet.is_train() {
            return None;
        }
        let tcp = bytes.get(bare..).filter(|tcp| tcp.len() > HEADER)?;
        let length = usize::from(tcp[DATA_OFFSET] >> 4) * 4;
        let flags = tcp[FLAGS];
        let payload = tcp.len().checked_sub(length).filter(|payload| *payload > 0)?;
        let sound = length >= HEADER && flags & !(LAST | ECE) == ACK;
        // Without DF it may be cut on its way, and its identification has to be its own.
        (sound && parsed.dont_fragment && bytes.len() == parsed.total_len).then_some(Self {
            network: bare,
            headers: bare + length,
            payload,
            sequence: u32::from_be_bytes(array(tcp, SEQUENCE)?),
            ident: if v4 { be16(bytes, ipv4::IDENT)? } else { 0 },
            flags,
        })
    }
}

/// Whether two headers of one flow, of the same length, differ in nothing but what a device makes anew for each segment.
fn alike(one: &[u8], other: &[u8], network: usize) -> bool {
    let same = |from: usize, to: usize| one.get(from..to) == other.get(from..to);
    let tcp = |from: usize, to: usize| same(network + from, network + to);
    let ip = if network == ipv4::HEADER {
        same(ipv4::VERSION_IHL, ipv4::TOTAL_LENGTH) && same(ipv4::FLAGS, ipv4::CHECKSUM)
    } else {
        same(ipv6::VERSION_CLASS_FLOW, ipv6::PAYLOAD_LENGTH) && same(ipv6::NEXT_HEADER, ipv6::SRC)
    };
    ip && tcp(ACK_NUMBER, FLAGS) && tcp(WINDOW, WINDOW + 2) && tcp(URGENT, one.len() - network)
}

/// What of a packet's metadata a train has to have in common.
fn terms(meta: &Meta) -> Meta {
    Meta { hash: 0, header_ok: false, inner_ok: false, ..*meta }
}

/// Segments of a flow that wait for more.
#[derive(Debug)]
struct Waiting {
    leader: Packet,
    came: Came,
    parsed: Parsed,
    first: Segment,
    followers: Vec<Packet>,
    /// Sequence number and identification of the next segment.
    sequence: u32,
    ident: u16,
    /// Payload bytes so far.
    bytes: usize,
}

impl Waiting {
    /// Whether `segment` of the same flow, in `packet`, goes on where this ends.
    fn takes(&self, segment: &Segment, packet: &Packet) -> bool {
        let first = &self.first;
        segment.sequence == self.sequence
            && segment.payload <= first.payload
            && segment.headers == first.headers
            && segment.flags & !LAST == first.flags
            && segment.ident == self.ident
            && self.followers.len() < FOLLOWERS
            && self.bytes + segment.payload <= BYTES
            && terms(&packet.meta) == terms(&self.leader.meta)
            && match (self.leader.bytes().get(..first.headers), packet.bytes().get(..first.headers)) {
                (Some(one), Some(other)) => alike(one, other, first.network),
                _ => false,
            }
    }
}

/// A packet that goes on, alone or as a train, and what its header says.
pub type Departure = (Packet, Parsed);

/// Flows whose segments are being put together.
#[derive(Debug, Default)]
pub struct Trains {
    waiting: heapless::Vec<Waiting, FLOWS>,
    /// Vectors of trains that have left, for their memory.
    spare: heapless::Vec<Vec<Packet>, FLOWS>,
    trains: u64,
    segments: u64,
}

impl Trains {
    /// Takes a whole packet that is to be sent on. What leaves now comes back, in order: a train that ends with it, or what it
    /// can't be part of and itself. It must have an IP header that [`Flow::parse`] has found sound, and one hop less than it
    /// came with; what was in front of it, `came.front` bytes, still lies in its headroom.
    pub fn offer(&mut self, packet: Packet, parsed: Parsed, came: Came) -> heapless::Vec<Departure, 2> {
        let mut leaving = heapless::Vec::new();
        let segment = Segment::of(&packet, &parsed);
        if let Some(at) = self.place(&parsed.flow) {
            if let Some(segment) = segment
                && let Some(waiting) = self.waiting.get_mut(at)
                && waiting.takes(&segment, &packet)
            {
                let ends = segment.flags & LAST != 0 || segment.payload < waiting.first.payload;
                waiting.add(packet, &segment);
                if ends {
                    self.depart(at, segment.flags & LAST, &mut leaving);
                }
                return leaving;
            }
            self.depart(at, 0, &mut leaving);
        }
        match segment.filter(|segment| segment.flags & LAST == 0) {
            Some(segment) => {
                if self.waiting.is_full() {
                    self.depart(0, 0, &mut leaving);
                }
                let waiting = Waiting {
                    leader: packet,
                    came,
                    parsed,
                    first: segment,
                    followers: self.spare.pop().unwrap_or_default(),
                    sequence: segment.sequence.wrapping_add(segment.payload as u32),
                    ident: if segment.network == ipv4::HEADER { segment.ident.wrapping_add(1) } else { 0 },
                    bytes: segment.payload,
                };
                // There is room.
                let _ = self.waiting.push(waiting);
            }
            None => {
                let _ = leaving.push((packet, parsed));
            }
        }
        leaving
    }

    /// Something that waits; all of it, if called until there is nothing.
    pub fn flush(&mut self) -> Option<Departure> {
        let mut leaving = heapless::Vec::new();
        if !self.waiting.is_empty() {
            self.depart(0, 0, &mut leaving);
        }
        leaving.pop()
    }

    /// Trains so far, and the segments in them.
    pub fn counts(&self) -> (u64, u64) {
        (self.trains, self.segments)
    }

    fn place(&self, flow: &Flow) -> Option<usize> {
        self.waiting.iter().position(|waiting| waiting.parsed.flow == *flow)
    }

    /// Sends off what waits at a place; its last segment has the flags `last`.
    fn depart(&mut self, at: usize, last: u8, leaving: &mut heapless::Vec<Departure, 2>) {
        let Waiting { mut leader, parsed, mut followers, first, .. } = self.waiting.remove(at);
        if !followers.is_empty() {
            self.trains += 1;
            self.segments += 1 + followers.len() as u64;
            leader.lead(&mut followers, first.payload as u16, last);
        }
        // There are as many places as flows.
        let _ = self.spare.push(followers);
        // Two at most leave for one that comes: what it ends or can't follow, and itself or what makes room for it.
        let _ = leaving.push((leader, parsed));
    }
}

impl Waiting {
    fn add(&mut self, mut packet: Packet, segment: &Segment) {
        // It has as many bytes, and more.
        let _ = packet.pull(segment.headers);
        self.bytes += segment.payload;
        self.sequence = self.sequence.wrapping_add(segment.payload as u32);
        if segment.network == ipv4::HEADER {
            self.ident = self.ident.wrapping_add(1);
        }
        self.followers.push(packet);
    }
}

#[cfg(test)]
mod tests;
