//! The main loop: bursts from every port into the gateway, its frames out, its timers, the console; asleep
//! when there is nothing to do (design D3).

use alloc::vec::Vec;

use gateway::Gateway;
use gateway::control::{MachineStatus, Request};
use kernel::console::Serial;
use kernel::{Exit, idle};
use log::LevelFilter;
use net::{Burst, Duration, Instant, Link, Nic, PortId};

use super::ports::Port;

/// Between looks at the console. A look is a port access, which under emulation costs more than a packet.
const CONSOLE_INTERVAL: Duration = Duration::from_millis(50);
/// Between looks at the devices themselves: the state of the wires, their health.
const LINK_INTERVAL: Duration = Duration::from_millis(500);
/// Between polls of a device that cannot interrupt.
const POLL_INTERVAL: Duration = Duration::from_millis(1);
/// Longest line that the console takes.
const LINE: usize = 160;

/// Microseconds since boot.
pub(crate) fn now() -> Instant {
    Instant(kernel::time::now())
}

/// A port in the loop.
struct Lane {
    id: PortId,
    port: Port,
    /// Frames that the transmit ring had no room for.
    waiting: Burst,
    link: Link,
}

impl Lane {
    /// Moves what the gateway has for this port into the ring, as far as there is room.
    fn flush(&mut self, now: Instant, gateway: &mut Gateway) {
        loop {
            gateway.take_tx(now, self.id, &mut self.waiting);
            if self.waiting.is_empty() {
                return;
            }
            self.port.nic.tx(&mut self.waiting);
            if !self.waiting.is_empty() {
                return;
            }
        }
    }
}

/// Runs `gateway` on `ports`, which are in the order of its configuration, until the console ends it.
pub(crate) fn run(mut gateway: Gateway, ports: Vec<Port>) -> Exit {
    let lane =
        |(id, port): (u8, Port)| Lane { id: PortId(id), link: port.nic.link(), port, waiting: Burst::new() };
    let mut lanes: Vec<_> = (0..).zip(ports).map(lane).collect();
    let pollable = lanes.iter().all(|lane| lane.port.vector.is_some());
    let mut console = Console { started: kernel::time::ticks(), ..Console::default() };
    let mut burst = Burst::new();
    let (mut gateway_at, mut console_at, mut link_at) = (Instant::ZERO, Instant::ZERO, Instant::ZERO);
    loop {
        let now = now();
        let mut busy = false;
        for lane in &mut lanes {
            if lane.port.nic.rx(&mut burst) > 0 {
                busy = true;
                gateway.handle_burst(now, lane.id, &mut burst);
            }
        }
        if now >= console_at {
            console_at = now + CONSOLE_INTERVAL;
            if let Some(exit) = console.poll(now, &mut gateway, &lanes) {
                return exit;
            }
            // A request may have given the gateway something to do.
            gateway_at = now;
        }
        if now >= link_at {
            link_at = now + LINK_INTERVAL;
            for lane in &mut lanes {
                watch_link(now, lane, &mut gateway);
            }
        }
        if busy || now >= gateway_at {
            gateway_at = gateway.poll(now);
        }
        for lane in &mut lanes {
            lane.flush(now, &mut gateway);
            busy |= !lane.waiting.is_empty();
        }
        // Armed one by one: the first with a frame ends the attempt, and the next poll disarms the others.
        if !busy && lanes.iter_mut().all(|lane| lane.port.nic.arm()) {
            let mut until = gateway_at.min(console_at).min(link_at);
            if !pollable {
                until = until.min(now + POLL_INTERVAL);
            }
            console.sleeps += 1;
            let asleep = kernel::time::ticks();
            idle::wait(until.0, || false);
            console.asleep += kernel::time::ticks().saturating_sub(asleep);
        }
    }
}

fn watch_link(now: Instant, lane: &mut Lane, gateway: &mut Gateway) {
    let link = lane.port.nic.inner().look_after(lane.id);
    if link.up != lane.link.up {
        log::warn!("port {}: {}", lane.id.0, if link.up { "up" } else { "down" });
    }
    gateway.set_link(now, lane.id, link.up);
    lane.link = link;
}

/// The line that is being typed.
#[derive(Default)]
struct Console {
    line: heapless::Vec<u8, LINE>,
    /// The line is longer than it may be, and is ignored to its end.
    overlong: bool,
    sleeps: u64,
    /// Counter when the loop began, and its ticks during all sleeps.
    started: u64,
    asleep: u64,
}

impl Console {
    /// Takes what has been typed and does what complete lines ask for.
    fn poll(&mut self, now: Instant, gateway: &mut Gateway, lanes: &[Lane]) -> Option<Exit> {
        while let Some(byte) = Serial.receive() {
            if byte != b'\n' && byte != b'\r' {
                self.overlong |= self.line.push(byte).is_err();
                continue;
            }
            let line = core::mem::take(&mut self.line);
            if core::mem::take(&mut self.overlong) {
                say("line too long");
            } else if !line.is_empty()
                && let Some(exit) = self.obey(now, &line, gateway, lanes)
            {
                return Some(exit);
            }
        }
        None
    }

    fn obey(&self, now: Instant, line: &[u8], gateway: &mut Gateway, lanes: &[Lane]) -> Option<Exit> {
        match Request::parse(core::str::from_utf8(line).unwrap_or_default()) {
            Ok(Request::Status) => {
                let memory = kernel::mem::usage();
                let machine = MachineStatus {
                    nics: lanes.iter().map(|lane| lane.port.nic.stats()).collect(),
                    memory: memory.ram - memory.free,
                    sleeps: self.sleeps,
                    awake: kernel::time::ticks().saturating_sub(self.started).saturating_sub(self.asleep),
                };
                gateway.report(now, &machine).iter().for_each(|line| say(line));
            }
            Ok(Request::Delete(name)) => say(&alloc::format!("done: {}", gateway.delete(now, name))),
            Ok(Request::Rekey(name)) => say(&alloc::format!("done: {}", gateway.rekey(now, name))),
            Ok(Request::Log(level)) => set_level(level),
            Ok(Request::Quit) => {
                say("done: power off");
                return Some(Exit::Success);
            }
            Err(error) => say(&alloc::format!("{error}")),
        }
        None
    }
}

fn set_level(level: LevelFilter) {
    kernel::console::set_level(level);
    say(&alloc::format!("done: {level}"));
}

/// A line that is an answer, not a message: it appears at any log level.
fn say(line: &str) {
    Serial.send(line.as_bytes());
    Serial.send(b"\n");
}
