//! From a snapshot to text: a heading, and sections of lines that are folded to the width.
//!
//! ```text
//! A  initialized  link up  Linux,mlx5_core,6.12.94  6412 pages  2 refusals
//!   SA        0x1 SPI 0x00001001 receive ESN, window of 64 from 750, 62 of it seen, 188 packets left
//!   CQ        0x401 armed 812/1024 +3 …            counter/size, +EQEs or CQEs that the driver has not taken
//!   counters  wire_rx_frames 9042 …
//!   table     0x5 NicRx level 0, root, 2 groups
//!               3: count, decrypt 0x1, reformat 0x2, table 0x6      812 hits
//!   commands  QUERY_HCA_CAP 24  ALLOC_PD 3 (1 BAD_RES) …
//! ```
//! What moves comes first, since the end of a page may not fit a terminal.

use core::fmt::Write;
use mlx5_model::snapshot::{Association, Commands, Kind, Queue, Snapshot, Table};
use mlx5_pci::prm::Opcode;

/// Columns before a section's items.
const INDENT: usize = 12;
/// Columns for what an entry does; longer ones push the hits to the right.
const DOES: usize = 56;

/// How much of it, and how wide.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Columns after which lines are folded.
    pub columns: usize,
    /// Whether entries without hits, queues that have not moved and counters at zero are listed too.
    pub idle: bool,
}

/// The page of the device `name`.
pub fn page(name: &str, seen: &Snapshot, style: Style) -> String {
    let mut page = Page { text: heading(name, seen), style };
    for sa in &seen.associations {
        page.section("SA", [association(sa)]);
    }
    for kind in [Kind::Eq, Kind::Cq, Kind::Sq, Kind::Rq, Kind::Rmp] {
        let queues = seen.queues.iter().filter(|queue| queue.kind == kind && (style.idle || moves(queue)));
        page.section(&label(kind), queues.map(queue));
    }
    let counters = seen.counters.iter().filter(|(_, value)| style.idle || *value > 0);
    page.section("counters", counters.map(|(name, value)| format!("{name} {value}")));
    page.tables(&seen.tables);
    page.section("commands", seen.commands.iter().map(command));
    page.section("objects", objects(seen));
    page.text
}

fn heading(name: &str, seen: &Snapshot) -> String {
    // What a driver calls itself is not to be trusted.
    let driver: String = seen.driver.chars().filter(|character| !character.is_control()).collect();
    let driver = if driver.is_empty() { "no driver" } else { &driver };
    let (stage, link) = (seen.stage, if seen.link { "up" } else { "down" });
    let (pages, refusals) = (count(seen.pages as u64, "page"), count(seen.refusals, "refusal"));
    format!("{name}  {stage}  link {link}  {driver}  {pages}  {refusals}\n")
}

fn command(line: &Commands) -> String {
    let mut text = format!("{} {}", Opcode(line.opcode), line.given);
    if !line.refused.is_empty() {
        let statuses: Vec<String> =
            line.refused.iter().map(|(status, count)| format!("{count} {status}")).collect();
        let _ = write!(text, " ({})", statuses.join(", "));
    }
    text
}

/// Objects that have no lines of their own.
fn objects(seen: &Snapshot) -> impl Iterator<Item = String> + '_ {
    let own = [Kind::Eq, Kind::Cq, Kind::Sq, Kind::Rq, Kind::Rmp, Kind::FlowTable, Kind::Ipsec];
    let others = seen.objects.iter().filter(move |(kind, _)| !own.contains(kind));
    others.map(|(kind, count)| format!("{} {count}", label(*kind)))
}

/// Whether there is something to see at a queue.
fn moves(queue: &Queue) -> bool {
    queue.counter > 0 || !matches!(queue.state, "ready" | "armed" | "reset")
}

fn queue(queue: &Queue) -> String {
    let Queue { number, state, counter, size, .. } = queue;
    let waiting = queue.pending.filter(|pending| *pending > 0);
    let waiting = waiting.map_or(String::new(), |pending| format!(" +{pending}"));
    format!("{number:#x} {state} {counter}/{size}{waiting}")
}

fn association(sa: &Association) -> String {
    let spi = sa.spi.map_or("no SPI".into(), |spi| format!("SPI {spi:#010x}"));
    let mut text = format!("{:#x} {spi} {}", sa.object, sa.mode);
    if sa.esn {
        text.push_str(" ESN");
    }
    let _ = match sa.window {
        0 => write!(text, ", next {}", sa.sequence),
        window => write!(text, ", window of {window} from {}, {} of it seen", sa.sequence, sa.seen),
    };
    if let Some(left) = sa.left {
        let _ = write!(text, ", {} left", count(left.into(), "packet"));
    }
    if sa.removed {
        text.push_str(", hard lifetime over");
    }
    text
}

/// `1 page`, `2 pages`.
fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// What a kind of object is called on the page.
fn label(kind: Kind) -> String {
    match kind {
        Kind::TransportDomain => "transport domain".into(),
        Kind::Mkey => "mkey".into(),
        Kind::QCounter => "Q counter".into(),
        Kind::FlowCounter => "flow counter".into(),
        Kind::FlowTable => "flow table".into(),
        Kind::FlowGroup => "flow group".into(),
        Kind::FlowEntry => "flow entry".into(),
        Kind::ModifyHeader => "modify header".into(),
        Kind::Reformat => "packet reformat".into(),
        Kind::EncryptionKey => "DEK".into(),
        // What is left are abbreviations.
        kind => format!("{kind:?}").to_uppercase(),
    }
}

struct Page {
    text: String,
    style: Style,
}

impl Page {
    /// Items behind their section's name, as many in a line as there is room for. Without items there is no section.
    fn section(&mut self, name: &str, items: impl IntoIterator<Item = String>) {
        let mut items = items.into_iter();
        let Some(first) = items.next() else { return };
        let mut line = format!("  {name:<10}{first}");
        for item in items {
            if line.chars().count() + 2 + item.chars().count() > self.style.columns {
                let _ = writeln!(self.text, "{line}");
                line = format!("{:INDENT$}{item}", "");
            } else {
                let _ = write!(line, "  {item}");
            }
        }
        let _ = writeln!(self.text, "{line}");
    }

    fn tables(&mut self, tables: &[Table]) {
        let (shown, idle): (Vec<_>, Vec<_>) = tables
            .iter()
            .partition(|table| self.style.idle || table.entries.iter().any(|entry| entry.hits > 0));
        shown.into_iter().for_each(|table| self.table(table));
        if !idle.is_empty() {
            self.section("tables", [format!("{} without hits", idle.len())]);
        }
    }

    fn table(&mut self, table: &Table) {
        let root = if table.root { ", root" } else { "" };
        let Table { number, kind, level, groups, .. } = table;
        let groups = count(*groups as u64, "group");
        let (shown, idle): (Vec<_>, Vec<_>) =
            table.entries.iter().partition(|entry| entry.hits > 0 || self.style.idle);
        let idle = match idle.len() {
            0 => String::new(),
            1 => ", 1 entry without hits".into(),
            idle => format!(", {idle} entries without hits"),
        };
        self.section("table", [format!("{number:#x} {kind} level {level}{root}, {groups}{idle}")]);
        for entry in shown {
            let (does, hits) = (&entry.does, count(entry.hits, "hit"));
            let _ = writeln!(self.text, "{:INDENT$}{:>4}: {does:<DOES$} {hits}", "", entry.index);
        }
    }
}

#[cfg(test)]
mod tests;
