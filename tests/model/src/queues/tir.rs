//! Transport interface, receive (facts E.9): CREATE, MODIFY, DESTROY and QUERY_TIR.
//!
//! How a TIR chooses the RQ for a packet is in `deliver`. Left out: TLS, hashing of inner headers by
//! `tunneled_offload_en` when the packet has none.

use super::limits::Limits;
use super::named::answer;
use crate::objects::Kind;
use crate::packet::hash::{Function, Scaling, Selection};
use crate::{Check, Device, Memory, Refusal};
use core::time::Duration;
use mlx5_pci::prm::{
    CmdStatus, CreateTirIn, CreateTirOut, DestroyTirIn, ModifyTirIn, QueryTirIn, QueryTirOut,
    RxHashFieldSelect, Tirc,
};

/// Bits of `selected_fields` that exist.
const FIELDS: u32 = 0x1f;
/// Where the context lies in the commands.
const CONTEXT_AT: u16 = 0x20;

/// Where a TIR sends packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// To this RQ.
    Direct(u32),
    /// To an RQ of this table.
    Indirect(u32),
}

/// A TIR.
#[derive(Debug)]
pub(crate) struct Tir {
    context: Tirc,
    pub(super) target: Target,
    pub(super) domain: u32,
    pub(super) outer: Scaling,
    /// Hashing by inner headers, if fields of them are selected.
    pub(super) inner: Option<Scaling>,
    /// Bit 0: unicast of the own transport domain is not for this TIR; bit 1: multicast.
    pub(super) self_lb_block: u8,
    /// LRO for IPv4 and IPv6.
    pub(super) merge: [bool; 2],
    pub(super) merge_max: usize,
    pub(super) merge_timeout: Duration,
}

fn selection(select: &RxHashFieldSelect, at: u16) -> Result<Selection, Refusal> {
    if select.selected_fields() & !FIELDS != 0 {
        return Err(Refusal::value("selected_fields", at));
    }
    Ok(Selection { v6: select.l3_prot_type(), udp: select.l4_prot_type(), fields: select.selected_fields() })
}

fn scaling(context: &Tirc, select: Selection) -> Result<Scaling, Refusal> {
    let at = CONTEXT_AT + 0x24;
    let function = Function::new(context.rx_hash_fn()).ok_or(Refusal::value("rx_hash_fn", at))?;
    let key = *context.rx_hash_toeplitz_key();
    Ok(Scaling { function, symmetric: context.rx_hash_symmetric(), key, selection: select })
}

/// Outer and inner hashing of a context.
fn hashing(context: &Tirc) -> Result<(Scaling, Option<Scaling>), Refusal> {
    let outer = selection(&context.rx_hash_field_selector_outer(), CONTEXT_AT + 0x50)?;
    let inner = selection(&context.rx_hash_field_selector_inner(), CONTEXT_AT + 0x54)?;
    if outer.fields != 0 && inner.fields != 0 {
        let at = CONTEXT_AT + 0x54;
        return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Conflict, "rx_hash_field_selector_inner", at));
    }
    let inner = if inner.fields != 0 { Some(scaling(context, inner)?) } else { None };
    Ok((scaling(context, outer)?, inner))
}

/// What a context says about LRO: by family, up to how many bytes of IP payload, for how long.
fn merging(limits: Limits, context: &Tirc) -> Result<([bool; 2], usize, Duration), Refusal> {
    let mask = context.packet_merge_mask();
    let at = CONTEXT_AT + 0x10;
    if mask & !3 != 0 {
        return Err(Refusal::value("packet_merge_mask", at));
    }
    if mask != 0 && !limits.lro_cap {
        return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, "packet_merge_mask", at));
    }
    // In units of 256 bytes.
    let max = usize::from(context.lro_max_ip_payload_size()) << 8;
    let timeout = Duration::from_micros(u64::from(context.lro_timeout_period_usecs()));
    Ok(([mask & 1 != 0, mask & 2 != 0], max, timeout))
}

/// CREATE_TIR.
pub(super) fn create_tir(
    device: &mut Device,
    _memory: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let context = CreateTirIn::copy_from(input).ctx();
    if context.tls_en() {
        return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, "tls_en", CONTEXT_AT + 4));
    }
    let (target, held) = match context.disp_type() {
        0 => {
            let rq = context.inline_rqn();
            device.queues.rqs.named(rq, "inline_rqn", CONTEXT_AT + 0x1c)?;
            (Target::Direct(rq), (Kind::Rq, rq))
        }
        1 => {
            let rqt = context.indirect_table();
            device.queues.rqts.named(rqt, "indirect_table", CONTEXT_AT + 0x20)?;
            (Target::Indirect(rqt), (Kind::Rqt, rqt))
        }
        _ => return Err(Refusal::value("disp_type", CONTEXT_AT + 4)),
    };
    let domain = context.transport_domain();
    device.named_transport_domain(domain, CONTEXT_AT + 0x24)?;
    let (outer, inner) = hashing(&context)?;
    let (merge, merge_max, merge_timeout) = merging(device.limits(), &context)?;
    let self_lb_block = context.self_lb_block();
    let tir = Tir { context, target, domain, outer, inner, self_lb_block, merge, merge_max, merge_timeout };
    let number = device.queues.tirs.insert(tir)?;
    device.links.hold((Kind::Tir, number), [(Kind::TransportDomain, domain), held]);
    answer(output, CreateTirOut::build().tirn(number).done().as_bytes());
    Ok(())
}

/// MODIFY_TIR.
pub(super) fn modify_tir(
    device: &mut Device,
    _memory: &dyn Memory,
    input: &[u8],
    _output: &mut [u8],
) -> Result<(), Refusal> {
    let head = ModifyTirIn::copy_from(input);
    let limits = device.limits();
    let tir = device.queues.tirs.named_mut(head.tirn(), "tirn", 0x8)?;
    let new = head.ctx();
    let mut context = tir.context.clone();
    if head.bitmask().self_lb_en() {
        if !limits.self_lb_en_modifiable {
            return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, "self_lb_en", 0x14));
        }
        context.set().self_lb_block(new.self_lb_block());
    }
    if head.bitmask().packet_merge() {
        context.set().packet_merge_mask(new.packet_merge_mask());
        context.set().lro_max_ip_payload_size(new.lro_max_ip_payload_size());
        context.set().lro_timeout_period_usecs(new.lro_timeout_period_usecs());
    }
    let (outer, inner) = if head.bitmask().hash() {
        context.set().rx_hash_fn(new.rx_hash_fn());
        context.set().rx_hash_symmetric(new.rx_hash_symmetric());
        context.set().rx_hash_toeplitz_key(new.rx_hash_toeplitz_key());
        context.set().rx_hash_field_selector_outer(&new.rx_hash_field_selector_outer());
        context.set().rx_hash_field_selector_inner(&new.rx_hash_field_selector_inner());
        hashing(&new)?
    } else {
        (tir.outer.clone(), tir.inner.clone())
    };
    let (merge, merge_max, merge_timeout) = merging(limits, &context)?;
    tir.self_lb_block = context.self_lb_block();
    tir.context = context;
    tir.outer = outer;
    tir.inner = inner;
    tir.merge = merge;
    tir.merge_max = merge_max;
    tir.merge_timeout = merge_timeout;
    Ok(())
}

/// DESTROY_TIR.
pub(super) fn destroy_tir(
    device: &mut Device,
    _memory: &dyn Memory,
    input: &[u8],
    _output: &mut [u8],
) -> Result<(), Refusal> {
    let number = DestroyTirIn::copy_from(input).tirn();
    device.queues.tirs.named(number, "tirn", 0x8)?;
    device.links.end((Kind::Tir, number), "tirn", 0x8)?;
    device.queues.tirs.remove(number);
    Ok(())
}

/// QUERY_TIR.
pub(super) fn query_tir(
    device: &mut Device,
    _memory: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let tir = device.queues.tirs.named(QueryTirIn::copy_from(input).tirn(), "tirn", 0x8)?;
    answer(output, QueryTirOut::build().tir_context(&tir.context).done().as_bytes());
    Ok(())
}
