//! Capabilities: what the device offers, asked once after INIT_HCA and then looked up (facts E.5).

use crate::cmd::{CmdError, Commands};
use crate::hal::Function;
use crate::prm::{
    CapType, CmdHcaCap, CmdHcaCap2, FlowTableNicCap, IpsecCap, Layout, PerProtocolNetworkingOffloadCaps,
    QosCap, QueryHcaCapIn, QueryHcaCapOut, SetHcaCapIn,
};

/// Bit 0 of `op_mod`: what holds now, or what could hold.
const CURRENT: u16 = 1;
const MAXIMUM: u16 = 0;

/// Capabilities as they hold now. A type that the device does not offer is all zero.
#[derive(Clone, Debug, Default)]
pub struct Caps {
    /// Numbers and sizes of everything, and which other types there are.
    pub general: CmdHcaCap,
    /// More of them.
    pub general_2: CmdHcaCap2,
    /// Checksum, segmentation and the like.
    pub ethernet: PerProtocolNetworkingOffloadCaps,
    /// Steering.
    pub flow_table: FlowTableNicCap,
    /// Packet pacing.
    pub qos: QosCap,
    /// IPsec.
    pub ipsec: IpsecCap,
}

impl Caps {
    /// Asks for all of them.
    ///
    /// # Errors
    /// When a command fails.
    pub(crate) fn query<F: Function>(commands: &mut Commands<F>) -> Result<Self, CmdError> {
        let general: CmdHcaCap = ask(commands, true, CapType::GENERAL)?;
        Ok(Self {
            general_2: ask(commands, general.hca_cap_2(), CapType::GENERAL_2)?,
            ethernet: ask(commands, general.eth_net_offloads(), CapType::ETHERNET_OFFLOADS)?,
            flow_table: ask(commands, general.nic_flow_table(), CapType::FLOW_TABLE)?,
            qos: ask(commands, general.qos(), CapType::QOS)?,
            ipsec: ask(commands, general.ipsec_offload(), CapType::IPSEC)?,
            general,
        })
    }
}

/// Capabilities of type `of` as they hold now, if the device has them.
fn ask<L: Layout, F: Function>(
    commands: &mut Commands<F>,
    offered: bool,
    of: CapType,
) -> Result<L, CmdError> {
    if !offered {
        return Ok(L::default());
    }
    Ok(L::copy_from(query(commands, of, CURRENT)?.capability()))
}

fn query<F: Function>(
    commands: &mut Commands<F>,
    of: CapType,
    side: u16,
) -> Result<QueryHcaCapOut, CmdError> {
    commands.exec(&QueryHcaCapIn::build().op_mod(u16::from(of.0) << 1 | side).done())
}

/// SET_HCA_CAP: what this driver wants to be otherwise. It starts from what holds, for firmware keeps all other fields
/// to what they were.
///
/// # Errors
/// When a command fails.
pub(crate) fn set<F: Function>(commands: &mut Commands<F>) -> Result<(), CmdError> {
    let most = CmdHcaCap::copy_from(query(commands, CapType::GENERAL, MAXIMUM)?.capability());
    let mut bytes = *query(commands, CapType::GENERAL, CURRENT)?.capability();
    let mut wanted = CmdHcaCap::copy_from(&bytes);
    wanted
        .set()
        // Signatures cost the firmware time, and guard against nothing on this bus.
        .cmdif_checksum(0)
        // UAR pages of 4 KiB, whatever the machine's page size.
        .log_uar_page_sz(0)
        // 128 entries, the least there is: only RDMA has partitions.
        .pkey_table_size(0)
        .drain_sigerr(most.drain_sigerr())
        .release_all_pages(most.release_all_pages());
    bytes[..CmdHcaCap::SIZE].copy_from_slice(wanted.as_bytes());
    let input = SetHcaCapIn::build().op_mod(u16::from(CapType::GENERAL.0) << 1).capability(&bytes).done();
    commands.exec(&input).map(|_| ())
}
