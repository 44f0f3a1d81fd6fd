//! From packets to send WQEs (facts E.9).
//!
//! ```text
//!   SEND            control | Ethernet | data
//!   ENHANCED_MPSW   control | Ethernet | data | data | data ...      packets with the same offloads, one segment each
//!   LSO             control | Ethernet, headers ... | data           the device cuts, and repeats the headers
//!   LSO of a train  control | Ethernet, headers ... | data | data ...    the same of what has been cut before
//!   SEND, inline    control | Ethernet, headers ... | data           where the device must not fetch the headers
//! ```
//!
//! What names an SA may have a packet inside, whose outer IP header software has put on; then offloads are for the inner
//! packet, and the device is told where it is.
//!
//! An enhanced WQE with a single packet is a SEND, byte for byte but for the opcode, so that what will follow need not be
//! known. A VLAN tag is inserted by the device, but into headers that lie in the WQE, where it is written by hand.

use super::Sq;
use crate::hal::{Function, Loan, Way};
use crate::ipsec::MARKER;
use crate::prm::WqeOpcode;
use crate::ring::store;
use crate::wqe::{self, BLOCK_SEGMENTS, Ethernet, INLINE_START, Inside, SEGMENT, Segment};
use net::ip::proto;
use net::offload::{TAG, VLAN, ethernet_len};
use net::{Headers, Packet};

/// Segments of a WQE before its packets.
const HEAD: usize = 2;
/// Most segments of an enhanced WQE: 16 blocks, less one segment so that `ds` has room.
const MOST: usize = 60;
/// Most bytes of headers in a WQE.
const HEADERS: usize = 256;
/// As many bytes are in the WQE of a packet whose headers are to be, but are not known.
const UNKNOWN: usize = 128;
/// The shortest frame.
const ETHERNET: usize = 14;
/// Where TCP has its flags (RFC 9293, section 3.1).
const TCP_FLAGS: usize = 13;
/// Where the tag goes: behind the addresses.
const TAG_AT: usize = 12;
/// Blocks of a WQE with most headers.
const INLINE_BLOCKS: u32 = inline_blocks(1) as u32;

/// Blocks of a WQE with most headers and so many data segments.
const fn inline_blocks(data: usize) -> usize {
    (HEAD + (HEADERS - INLINE_START).div_ceil(SEGMENT) + data).div_ceil(BLOCK_SEGMENTS)
}

/// The WQE that packets are being added to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Open {
    /// Segments so far; 0: there is none.
    segments: usize,
    ethernet: Segment,
    /// Bytes of all packets since the last look at this.
    pub(super) bytes: u64,
}

/// Headers that go into a WQE, on their way there.
struct Inline {
    bytes: [u8; HEADERS],
    len: usize,
}

impl Inline {
    /// The first `length` bytes of `frame`, with the tag `vlan`.
    fn new(frame: &[u8], length: usize, vlan: Option<u16>) -> Option<Self> {
        let mut bytes = [0; HEADERS];
        let headers = frame.get(..length)?;
        let Some(tci) = vlan else {
            bytes.get_mut(..length)?.copy_from_slice(headers);
            return Some(Self { bytes, len: length });
        };
        let (addresses, rest) = headers.split_at_checked(TAG_AT)?;
        let [v0, v1] = VLAN.to_be_bytes();
        let [t0, t1] = tci.to_be_bytes();
        bytes.get_mut(..TAG_AT)?.copy_from_slice(addresses);
        bytes.get_mut(TAG_AT..TAG_AT + TAG)?.copy_from_slice(&[v0, v1, t0, t1]);
        bytes.get_mut(TAG_AT + TAG..length + TAG)?.copy_from_slice(rest);
        Some(Self { bytes, len: length + TAG })
    }

    fn get(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl<F: Function> Sq<F> {
    /// The most blocks that the packet can take.
    #[inline(always)]
    pub(super) fn blocks_at_most(&self, packet: &Packet) -> u32 {
        match (packet.meta.segment, self.abilities.min_inline) {
            // Two only with two tags, one of them put in, in front of checksums inside of ESP.
            (None, 0) => 1 + u32::from(packet.meta.sa_out.is_some() && packet.meta.fill.transport),
            // An Ethernet header fits the first block with a data segment; with a tag that is put in it does not.
            (None, 1) => 1 + u32::from(packet.meta.vlan.is_some()),
            _ if packet.is_train() => inline_blocks(packet.count() as usize) as u32,
            _ => INLINE_BLOCKS,
        }
    }

    /// Puts a packet into the ring, for which there is room.
    #[inline(always)]
    pub(super) fn put(&mut self, function: &F, open: &mut Open, packet: Packet) {
        let (meta, length) = (&packet.meta, packet.len());
        // A packet that must be protected may not leave as long as no rule of the device protects it.
        if length < ETHERNET || (meta.sa_out.is_some() && !self.protects) {
            self.counters.drops += packet.count();
            return;
        }
        let metadata = meta.sa_out.map_or(0, |sa| MARKER | sa);
        let ethernet =
            Ethernet { l3: meta.fill.header, l4: meta.fill.transport, mss: 0, metadata, vlan: meta.vlan };
        // Checksums may be those of a packet inside, which the device has to be told of.
        let inside = metadata != 0 && meta.fill.transport;
        if meta.segment.is_some() || self.abilities.min_inline != 0 || inside {
            self.close(open);
            self.put_with_headers(function, open, ethernet, packet);
            return;
        }
        let segment = ethernet.segment();
        if open.segments != 0
            && (open.ethernet != segment || open.segments >= MOST || !self.abilities.enhanced)
        {
            self.close(open);
        }
        if open.segments == 0 {
            (open.segments, open.ethernet) = (HEAD, segment);
        }
        let at = usize::from(self.producer) * BLOCK_SEGMENTS + open.segments;
        open.segments += 1;
        open.bytes += length as u64;
        let loan = function.lend(packet, Way::ToDevice);
        self.write(at, wqe::data(length as u32, self.lkey, loan.iova()));
        self.keep(loan);
    }

    /// Ends the WQE that packets are being added to.
    #[inline(always)]
    pub(super) fn close(&mut self, open: &mut Open) {
        if open.segments == 0 {
            return;
        }
        let opcode = if open.segments == HEAD + 1 { WqeOpcode::SEND } else { WqeOpcode::ENHANCED_MPSW };
        self.finish(opcode, open.ethernet, open.segments);
        open.segments = 0;
    }

    /// Writes the first two segments of the WQE at the end of the ring and makes it part of it.
    #[inline(always)]
    fn finish(&mut self, opcode: WqeOpcode, ethernet: Segment, segments: usize) {
        let at = usize::from(self.producer) * BLOCK_SEGMENTS;
        self.write(at, wqe::control(opcode, self.producer, self.number, segments, false));
        self.write(at + 1, ethernet);
        self.last = self.producer;
        self.producer = self.producer.wrapping_add(segments.div_ceil(BLOCK_SEGMENTS) as u16);
    }

    /// Puts a packet into the ring whose headers lie in its WQE: one that the device cuts or that may have another one inside,
    /// or any where it has to be so.
    fn put_with_headers(&mut self, function: &F, open: &mut Open, ethernet: Ethernet, mut packet: Packet) {
        let Some((opcode, ethernet, headers, inline)) = self.headers(ethernet, &packet) else {
            self.counters.drops += packet.count();
            return;
        };
        let first = usize::from(self.producer) * BLOCK_SEGMENTS;
        let mut segments = HEAD;
        for part in inline.get().get(INLINE_START..).unwrap_or_default().chunks(SEGMENT) {
            self.write(first + segments, wqe::bytes(part));
            segments += 1;
        }
        open.bytes += packet.total() as u64;
        let (mut skip, mut rest) = (headers, packet.split());
        loop {
            let length = packet.len();
            let loan = function.lend(packet, Way::ToDevice);
            if length > skip {
                let data = wqe::data((length - skip) as u32, self.lkey, loan.iova() + skip as u64);
                self.write(first + segments, data);
                segments += 1;
            }
            self.keep(loan);
            let Some(next) = rest else { break };
            (packet, skip) = (next, 0);
            rest = packet.split();
        }
        self.finish(opcode, ethernet, segments);
    }

    /// What the WQE of a packet needs whose headers lie in it: opcode, Ethernet segment, how many bytes of the packet are
    /// headers, and what they are with a tag. `None` if it cannot be sent as its metadata wants.
    fn headers(&self, ethernet: Ethernet, packet: &Packet) -> Option<(WqeOpcode, Segment, usize, Inline)> {
        let bytes = packet.bytes();
        let mut found = Headers::parse(bytes);
        let (mut plain, mut within) = (ethernet, None);
        let wishes = packet.meta.segment.is_some() || ethernet.l4;
        if wishes
            && ethernet.metadata != 0
            && found.is_none()
            && let Some((headers, inside)) = inside(bytes)
        {
            let (checksums, segments) = self.abilities.inside;
            if !checksums || (packet.meta.segment.is_some() && !segments) {
                return None;
            }
            // The tag is put into the headers in the WQE.
            within = Some(inside.behind(if ethernet.vlan.is_some() { TAG } else { 0 }));
            found = Some(headers);
        }
        let finished = |opcode, ethernet: Ethernet, length, inline: Inline| {
            let mut segment = ethernet.with_headers(inline.get());
            if let Some(inside) = within {
                inside.tell(ethernet, &mut segment);
            }
            Some((opcode, segment, length, inline))
        };
        if let Some(mss) = packet.meta.segment {
            let found = found?;
            let train = packet.is_train();
            let payload = packet.followers().map(<[u8]>::len).sum::<usize>() + bytes.len() - found.payload;
            plain = Ethernet { l3: found.v4 || within.is_some(), l4: true, ..plain };
            if payload > mss.into() {
                let misfits = train && bytes.len() - found.payload != usize::from(mss);
                if found.proto != proto::TCP || mss == 0 || payload > self.abilities.max_lso || misfits {
                    return None;
                }
                let mut inline = Inline::new(bytes, found.payload, ethernet.vlan)?;
                if train {
                    // The device has all the flags that the last segment has, and leaves out of the others what only it may have.
                    let flags = found.transport + TCP_FLAGS + inline.len - found.payload;
                    *inline.bytes.get_mut(flags)? |= packet.meta.train.last;
                }
                return finished(WqeOpcode::LSO, Ethernet { mss, ..plain }, found.payload, inline);
            }
        }
        let length = match self.abilities.min_inline {
            0 | 1 => ethernet_len(bytes),
            _ => found.map_or(bytes.len().min(UNKNOWN), |found| found.payload),
        };
        finished(WqeOpcode::SEND, plain, length, Inline::new(bytes, length, ethernet.vlan)?)
    }

    /// Writes segment `at`, counted from the start of the ring and round it.
    #[inline(always)]
    fn write(&self, at: usize, segment: Segment) {
        if let Some(place) = self.ring.segments().get(at & self.segment_mask()) {
            store(place, segment);
        }
    }

    #[inline(always)]
    fn keep(&mut self, loan: F::Loan) {
        let slot = self.ring.slot(self.posted);
        if let Some(place) = self.lent.get_mut(slot) {
            *place = Some(loan);
        }
        self.posted = self.posted.wrapping_add(1);
    }
}

/// The packet inside of `frame`: its headers, and where the device has to look.
fn inside(frame: &[u8]) -> Option<(Headers, Inside)> {
    let (outer_v4, headers) = Headers::parse_inner(frame)?;
    let units = |at: usize| u8::try_from(at / 2).ok().filter(|_| at.is_multiple_of(2));
    let inside = Inside {
        outer: units(ethernet_len(frame))?,
        network: units(headers.network)?,
        transport: units(headers.transport)?,
        outer_v6: !outer_v4,
        v6: !headers.v4,
        udp: headers.proto == proto::UDP,
    };
    Some((headers, inside))
}
