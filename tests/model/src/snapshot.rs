//! What a device looks like from outside at one moment: plain data for views, tests and people.
//!
//! Taking one changes nothing and reads no guest memory. Left out: contents of queues, keys.

pub use crate::objects::Kind;

use crate::Device;
use mlx5_pci::prm::CmdStatus;

/// One moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// How far bring-up has come: `reset`, `enabled`, `initialized`, or `gone` from the bus.
    pub stage: &'static str,
    /// What the driver calls itself.
    pub driver: String,
    /// Whether the link is up.
    pub link: bool,
    /// Pages that the driver has given and not got back.
    pub pages: usize,
    /// Commands by opcode.
    pub commands: Vec<Commands>,
    /// Refusals so far, of commands and of other misuse.
    pub refusals: u64,
    /// How many objects there are of each kind that has any.
    pub objects: Vec<(Kind, usize)>,
    /// EQs, CQs, SQs, RQs and RMPs.
    pub queues: Vec<Queue>,
    /// Flow tables.
    pub tables: Vec<Table>,
    /// IPSEC objects.
    pub associations: Vec<Association>,
    /// What port, vport and surroundings have counted, by name.
    pub counters: Vec<(&'static str, u64)>,
}

/// The commands of one opcode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commands {
    /// The opcode.
    pub opcode: u16,
    /// How often it was given.
    pub given: u64,
    /// How often it was refused with each status.
    pub refused: Vec<(CmdStatus, u64)>,
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// What it is.
    pub kind: Kind,
    /// Its number.
    pub number: u32,
    /// `ready`, `reset`, `error`, `armed` or `overflow`.
    pub state: &'static str,
    /// Entries that it has room for.
    pub size: u32,
    /// The device's counter: entries that it has written (EQ, CQ) or finished (SQ, RQ, RMP).
    pub counter: u32,
    /// Entries that the driver has not taken yet (EQ, CQ).
    pub pending: Option<u32>,
}

/// A flow table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its number.
    pub number: u32,
    /// Its type: `NicRx` and the like.
    pub kind: String,
    /// Its level.
    pub level: u8,
    /// Whether packets begin here.
    pub root: bool,
    /// How many groups it has.
    pub groups: usize,
    /// Its entries by flow index.
    pub entries: Vec<Entry>,
}

/// A flow table entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its flow index.
    pub index: u32,
    /// What it does, in words.
    pub does: String,
    /// Packets that it has matched.
    pub hits: u64,
}

/// An IPSEC object: one direction of an SA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Association {
    /// The object's number.
    pub object: u32,
    /// The SPI, from the entry or the reformat that goes with the object, if there is one.
    pub spi: Option<u32>,
    /// `send`, `receive` or `none`.
    pub mode: &'static str,
    /// Whether sequence numbers have 64 bits.
    pub esn: bool,
    /// On `send` the next sequence number, on `receive` the window's bottom.
    pub sequence: u64,
    /// Size of the replay window; 0 where none is.
    pub window: u32,
    /// Bits of the window that are set.
    pub seen: u32,
    /// Packets left until the hard lifetime, if it is counted.
    pub left: Option<u32>,
    /// Whether the hard lifetime has taken the flow away.
    pub removed: bool,
}

impl Device {
    /// What it looks like now.
    pub fn snapshot(&self) -> Snapshot {
        let mut objects: Vec<(Kind, usize)> = [Kind::Uar, Kind::Pd, Kind::TransportDomain, Kind::Mkey]
            .into_iter()
            .zip(self.hca.counts())
            .collect();
        objects.extend(self.queues.counts());
        objects.extend(self.steering.counts());
        objects.extend(self.ipsec.counts());
        objects.retain(|(_, count)| *count > 0);
        Snapshot {
            stage: self.stage_name(),
            driver: self.hca.driver().to_string(),
            link: self.link(),
            pages: self.pages_held(),
            commands: self.commands_by_opcode(),
            refusals: self.log.forgotten() + self.log.refused().count() as u64,
            objects,
            queues: self.queues.snapshot(),
            tables: self.steering.snapshot(),
            associations: self.ipsec.snapshot(&self.steering.spis()),
            counters: self.port.snapshot(),
        }
    }

    fn stage_name(&self) -> &'static str {
        use crate::command::Stage;
        match self.hca.stage() {
            _ if self.is_dead() => "gone",
            Stage::Reset => "reset",
            Stage::Enabled => "enabled",
            Stage::Initialized => "initialized",
        }
    }

    fn commands_by_opcode(&self) -> Vec<Commands> {
        let given = self.log.commands();
        given
            .map(|(opcode, given)| {
                let refused = self.log.statuses(opcode).collect();
                Commands { opcode, given, refused }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
