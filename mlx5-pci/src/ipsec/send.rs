//! Send tables (facts E.13): the WQE's metadata, register A, names the SA.
//!
//! ```text
//!   SAs (level 0, root)   per SA: marker and handle, its IP version, no fragment: encrypt, count ─► status
//!                         without marker ─► status; all else: dropped and counted
//!   status (level 1)      out, and counted
//! ```
//!
//! A packet that is to be protected and finds no SA does not leave: not when its SA is gone, not when it is a fragment.

use super::MARKER;
use super::counters::Counter;
use super::names::Handle;
use super::sa::{Family, Install, Mode};
use crate::cmd::{CmdError, Commands};
use crate::hal::Function;
use crate::prm::{FlowTableType, FteMatchParam, FteMatchSetLyr24, FteMatchSetMisc2};
use crate::steering::{Destination, Group, Rule, Table};

const SAS: u8 = 0;
const STATUS: u8 = 1;

/// The tables.
#[derive(Debug)]
pub(super) struct Send {
    sas: Table,
    status: Table,
    /// Entries of SAs, of packets without marker, of all others; of the status table.
    groups: [Group; 4],
}

/// What the entry of an SA names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    pub(super) object: u32,
    pub(super) reformat: u32,
    pub(super) counter: Counter,
}

fn of(register: u32, version: u8, frag: bool) -> FteMatchParam {
    let outer = FteMatchSetLyr24::build().ip_version(version).frag(frag).done();
    let misc = FteMatchSetMisc2::build().metadata_reg_a(register).done();
    FteMatchParam::build().outer_headers(&outer).misc_parameters_2(&misc).done()
}

impl Send {
    /// Tables for `2^log_sas` SAs, which all packets pass from now on.
    pub(super) fn create<F: Function>(
        commands: &mut Commands<F>,
        log_sas: u8,
        with_tunnels: bool,
        unnamed: Counter,
        left: Counter,
    ) -> Result<Self, CmdError> {
        let kind = FlowTableType::NIC_TX;
        let any = FteMatchParam::default();
        let status = Table::create(commands, kind, STATUS, 0)?;
        let out = status.group(commands, 0..1, &any)?;
        status.set_rule(commands, &out, 0, &any, &Rule::allow().count(left.number))?;
        let sas = Table::create_reformatting(commands, kind, SAS, log_sas + 1, with_tunnels)?;
        let count = 1 << log_sas;
        let protected = sas.group(commands, 0..count, &of(u32::MAX, 0xf, true))?;
        let clear = sas.group(commands, count..count + 1, &of(MARKER, 0, false))?;
        let rest = sas.group(commands, count + 1..count + 2, &any)?;
        let go_on = Rule::forward(Destination::Table(status.number()));
        sas.set_rule(commands, &clear, count, &any, &go_on)?;
        sas.set_rule(commands, &rest, count + 1, &any, &Rule::drop().count(unnamed.number))?;
        sas.make_root(commands)?;
        Ok(Self { sas, status, groups: [protected, clear, rest, out] })
    }

    fn value(handle: Handle, sa: &Install) -> FteMatchParam {
        let family = match sa.mode {
            Mode::Transport => Family::of(sa.destination),
            Mode::Tunnel { inner, .. } => inner,
        };
        of(MARKER | handle.bits(), family.version(), false)
    }

    fn rule(&self, parts: Parts) -> Rule {
        Rule::forward(Destination::Table(self.status.number()))
            .encrypt(parts.object)
            .reformat(parts.reformat)
            .count(parts.counter.number)
    }

    /// From now on the card seals packets that name the SA. The entry's index.
    pub(super) fn open<F: Function>(
        &self,
        commands: &mut Commands<F>,
        handle: Handle,
        sa: &Install,
        parts: Parts,
    ) -> Result<u32, CmdError> {
        let [protected, ..] = &self.groups;
        let index = protected.range().start + handle.slot();
        self.sas.set_rule(commands, protected, index, &Self::value(handle, sa), &self.rule(parts))?;
        Ok(index)
    }

    /// Other headers for the SA at `index`; each packet gets the ones or the others.
    pub(super) fn change<F: Function>(
        &self,
        commands: &mut Commands<F>,
        index: u32,
        (handle, sa): (Handle, &Install),
        parts: Parts,
    ) -> Result<(), CmdError> {
        let [protected, ..] = &self.groups;
        self.sas.change(commands, protected, index, &Self::value(handle, sa), &self.rule(parts))
    }

    /// Deletes the entry of an SA. Packets that name it are dropped.
    pub(super) fn delete<F: Function>(&self, commands: &mut Commands<F>, index: u32) -> Result<(), CmdError> {
        self.sas.delete(commands, index)
    }

    /// Takes the tables down, after all SAs are gone. Everything leaves in clear, whatever it names: nothing may be sent
    /// any more that names one.
    pub(super) fn destroy<F: Function>(&self, commands: &mut Commands<F>) -> Result<(), CmdError> {
        let [protected, clear, rest, out] = &self.groups;
        for group in [clear, rest] {
            self.sas.delete(commands, group.range().start)?;
        }
        for group in [protected, clear, rest] {
            self.sas.ungroup(commands, group)?;
        }
        self.sas.destroy(commands)?;
        self.status.delete(commands, out.range().start)?;
        self.status.ungroup(commands, out)?;
        self.status.destroy(commands)
    }
}
