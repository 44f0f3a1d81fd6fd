//! PPCNT: the port's counters by group.

use super::{Register, Request, local_port, register, wrong};
use crate::port::counters::{PRIORITIES, PortCounters};
use crate::{Device, Refusal};
use mlx5_pci::prm::{
    Eth2819CntrsGrpDataLayout, Eth2863CntrsGrpDataLayout, Eth3635CntrsGrpDataLayout,
    Eth8023CntrsGrpDataLayout, EthExtendedCntrsGrpDataLayout, EthPerPrioGrpDataLayout,
    EthPerTcCongestPrioGrpDataLayout, EthPerTcPrioGrpDataLayout, PhysLayerCntrs, PhysLayerStatisticalCntrs,
    PpcntReg,
};

pub(super) const REGISTERS: &[Register] = &[register!(0x5008, PpcntReg, Read, ppcnt)];

/// `pnat`: the port of the host that asks, not a number.
const BY_HOST: u8 = 2;

/// Bytes of a group.
const GROUP: usize = 248;

/// The groups that there are.
const IEEE_802_3: u8 = 0x00;
const RFC_2863: u8 = 0x01;
const RFC_2819: u8 = 0x02;
const RFC_3635: u8 = 0x03;
const EXTENDED: u8 = 0x05;
const PER_PRIORITY: u8 = 0x10;
const PER_CLASS: u8 = 0x11;
const PHYSICAL: u8 = 0x12;
const PER_CLASS_CONGESTION: u8 = 0x13;
const PHYSICAL_STATISTICAL: u8 = 0x16;

/// Two dwords of a counter.
fn halves(value: u64) -> (u32, u32) {
    ((value >> 32) as u32, value as u32)
}

/// Sets pairs of `…_high` and `…_low` fields.
macro_rules! counters {
    ($layout:ident { $($high:ident, $low:ident: $value:expr),* $(,)? }) => {{
        let mut group = $layout::default();
        $({
            let (high, low) = halves($value);
            group.set().$high(high).$low(low);
        })*
        *group.as_bytes()
    }};
}

fn ppcnt(request: &mut Request<'_>, given: PpcntReg) -> Result<PpcntReg, Refusal> {
    match (given.pnat(), given.local_port()) {
        (BY_HOST, 0) => {}
        (0, number) => local_port(number)?,
        _ => return Err(wrong("pnat", 0)),
    }
    if given.swid() != 0 {
        return Err(wrong("swid", 0));
    }
    if given.clr() {
        return Err(wrong("clr", 4));
    }
    let device = &*request.device;
    let counters = &device.port.counters;
    let priority = usize::from(given.prio_tc());
    if priority >= PRIORITIES {
        return Err(wrong("prio_tc", 4));
    }
    let group = match given.grp() {
        IEEE_802_3 => ieee_802_3(counters),
        RFC_2863 => rfc_2863(counters),
        RFC_2819 => rfc_2819(counters),
        RFC_3635 => rfc_3635(counters),
        EXTENDED => *EthExtendedCntrsGrpDataLayout::default().as_bytes(),
        PER_PRIORITY => per_priority(counters, priority),
        PER_CLASS => *EthPerTcPrioGrpDataLayout::default().as_bytes(),
        PHYSICAL => physical(device),
        PER_CLASS_CONGESTION => *EthPerTcCongestPrioGrpDataLayout::default().as_bytes(),
        PHYSICAL_STATISTICAL => physical_statistical(device),
        _ => return Err(wrong("grp", 0)),
    };
    let mut answer = given;
    answer.set().counter_set(&group);
    Ok(answer)
}

fn ieee_802_3(counters: &PortCounters) -> [u8; GROUP] {
    let (rx, tx) = (&counters.rx, &counters.tx);
    counters!(Eth8023CntrsGrpDataLayout {
        a_frames_transmitted_ok_high,
        a_frames_transmitted_ok_low: tx.good.total().packets,
        a_frames_received_ok_high,
        a_frames_received_ok_low: rx.good.total().packets,
        a_octets_transmitted_ok_high,
        a_octets_transmitted_ok_low: tx.good.total().octets,
        a_octets_received_ok_high,
        a_octets_received_ok_low: rx.good.total().octets,
        a_multicast_frames_xmitted_ok_high,
        a_multicast_frames_xmitted_ok_low: tx.good.multicast.packets,
        a_broadcast_frames_xmitted_ok_high,
        a_broadcast_frames_xmitted_ok_low: tx.good.broadcast.packets,
        a_multicast_frames_received_ok_high,
        a_multicast_frames_received_ok_low: rx.good.multicast.packets,
        a_broadcast_frames_received_ok_high,
        a_broadcast_frames_received_ok_low: rx.good.broadcast.packets,
        a_frame_too_long_errors_high,
        a_frame_too_long_errors_low: rx.too_long,
        a_mac_control_frames_transmitted_high,
        a_mac_control_frames_transmitted_low: tx.control,
        a_mac_control_frames_received_high,
        a_mac_control_frames_received_low: rx.control,
        a_unsupported_opcodes_received_high,
        a_unsupported_opcodes_received_low: rx.unknown_opcode,
        a_pause_mac_ctrl_frames_received_high,
        a_pause_mac_ctrl_frames_received_low: rx.pause,
        a_pause_mac_ctrl_frames_transmitted_high,
        a_pause_mac_ctrl_frames_transmitted_low: tx.pause,
    })
}

fn rfc_2863(counters: &PortCounters) -> [u8; GROUP] {
    let (rx, tx) = (&counters.rx, &counters.tx);
    counters!(Eth2863CntrsGrpDataLayout {
        if_in_octets_high,
        if_in_octets_low: rx.good.total().octets,
        if_in_ucast_pkts_high,
        if_in_ucast_pkts_low: rx.good.unicast.packets,
        if_in_discards_high,
        if_in_discards_low: rx.discards,
        if_in_errors_high,
        if_in_errors_low: rx.too_long + rx.undersize,
        if_out_octets_high,
        if_out_octets_low: tx.good.total().octets,
        if_out_ucast_pkts_high,
        if_out_ucast_pkts_low: tx.good.unicast.packets,
        if_out_errors_high,
        if_out_errors_low: tx.too_long,
        if_in_multicast_pkts_high,
        if_in_multicast_pkts_low: rx.good.multicast.packets,
        if_in_broadcast_pkts_high,
        if_in_broadcast_pkts_low: rx.good.broadcast.packets,
        if_out_multicast_pkts_high,
        if_out_multicast_pkts_low: tx.good.multicast.packets,
        if_out_broadcast_pkts_high,
        if_out_broadcast_pkts_low: tx.good.broadcast.packets,
    })
}

fn rfc_2819(counters: &PortCounters) -> [u8; GROUP] {
    let rx = &counters.rx;
    counters!(Eth2819CntrsGrpDataLayout {
        ether_stats_drop_events_high,
        ether_stats_drop_events_low: rx.discards,
        ether_stats_octets_high,
        ether_stats_octets_low: rx.good.total().octets,
        ether_stats_pkts_high,
        ether_stats_pkts_low: rx.good.total().packets,
        ether_stats_broadcast_pkts_high,
        ether_stats_broadcast_pkts_low: rx.good.broadcast.packets,
        ether_stats_multicast_pkts_high,
        ether_stats_multicast_pkts_low: rx.good.multicast.packets,
        ether_stats_undersize_pkts_high,
        ether_stats_undersize_pkts_low: rx.undersize,
        ether_stats_oversize_pkts_high,
        ether_stats_oversize_pkts_low: rx.too_long,
        ether_stats_pkts64octets_high,
        ether_stats_pkts64octets_low: rx.sizes[0],
        ether_stats_pkts65to127octets_high,
        ether_stats_pkts65to127octets_low: rx.sizes[1],
        ether_stats_pkts128to255octets_high,
        ether_stats_pkts128to255octets_low: rx.sizes[2],
        ether_stats_pkts256to511octets_high,
        ether_stats_pkts256to511octets_low: rx.sizes[3],
        ether_stats_pkts512to1023octets_high,
        ether_stats_pkts512to1023octets_low: rx.sizes[4],
        ether_stats_pkts1024to1518octets_high,
        ether_stats_pkts1024to1518octets_low: rx.sizes[5],
        ether_stats_pkts1519to2047octets_high,
        ether_stats_pkts1519to2047octets_low: rx.sizes[6],
        ether_stats_pkts2048to4095octets_high,
        ether_stats_pkts2048to4095octets_low: rx.sizes[7],
        ether_stats_pkts4096to8191octets_high,
        ether_stats_pkts4096to8191octets_low: rx.sizes[8],
        ether_stats_pkts8192to10239octets_high,
        ether_stats_pkts8192to10239octets_low: rx.sizes[9],
    })
}

fn rfc_3635(counters: &PortCounters) -> [u8; GROUP] {
    let (rx, tx) = (&counters.rx, &counters.tx);
    counters!(Eth3635CntrsGrpDataLayout {
        dot3stats_frame_too_longs_high,
        dot3stats_frame_too_longs_low: rx.too_long,
        dot3control_in_unknown_opcodes_high,
        dot3control_in_unknown_opcodes_low: rx.unknown_opcode,
        dot3in_pause_frames_high,
        dot3in_pause_frames_low: rx.pause,
        dot3out_pause_frames_high,
        dot3out_pause_frames_low: tx.pause,
    })
}

fn per_priority(counters: &PortCounters, priority: usize) -> [u8; GROUP] {
    let (rx, tx) = (counters.rx.priority[priority], counters.tx.priority[priority]);
    counters!(EthPerPrioGrpDataLayout {
        rx_octets_high,
        rx_octets_low: rx.octets,
        rx_frames_high,
        rx_frames_low: rx.packets,
        tx_octets_high,
        tx_octets_low: tx.octets,
        tx_frames_high,
        tx_frames_low: tx.packets,
    })
}

fn physical(device: &Device) -> [u8; GROUP] {
    let (high, low) = halves(device.now.as_millis() as u64);
    let group = PhysLayerCntrs::build()
        .time_since_last_clear_high(high)
        .time_since_last_clear_low(low)
        .link_down_events(device.port.counters.link_down)
        .done();
    *group.as_bytes()
}

fn physical_statistical(device: &Device) -> [u8; GROUP] {
    counters!(PhysLayerStatisticalCntrs {
        time_since_last_clear_high,
        time_since_last_clear_low: device.now.as_millis() as u64,
        phy_received_bits_high,
        phy_received_bits_low: device.port.counters.rx.good.total().octets * 8,
    })
}
