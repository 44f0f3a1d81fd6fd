//! What an operator sees: a few lines per look, fit for a serial console.

use alloc::{format, string::String, vec::Vec};

use ipsec::{Action, Direction, Handle, Placement};
use net::{Instant, PortId};

use crate::gateway::Gateway;

impl Gateway {
    /// The state as a table of lines: ports, policies, SAs, and every drop cause that has occurred.
    pub fn status(&mut self, now: Instant) -> Vec<String> {
        self.ipsec.refresh();
        let up = now.since(self.started).as_secs();
        let mut lines = Vec::new();
        lines.push(format!(
            "status {} up {up} s, {} IKE SAs, {} Child SAs, {} buffers free",
            self.name,
            self.ike_sas.len(),
            self.pairs.len(),
            self.pool.available(),
        ));
        for port in &self.ports {
            lines.push(format!(
                "  port {:<10} {:<8} rx {} frames {} bytes  tx {} frames {} bytes",
                port.name,
                format!("{:?}", port.side).to_lowercase(),
                port.rx.frames,
                port.rx.bytes,
                port.tx.frames,
                port.tx.bytes,
            ));
        }
        for (rule, (_, policy)) in self.rules.iter().zip(self.ipsec.spd().iter()) {
            let action = match policy.action {
                Action::Protect { transport: false } => "protect tunnel",
                Action::Protect { transport: true } => "protect transport",
                Action::Bypass => "bypass",
                Action::Discard => "discard",
            };
            let selectors: Vec<_> = policy.selectors.iter().map(|selector| format!("{selector}")).collect();
            let no_sa = if rule.no_sa > 0 {
                format!("  dropped for want of an SA: {}", rule.no_sa)
            } else {
                String::new()
            };
            lines.push(format!("  policy {:<10} {action}  {}{no_sa}", rule.name, selectors.join(", ")));
        }
        for sa in self.ipsec.sas() {
            let way = match sa.direction {
                Direction::In => "in ",
                Direction::Out => "out",
            };
            let encap =
                sa.encap.map(|e| format!(" udp {}-{}", e.local_port, e.remote_port)).unwrap_or_default();
            let name = self.rules.iter().find(|rule| rule.id == sa.policy).map_or("?", |rule| &rule.name);
            lines.push(format!(
                "  sa {way} {} {name} {} {}{encap} {} seq {} packets {} bytes {} drops {} {} age {} s{}",
                sa.spi,
                if sa.mode.is_tunnel() { "tunnel" } else { "transport" },
                sa.mode.remote(),
                sa.algorithm.name(),
                sa.sequence,
                sa.packets,
                sa.bytes,
                sa.drops.total(),
                self.engine(sa.handle),
                now.since(sa.installed).as_secs(),
                if sa.expired { " expired" } else { "" },
            ));
        }
        if self.given_back > 0 {
            lines.push(format!("  given to the card that has the key: {}", self.given_back));
        }
        let (trains, segments) = self.trains.counts();
        if trains > 0 {
            lines.push(format!("  trains {trains} of {segments} TCP segments"));
        }
        let net = self.stack.counters().iter().map(|(cause, n)| ("net", cause.name(), n));
        let ipsec = self.ipsec.drops().iter().map(|(cause, n)| ("ipsec", cause.name(), n));
        let own = self.counters.iter().map(|(cause, n)| ("gateway", cause.name(), n));
        let occurred: Vec<_> = net.chain(ipsec).chain(own).filter(|(_, _, n)| *n > 0).collect();
        for row in occurred.chunks(4) {
            let cells: Vec<_> = row.iter().map(|(layer, cause, n)| format!("{layer}.{cause} {n}")).collect();
            lines.push(format!("  drops {}", cells.join("  ")));
        }
        lines
    }

    /// Where an SA is done, and why it is not on a card.
    fn engine(&self, handle: Handle) -> String {
        match self.ipsec.placement(handle) {
            Some(Placement::Card(port)) => format!("card {}", self.port_name(port)),
            Some(Placement::Software(reason)) => format!("software ({reason})"),
            None => String::new(),
        }
    }

    pub(crate) fn port_name(&self, port: PortId) -> &str {
        self.ports.get(usize::from(port.0)).map_or("?", |port| &port.name)
    }
}
