//! From a TIR to an RQ: loopback rules, the hash, and what a receive CQE says about the packet (facts E.8, E.9).
//!
//! Left out: SHAMPO, RoCE fields, congestion marks.

use super::lro::Terms;
use super::tir::{Target, Tir};
use crate::packet::checksum::{complete, verify};
use crate::packet::hash::{Hash, Scaling};
use crate::packet::{Headers, L3, L4, Layers, Tunnel, vlan};
use crate::transit::Transit;
use crate::{Device, Memory};
use mlx5_pci::prm::Cqe64;

/// `self_lb_block`: what comes back all the same. The name says the opposite, but Linux sets the bit of unicast for its
/// loopback test (`mlx5e_refresh_tirs`) and where verbs allow it (`MLX5_QP_FLAG_TIR_ALLOW_SELF_LB_UC`), and clears both for
/// traffic; so does DPDK (`lpbk_mode`).
const BACK_UNICAST: u8 = 1;
const BACK_MULTICAST: u8 = 2;

/// `hds_ip_ext`.
const L2_OK: u8 = 1 << 0;
const L3_OK: u8 = 1 << 1;
const L4_OK: u8 = 1 << 2;

/// `l4_l3_hdr_type`.
const VLAN_STRIPPED: u8 = 1 << 0;
const L3_SHIFT: u8 = 2;
const L4_SHIFT: u8 = 4;
const L4_TCP_NO_ACK: u8 = 1;
const L4_UDP: u8 = 2;
const L4_TCP_ACK: u8 = 3;
const L4_TCP_ACK_DATA: u8 = 4;
/// The ACK bit of TCP.
const TCP_ACK: u16 = 0x10;

/// Bits of `sop_drop_qpn` that hold the flow tag.
const FLOW_TAG: u32 = 0x00ff_ffff;

impl Tir {
    /// Whether the packet was sent by the TIR's own transport domain and is not wanted back.
    fn blocks(&self, packet: &Transit) -> bool {
        let own = packet.loopback && packet.transport_domain == Some(self.domain);
        let multicast = packet.bytes.first().is_some_and(|byte| byte & 1 != 0);
        own && self.self_lb_block & if multicast { BACK_MULTICAST } else { BACK_UNICAST } == 0
    }

    /// Whether packets of this kind are merged.
    fn merges(&self, headers: &Headers) -> bool {
        let [v4, v6] = self.merge;
        match headers.outer.l3() {
            L3::V4 => v4,
            L3::V6 => v6,
            L3::None => false,
        }
    }

    fn hash(&self, headers: &Headers) -> Hash {
        let hash = |scaling: &Scaling, layers: &Layers| scaling.hash(layers);
        match (&self.inner, &headers.inner) {
            (Some(scaling), Some(layers)) => hash(scaling, layers),
            _ => hash(&self.outer, &headers.outer),
        }
    }
}

impl Device {
    /// A packet arrives at a TIR.
    pub(crate) fn deliver(&mut self, memory: &dyn Memory, tirn: u32, packet: Transit) {
        let Some(tir) = self.queues.tirs.get(tirn) else { return };
        if tir.blocks(&packet) {
            return;
        }
        let headers = Headers::parse(&packet.bytes);
        let hash = tir.hash(&headers);
        let target = match tir.target {
            Target::Direct(rqn) => Some(rqn),
            Target::Indirect(rqtn) => self.queues.rqts.get(rqtn).and_then(|rqt| {
                let place = hash.value as usize & rqt.rqs.len().saturating_sub(1);
                rqt.rqs.get(place).copied()
            }),
        };
        let terms =
            tir.merges(&headers).then_some(Terms { limit: tir.merge_max, timeout: tir.merge_timeout });
        if let Some(rqn) = target {
            self.deliver_to(memory, rqn, packet, headers, hash, terms);
        }
    }

    fn deliver_to(
        &mut self,
        memory: &dyn Memory,
        rqn: u32,
        mut packet: Transit,
        mut headers: Headers,
        hash: Hash,
        terms: Option<Terms>,
    ) {
        let Some(rq) = self.queues.rqs.get(rqn) else { return };
        let fcs = rq.context.scatter_fcs().then(|| crc32(&packet.bytes));
        let strip = !rq.context.vsd();
        let tag = if strip { vlan::strip(&mut packet.bytes, vlan::CUSTOMER_TAG) } else { None };
        if tag.is_some() {
            headers = Headers::parse(&packet.bytes);
        }
        let full = self.queues.limits.cqe_checksum_full;
        let mut cqe = self.response_cqe(rqn);
        describe(&mut cqe, &packet, &headers, hash, full);
        if let Some(tci) = tag {
            let kind = cqe.l4_l3_hdr_type() | VLAN_STRIPPED;
            cqe.set().l4_l3_hdr_type(kind).vlan_info(tci);
        }
        match (fcs, terms) {
            (None, Some(terms)) => self.merge_into(memory, rqn, packet.bytes, &headers, cqe, terms),
            (fcs, _) => {
                if let Some(fcs) = fcs {
                    packet.bytes.extend(fcs.to_le_bytes());
                }
                self.receive_into(memory, rqn, &packet.bytes, cqe);
            }
        }
    }
}

/// Fills in what a CQE says about a packet.
fn describe(cqe: &mut Cqe64, packet: &Transit, headers: &Headers, hash: Hash, full: bool) {
    let frame = &packet.bytes;
    let outer = verify(&headers.outer, frame);
    let inner = headers.inner.as_ref().map(|layers| verify(layers, frame));
    let layers = headers.innermost();
    let good = |outer: Option<bool>, inner: Option<Option<bool>>| match inner {
        None => outer == Some(true),
        Some(inner) => outer != Some(false) && inner == Some(true),
    };
    let mut ok = L2_OK;
    if good(outer.l3, inner.map(|verdict| verdict.l3)) {
        ok |= L3_OK;
    }
    if good(outer.l4, inner.map(|verdict| verdict.l4)) {
        ok |= L4_OK;
    }
    cqe.set()
        .outer_l3_tunneled(headers.tunnel != Tunnel::None)
        .rss_hash_result(hash.value)
        .rss_hash_type(hash.kind)
        .check_sum(complete(headers, frame, full))
        .hds_ip_ext(ok)
        .l4_l3_hdr_type(l4_type(layers) << L4_SHIFT | l3_type(layers) << L3_SHIFT)
        .ft_metadata(packet.reg_b)
        .sop_drop_qpn(packet.flow_tag & FLOW_TAG);
}

fn l3_type(layers: &Layers) -> u8 {
    match layers.l3() {
        L3::None => 0,
        L3::V6 => 1,
        L3::V4 => 2,
    }
}

fn l4_type(layers: &Layers) -> u8 {
    match &layers.l4 {
        L4::Udp(_) => L4_UDP,
        L4::Tcp(tcp) if tcp.flags & TCP_ACK == 0 => L4_TCP_NO_ACK,
        L4::Tcp(tcp) => {
            let data = layers.ip.as_ref().is_some_and(|ip| ip.end > tcp.offset + tcp.header_length);
            if data { L4_TCP_ACK_DATA } else { L4_TCP_ACK }
        }
        _ => 0,
    }
}

/// The frame check sequence of Ethernet (IEEE 802.3, 3.2.9); it goes out with the lowest byte first.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 != 0 { 0xedb8_8320 } else { 0 })
    })
}
