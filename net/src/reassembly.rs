//! Reassembly of IPv4 (RFC 791 3.2, RFC 815) and IPv6 (RFC 8200 4.5) fragments, bounded in datagrams,
//! bytes, pieces and time. Overlap drops the datagram and what is still to come of it (RFC 5722), for both
//! families; exact duplicates are ignored. When memory is short the oldest incomplete datagram goes.
//! ECN is put together as RFC 3168 5.3 says.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::cause::Cause;
use crate::checksum;
use crate::config::Limits;
use crate::extension;
use crate::flow::{Fragment, Parsed};
use crate::ip::{ipv4, ipv6, put};
use crate::packet::{Meta, Packet, Pool};
use crate::time::{Duration, Instant};

/// Tailroom that a reassembled packet keeps for an ESP trailer and ICV.
const TAILROOM: usize = 128;
/// What a piece and a datagram are taken to cost beyond their bytes.
const OVERHEAD: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    src: IpAddr,
    dst: IpAddr,
    ident: u32,
    /// Zero for IPv6, where only the first fragment can tell.
    proto: u8,
}

#[derive(Debug)]
struct Piece {
    offset: usize,
    bytes: Box<[u8]>,
}

impl Piece {
    fn end(&self) -> usize {
        self.offset + self.bytes.len()
    }
}

#[derive(Debug)]
struct Datagram {
    serial: u64,
    meta: Meta,
    /// In order of offset, without overlap. Empty once poisoned.
    pieces: Vec<Piece>,
    /// The unfragmented headers, from the first fragment.
    header: Box<[u8]>,
    /// Payload bytes, known from the last fragment.
    total: Option<usize>,
    /// Payload bytes held.
    held: usize,
    /// What counts against the limit on bytes.
    cost: usize,
    /// ECN codepoints seen: bit n for codepoint n.
    ecn: u8,
    /// Dropped already; what is still to come of it is dropped for the same reason.
    refused: Option<Cause>,
}

/// What became of a fragment.
#[derive(Debug)]
pub(crate) enum Outcome {
    Whole(Packet),
    Waiting,
    Dropped(Cause),
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Reassembly {
    table: BTreeMap<Key, Datagram>,
    /// By age; a serial that the table does not have any more is skipped.
    order: VecDeque<(Instant, Key, u64)>,
    serial: u64,
    bytes: usize,
    bytes_max: usize,
    datagrams_max: usize,
    pieces_max: usize,
    lifetime: Duration,
}

impl Reassembly {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            table: BTreeMap::new(),
            order: VecDeque::new(),
            serial: 0,
            bytes: 0,
            bytes_max: limits.reassembly_bytes,
            datagrams_max: limits.reassemblies.max(1),
            pieces_max: limits.reassembly_pieces,
            lifetime: limits.reassembly_time,
        }
    }

    /// Takes a fragment. `evicted` is called for each datagram that had to make room.
    pub(crate) fn insert(
        &mut self,
        now: Instant,
        packet: &Packet,
        parsed: &Parsed,
        pool: &Pool,
        evicted: &mut impl FnMut(),
    ) -> Outcome {
        let Some(fragment) = parsed.fragment else { return Outcome::Dropped(Cause::FragmentLength) };
        let Some(split) = Split::of(packet.bytes(), parsed) else {
            return Outcome::Dropped(Cause::IpTotalLength);
        };
        if fragment.offset == 0 && !fragment.more {
            //= rfc6946#4
            // A whole packet that only looks like a fragment, whatever else has its identification.
            let mut datagram = Datagram::new(0, packet.meta);
            datagram.hold(0, fragment, &split, packet.len(), parsed.dscp_ecn);
            return datagram.assemble(pool);
        }
        let proto = if parsed.flow.src.is_ipv4() { parsed.flow.proto } else { 0 };
        let key = Key { src: parsed.flow.src, dst: parsed.flow.dst, ident: fragment.ident, proto };
        if !self.table.contains_key(&key) {
            while self.table.len() >= self.datagrams_max && self.evict() {
                evicted();
            }
            self.begin(now, key, packet.meta);
        }
        let cost = split.payload.len() + split.header.len() + OVERHEAD;
        let Some(datagram) = self.table.get_mut(&key) else { return Outcome::Dropped(Cause::ReassemblyFull) };
        match datagram.place(fragment, split.payload, self.pieces_max) {
            Place::Duplicate => return Outcome::Waiting,
            Place::Refused(cause) => {
                self.bytes -= core::mem::take(&mut datagram.cost);
                datagram.poison(cause);
                return Outcome::Dropped(cause);
            }
            Place::At(index) => {
                datagram.hold(index, fragment, &split, packet.len(), parsed.dscp_ecn);
                datagram.cost += cost;
                self.bytes += cost;
            }
        }
        if datagram.is_complete() {
            let Some(datagram) = self.table.remove(&key) else { return Outcome::Waiting };
            self.bytes -= datagram.cost;
            return datagram.assemble(pool);
        }
        while self.bytes > self.bytes_max && self.evict() {
            evicted();
        }
        if self.table.contains_key(&key) { Outcome::Waiting } else { Outcome::Dropped(Cause::ReassemblyFull) }
    }

    fn begin(&mut self, now: Instant, key: Key, meta: Meta) {
        self.serial += 1;
        self.bytes += OVERHEAD;
        self.table.insert(key, Datagram::new(self.serial, meta));
        // Those that completed leave their place in the order behind; swept out before they pile up.
        if self.order.len() >= 2 * self.datagrams_max {
            let table = &self.table;
            self.order
                .retain(|(_, key, serial)| table.get(key).is_some_and(|datagram| datagram.serial == *serial));
        }
        self.order.push_back((now + self.lifetime, key, self.serial));
    }

    /// Removes the oldest datagram; false if there is none.
    fn evict(&mut self) -> bool {
        while let Some((_, key, serial)) = self.order.pop_front() {
            if self.take(key, serial).is_some() {
                return true;
            }
        }
        false
    }

    fn take(&mut self, key: Key, serial: u64) -> Option<Datagram> {
        if self.table.get(&key)?.serial != serial {
            return None;
        }
        let datagram = self.table.remove(&key)?;
        self.bytes -= datagram.cost;
        Some(datagram)
    }

    /// Drops what stayed incomplete for too long. `expired` gets, for each, the beginning of the datagram as
    /// a packet to quote, if its first fragment came. Returns when to be called again.
    pub(crate) fn poll(&mut self, now: Instant, expired: &mut impl FnMut(Option<Packet>)) -> Instant {
        while let Some((due, key, serial)) = self.order.front().copied() {
            let gone = self.table.get(&key).is_none_or(|datagram| datagram.serial != serial);
            if !gone && now < due {
                return due;
            }
            self.order.pop_front();
            if let Some(datagram) = self.take(key, serial)
                && datagram.refused.is_none()
            {
                expired(datagram.first());
            }
        }
        Instant::NEVER
    }
}

enum Place {
    At(usize),
    Duplicate,
    Refused(Cause),
}

impl Datagram {
    fn new(serial: u64, meta: Meta) -> Self {
        Self {
            serial,
            meta: Meta { fragment_size: None, checksum_ok: false, ..meta },
            pieces: Vec::new(),
            header: Box::default(),
            total: None,
            held: 0,
            cost: OVERHEAD,
            ecn: 0,
            refused: None,
        }
    }

    /// Where the fragment belongs among the pieces.
    fn place(&self, fragment: Fragment, payload: &[u8], pieces_max: usize) -> Place {
        let start = usize::from(fragment.offset);
        let end = start + payload.len();
        if let Some(cause) = self.refused {
            return Place::Refused(cause);
        }
        let index = self.pieces.partition_point(|piece| piece.offset < start);
        let next = self.pieces.get(index);
        if next.is_some_and(|next| next.offset == start && *next.bytes == *payload)
            && fragment.more == (self.total != Some(end))
        {
            return Place::Duplicate;
        }
        let previous = index.checked_sub(1).and_then(|index| self.pieces.get(index));
        //= rfc5722#4
        let overlaps = previous.is_some_and(|piece| piece.end() > start)
            || next.is_some_and(|piece| piece.offset < end || piece.offset == start);
        // Two last fragments that end in different places, or one that ends before another.
        let last = self.pieces.last().map_or(0, Piece::end);
        let contradicts = match self.total {
            Some(total) => !fragment.more || end > total,
            None => !fragment.more && last > end,
        };
        if overlaps || contradicts {
            return Place::Refused(Cause::FragmentOverlap);
        }
        if self.pieces.len() >= pieces_max {
            return Place::Refused(Cause::FragmentPieces);
        }
        Place::At(index)
    }

    fn hold(&mut self, index: usize, fragment: Fragment, split: &Split<'_>, length: usize, dscp_ecn: u8) {
        let offset = usize::from(fragment.offset);
        if offset == 0 {
            self.header = split.whole_header();
        }
        if !fragment.more {
            self.total = Some(offset + split.payload.len());
        }
        self.held += split.payload.len();
        self.ecn |= 1 << (dscp_ecn & 3);
        let length = u16::try_from(length).unwrap_or(u16::MAX);
        self.meta.fragment_size = self.meta.fragment_size.max(Some(length));
        self.pieces.insert(index, Piece { offset, bytes: split.payload.into() });
    }

    fn poison(&mut self, cause: Cause) {
        self.refused = Some(cause);
        self.pieces = Vec::new();
        self.header = Box::default();
        self.held = 0;
    }

    fn is_complete(&self) -> bool {
        // Pieces do not overlap and none ends beyond the total: that many bytes are all of them.
        self.total == Some(self.held)
    }

    fn assemble(self, pool: &Pool) -> Outcome {
        match self.try_assemble(pool) {
            Ok(packet) => Outcome::Whole(packet),
            Err(cause) => Outcome::Dropped(cause),
        }
    }

    fn try_assemble(mut self, pool: &Pool) -> Result<Packet, Cause> {
        //= rfc3168#5.3
        const NOT_ECT: u8 = 1 << 0;
        const CE: u8 = 1 << 3;
        if self.ecn & (NOT_ECT | CE) == NOT_ECT | CE {
            return Err(Cause::FragmentEcn);
        }
        let length = self.header.len() + self.held;
        let congested = self.ecn & CE != 0;
        finish_header(&mut self.header, length, congested).ok_or(Cause::FragmentBeyond)?;
        let mut packet = pool
            .take()
            .filter(|packet| packet.tailroom() >= length + TAILROOM)
            .unwrap_or_else(|| Packet::with_capacity(length + TAILROOM));
        packet.meta = self.meta;
        for bytes in core::iter::once(&self.header).chain(self.pieces.iter().map(|piece| &piece.bytes)) {
            packet.append(bytes.len()).ok_or(Cause::NoBuffer)?.copy_from_slice(bytes);
        }
        Ok(packet)
    }

    /// The beginning of the datagram as far as it came, as a packet of its own.
    fn first(mut self) -> Option<Packet> {
        let first = self.pieces.first().filter(|piece| piece.offset == 0)?;
        let length = self.header.len() + first.bytes.len();
        finish_header(&mut self.header, length, false)?;
        let mut packet = Packet::with_capacity(length);
        packet.meta = self.meta;
        packet.append(self.header.len())?.copy_from_slice(&self.header);
        packet.append(first.bytes.len())?.copy_from_slice(&first.bytes);
        Some(packet)
    }
}

/// A fragment taken apart.
struct Split<'a> {
    /// The headers that every fragment repeats, without the IPv6 fragment header.
    header: &'a [u8],
    /// The byte in `header` that announced the fragment header, and what it must announce instead.
    announce: Option<(usize, u8)>,
    /// The piece of the rest.
    payload: &'a [u8],
}

impl<'a> Split<'a> {
    fn of(bytes: &'a [u8], parsed: &Parsed) -> Option<Self> {
        let packet = bytes.get(..parsed.total_len)?;
        if parsed.flow.src.is_ipv4() {
            let (header, payload) = packet.split_at_checked(parsed.header_len)?;
            return Some(Self { header, announce: None, payload });
        }
        let chain = extension::walk(packet, *packet.get(ipv6::NEXT_HEADER)?).ok()?;
        let place = chain.fragment?;
        let (header, rest) = packet.split_at_checked(place.at)?;
        let (fragment_header, payload) = rest.split_at_checked(ipv6::FRAGMENT_HEADER)?;
        let announce = Some((place.announced_at, *fragment_header.first()?));
        Some(Self { header, announce, payload })
    }

    /// The headers as the whole datagram has them, lengths and checksum aside.
    fn whole_header(&self) -> Box<[u8]> {
        let mut header: Box<[u8]> = self.header.into();
        if let Some((at, next)) = self.announce
            && let Some(byte) = header.get_mut(at)
        {
            *byte = next;
        }
        header
    }
}

/// Makes the headers those of a whole packet of `length` bytes.
fn finish_header(header: &mut [u8], length: usize, congested: bool) -> Option<()> {
    if header.first()? >> 4 == 4 {
        put(header, ipv4::TOTAL_LENGTH, u16::try_from(length).ok()?.to_be_bytes());
        let df = header.get(ipv4::FLAGS)? & (ipv4::DF >> 8) as u8;
        put(header, ipv4::FLAGS, [df, 0]);
        if congested {
            *header.get_mut(ipv4::TOS)? |= 3;
        }
        put(header, ipv4::CHECKSUM, [0, 0]);
        let sum = checksum::of(header);
        put(header, ipv4::CHECKSUM, sum);
    } else {
        let payload = length.checked_sub(ipv6::HEADER)?;
        put(header, ipv6::PAYLOAD_LENGTH, u16::try_from(payload).ok()?.to_be_bytes());
        if congested {
            // The lower half of the traffic class is the upper half of the second byte.
            *header.get_mut(ipv6::VERSION_CLASS_FLOW + 1)? |= 3 << 4;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests;
