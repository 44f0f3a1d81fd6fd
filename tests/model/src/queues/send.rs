//! SEND, LSO, ENHANCED_MPSW and DUMP: from a WQE to frames (facts E.9, "Work-queue entries").
//!
//! 1. Ethernet segment: offload flags, metadata, and either headers that are inline or a VLAN tag to insert.
//! 2. Gather: data segments, each a pointer under a memory key or inline data.
//! 3. LSO cuts, each piece with its own headers; checksums are filled in; the tag is inserted.
//! 4. Each frame goes into NIC_TX with the metadata as register A.
//!
//! Left out: trailers of crypto offload, LSO of tunnelled packets without the software parser's offsets.

use super::named::Key;
use super::wqe::{SEGMENT, Sender, WqeError};
use crate::packet::checksum::{Fill, SoftwareParser, fill};
use crate::packet::segment::{self, CutError};
use crate::packet::{Headers, vlan};
use crate::transit::Transit;
use crate::{Check, Device, Memory};
use mlx5_pci::prm::{WqeDataSeg, WqeEthSeg};

/// Where the inline headers begin: in the last two bytes of the Ethernet segment.
const INLINE_AT: usize = 2 * SEGMENT - 2;
/// An Ethernet header without tags.
const ETHERNET: usize = 14;
/// A frame that is no LSO has at most so many bytes.
const FRAME_MAX: usize = 65_535 + ETHERNET + 8;
/// Bytes of the head of an inline segment.
const INLINE_HEAD: usize = 4;
/// Where `swp_flags` stands in the Ethernet segment: the software parser takes it as a whole.
const SWP_FLAGS: usize = 5;
/// `inline_hdr.sz` of the Ethernet segment.
const INSERT_VLAN: u16 = 1 << 15;
const INSERT_SERVICE: u16 = 1 << 0;
const INLINE_SIZE: u16 = 0x3ff;

const fn length(check: Check, field: &'static str, offset: usize) -> WqeError {
    WqeError::new(WqeError::LENGTH, check, field, offset)
}

const fn operation(check: Check, field: &'static str, offset: usize) -> WqeError {
    WqeError::new(WqeError::OPERATION, check, field, offset)
}

/// What is done to each frame of a WQE.
struct Offloads {
    fill: Fill,
    parser: Option<SoftwareParser>,
    /// Ethertype and TCI.
    tag: Option<(u16, u16)>,
    metadata: u32,
}

impl Offloads {
    fn new(device: &Device, sender: &Sender, ethernet: &WqeEthSeg) -> Result<Offloads, WqeError> {
        let limits = device.queues.limits;
        let fill = Fill {
            l3: ethernet.l3_csum(),
            l4: ethernet.l4_csum(),
            inner_l3: ethernet.l3_inner_csum(),
            inner_l4: ethernet.l4_inner_csum(),
        };
        if !fill.is_empty() && !limits.csum_cap {
            return Err(operation(Check::Capability, "cs_flags", 0x14));
        }
        let parser = SoftwareParser {
            outer_l3: ethernet.swp_outer_l3_offset(),
            outer_l4: ethernet.swp_outer_l4_offset(),
            inner_l3: ethernet.swp_inner_l3_offset(),
            inner_l4: ethernet.swp_inner_l4_offset(),
            flags: ethernet.as_bytes()[SWP_FLAGS],
        };
        // Without allow_swp the device goes by its own parser.
        let parser = (parser.is_used() && sender.allow_swp).then_some(parser);
        let insert = ethernet.inline_hdr_sz();
        let tag = if insert & INSERT_VLAN != 0 {
            if !limits.wqe_vlan_insert {
                return Err(operation(Check::Capability, "insert.type", 0x1c));
            }
            let service = insert & INSERT_SERVICE != 0;
            let kind = if service { vlan::SERVICE_TAG } else { vlan::CUSTOMER_TAG };
            Some((kind, ethernet.inline_hdr_start()))
        } else {
            None
        };
        Ok(Offloads { fill, parser, tag, metadata: ethernet.flow_table_metadata() })
    }

    fn finish(&self, frame: &mut Vec<u8>) {
        match &self.parser {
            Some(parser) => parser.fill(frame, self.fill),
            None => fill(frame, self.fill),
        }
        if let Some((kind, tci)) = self.tag {
            vlan::insert(frame, kind, tci);
        }
    }
}

impl Device {
    /// A SEND or LSO WQE.
    pub(super) fn send(
        &mut self,
        memory: &dyn Memory,
        sender: &Sender,
        wqe: &[u8],
        large: bool,
    ) -> Result<(), WqeError> {
        let ethernet = ethernet_segment(wqe)?;
        let offloads = Offloads::new(self, sender, &ethernet)?;
        let headers = inline_headers(&ethernet, wqe)?;
        check_inline(sender.min_inline, headers)?;
        let data = 2 * SEGMENT + headers.len().saturating_sub(2).next_multiple_of(SEGMENT);
        let max = if large { self.queues.limits.max_lso as usize + INLINE_SIZE as usize } else { FRAME_MAX };
        let mut frame = headers.to_vec();
        self.gather_data(memory, sender, wqe, data, max, &mut frame)?;
        if !large {
            if frame.len() < ETHERNET {
                return Err(length(Check::Value, "byte_count", data));
            }
            offloads.finish(&mut frame);
            return self.dispatch(memory, sender, &offloads, frame);
        }
        for mut segment in self.cut(&ethernet, headers.len(), &frame)? {
            offloads.finish(&mut segment);
            self.dispatch(memory, sender, &offloads, segment)?;
        }
        Ok(())
    }

    /// An ENHANCED_MPSW WQE: every data segment is a packet of its own, all with the same Ethernet segment.
    pub(super) fn send_many(
        &mut self,
        memory: &dyn Memory,
        sender: &Sender,
        wqe: &[u8],
    ) -> Result<(), WqeError> {
        if !self.queues.limits.enhanced_multi_pkt_send_wqe {
            return Err(operation(Check::Capability, "opcode", 0));
        }
        let ethernet = ethernet_segment(wqe)?;
        let offloads = Offloads::new(self, sender, &ethernet)?;
        if ethernet.mss() != 0 {
            return Err(operation(Check::Value, "mss", 0x16));
        }
        if !inline_headers(&ethernet, wqe)?.is_empty() || sender.min_inline != 0 {
            return Err(operation(Check::Conflict, "inline_hdr.sz", 0x1c));
        }
        let mut at = 2 * SEGMENT;
        while at < wqe.len() {
            let mut frame = Vec::new();
            at = self.gather_one(memory, sender, wqe, at, FRAME_MAX, &mut frame)?;
            if frame.len() < ETHERNET {
                return Err(length(Check::Value, "byte_count", at));
            }
            offloads.finish(&mut frame);
            self.dispatch(memory, sender, &offloads, frame)?;
        }
        Ok(())
    }

    /// A DUMP WQE: data that is read and thrown away.
    pub(super) fn dump(&mut self, memory: &dyn Memory, sender: &Sender, wqe: &[u8]) -> Result<(), WqeError> {
        self.gather_data(memory, sender, wqe, SEGMENT, FRAME_MAX, &mut Vec::new())
    }

    /// Appends all data segments from `at` to the end of the WQE.
    fn gather_data(
        &self,
        memory: &dyn Memory,
        sender: &Sender,
        wqe: &[u8],
        mut at: usize,
        max: usize,
        frame: &mut Vec<u8>,
    ) -> Result<(), WqeError> {
        while at < wqe.len() {
            at = self.gather_one(memory, sender, wqe, at, max, frame)?;
        }
        Ok(())
    }

    /// Appends the data segment at `at`; says where the next one is.
    fn gather_one(
        &self,
        memory: &dyn Memory,
        sender: &Sender,
        wqe: &[u8],
        at: usize,
        max: usize,
        frame: &mut Vec<u8>,
    ) -> Result<usize, WqeError> {
        let rest = wqe.get(at..).unwrap_or_default();
        if rest.len() < SEGMENT {
            return Err(length(Check::Limit, "ds", 4));
        }
        let segment = WqeDataSeg::copy_from(rest);
        let bytes = segment.byte_count() as usize;
        if frame.len() + bytes > max {
            return Err(length(Check::Limit, "byte_count", at));
        }
        if segment.inline_or_pad() {
            let data = rest.get(INLINE_HEAD..INLINE_HEAD + bytes);
            frame.extend_from_slice(data.ok_or(length(Check::Limit, "byte_count", at))?);
            return Ok(at + (INLINE_HEAD + bytes).next_multiple_of(SEGMENT));
        }
        let key = Key { key: segment.lkey(), pd: sender.pd, reserved: sender.reserved_key };
        let start = frame.len();
        frame.resize(start + bytes, 0);
        self.read_key(memory, key, segment.addr(), frame.get_mut(start..).unwrap_or_default())
            .map_err(|check| WqeError::new(WqeError::PROTECTION, check, "lkey", at + 4))?;
        Ok(at + SEGMENT)
    }

    fn cut(&self, ethernet: &WqeEthSeg, headers: usize, frame: &[u8]) -> Result<Vec<Vec<u8>>, WqeError> {
        if self.queues.limits.max_lso == 0 {
            return Err(operation(Check::Capability, "opcode", 0));
        }
        segment::cut_frame(frame, headers, ethernet.mss()).map_err(|error| match error {
            CutError::Mss => operation(Check::Value, "mss", 0x16),
            CutError::NotTransport | CutError::HeaderLength { .. } => {
                operation(Check::Value, "inline_hdr.sz", 0x1c)
            }
            CutError::TooLong => length(Check::Limit, "mss", 0x16),
        })
    }

    fn dispatch(
        &mut self,
        memory: &dyn Memory,
        sender: &Sender,
        offloads: &Offloads,
        frame: Vec<u8>,
    ) -> Result<(), WqeError> {
        let tis = sender.tis.and_then(|tis| self.queues.tises.get(tis));
        let tis = tis.ok_or(operation(Check::NoObject, "tis_num_0", 0))?;
        let packet = Transit {
            reg_a: offloads.metadata,
            source_sqn: sender.sqn,
            transport_domain: Some(tis.domain),
            ..Transit::new(frame)
        };
        self.steer_out(memory, packet);
        Ok(())
    }
}

fn ethernet_segment(wqe: &[u8]) -> Result<WqeEthSeg, WqeError> {
    let segment = wqe.get(SEGMENT..2 * SEGMENT).ok_or(length(Check::Limit, "ds", 4))?;
    Ok(WqeEthSeg::copy_from(segment))
}

/// The headers that are inline; none when a VLAN tag is to be inserted instead.
fn inline_headers<'wqe>(ethernet: &WqeEthSeg, wqe: &'wqe [u8]) -> Result<&'wqe [u8], WqeError> {
    let raw = ethernet.inline_hdr_sz();
    if raw & INSERT_VLAN != 0 {
        return Ok(&[]);
    }
    let bytes = usize::from(raw & INLINE_SIZE);
    wqe.get(INLINE_AT..INLINE_AT + bytes).ok_or(length(Check::Limit, "inline_hdr.sz", 0x1c))
}

/// Whether as many headers are inline as `min_wqe_inline_mode` asks for: 1 up to L2 with a tag, 2 up to L3, 3 up to L4.
fn check_inline(mode: u8, headers: &[u8]) -> Result<(), WqeError> {
    if mode == 0 {
        return Ok(());
    }
    let parsed = Headers::parse(headers);
    let l2 = parsed.l2_end().is_some_and(|end| end <= headers.len());
    let l3 = parsed.outer.ip.as_ref().is_none_or(|ip| ip.payload <= headers.len());
    let enough = match mode {
        1 => l2,
        2 => l2 && l3 && !parsed.outer.malformed,
        _ => l2 && l3 && !parsed.outer.malformed && parsed.outer.l4 != crate::packet::L4::Malformed,
    };
    if enough { Ok(()) } else { Err(operation(Check::Value, "inline_hdr.sz", 0x1c)) }
}
