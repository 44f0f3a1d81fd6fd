//! The line protocol of the console: one request a line, an answer of lines.
//!
//! | request | does | last line of the answer |
//! |---|---|---|
//! | `s` | tells state and counters as `noun key=value …` | `end of status` |
//! | `d NAME` | deletes the IKE SAs of connection NAME and tells the peers | `done: N` |
//! | `d CONNECTION.CHILD` | deletes the Child SAs of that child and tells the peers | `done: N` |
//! | `r CONNECTION.CHILD` | gives the Child SAs of that child new keys | `done: N` |
//! | `l LEVEL` | sets the least important level of the log | `done: LEVEL` |
//! | `q` | ends the run | `done: power off` |
//!
//! Left out: authentication. Whoever has the serial line has the machine.

use alloc::{format, string::String, vec::Vec};

use ike_lite::Command;
use ipsec::{Direction, Placement};
use log::LevelFilter;
use net::{Instant, NicStats};

use crate::gateway::Gateway;

/// Last line of the answer to `s`.
pub const STATUS_END: &str = "end of status";

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// `s`
    Status,
    /// `d NAME`
    Delete(&'a str),
    /// `r NAME`
    Rekey(&'a str),
    /// `l LEVEL`
    Log(LevelFilter),
    /// `q`
    Quit,
}

/// A line that is no request. Its text is what to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotUnderstood;

impl core::fmt::Display for NotUnderstood {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("requests: s | d CONNECTION[.CHILD] | r CONNECTION.CHILD | l LEVEL | q")
    }
}

impl<'a> Request<'a> {
    /// Reads a line.
    ///
    /// # Errors
    /// When it is no request.
    pub fn parse(line: &'a str) -> Result<Self, NotUnderstood> {
        let mut words = line.split_ascii_whitespace();
        let (verb, argument) = (words.next(), words.next());
        if words.next().is_some() {
            return Err(NotUnderstood);
        }
        match (verb, argument) {
            (Some("s"), None) => Ok(Self::Status),
            (Some("q"), None) => Ok(Self::Quit),
            (Some("d"), Some(name)) => Ok(Self::Delete(name)),
            (Some("r"), Some(name)) => Ok(Self::Rekey(name)),
            (Some("l"), Some(level)) => level.parse().map(Self::Log).map_err(|_| NotUnderstood),
            _ => Err(NotUnderstood),
        }
    }
}

/// What only the machine knows, for the status.
#[derive(Debug, Clone, Default)]
pub struct MachineStatus {
    /// Counters of the ports' drivers, in the order of the ports.
    pub nics: Vec<NicStats>,
    /// Bytes of memory in use.
    pub memory: u64,
    /// Times that the CPU has gone to sleep.
    pub sleeps: u64,
    /// Ticks of the time-stamp counter that the loop has spent awake: cycles, or instructions under QEMU's `-icount
    /// shift=0`.
    pub awake: u64,
}

impl Gateway {
    /// The answer to `s`.
    pub fn report(&mut self, now: Instant, machine: &MachineStatus) -> Vec<String> {
        self.ipsec.refresh();
        let mut lines = Vec::new();
        lines.push(format!(
            "status: name={} up_ms={} ike_sas={} child_sas={} buffers_free={} memory={} sleeps={} awake={}",
            self.name,
            now.since(self.started).as_millis(),
            self.ike_sas.len(),
            self.pairs.len(),
            self.pool.available(),
            machine.memory,
            machine.sleeps,
            machine.awake,
        ));
        for (index, port) in self.ports.iter().enumerate() {
            let nic = machine.nics.get(index).copied().unwrap_or_default();
            lines.push(format!(
                "port: name={} rx_frames={} rx_bytes={} rx_dropped={} tx_frames={} tx_bytes={} tx_dropped={}",
                port.name,
                nic.rx_frames,
                nic.rx_bytes,
                nic.rx_drops,
                nic.tx_frames,
                nic.tx_bytes,
                nic.tx_drops,
            ));
        }
        for (ike, connection) in &self.ike_sas {
            lines.push(format!("ike: id={} connection={connection}", ike.0));
        }
        for sa in self.ipsec.sas() {
            let rule = self.rules.iter().find(|rule| rule.id == sa.policy);
            lines.push(format!(
                "sa: way={} spi={} policy={} algorithm={} packets={} bytes={} sequence={} dropped={} expired={} {}",
                if sa.direction == Direction::In { "in" } else { "out" },
                sa.spi,
                rule.map_or("?", |rule| &rule.name),
                sa.algorithm.name(),
                sa.packets,
                sa.bytes,
                sa.sequence,
                sa.drops.total(),
                sa.expired,
                match self.ipsec.placement(sa.handle) {
                    Some(Placement::Card(port)) => format!("engine=card port={}", self.port_name(port)),
                    Some(Placement::Software(reason)) => format!("engine=software why=\"{reason}\""),
                    None => String::new(),
                },
            ));
        }
        lines.push(format!("reassembled: given_back={}", self.given_back));
        let (trains, segments) = self.trains.counts();
        lines.push(format!("tcp: trains={trains} segments={segments}"));
        let net = self.stack.counters().iter().map(|(cause, n)| ("net", cause.name(), n));
        let ipsec = self.ipsec.drops().iter().map(|(cause, n)| ("ipsec", cause.name(), n));
        let own = self.counters.iter().map(|(cause, n)| ("gateway", cause.name(), n));
        for (layer, cause, n) in net.chain(ipsec).chain(own).filter(|(_, _, n)| *n > 0) {
            lines.push(format!("drops {layer}.{cause}={n}"));
        }
        lines.push(STATUS_END.into());
        lines
    }

    /// Deletes IKE SAs or Child SAs by name. Returns how many; the peers are told by the next
    /// [`Gateway::poll`].
    pub fn delete(&mut self, now: Instant, name: &str) -> usize {
        let ikes: Vec<_> =
            self.ike_sas.iter().filter(|(_, connection)| *connection == name).map(|(ike, _)| *ike).collect();
        for &ike in &ikes {
            self.command(now, Command::DeleteIke(ike));
        }
        let children = self.children_named(name);
        for &spi in &children {
            self.command(now, Command::DeleteChild { spi });
        }
        ikes.len() + children.len()
    }

    /// Asks for new keys of Child SAs by name. Returns how many.
    pub fn rekey(&mut self, now: Instant, name: &str) -> usize {
        let children = self.children_named(name);
        for &spi in &children {
            self.command(now, Command::SoftLimit { spi });
        }
        children.len()
    }

    /// Inbound SPIs of the child `CONNECTION.CHILD`.
    fn children_named(&self, name: &str) -> Vec<ike_lite::Spi> {
        let Some((connection, child)) = name.split_once('.') else { return Vec::new() };
        let rule = self.children.iter().find(|rule| rule.connection == connection && rule.child == child);
        let Some(policy) = rule.map(|rule| rule.policy) else { return Vec::new() };
        let pairs = self.pairs.iter().filter(|(_, pair)| pair.policy == policy);
        pairs.map(|(&spi, _)| ike_lite::Spi(spi)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_requests() {
        assert_eq!(Request::parse("s"), Ok(Request::Status));
        assert_eq!(Request::parse("  q "), Ok(Request::Quit));
        assert_eq!(Request::parse("d gw.net"), Ok(Request::Delete("gw.net")));
        assert_eq!(Request::parse("r gw.net"), Ok(Request::Rekey("gw.net")));
        assert_eq!(Request::parse("l debug"), Ok(Request::Log(LevelFilter::Debug)));
        for line in ["", "x", "s now", "d", "d a b", "l loud", "q q"] {
            assert_eq!(Request::parse(line), Err(NotUnderstood), "{line}");
        }
    }
}
