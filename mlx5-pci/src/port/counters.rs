//! Counters: what the vport has sent and received, what it dropped and why, and what the wire did (facts E.6).

use super::LOCAL_PORT;
use crate::cmd::{Cause, CmdError};
use crate::device::Device;
use crate::hal::Function;
use crate::prm::{
    CounterGroup, Eth2863CntrsGrpDataLayout, Eth8023CntrsGrpDataLayout, PhysLayerCntrs, PpcntReg,
    QueryVnicEnvIn, QueryVportCounterIn, TrafficCounter,
};

/// Frames and their octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Frames.
    pub packets: u64,
    /// Octets.
    pub octets: u64,
}

/// Counters of a function at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Received by the vport: unicast, multicast and broadcast.
    pub received: Traffic,
    /// Sent by the vport.
    pub sent: Traffic,
    /// Received with errors, as the vport counts.
    pub receive_errors: u64,
    /// Dropped because no steering rule took them.
    pub steering_discards: u64,
    /// Dropped because the vport was down.
    pub down_discards: u64,
    /// Frames on the wire, of all functions of the port.
    pub port_received: u64,
    /// Frames on the wire, of all functions of the port.
    pub port_sent: u64,
    /// Frames on the wire with a wrong FCS.
    pub fcs_errors: u64,
    /// Frames on the wire that were longer than the port's MTU.
    pub too_long: u64,
    /// Good frames from the wire that the port had no room for.
    pub port_discards: u64,
    /// PAUSE frames that came.
    pub pause_received: u64,
    /// PAUSE frames that were sent.
    pub pause_sent: u64,
    /// How often the link went down.
    pub link_downs: u32,
}

impl<F: Function> Device<F> {
    /// All counters. Those of the wire are zero where the device does not let the function see them.
    ///
    /// # Errors
    /// When a command fails.
    pub fn counters(&mut self) -> Result<Counters, CmdError> {
        let vport = self.commands().exec(&QueryVportCounterIn::default())?;
        let mut counters = Counters {
            received: sum([
                vport.received_eth_unicast(),
                vport.received_eth_multicast(),
                vport.received_eth_broadcast(),
            ]),
            sent: sum([
                vport.transmitted_eth_unicast(),
                vport.transmitted_eth_multicast(),
                vport.transmitted_eth_broadcast(),
            ]),
            receive_errors: vport.received_errors().packets(),
            ..Counters::default()
        };
        let general = self.caps().general.clone();
        if general.nic_receive_steering_discard() || general.receive_discard_vport_down() {
            let environment = self.commands().exec(&QueryVnicEnvIn::default())?.vport_env();
            counters.steering_discards = environment.nic_receive_steering_discard();
            counters.down_discards = environment.receive_discard_vport_down();
        }
        match self.read_wire(&mut counters) {
            Err(CmdError { cause: Cause::Refused { .. }, .. }) => Ok(counters),
            outcome => outcome.map(|()| counters),
        }
    }

    fn read_wire(&mut self, counters: &mut Counters) -> Result<(), CmdError> {
        let group = Eth8023CntrsGrpDataLayout::copy_from(&self.group(CounterGroup::IEEE_802_3)?);
        let join = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
        counters.port_received = join(group.a_frames_received_ok_high(), group.a_frames_received_ok_low());
        counters.port_sent = join(group.a_frames_transmitted_ok_high(), group.a_frames_transmitted_ok_low());
        counters.fcs_errors =
            join(group.a_frame_check_sequence_errors_high(), group.a_frame_check_sequence_errors_low());
        counters.too_long = join(group.a_frame_too_long_errors_high(), group.a_frame_too_long_errors_low());
        counters.pause_received =
            join(group.a_pause_mac_ctrl_frames_received_high(), group.a_pause_mac_ctrl_frames_received_low());
        counters.pause_sent = join(
            group.a_pause_mac_ctrl_frames_transmitted_high(),
            group.a_pause_mac_ctrl_frames_transmitted_low(),
        );
        let group = Eth2863CntrsGrpDataLayout::copy_from(&self.group(CounterGroup::RFC_2863)?);
        counters.port_discards = join(group.if_in_discards_high(), group.if_in_discards_low());
        let group = PhysLayerCntrs::copy_from(&self.group(CounterGroup::PHYSICAL_LAYER)?);
        counters.link_downs = group.link_down_events();
        Ok(())
    }

    fn group(&mut self, group: CounterGroup) -> Result<[u8; 248], CmdError> {
        let which = PpcntReg::build().local_port(LOCAL_PORT).grp(group.0).done();
        Ok(*self.commands().read_register(&which)?.counter_set())
    }
}

fn sum(parts: [TrafficCounter; 3]) -> Traffic {
    parts.iter().fold(Traffic::default(), |sum, part| Traffic {
        packets: sum.packets.wrapping_add(part.packets()),
        octets: sum.octets.wrapping_add(part.octets()),
    })
}
