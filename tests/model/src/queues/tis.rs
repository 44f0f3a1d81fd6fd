//! Transport interface, send (facts E.9): which transport domain and priority the frames of an SQ have.
//!
//! Left out: TLS, underlay QPs of IPoIB, LAG affinity beyond keeping its value.

use super::named::answer;
use crate::objects::Kind;
use crate::{Check, Device, Memory, Refusal};
use mlx5_pci::prm::{
    CmdStatus, CreateTisIn, CreateTisOut, DestroyTisIn, ModifyTisIn, QueryTisIn, QueryTisOut, Tisc,
};

/// A TIS.
#[derive(Debug)]
pub(crate) struct Tis {
    context: Tisc,
    /// Its transport domain.
    pub(super) domain: u32,
}

/// CREATE_TIS.
pub(super) fn create_tis(
    device: &mut Device,
    _memory: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let context = CreateTisIn::copy_from(input).ctx();
    if context.tls_en() {
        return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, "tls_en", 0x20));
    }
    let domain = context.transport_domain();
    device.named_transport_domain(domain, 0x44)?;
    let tis = Tis { context: context.clone(), domain };
    let number = device.queues.tises.insert(tis)?;
    device.links.hold((Kind::Tis, number), [(Kind::TransportDomain, domain)]);
    answer(output, CreateTisOut::build().tisn(number).done().as_bytes());
    Ok(())
}

/// MODIFY_TIS.
pub(super) fn modify_tis(
    device: &mut Device,
    _memory: &dyn Memory,
    input: &[u8],
    _output: &mut [u8],
) -> Result<(), Refusal> {
    let head = ModifyTisIn::copy_from(input);
    let tis = device.queues.tises.named_mut(head.tisn(), "tisn", 0x8)?;
    let new = head.ctx();
    let mut context = tis.context.clone();
    if head.bitmask().prio() {
        context.set().prio(new.prio());
    }
    if head.bitmask().lag_tx_port_affinity() {
        context.set().lag_tx_port_affinity(new.lag_tx_port_affinity());
    }
    if head.bitmask().strict_lag_tx_port_affinity() {
        context.set().strict_lag_tx_port_affinity(new.strict_lag_tx_port_affinity());
    }
    tis.context = context;
    Ok(())
}

/// DESTROY_TIS.
pub(super) fn destroy_tis(
    device: &mut Device,
    _memory: &dyn Memory,
    input: &[u8],
    _output: &mut [u8],
) -> Result<(), Refusal> {
    let number = DestroyTisIn::copy_from(input).tisn();
    device.queues.tises.named(number, "tisn", 0x8)?;
    device.links.end((Kind::Tis, number), "tisn", 0x8)?;
    device.queues.tises.remove(number);
    Ok(())
}

/// QUERY_TIS.
pub(super) fn query_tis(
    device: &mut Device,
    _memory: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let tis = device.queues.tises.named(QueryTisIn::copy_from(input).tisn(), "tisn", 0x8)?;
    answer(output, QueryTisOut::build().tis_context(&tis.context).done().as_bytes());
    Ok(())
}
