//! Send and receive WQEs, segment by segment (facts E.9, "Work-queue entries"): pure functions from values to the four
//! dwords of a segment. Who puts them where is the queues' business.
//!
//! Left out: trailers of crypto offload, UMR.

use crate::prm::{WqeCtrlSeg, WqeDataSeg, WqeEthSeg, WqeOpcode};
use crate::ring::Bits;

#[cfg(test)]
mod tests;

/// Bytes of a segment; the `ds` field counts in these.
pub(crate) const SEGMENT: usize = 16;
/// Bytes of a basic block, in which send queues count.
pub(crate) const BLOCK: usize = 64;
/// Segments of a basic block.
pub(crate) const BLOCK_SEGMENTS: usize = BLOCK / SEGMENT;
/// Bytes of inline headers that lie in the Ethernet segment itself.
pub(crate) const INLINE_START: usize = 2;

/// A segment: dwords in host order.
pub(crate) type Segment = [u32; 4];

/// `ce`: a CQE whether or not it went well.
const ALWAYS: u32 = 2;
/// `inline_hdr.sz`: what follows is not a size but a VLAN tag.
const INSERT_VLAN: u32 = 1 << 15;

const fn control_field(name: &str) -> Bits {
    Bits::of(WqeCtrlSeg::FIELDS, name)
}

const fn ethernet_field(name: &str) -> Bits {
    Bits::of(WqeEthSeg::FIELDS, name)
}

const OPCODE: Bits = control_field("opcode");
const INDEX: Bits = control_field("wqe_index");
const QPN: Bits = control_field("qpn");
const DS: Bits = control_field("ds");
const CE: Bits = control_field("ce");
const L3: Bits = ethernet_field("l3_csum");
const L4: Bits = ethernet_field("l4_csum");
const INNER_L3: Bits = ethernet_field("l3_inner_csum");
const INNER_L4: Bits = ethernet_field("l4_inner_csum");
const OUTER_V6: Bits = ethernet_field("swp_outer_l3_v6");
const INNER_V6: Bits = ethernet_field("swp_inner_l3_v6");
const INNER_UDP: Bits = ethernet_field("swp_inner_l4_udp");
const OUTER_AT: Bits = ethernet_field("swp_outer_l3_offset");
const NETWORK_AT: Bits = ethernet_field("swp_inner_l3_offset");
const TRANSPORT_AT: Bits = ethernet_field("swp_inner_l4_offset");
const MSS: Bits = ethernet_field("mss");
const METADATA: Bits = ethernet_field("flow_table_metadata");
const INLINE_SIZE: Bits = ethernet_field("inline_hdr_sz");
const INLINE_HEAD: Bits = ethernet_field("inline_hdr_start");
const BYTES: Bits = Bits::of(WqeDataSeg::FIELDS, "byte_count");
const LKEY: Bits = Bits::of(WqeDataSeg::FIELDS, "lkey");
const ADDRESS: Bits = Bits::of(WqeDataSeg::FIELDS, "addr");

/// The control segment of the WQE of `segments` segments at block `index` of queue `sqn`.
#[inline(always)]
pub(crate) fn control(opcode: WqeOpcode, index: u16, sqn: u32, segments: usize, signalled: bool) -> Segment {
    let mut out = [0; 4];
    out[OPCODE.word] = OPCODE.put(u32::from(opcode.0)) | INDEX.put(u32::from(index));
    out[QPN.word] = QPN.put(sqn) | DS.put(segments as u32);
    out[CE.word] = CE.put(if signalled { ALWAYS } else { 0 });
    out
}

/// Adds the request for a CQE to the third dword of a control segment.
pub(crate) const SIGNALLED: (usize, u32) = (CE.word, CE.put(ALWAYS));

/// A packet inside of another one, for the device's parser to be told of: it looks for no such packet by itself. Offsets
/// are in units of two bytes from the start of the frame as the device gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inside {
    /// Where the outer IP header is.
    pub(crate) outer: u8,
    /// Where the inner IP header is.
    pub(crate) network: u8,
    /// Where its TCP or UDP header is.
    pub(crate) transport: u8,
    /// The outer one is IPv6.
    pub(crate) outer_v6: bool,
    /// The inner one is IPv6.
    pub(crate) v6: bool,
    /// It carries UDP.
    pub(crate) udp: bool,
}

impl Inside {
    /// With `bytes` put in before the outer IP header.
    pub(crate) fn behind(self, bytes: usize) -> Self {
        let units = (bytes / 2) as u8;
        let [outer, network, transport] =
            [self.outer, self.network, self.transport].map(|at| at.saturating_add(units));
        Self { outer, network, transport, ..self }
    }

    /// Changes the Ethernet segment `out` of `ethernet` so that checksums are those of the packet inside, and of the outer
    /// IPv4 header.
    pub(crate) fn tell(self, ethernet: Ethernet, out: &mut Segment) {
        let Ethernet { l3, l4, mss, .. } = ethernet;
        out[L4.word] = L3.put((l3 && !self.outer_v6).into())
            | INNER_L3.put((l3 && !self.v6).into())
            | INNER_L4.put(l4.into())
            | OUTER_V6.put(self.outer_v6.into())
            | INNER_V6.put(self.v6.into())
            | INNER_UDP.put(self.udp.into())
            | MSS.put(mss.into());
        out[OUTER_AT.word] = OUTER_AT.put(self.outer.into())
            | NETWORK_AT.put(self.network.into())
            | TRANSPORT_AT.put(self.transport.into());
    }
}

/// What the device does to a frame on its way out. Packets with the same values can share a WQE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ethernet {
    /// Fill in the checksum of the IPv4 header.
    pub(crate) l3: bool,
    /// Fill in the checksum of TCP or UDP.
    pub(crate) l4: bool,
    /// Payload bytes of a segment that is cut; 0: nothing is cut.
    pub(crate) mss: u16,
    /// What steering sees as register A.
    pub(crate) metadata: u32,
    /// Insert this TCI behind the addresses.
    pub(crate) vlan: Option<u16>,
}

impl Ethernet {
    /// The Ethernet segment, without inline headers.
    #[inline(always)]
    pub(crate) fn segment(self) -> Segment {
        let mut out = [0; 4];
        out[L4.word] = L4.put(self.l4.into()) | L3.put(self.l3.into()) | MSS.put(self.mss.into());
        out[METADATA.word] = METADATA.put(self.metadata);
        if let Some(tci) = self.vlan {
            out[INLINE_SIZE.word] = INLINE_SIZE.put(INSERT_VLAN) | INLINE_HEAD.put(tci.into());
        }
        out
    }

    /// The Ethernet segment with the size and the first two bytes of `headers`, which may not go with a VLAN tag. The
    /// rest of them follows in segments of their own.
    #[inline]
    pub(crate) fn with_headers(self, headers: &[u8]) -> Segment {
        let mut out = Ethernet { vlan: None, ..self }.segment();
        let start = headers.first_chunk::<INLINE_START>().map_or(0, |start| u16::from_be_bytes(*start));
        out[INLINE_SIZE.word] = INLINE_SIZE.put(headers.len() as u32) | INLINE_HEAD.put(start.into());
        out
    }
}

/// Up to 16 bytes as a segment, zeroes behind them.
#[inline]
pub(crate) fn bytes(part: &[u8]) -> Segment {
    let mut whole = [0; SEGMENT];
    let length = part.len().min(SEGMENT);
    whole[..length].copy_from_slice(&part[..length]);
    let mut out = [0; 4];
    for (word, bytes) in out.iter_mut().zip(whole.as_chunks().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    out
}

/// A data segment: `length` bytes at `address` under the key `lkey`.
#[inline(always)]
pub(crate) fn data(length: u32, lkey: u32, address: u64) -> Segment {
    let mut out = [0; 4];
    out[BYTES.word] = BYTES.put(length);
    out[LKEY.word] = LKEY.put(lkey);
    out[ADDRESS.word] = (address >> 32) as u32;
    out[ADDRESS.word + 1] = address as u32;
    out
}
