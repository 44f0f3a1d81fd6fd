//! What a function receives, and where it goes.
//!
//! ```text
//!   wire ─► addresses (level 0): exact, all multicast, everything ─► kinds (level 8): marked flows, TCP/UDP/ESP,
//!           IP, other ─► TIR
//! ```
//!
//! 1. The embedded switch hands over what the vport's lists and promiscuity say; the first table says the same once more,
//!    because a function without a switch below it sees everything.
//! 2. The second table picks the TIR by protocol, since a TIR hashes the same fields of every packet.
//! 3. Entries for flows stand before those of their protocol, and mark.
//!
//! Levels 1 to 7 are free for tables between the two, see [`Receive::via`]. Changes add before they delete: what stays
//! wanted is never missed.

use super::flow::{self, ESP, Flow, Kind, TCP, UDP};
use super::{Action, Destination, Group, Rule, Table};
use crate::cmd::CmdError;
use crate::device::Device;
use crate::error::Error;
use crate::hal::Function;
use crate::port::{Mac, Promiscuity};
use crate::prm::{FlowTableType, FteMatchParam};
use crate::rss::Traffic;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// Levels of the two tables.
const ADDRESSES_LEVEL: u8 = 0;
const KINDS_LEVEL: u8 = 8;
/// log2 of the entries of the table of addresses; all but two are for exact ones.
const LOG_ADDRESSES: u8 = 10;
/// log2 of the entries of the table of kinds.
const LOG_KINDS: u8 = 11;
/// Marked flows of each kind.
const FLOWS: u32 = 256;
const BROADCAST: Mac = [0xff; 6];
/// The bit of an address that says that it is a group's.
const GROUP_BIT: Mac = [1, 0, 0, 0, 0, 0];
const NOTHING: Mac = [0; 6];
/// A mark has 24 bits, and completions without one say 0.
const LARGEST_MARK: u32 = 0xff_ffff;

/// What a function receives besides broadcast.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Everything.
    pub promiscuous: bool,
    /// Every group.
    pub all_multicast: bool,
    /// Unicast to these addresses.
    pub unicast: Vec<Mac>,
    /// These groups.
    pub multicast: Vec<Mac>,
}

/// The receive tables of a function.
#[derive(Debug)]
pub struct Receive {
    addresses: Addresses,
    /// Where addresses lead.
    next: u32,
    kinds: Kinds,
}

#[derive(Debug)]
struct Addresses {
    table: Table,
    exact: Group,
    multicast: Group,
    all: Group,
    entries: BTreeMap<Mac, u32>,
    has_multicast: bool,
    has_all: bool,
}

#[derive(Debug)]
struct Kinds {
    table: Table,
    groups: Vec<Group>,
    /// Entries that pick a TIR: they stay until the table goes.
    fixed: Vec<u32>,
    flows: Vec<(Kind, Group)>,
    marked: BTreeSet<u32>,
    tirs: Vec<(Traffic, u32)>,
}

/// A marked flow, to be unmarked by.
#[derive(Debug, PartialEq, Eq)]
pub struct Marked(u32);

impl Receive {
    /// Tables that lead to `tirs`, one of them for [`Traffic::Other`]. Nothing but broadcast is received before
    /// [`Receive::set_filter`].
    ///
    /// # Errors
    /// When a command fails, or the device can't match on what is needed.
    pub fn create<F: Function>(device: &mut Device<F>, tirs: &[(Traffic, u32)]) -> Result<Self, Error> {
        let able = device.caps().flow_table.flow_table_properties_nic_receive();
        let fields = able.ft_field_support();
        if !able.ft_support() || !fields.outer_dmac() {
            return Err(Error::Lacks("receive tables that match on addresses"));
        }
        if !fields.outer_ip_version() || !fields.outer_ip_protocol() {
            return Err(Error::Lacks("receive tables that match on IP version and protocol"));
        }
        let kinds = Kinds::create(device, tirs, fields.outer_frag(), fields.outer_esp_spi())?;
        let addresses = Addresses::create(device, kinds.table.number())?;
        addresses.table.make_root(device.commands())?;
        let mut receive = Self { addresses, next: kinds.table.number(), kinds };
        receive.set_filter(device, &Filter::default())?;
        Ok(receive)
    }

    /// From now on the function receives what `filter` says. Addresses that don't fit are received by promiscuity.
    ///
    /// # Errors
    /// When a command fails: then it may receive more or less than it should.
    pub fn set_filter<F: Function>(
        &mut self,
        device: &mut Device<F>,
        filter: &Filter,
    ) -> Result<(), CmdError> {
        let filter = &fitting(device, filter, self.addresses.exact.range().len());
        let promiscuity = Promiscuity {
            unicast: filter.promiscuous,
            multicast: filter.promiscuous || filter.all_multicast,
            all: filter.promiscuous,
        };
        device.set_addresses(&filter.unicast, &filter.multicast)?;
        device.set_promiscuity(promiscuity)?;
        self.addresses.set(device, filter, self.next)
    }

    /// The table that looks at the kind of a packet.
    pub fn kinds(&self) -> u32 {
        self.kinds.table.number()
    }

    /// From now on packets enter table `entry` before their kind is looked at, which has a level between and leads on to
    /// [`Receive::kinds`]; or none, as at first. Each packet goes the one way or the other.
    ///
    /// # Errors
    /// When a command fails: then some addresses lead the one way and some the other.
    pub fn via<F: Function>(&mut self, device: &mut Device<F>, entry: Option<u32>) -> Result<(), CmdError> {
        self.next = entry.unwrap_or(self.kinds.table.number());
        self.addresses.lead(device, self.next)
    }

    /// Marks packets of `flow` with `mark` (1 to 2^24 - 1).
    ///
    /// # Errors
    /// When a command fails, there is no room, or the device can't match on such flows.
    pub fn mark<F: Function>(
        &mut self,
        device: &mut Device<F>,
        flow: &Flow,
        mark: u32,
    ) -> Result<Marked, Error> {
        if !(1..=LARGEST_MARK).contains(&mark) {
            return Err(Error::Lacks("marks of more than 24 bits"));
        }
        self.kinds.mark(device, flow, mark)
    }

    /// Ends a mark.
    ///
    /// # Errors
    /// When the command fails.
    pub fn unmark<F: Function>(&mut self, device: &mut Device<F>, marked: Marked) -> Result<(), CmdError> {
        self.kinds.table.delete(device.commands(), marked.0)?;
        self.kinds.marked.remove(&marked.0);
        Ok(())
    }

    /// Takes everything down. Nothing is received any more.
    ///
    /// # Errors
    /// When a command fails: then the function has to be reset.
    pub fn destroy<F: Function>(self, device: &mut Device<F>) -> Result<(), CmdError> {
        self.addresses.destroy(device)?;
        self.kinds.destroy(device)
    }
}

/// `filter` as far as vport and table have room: lists that are too long become promiscuity.
fn fitting<F: Function>(device: &Device<F>, filter: &Filter, room: usize) -> Filter {
    let general = &device.caps().general;
    let most = |log: u8| 1usize << log.min(12);
    let mut filter = filter.clone();
    if filter.unicast.len() > most(general.log_max_current_uc_list()) || filter.unicast.len() >= room / 2 {
        filter.promiscuous = true;
        filter.unicast.clear();
    }
    if filter.multicast.len() > most(general.log_max_current_mc_list()) || filter.multicast.len() >= room / 2
    {
        filter.all_multicast = true;
        filter.multicast.clear();
    }
    filter
}

impl Addresses {
    fn create<F: Function>(device: &mut Device<F>, next: u32) -> Result<Self, CmdError> {
        let commands = device.commands();
        let size = 1 << LOG_ADDRESSES;
        let table = Table::create(commands, FlowTableType::NIC_RX, ADDRESSES_LEVEL, LOG_ADDRESSES)?;
        let exact = table.group(commands, 0..size - 2, &flow::to(BROADCAST))?;
        let multicast = table.group(commands, size - 2..size - 1, &flow::to(GROUP_BIT))?;
        let all = table.group(commands, size - 1..size, &FteMatchParam::default())?;
        let mut addresses = Self {
            table,
            exact,
            multicast,
            all,
            entries: BTreeMap::new(),
            has_multicast: false,
            has_all: false,
        };
        addresses.add(device, BROADCAST, next)?;
        Ok(addresses)
    }

    fn set<F: Function>(
        &mut self,
        device: &mut Device<F>,
        filter: &Filter,
        next: u32,
    ) -> Result<(), CmdError> {
        let mut wanted: BTreeSet<Mac> = filter.unicast.iter().chain(&filter.multicast).copied().collect();
        wanted.insert(BROADCAST);
        for mac in &wanted {
            if !self.entries.contains_key(mac) {
                self.add(device, *mac, next)?;
            }
        }
        let wide = [
            (&self.multicast, GROUP_BIT, filter.all_multicast, &mut self.has_multicast),
            (&self.all, NOTHING, filter.promiscuous, &mut self.has_all),
        ];
        for (group, bits, wanted, there) in wide {
            let index = group.range().start;
            if wanted && !*there {
                let action = Action { to: Destination::Table(next), mark: 0 };
                self.table.set(device.commands(), group, index, &flow::to(bits), action)?;
            } else if !wanted && *there {
                self.table.delete(device.commands(), index)?;
            }
            *there = wanted;
        }
        let unwanted: Vec<Mac> = self.entries.keys().filter(|mac| !wanted.contains(*mac)).copied().collect();
        for mac in unwanted {
            if let Some(index) = self.entries.get(&mac) {
                self.table.delete(device.commands(), *index)?;
                self.entries.remove(&mac);
            }
        }
        Ok(())
    }

    fn add<F: Function>(&mut self, device: &mut Device<F>, mac: Mac, next: u32) -> Result<(), CmdError> {
        let taken: BTreeSet<u32> = self.entries.values().copied().collect();
        // Half of the group is always free, so that new addresses go in before old ones go out.
        let Some(index) = self.exact.range().find(|index| !taken.contains(index)) else { return Ok(()) };
        let action = Action { to: Destination::Table(next), mark: 0 };
        self.table.set(device.commands(), &self.exact, index, &flow::to(mac), action)?;
        self.entries.insert(mac, index);
        Ok(())
    }

    /// Changes where all entries lead.
    fn lead<F: Function>(&self, device: &mut Device<F>, next: u32) -> Result<(), CmdError> {
        let rule = Rule::forward(Destination::Table(next));
        let wide = [(&self.multicast, GROUP_BIT, self.has_multicast), (&self.all, NOTHING, self.has_all)];
        let wide = wide.into_iter().filter(|(.., there)| *there);
        let wide = wide.map(|(group, bits, _)| (group, bits, group.range().start));
        let exact = self.entries.iter().map(|(mac, index)| (&self.exact, *mac, *index));
        for (group, mac, index) in exact.chain(wide) {
            self.table.change(device.commands(), group, index, &flow::to(mac), &rule)?;
        }
        Ok(())
    }

    fn destroy<F: Function>(self, device: &mut Device<F>) -> Result<(), CmdError> {
        let commands = device.commands();
        let wide = [(self.has_multicast, &self.multicast), (self.has_all, &self.all)];
        let wide = wide.into_iter().filter(|(there, _)| *there).map(|(_, group)| group.range().start);
        for index in self.entries.into_values().chain(wide) {
            self.table.delete(commands, index)?;
        }
        for group in [&self.exact, &self.multicast, &self.all] {
            self.table.ungroup(commands, group)?;
        }
        self.table.destroy(commands)
    }
}

impl Kinds {
    fn create<F: Function>(
        device: &mut Device<F>,
        tirs: &[(Traffic, u32)],
        frag: bool,
        spi: bool,
    ) -> Result<Self, CmdError> {
        let commands = device.commands();
        let table = Table::create(commands, FlowTableType::NIC_RX, KINDS_LEVEL, LOG_KINDS)?;
        let mut next = 0..;
        let mut range = |count: u32| {
            let start = next.start;
            next.start += count;
            start..start + count
        };
        let mut kinds = Self {
            table,
            groups: Vec::new(),
            fixed: Vec::new(),
            flows: Vec::new(),
            marked: BTreeSet::new(),
            tirs: tirs.to_vec(),
        };
        // Without `frag`, a fragment would be taken for what its bytes happen to be.
        for kind in Kind::ALL.into_iter().filter(|kind| frag && (spi || kind.protocol != ESP)) {
            kinds.flows.push((kind, kinds.table.group(commands, range(FLOWS), &kind.mask())?));
        }
        let upper =
            [TCP, UDP, ESP].map(|of| [4, 6].map(|version| flow::protocol(version, of, false))).concat();
        let stages = [
            (flow::protocol(0xf, 0xff, frag), upper, &UPPER[..]),
            (flow::protocol(0xf, 0, false), [4, 6].map(|v| flow::protocol(v, 0, false)).to_vec(), &IP[..]),
            (FteMatchParam::default(), [FteMatchParam::default()].to_vec(), &[Traffic::Other][..]),
        ];
        for (mask, values, traffic) in stages {
            let group = kinds.table.group(commands, range(values.len() as u32), &mask)?;
            for ((index, value), traffic) in group.range().zip(&values).zip(traffic) {
                // What has no TIR of its own is picked up by a later, wider entry.
                if let Some(tirn) = kinds.tir(*traffic) {
                    let action = Action { to: Destination::Tir(tirn), mark: 0 };
                    kinds.table.set(commands, &group, index, value, action)?;
                    kinds.fixed.push(index);
                }
            }
            kinds.groups.push(group);
        }
        Ok(kinds)
    }

    fn tir(&self, wanted: Traffic) -> Option<u32> {
        self.tirs.iter().find(|(traffic, _)| *traffic == wanted).map(|(_, tirn)| *tirn)
    }

    fn mark<F: Function>(&mut self, device: &mut Device<F>, flow: &Flow, mark: u32) -> Result<Marked, Error> {
        let lacks = Error::Lacks("receive tables that match on such flows");
        let kind = flow.kind().ok_or(lacks)?;
        let (_, group) = self.flows.iter().find(|(of, _)| *of == kind).ok_or(lacks)?;
        let free = group.range().find(|index| !self.marked.contains(index));
        let index = free.ok_or(Error::Lacks("room for more marked flows"))?;
        let Kind { v6, protocol } = kind;
        let traffic = match protocol {
            TCP => Traffic::Tcp { v6 },
            UDP => Traffic::Udp { v6 },
            _ => Traffic::Esp { v6 },
        };
        let tir = self.tir(traffic).or(self.tir(Traffic::Ip { v6 })).or(self.tir(Traffic::Other));
        let to = Destination::Tir(tir.ok_or(Error::Lacks("a TIR for such flows"))?);
        self.table.set(device.commands(), group, index, &flow.value(kind), Action { to, mark })?;
        self.marked.insert(index);
        Ok(Marked(index))
    }

    fn destroy<F: Function>(self, device: &mut Device<F>) -> Result<(), CmdError> {
        let commands = device.commands();
        for index in self.marked.into_iter().chain(self.fixed) {
            self.table.delete(commands, index)?;
        }
        for group in self.groups.iter().chain(self.flows.iter().map(|(_, group)| group)) {
            self.table.ungroup(commands, group)?;
        }
        self.table.destroy(commands)
    }
}

/// In the order of the entries of protocols above IP, and of IP alone.
const UPPER: [Traffic; 6] = [
    Traffic::Tcp { v6: false },
    Traffic::Tcp { v6: true },
    Traffic::Udp { v6: false },
    Traffic::Udp { v6: true },
    Traffic::Esp { v6: false },
    Traffic::Esp { v6: true },
];
const IP: [Traffic; 2] = [Traffic::Ip { v6: false }, Traffic::Ip { v6: true }];
