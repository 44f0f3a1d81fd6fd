//! UAR pages, protection domains and transport domains: numbers that other objects name.

use crate::command::{Command, command};
use crate::objects::Kind;
use crate::{Check, Device, Memory, Refusal};
use mlx5_pci::prm::{
    AllocPdOut, AllocTransportDomainOut, AllocUarOut, CmdStatus, DeallocPdIn, DeallocTransportDomainIn,
    DeallocUarIn,
};

pub(super) const COMMANDS: &[Command] = &[
    command!(ALLOC_UAR, AllocUarIn, AllocUarOut, Initialized, alloc_uar),
    command!(DEALLOC_UAR, DeallocUarIn, DeallocUarOut, Initialized, dealloc_uar),
    command!(ALLOC_PD, AllocPdIn, AllocPdOut, Initialized, alloc_pd),
    command!(DEALLOC_PD, DeallocPdIn, DeallocPdOut, Initialized, dealloc_pd),
    command!(
        ALLOC_TRANSPORT_DOMAIN,
        AllocTransportDomainIn,
        AllocTransportDomainOut,
        Initialized,
        alloc_transport_domain
    ),
    command!(
        DEALLOC_TRANSPORT_DOMAIN,
        DeallocTransportDomainIn,
        DeallocTransportDomainOut,
        Initialized,
        dealloc_transport_domain
    ),
];

fn alloc_uar(device: &mut Device, _: &dyn Memory, _: &[u8], output: &mut [u8]) -> Result<(), Refusal> {
    let uar = device.hca.uars.insert(())?;
    output[..AllocUarOut::SIZE].copy_from_slice(AllocUarOut::build().uar(uar).done().as_bytes());
    Ok(())
}

fn dealloc_uar(device: &mut Device, _: &dyn Memory, input: &[u8], _: &mut [u8]) -> Result<(), Refusal> {
    let uar = DeallocUarIn::copy_from(input).uar();
    device.hca.uars.named(uar, "uar", 0x8)?;
    device.links.end((Kind::Uar, uar), "uar", 0x8)?;
    device.hca.uars.remove(uar);
    Ok(())
}

fn alloc_pd(device: &mut Device, _: &dyn Memory, _: &[u8], output: &mut [u8]) -> Result<(), Refusal> {
    let pd = device.hca.pds.insert(())?;
    output[..AllocPdOut::SIZE].copy_from_slice(AllocPdOut::build().pd(pd).done().as_bytes());
    Ok(())
}

fn dealloc_pd(device: &mut Device, _: &dyn Memory, input: &[u8], _: &mut [u8]) -> Result<(), Refusal> {
    let pd = DeallocPdIn::copy_from(input).pd();
    device.hca.pds.named(pd, "pd", 0x8)?;
    device.links.end((Kind::Pd, pd), "pd", 0x8)?;
    device.hca.pds.remove(pd);
    Ok(())
}

fn alloc_transport_domain(
    device: &mut Device,
    _: &dyn Memory,
    _: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let domain = device.hca.transport_domains.insert(())?;
    let out = AllocTransportDomainOut::build().transport_domain(domain).done();
    output[..AllocTransportDomainOut::SIZE].copy_from_slice(out.as_bytes());
    Ok(())
}

fn dealloc_transport_domain(
    device: &mut Device,
    _: &dyn Memory,
    input: &[u8],
    _: &mut [u8],
) -> Result<(), Refusal> {
    let domain = DeallocTransportDomainIn::copy_from(input).transport_domain();
    device.hca.transport_domains.named(domain, "transport_domain", 0x8)?;
    device.links.end((Kind::TransportDomain, domain), "transport_domain", 0x8)?;
    device.hca.transport_domains.remove(domain);
    Ok(())
}

impl Device {
    /// The protection domain that a command names.
    ///
    /// # Errors
    /// BAD_RES when it does not exist.
    pub(crate) fn named_pd(&self, pd: u32, offset: u16) -> Result<(), Refusal> {
        if self.hca.has_pd(pd) { Ok(()) } else { Err(Refusal::no_object("pd", offset)) }
    }

    /// The transport domain that a command names.
    ///
    /// # Errors
    /// BAD_RES when it does not exist.
    pub(crate) fn named_transport_domain(&self, domain: u32, offset: u16) -> Result<(), Refusal> {
        if self.hca.has_transport_domain(domain) {
            Ok(())
        } else {
            Err(Refusal::no_object("transport_domain", offset))
        }
    }

    /// The UAR page that a command names.
    ///
    /// # Errors
    /// BAD_RES when ALLOC_UAR has not handed it out.
    pub(crate) fn named_uar(&self, uar: u32, offset: u16) -> Result<(), Refusal> {
        if self.hca.has_uar(uar) {
            Ok(())
        } else {
            Err(Refusal::new(CmdStatus::BAD_RES, Check::NoObject, "uar_page", offset))
        }
    }
}
