//! Commands of the vport: context, state, counters, environment; the L2 table; ACCESS_REG's entry.
//!
//! There is one vport, number 0; naming another needs rights over other functions, which the model's devices do not
//! have: BAD_PARAM, as firmware answers.

use super::counters::Traffic;
use super::l2::Entry;
use super::registers;
use super::vport::{Admin, List};
use crate::command::{Command, command};
use crate::port::Oper;
use crate::{Check, Device, Memory, Refusal};
use mlx5_pci::prm::{
    CmdStatus, DeleteL2TableEntryIn, MacAddressLayout, ModifyNicVportContextIn, ModifyVportStateIn,
    QueryL2TableEntryIn, QueryL2TableEntryOut, QueryNicVportContextIn, QueryNicVportContextOut,
    QueryVnicEnvIn, QueryVnicEnvOut, QueryVportCounterIn, QueryVportCounterOut, QueryVportStateIn,
    QueryVportStateOut, SetL2TableEntryIn, TrafficCounter, VnicDiagnosticStatistics,
};

pub(crate) const COMMANDS: &[Command] = &[
    command!(QUERY_VPORT_STATE[0, 1, 2], QueryVportStateIn, QueryVportStateOut, Initialized, query_state),
    command!(MODIFY_VPORT_STATE[0, 1, 2], ModifyVportStateIn, ModifyVportStateOut, Initialized, modify_state),
    command!(
        QUERY_NIC_VPORT_CONTEXT,
        QueryNicVportContextIn,
        QueryNicVportContextOut,
        Initialized,
        query_context
    ),
    command!(
        MODIFY_NIC_VPORT_CONTEXT,
        ModifyNicVportContextIn + 8,
        ModifyNicVportContextOut,
        Initialized,
        modify_context
    ),
    command!(QUERY_VPORT_COUNTER, QueryVportCounterIn, QueryVportCounterOut, Initialized, query_counters),
    command!(QUERY_VNIC_ENV, QueryVnicEnvIn, QueryVnicEnvOut, Initialized, query_environment),
    command!(SET_L2_TABLE_ENTRY, SetL2TableEntryIn, SetL2TableEntryOut, Initialized, set_l2_entry),
    command!(QUERY_L2_TABLE_ENTRY, QueryL2TableEntryIn, QueryL2TableEntryOut, Initialized, query_l2_entry),
    command!(
        DELETE_L2_TABLE_ENTRY,
        DeleteL2TableEntryIn,
        DeleteL2TableEntryOut,
        Initialized,
        delete_l2_entry
    ),
    command!(ACCESS_REG[0, 1], AccessRegisterIn + 4, AccessRegisterOut, Enabled, registers::access),
];

/// Only the own vport can be named.
fn own_vport(other: bool, number: u16) -> Result<(), Refusal> {
    if other {
        return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, "other_vport", 8));
    }
    if number != 0 {
        return Err(Refusal::value("vport_number", 0xa));
    }
    Ok(())
}

fn query_state(device: &mut Device, _: &dyn Memory, input: &[u8], output: &mut [u8]) -> Result<(), Refusal> {
    let command = QueryVportStateIn::copy_from(input);
    own_vport(command.other_vport(), command.vport_number())?;
    let out = QueryVportStateOut::build()
        .admin_state(device.port.vport.admin as u8)
        .state(u8::from(device.port.oper() == Oper::Up))
        .done();
    output[..QueryVportStateOut::SIZE].copy_from_slice(out.as_bytes());
    Ok(())
}

fn modify_state(device: &mut Device, _: &dyn Memory, input: &[u8], _: &mut [u8]) -> Result<(), Refusal> {
    let command = ModifyVportStateIn::copy_from(input);
    own_vport(command.other_vport(), command.vport_number())?;
    device.port.vport.admin = match command.admin_state() {
        0 => Admin::Down,
        1 => Admin::Up,
        2 => Admin::Auto,
        _ => return Err(Refusal::value("admin_state", 0xc)),
    };
    Ok(())
}

fn query_context(
    device: &mut Device,
    _: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let command = QueryNicVportContextIn::copy_from(input);
    own_vport(command.other_vport(), command.vport_number())?;
    let list = List::of(command.allowed_list_type()).ok_or(Refusal::value("allowed_list_type", 0xc))?;
    let (context, items) = device.port.vport.context(list);
    let out = QueryNicVportContextOut::build().nic_vport_context(&context).done();
    output[..QueryNicVportContextOut::SIZE].copy_from_slice(out.as_bytes());
    let room = &mut output[QueryNicVportContextOut::SIZE..];
    if room.len() >= items.len() {
        room[..items.len()].copy_from_slice(&items);
    }
    Ok(())
}

fn modify_context(device: &mut Device, _: &dyn Memory, input: &[u8], _: &mut [u8]) -> Result<(), Refusal> {
    let command = ModifyNicVportContextIn::copy_from(input);
    own_vport(command.other_vport(), command.vport_number())?;
    let general = device.profile.general();
    let limits = [
        1usize << general.log_max_current_uc_list(),
        1 << general.log_max_current_mc_list(),
        1 << general.log_max_vlan_list(),
    ];
    let most = device.profile.identity().max_mtu;
    let list = &input[ModifyNicVportContextIn::SIZE..];
    let mut vport = device.port.vport.clone();
    vport.modify(&command.field_select(), &command.nic_vport_context(), list, limits, most)?;
    device.port.vport = vport;
    Ok(())
}

fn query_counters(
    device: &mut Device,
    _: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let command = QueryVportCounterIn::copy_from(input);
    own_vport(command.other_vport(), command.vport_number())?;
    let counters = device.port.vport_counters;
    let one =
        |traffic: Traffic| TrafficCounter::build().packets(traffic.packets).octets(traffic.octets).done();
    let out = QueryVportCounterOut::build()
        .received_eth_broadcast(&one(counters.rx.broadcast))
        .transmitted_eth_broadcast(&one(counters.tx.broadcast))
        .received_eth_unicast(&one(counters.rx.unicast))
        .transmitted_eth_unicast(&one(counters.tx.unicast))
        .received_eth_multicast(&one(counters.rx.multicast))
        .transmitted_eth_multicast(&one(counters.tx.multicast))
        .local_loopback(&one(counters.loopback))
        .done();
    output[..QueryVportCounterOut::SIZE].copy_from_slice(out.as_bytes());
    if command.clear() {
        device.port.vport_counters = Default::default();
    }
    Ok(())
}

fn query_environment(
    device: &mut Device,
    _: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let command = QueryVnicEnvIn::copy_from(input);
    own_vport(command.other_vport(), command.vport_number())?;
    let seen = device.port.environment;
    let statistics = VnicDiagnosticStatistics::build()
        .nic_receive_steering_discard(seen.steering_discard)
        .receive_discard_vport_down(seen.receive_down)
        .transmit_discard_vport_down(seen.transmit_down)
        .async_eq_overrun(seen.async_eq_overrun)
        .comp_eq_overrun(seen.comp_eq_overrun)
        .invalid_command(seen.invalid_commands)
        .cq_overrun(seen.cq_overrun)
        .eth_wqe_too_small(seen.wqe_too_small)
        .done();
    let out = QueryVnicEnvOut::build().vport_env(&statistics).done();
    output[..QueryVnicEnvOut::SIZE].copy_from_slice(out.as_bytes());
    Ok(())
}

/// Six bytes as the device has a MAC address.
fn address(layout: &MacAddressLayout) -> [u8; 6] {
    let high = layout.mac_addr_47_32().to_be_bytes();
    let rest = layout.mac_addr_31_0().to_be_bytes();
    [high[0], high[1], rest[0], rest[1], rest[2], rest[3]]
}

fn l2_index(device: &Device, index: u32) -> Result<u32, Refusal> {
    if index >> device.profile.general().log_max_l2_table() != 0 {
        return Err(Refusal::new(CmdStatus::BAD_INDEX, Check::Limit, "table_index", 0x14));
    }
    Ok(index)
}

fn set_l2_entry(device: &mut Device, _: &dyn Memory, input: &[u8], _: &mut [u8]) -> Result<(), Refusal> {
    let command = SetL2TableEntryIn::copy_from(input);
    let index = l2_index(device, command.table_index())?;
    if command.silent_mode_valid() || command.silent_mode() {
        return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, "silent_mode", 0x1c));
    }
    let vlan = command.vlan_valid().then(|| command.vlan());
    device.port.l2.set(index, Entry { address: address(&command.mac_address()), vlan });
    Ok(())
}

fn query_l2_entry(
    device: &mut Device,
    _: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let index = l2_index(device, QueryL2TableEntryIn::copy_from(input).table_index())?;
    let entry = device.port.l2.get(index).ok_or(Refusal::no_object("table_index", 0x14))?;
    let mut out = QueryL2TableEntryOut::default();
    out.set()
        .vlan_valid(entry.vlan.is_some())
        .vlan(entry.vlan.unwrap_or(0))
        .mac_address(&super::vport::layout(entry.address));
    output[..QueryL2TableEntryOut::SIZE].copy_from_slice(out.as_bytes());
    Ok(())
}

fn delete_l2_entry(device: &mut Device, _: &dyn Memory, input: &[u8], _: &mut [u8]) -> Result<(), Refusal> {
    let index = l2_index(device, DeleteL2TableEntryIn::copy_from(input).table_index())?;
    if device.port.l2.remove(index) { Ok(()) } else { Err(Refusal::no_object("table_index", 0x14)) }
}
