//! Taking a train apart in software, where no device does it, or a packet must be decided on by itself.
//!
//! 1. The leader is a packet as it is.
//! 2. A follower gets the TCP header back that it came with, and in front of it the leader's headers of now, with its own
//!    lengths, identification and IPv4 checksum. The payload is not looked at: TCP's checksum is right since nothing of the
//!    segment has changed.

use crate::ethernet;
use crate::ip::{be16, ipv4, ipv6, proto, put};
use crate::offload::{Headers, ethernet_len};
use crate::packet::{Fill, Meta, Packet, Train};

/// Most bytes in front of a TCP header: Ethernet with a tag, two IP headers with options.
const FRONT: usize = 192;

/// An IP header in front of a segment.
#[derive(Debug, Clone, Copy)]
struct Ip {
    at: usize,
    v4: bool,
}

/// The packets of a train, in order.
#[derive(Debug)]
pub struct Apart {
    /// What is left, the next one first.
    rest: Option<Packet>,
    /// What lies in front of the leader's TCP header.
    front: [u8; FRONT],
    length: usize,
    /// The IP headers in it: that of the segment, and one around it.
    inner: Ip,
    outer: Option<Ip>,
    /// Bytes of the TCP header.
    tcp: usize,
    meta: Meta,
    /// Packets that have left.
    index: u16,
    lost: u64,
}

impl Apart {
    /// For a train of IP packets. `None` (and the train is dropped) if it is no train.
    pub fn packet(leader: Packet) -> Option<Self> {
        let v4 = leader.bytes().first()? >> 4 == 4;
        let headers = Headers::at(leader.bytes(), 0, v4)?;
        Self::new(leader, headers, None)
    }

    /// For a train of Ethernet frames; of packets inside of others, if they name an outbound SA. `None` (and the train is
    /// dropped) if it is no train.
    pub fn frame(leader: Packet) -> Option<Self> {
        let bytes = leader.bytes();
        if let Some(headers) = Headers::parse(bytes).filter(|headers| headers.proto == proto::TCP) {
            return Self::new(leader, headers, None);
        }
        let (v4, headers) = Headers::parse_inner(bytes).filter(|_| leader.meta.sa_out.is_some())?;
        let outer = Ip { at: ethernet_len(bytes), v4 };
        Self::new(leader, headers, Some(outer))
    }

    fn new(leader: Packet, headers: Headers, outer: Option<Ip>) -> Option<Self> {
        let Headers { network, transport, payload, v4, proto: kind } = headers;
        let mut front = [0; FRONT];
        front.get_mut(..transport)?.copy_from_slice(leader.bytes().get(..transport)?);
        let fits = leader.len() - payload == usize::from(leader.meta.segment?);
        let meta = Meta { segment: None, train: Train::default(), fill: Fill::NONE, ..leader.meta };
        (fits && leader.is_train() && kind == proto::TCP).then_some(Self {
            rest: Some(leader),
            front,
            length: transport,
            inner: Ip { at: network, v4 },
            outer,
            tcp: payload - transport,
            meta,
            index: 0,
            lost: 0,
        })
    }

    /// Packets that had no room for their headers, and were dropped.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Whether none is left.
    pub fn is_done(&self) -> bool {
        self.rest.is_none()
    }

    /// Gives a follower its headers.
    fn dress(&self, follower: &mut Packet) -> Option<()> {
        // What it came with lies where its headroom ends.
        follower.push(self.tcp)?;
        follower.push(self.length)?.copy_from_slice(self.front.get(..self.length)?);
        let bytes = follower.bytes_mut();
        for ip in self.outer.into_iter().chain([self.inner]) {
            let packet = bytes.get_mut(ip.at..)?;
            if !ip.v4 {
                let length = u16::try_from(packet.len() - ipv6::HEADER).ok()?;
                put(packet, ipv6::PAYLOAD_LENGTH, length.to_be_bytes());
                continue;
            }
            let ident = be16(packet, ipv4::IDENT)?.wrapping_add(self.index);
            put(packet, ipv4::IDENT, ident.to_be_bytes());
            put(packet, ipv4::TOTAL_LENGTH, u16::try_from(packet.len()).ok()?.to_be_bytes());
            put(packet, ipv4::CHECKSUM, [0, 0]);
            let length = usize::from(packet.first()? & 0x0f) * 4;
            let sum = crate::checksum::of(packet.get(..length)?);
            put(packet, ipv4::CHECKSUM, sum);
        }
        Some(())
    }
}

impl Iterator for Apart {
    type Item = Packet;

    fn next(&mut self) -> Option<Packet> {
        loop {
            let mut packet = self.rest.take()?;
            self.rest = packet.split();
            let dressed = self.index == 0 || self.dress(&mut packet).is_some();
            self.index += 1;
            if dressed {
                packet.meta = self.meta;
                return Some(packet);
            }
            self.lost += 1;
        }
    }
}

const _: () = assert!(FRONT >= ethernet::HEADER + crate::offload::TAG + 2 * ipv4::HEADER_MAX);
