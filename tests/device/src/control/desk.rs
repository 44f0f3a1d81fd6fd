//! What the control socket can reach: cards, wires, captures, and the program's end.

use super::request::{HELP, Request};
use crate::capture::Captures;
use crate::card::Card;
use crate::view;
use crate::wire::Wire;
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, Ordering};
use mlx5_pci::prm::Opcode;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The desk at which commands are carried out.
pub struct Desk {
    cards: Vec<Arc<Card>>,
    wires: Vec<Arc<Wire>>,
    pcap_dir: Option<PathBuf>,
    quitting: AtomicBool,
}

impl Desk {
    /// A desk for these. Without a directory there are no captures.
    pub fn new(cards: Vec<Arc<Card>>, wires: Vec<Arc<Wire>>, pcap_dir: Option<PathBuf>) -> Desk {
        Desk { cards, wires, pcap_dir, quitting: AtomicBool::new(false) }
    }

    /// The cards, in the order of the command line.
    pub fn cards(&self) -> &[Arc<Card>] {
        &self.cards
    }

    /// The wires, in the order of the command line.
    pub fn wires(&self) -> &[Arc<Wire>] {
        &self.wires
    }

    /// The program has to end.
    pub fn quit(&self) {
        self.quitting.store(true, Ordering::Release);
    }

    /// Whether it has to.
    pub fn quitting(&self) -> bool {
        self.quitting.load(Ordering::Acquire)
    }

    /// Carries out a command, except [`Request::Quit`], which its asker does when it has been answered.
    ///
    /// # Errors
    /// What went wrong, as a line.
    pub fn answer(&self, request: Request) -> Result<String, String> {
        let card = |number: usize| self.cards.get(number).ok_or_else(|| format!("no device {number}"));
        let nothing = |()| String::new();
        match request {
            Request::Help => Ok(HELP.to_string()),
            Request::Quit => Ok(String::new()),
            Request::Counters(number) => card(number).map(|card| counters(card)),
            Request::Commands(number) => card(number).map(|card| commands(card)),
            Request::Objects(number) => card(number).map(|card| objects(card)),
            Request::Show(number) => card(number).map(|card| view::whole(card)),
            Request::Pages(number) => {
                card(number).map(|card| card.look(|device| device.pages_held()).to_string())
            }
            Request::Refusals(number) => card(number).map(|card| refusals(card)),
            Request::Notes(number) => card(number).map(|card| {
                card.look(|device| device.log().notes().fold(String::new(), |text, note| text + note + "\n"))
            }),
            Request::Clear(number) => {
                card(number).map(|card| card.with(|device, _| device.log_mut().clear())).map(nothing)
            }
            Request::Trace(number, on) => {
                card(number).map(|card| card.with(|device, _| device.log_mut().set_tracing(on))).map(nothing)
            }
            Request::WriteTrace(number, path) => write_trace(card(number)?, &path),
            Request::Link(number, up) => {
                card(number).map(|card| card.with(|device, memory| device.set_link(memory, up))).map(nothing)
            }
            Request::Inject(number, frame) => card(number).map(|card| card.receive(vec![frame])).map(nothing),
            Request::Send(number, frame) => {
                card(number).map(|card| card.outgoing().push([frame])).map(nothing)
            }
            Request::Replay(number, count) => {
                card(number).map(|card| format!("{} frames", card.replay(count)))
            }
            Request::Corrupt(number, count) => card(number).map(|card| card.corrupt(count)).map(nothing),
            Request::Fault(number, script) => {
                card(number).map(|card| card.with(|device, _| script.arm(device))).map(nothing)
            }
            Request::Power(number) => {
                card(number).map(|card| card.with(|device, _| device.power_cycle())).map(nothing)
            }
            Request::Impair(number, impairment) => {
                let wire = self.wires.get(number).ok_or_else(|| format!("no wire {number}"))?;
                wire.impair(impairment);
                Ok(wire.impairment().to_string())
            }
            Request::Capture(on) => self.capture(on).map(nothing),
        }
    }

    /// Begins or ends the captures of every card and every wire.
    ///
    /// # Errors
    /// Without a directory, or when it cannot be written.
    pub fn capture(&self, on: bool) -> Result<(), String> {
        let dir = self.pcap_dir.as_deref().ok_or("no directory for captures; start with --pcap-dir DIR")?;
        let failed = |error| format!("{}: {error}", dir.display());
        fs::create_dir_all(dir).map_err(failed)?;
        for card in &self.cards {
            // One that is written goes on; a new one would begin its file anew.
            if on != card.capturing() {
                card.capture(on.then(|| Captures::create(dir, card.name())).transpose().map_err(failed)?);
            }
        }
        for (number, wire) in self.wires.iter().enumerate() {
            let path = dir.join(format!("wire{number}.pcap"));
            if on != wire.watched() {
                wire.watch(on.then_some(path.as_path())).map_err(failed)?;
            }
        }
        Ok(())
    }
}

/// Writes the commands that a card has kept.
///
/// # Errors
/// When none are kept, or the file cannot be written.
pub fn write_trace(card: &Card, path: &Path) -> Result<String, String> {
    let kept = card.look(|device| device.log().exchanges().to_vec());
    if kept.is_empty() {
        return Err("no commands are kept; `trace N on` keeps them, --trace-dir from the start".into());
    }
    let text = kept.iter().fold(String::new(), |text, exchange| text + &exchange.to_string());
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(format!("{} commands", kept.len()))
}

fn counters(card: &Card) -> String {
    let mut text = String::new();
    for (name, value) in card.snapshot().counters {
        let _ = writeln!(text, "{name} {value}");
    }
    text
}

fn commands(card: &Card) -> String {
    let mut text = String::new();
    for (opcode, count) in card.look(|device| device.log().commands().collect::<Vec<_>>()) {
        let _ = writeln!(text, "{opcode:#05x} {} {count}", Opcode(opcode));
    }
    text
}

fn objects(card: &Card) -> String {
    let mut text = String::new();
    for (kind, count) in card.snapshot().objects {
        let _ = writeln!(text, "{kind:?} {count}");
    }
    text
}

fn refusals(card: &Card) -> String {
    card.look(|device| {
        let mut text = String::new();
        for refused in device.log().refused() {
            let _ = writeln!(
                text,
                "{} {:#x} opcode {:#05x}: {}",
                refused.what, refused.number, refused.opcode, refused.refusal
            );
        }
        text
    })
}
