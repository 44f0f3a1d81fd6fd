//! Receive tables (facts C.3, E.13).
//!
//! ```text
//!   SAs (level 1)      per SA: decrypt, take ESP off, mark registers B and C_2, count ─► status; all else ─► next
//!   status (level 2)   per SA: bad ICV, bad trailer: dropped and counted; replay: dropped and counted;
//!                      with a selector ─► selectors; sound ─► next; all else: dropped and counted
//!   selectors (3)      per SA: what its selector takes ─► next; the rest of the SA: dropped and counted
//! ```
//!
//! An SA has the same place in every group that has one for it, so that no table needs a list of free entries. Fragments
//! never match an SA: they go on as they are.

use super::MARKER;
use super::abilities::octets;
use super::counters::Counter;
use super::names::Handle;
use super::sa::{Family, Install, Selector};
use crate::cmd::{CmdError, Commands};
use crate::hal::Function;
use crate::prm::{FlowTableType, FteMatchParam, FteMatchSetLyr24, FteMatchSetMisc, FteMatchSetMisc2};
use crate::steering::{Destination, Group, Rule, Table};

/// Levels, between those of addresses and of kinds of traffic.
const SAS: u8 = 1;
const STATUS: u8 = 2;
const SELECTORS: u8 = 3;
const ESP: u8 = 50;
const UDP: u8 = 17;
const TCP: u8 = 6;
/// `ipsec_syndrome`.
const BAD_ICV: u8 = 1;
const BAD_TRAILER: u8 = 2;
/// What the check of the sequence number leaves in register C_4.
const REPLAY: u32 = 1;

/// A table, its groups, and which entries are there for the life of the table.
#[derive(Debug)]
struct Groups {
    table: Table,
    groups: alloc::vec::Vec<Group>,
    fixed: alloc::vec::Vec<u32>,
}

impl Groups {
    fn new(table: Table) -> Self {
        Self { table, groups: alloc::vec::Vec::new(), fixed: alloc::vec::Vec::new() }
    }

    /// A group of `size` entries behind all others.
    fn add<F: Function>(
        &mut self,
        commands: &mut Commands<F>,
        size: u32,
        mask: &FteMatchParam,
    ) -> Result<(), CmdError> {
        let start = self.groups.last().map_or(0, |group| group.range().end);
        self.groups.push(self.table.group(commands, start..start + size, mask)?);
        Ok(())
    }

    /// The only entry of a group behind all others, for as long as the table lives.
    fn fix<F: Function>(
        &mut self,
        commands: &mut Commands<F>,
        mask: &FteMatchParam,
        value: &FteMatchParam,
        rule: &Rule,
    ) -> Result<(), CmdError> {
        self.add(commands, 1, mask)?;
        let Some(group) = self.groups.last() else { return Ok(()) };
        let index = group.range().start;
        self.table.set_rule(commands, group, index, value, rule)?;
        self.fixed.push(index);
        Ok(())
    }

    fn set<F: Function>(
        &self,
        commands: &mut Commands<F>,
        (group, place): (usize, u32),
        value: &FteMatchParam,
        rule: &Rule,
    ) -> Result<u32, CmdError> {
        // There is one of each kind.
        let Some(group) = self.groups.get(group) else { return Ok(u32::MAX) };
        let index = group.range().start + place;
        self.table.set_rule(commands, group, index, value, rule)?;
        Ok(index)
    }

    fn destroy<F: Function>(&self, commands: &mut Commands<F>) -> Result<(), CmdError> {
        for index in &self.fixed {
            self.table.delete(commands, *index)?;
        }
        for group in &self.groups {
            self.table.ungroup(commands, group)?;
        }
        self.table.destroy(commands)
    }
}

/// The tables.
#[derive(Debug)]
pub(super) struct Receive {
    sas: Groups,
    status: Groups,
    selectors: Option<Groups>,
    next: u32,
}

/// Which table an entry is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// SAs.
    Sas(u32),
    /// Status.
    Status(u32),
    /// Selectors.
    Selectors(u32),
}

/// What the entries of an SA name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    pub(super) object: u32,
    pub(super) reformat: u32,
    pub(super) rewrite: u32,
    pub(super) counter: Counter,
}

impl Receive {
    /// Tables for `2^log_sas` SAs that lead to table `next`. Nothing leads to them yet.
    pub(super) fn create<F: Function>(
        commands: &mut Commands<F>,
        log_sas: u8,
        (with_selectors, with_tunnels): (bool, bool),
        next: u32,
        rest: Counter,
    ) -> Result<Self, CmdError> {
        let kind = FlowTableType::NIC_RX;
        let sas = 1 << log_sas;
        let go_on = Rule::forward(Destination::Table(next));
        let any = FteMatchParam::default();

        let selectors = if with_selectors {
            let mut table = Groups::new(Table::create(commands, kind, SELECTORS, log_sas + 3)?);
            for shape in SHAPES {
                table.add(commands, sas, &selected(u32::MAX, &shape.mask()))?;
            }
            table.add(commands, sas, &verdict(u32::MAX, 0, 0))?;
            Some(table)
        } else {
            None
        };

        let mut status = Groups::new(Table::create(commands, kind, STATUS, log_sas + 3)?);
        status.add(commands, 2 * sas, &verdict(u32::MAX, u8::MAX, 0))?;
        status.add(commands, sas, &verdict(u32::MAX, 0, u32::MAX))?;
        status.add(commands, sas, &verdict(u32::MAX, u8::MAX, u32::MAX))?;
        status.fix(commands, &verdict(0, u8::MAX, u32::MAX), &verdict(0, 0, 0), &go_on)?;
        status.fix(commands, &any, &any, &Rule::drop().count(rest.number))?;

        let table = Table::create_reformatting(commands, kind, SAS, log_sas + 3, with_tunnels)?;
        let mut table = Groups::new(table);
        for shape in KINDS {
            table.add(commands, sas, &shape.mask())?;
        }
        table.fix(commands, &any, &any, &go_on)?;
        Ok(Self { sas: table, status, selectors, next })
    }

    /// The table that packets enter by.
    pub(super) fn entry(&self) -> u32 {
        self.sas.table.number()
    }

    /// Drops what the SA does not open, by cause: bad ICV, bad trailer, replay. `set` gets every entry that is made.
    pub(super) fn drop_unsound<F: Function>(
        &self,
        commands: &mut Commands<F>,
        handle: Handle,
        counters: [Counter; 3],
        mut set: impl FnMut(Place),
    ) -> Result<(), CmdError> {
        let mark = MARKER | handle.bits();
        let [icv, trailer, replay] = counters.map(|counter| Rule::drop().count(counter.number));
        let slot = handle.slot();
        for (place, value, rule) in [
            ((0, 2 * slot), verdict(mark, BAD_ICV, 0), icv),
            ((0, 2 * slot + 1), verdict(mark, BAD_TRAILER, 0), trailer),
            ((1, slot), verdict(mark, 0, REPLAY), replay),
        ] {
            set(Place::Status(self.status.set(commands, place, &value, &rule)?));
        }
        Ok(())
    }

    /// Only what `selector` takes comes out of the SA; `counter` counts the rest.
    pub(super) fn select<F: Function>(
        &self,
        commands: &mut Commands<F>,
        handle: Handle,
        selector: &Selector,
        counter: Counter,
        mut set: impl FnMut(Place),
    ) -> Result<(), CmdError> {
        let Some(table) = &self.selectors else { return Ok(()) };
        let mark = MARKER | handle.bits();
        let slot = handle.slot();
        let rest = Rule::drop().count(counter.number);
        set(Place::Selectors(table.set(commands, (SHAPES.len(), slot), &verdict(mark, 0, 0), &rest)?));
        let go_on = Rule::forward(Destination::Table(self.next));
        let shape = SHAPES.iter().position(|shape| shape.fits(selector)).unwrap_or_default();
        let value = selected(mark, selector);
        set(Place::Selectors(table.set(commands, (shape, slot), &value, &go_on)?));
        let check = Rule::forward(Destination::Table(table.table.number()));
        set(Place::Status(self.status.set(commands, (2, slot), &verdict(mark, 0, 0), &check)?));
        Ok(())
    }

    /// From now on the card opens the SA's packets.
    pub(super) fn open<F: Function>(
        &self,
        commands: &mut Commands<F>,
        handle: Handle,
        sa: &Install,
        parts: Parts,
    ) -> Result<Place, CmdError> {
        let kind = Kind { family: Family::of(sa.destination), udp: sa.udp.is_some() };
        let rule = Rule::forward(Destination::Table(self.status.table.number()))
            .decrypt(parts.object)
            .reformat(parts.reformat)
            .rewrite(parts.rewrite)
            .count(parts.counter.number);
        let group = KINDS.iter().position(|other| *other == kind).unwrap_or_default();
        Ok(Place::Sas(self.sas.set(commands, (group, handle.slot()), &kind.value(sa), &rule)?))
    }

    /// Deletes an entry of an SA.
    pub(super) fn delete<F: Function>(
        &self,
        commands: &mut Commands<F>,
        place: Place,
    ) -> Result<(), CmdError> {
        match (place, &self.selectors) {
            (Place::Sas(index), _) => self.sas.table.delete(commands, index),
            (Place::Status(index), _) => self.status.table.delete(commands, index),
            (Place::Selectors(index), Some(selectors)) => selectors.table.delete(commands, index),
            (Place::Selectors(_), None) => Ok(()),
        }
    }

    /// Takes the tables down, after all SAs are gone and nothing leads to them.
    pub(super) fn destroy<F: Function>(&self, commands: &mut Commands<F>) -> Result<(), CmdError> {
        self.sas.destroy(commands)?;
        self.status.destroy(commands)?;
        self.selectors.as_ref().map_or(Ok(()), |selectors| selectors.destroy(commands))
    }
}

/// Kinds of SAs with a mask each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind {
    family: Family,
    udp: bool,
}

const KINDS: [Kind; 4] = [
    Kind { family: Family::V4, udp: false },
    Kind { family: Family::V6, udp: false },
    Kind { family: Family::V4, udp: true },
    Kind { family: Family::V6, udp: true },
];

impl Kind {
    fn mask(self) -> FteMatchParam {
        let mut ones = [0xff; 16];
        if self.family == Family::V4 {
            ones[..12].fill(0);
        }
        let source = if self.udp { [0; 16] } else { ones };
        let outer = FteMatchSetLyr24::build()
            .ip_version(0xf)
            .ip_protocol(0xff)
            .frag(true)
            .cvlan_tag(true)
            .first_vid(0xfff)
            .src_ipv4_src_ipv6(&source)
            .dst_ipv4_dst_ipv6(&ones)
            .done();
        self.param(&outer, u32::MAX)
    }

    fn value(self, sa: &Install) -> FteMatchParam {
        let source = if self.udp { [0; 16] } else { octets(sa.source) };
        let outer = FteMatchSetLyr24::build()
            .ip_version(self.family.version())
            .ip_protocol(if self.udp { UDP } else { ESP })
            .cvlan_tag(sa.vlan.is_some())
            .first_vid(sa.vlan.unwrap_or_default())
            .src_ipv4_src_ipv6(&source)
            .dst_ipv4_dst_ipv6(&octets(sa.destination))
            .done();
        self.param(&outer, sa.spi)
    }

    /// An SPI behind UDP counts as an inner one.
    fn param(self, outer: &FteMatchSetLyr24, spi: u32) -> FteMatchParam {
        let misc = FteMatchSetMisc::build();
        let misc = if self.udp { misc.inner_esp_spi(spi) } else { misc.outer_esp_spi(spi) }.done();
        FteMatchParam::build().outer_headers(outer).misc_parameters(&misc).done()
    }
}

/// What became of a packet: whose it is, what decryption says, what the check of the sequence number says.
fn verdict(mark: u32, syndrome: u8, number: u32) -> FteMatchParam {
    let misc = FteMatchSetMisc2::build()
        .metadata_reg_c_2(mark)
        .ipsec_syndrome(syndrome)
        .metadata_reg_c_4(number)
        .done();
    FteMatchParam::build().misc_parameters_2(&misc).done()
}

/// Kinds of selectors with a mask each.
#[derive(Clone, Copy, Debug)]
struct Shape {
    /// 0: without ports.
    protocol: u8,
    source: bool,
    destination: bool,
}

const SHAPES: [Shape; 7] = [
    Shape { protocol: 0, source: false, destination: false },
    Shape { protocol: TCP, source: true, destination: false },
    Shape { protocol: TCP, source: false, destination: true },
    Shape { protocol: TCP, source: true, destination: true },
    Shape { protocol: UDP, source: true, destination: false },
    Shape { protocol: UDP, source: false, destination: true },
    Shape { protocol: UDP, source: true, destination: true },
];

impl Shape {
    fn fits(&self, selector: &Selector) -> bool {
        let ports = (selector.source.is_some(), selector.destination.is_some());
        (self.source, self.destination) == ports
            && (ports == (false, false) || self.protocol == selector.protocol)
    }

    /// All ones where a selector of this shape has values.
    fn mask(&self) -> Mask {
        Mask(*self)
    }
}

struct Mask(Shape);

/// What can be written as the match of a selector.
trait Selects {
    fn outer(&self) -> FteMatchSetLyr24;
}

impl Selects for Mask {
    fn outer(&self) -> FteMatchSetLyr24 {
        let Shape { protocol, source, destination } = self.0;
        let port = |there: bool| if there { u16::MAX } else { 0 };
        ports(0xff, protocol, port(source), port(destination))
    }
}

impl Selects for Selector {
    fn outer(&self) -> FteMatchSetLyr24 {
        let [source, destination] = [self.source, self.destination].map(Option::unwrap_or_default);
        ports(self.protocol, self.protocol, source, destination)
    }
}

fn ports(protocol: u8, of: u8, source: u16, destination: u16) -> FteMatchSetLyr24 {
    let outer = FteMatchSetLyr24::build().ip_protocol(protocol);
    match of {
        TCP => outer.tcp_sport(source).tcp_dport(destination),
        UDP => outer.udp_sport(source).udp_dport(destination),
        _ => outer,
    }
    .done()
}

fn selected(mark: u32, by: &impl Selects) -> FteMatchParam {
    let mut param = verdict(mark, 0, 0);
    param.set().outer_headers(&by.outer());
    param
}
