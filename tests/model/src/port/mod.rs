//! The port and the vport: link, MTU, address filter, loopback, counters, and the registers and commands for them.
//!
//! Registers are in [`registers`], one file per family; the vport's commands in [`commands`].
//! Left out: the eswitch and other vports, InfiniBand, wake-on-LAN.

mod commands;
mod counters;
mod l2;
mod module;
mod qos;
mod registers;
mod snapshot;
mod traffic;
mod vport;

pub(crate) use counters::Environment;

use crate::caps::Profile;
use crate::command::Command;
use crate::queues::Event;
use crate::{Device, Memory};
use counters::{PortCounters, VportCounters};
use l2::L2Table;
use module::Module;
use qos::Qos;
use vport::Vport;

/// The commands of this chapter.
pub(crate) const COMMANDS: &[&[Command]] = &[commands::COMMANDS];

/// Event type PORT_CHANGE.
const PORT_CHANGE: u8 = 0x09;
/// Event type PORT_MODULE.
const PORT_MODULE: u8 = 0x16;

/// Administrative and operational state of a port, as PAOS writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Oper {
    /// Up.
    #[default]
    Up,
    /// Down.
    Down,
}

/// State of the port and of the vport behind it.
#[derive(Debug)]
pub(crate) struct Port {
    admin: Oper,
    /// Whether the other end of the cable is alive.
    signal: bool,
    module: Option<Module>,
    /// Largest frame with FCS.
    mtu: u16,
    /// Bits of PTYS that are switched on: the extended table and the old one.
    protocols: (u32, u32),
    /// Whether autonegotiation is switched off.
    fixed: bool,
    fec: registers::Fec,
    qos: Qos,
    vport: Vport,
    l2: L2Table,
    counters: PortCounters,
    vport_counters: VportCounters,
    pub(crate) environment: Environment,
    /// Threshold of the sensor's warning in 1/8 °C, and the hottest that it was.
    sensor: registers::Sensor,
}

impl Port {
    /// As after power-on, with a cable whose other end is alive.
    pub(crate) fn new(profile: &Profile) -> Port {
        Port {
            admin: Oper::Up,
            signal: true,
            module: Some(Module::cable()),
            mtu: DEFAULT_MTU,
            protocols: (profile.identity().ext_eth_proto, profile.identity().eth_proto),
            fixed: false,
            fec: registers::Fec::default(),
            qos: Qos::default(),
            vport: Vport::new(profile),
            l2: L2Table::default(),
            counters: PortCounters::default(),
            vport_counters: VportCounters::default(),
            environment: Environment::default(),
            sensor: registers::Sensor::default(),
        }
    }

    /// Function-level reset: settings go, cable and port counters stay.
    pub(crate) fn reset(&mut self, profile: &Profile) {
        *self = Port {
            signal: self.signal,
            module: self.module.take(),
            counters: self.counters.clone(),
            ..Port::new(profile)
        };
    }

    /// What the vport's surroundings count; other chapters add to it.
    pub(crate) fn environment(&mut self) -> &mut Environment {
        &mut self.environment
    }

    /// Whether the link is up.
    fn oper(&self) -> Oper {
        if self.admin == Oper::Up && self.signal && self.module.is_some() { Oper::Up } else { Oper::Down }
    }

    /// Whether the vport passes frames: it follows the link unless it was switched off.
    fn vport_up(&self) -> bool {
        self.vport.admin != vport::Admin::Down && self.oper() == Oper::Up
    }
}

/// An IP MTU of 1500 with header, tag and FCS.
const DEFAULT_MTU: u16 = 1522;

impl Device {
    /// Whether the link is up.
    pub fn link(&self) -> bool {
        self.port.oper() == Oper::Up
    }

    /// The other end of the cable appears or goes away.
    pub fn set_link(&mut self, memory: &dyn Memory, up: bool) {
        self.change_port(memory, |port| port.signal = up);
    }

    /// The module is plugged or pulled.
    pub fn set_module(&mut self, memory: &dyn Memory, plugged: bool) {
        if plugged == self.port.module.is_some() {
            return;
        }
        self.change_port(memory, |port| port.module = plugged.then(Module::cable));
        let mut data = [0; 28];
        // Module number, then status: 1 plugged, 2 unplugged.
        data[3] = if plugged { 1 } else { 2 };
        self.post_event(memory, Event { kind: PORT_MODULE, sub_kind: 0, data });
    }

    /// Changes something that the link depends on, and tells the driver when the link has changed with it.
    fn change_port(&mut self, memory: &dyn Memory, change: impl FnOnce(&mut Port)) {
        let before = self.port.oper();
        change(&mut self.port);
        let after = self.port.oper();
        if before == after {
            return;
        }
        let (name, sub_kind) = match after {
            Oper::Up => ("up", 4),
            Oper::Down => ("down", 1),
        };
        if after == Oper::Down {
            self.port.counters.link_down += 1;
        }
        self.log.note(format!("link {name}"));
        let mut data = [0; 28];
        // Port number in the high half.
        data[8] = 1 << 4;
        self.post_event(memory, Event { kind: PORT_CHANGE, sub_kind, data });
    }
}
