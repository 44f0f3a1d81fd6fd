//! Wires: what takes the frames of a card and brings it others. Each direction has a thread of its own.

mod frames;
mod impairment;
mod socket;
mod tap;

pub use impairment::Impairment;
pub(crate) use impairment::WORDS;

use crate::arguments::FarEnd;
use crate::capture::Pcap;
use crate::card::Card;
use crate::lock;
use crate::queue::{Frame, Queue};
use impairment::Delayed;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::{io, thread};

/// Frames that are moved at a time.
const BURST: usize = 64;

/// A wire, as those see it who watch it or make it worse.
#[derive(Default)]
pub struct Wire {
    watch: Mutex<Option<Pcap>>,
    impairment: Mutex<Impairment>,
}

/// What a direction does with the frames that come out at its far end.
type Sink = Box<dyn FnMut(Vec<Frame>) + Send>;

impl Wire {
    /// Puts `card` on a wire whose other end is `far`; its threads end with the card, or with the process when they
    /// wait for the host. A card may be joined to itself, as by a plug that leads its sending side back.
    ///
    /// # Errors
    /// When there is no such far end, or no thread.
    pub fn join(card: &Arc<Card>, far: &FarEnd, cards: &[Arc<Card>]) -> io::Result<Arc<Wire>> {
        let wire = Arc::new(Wire::default());
        match far {
            FarEnd::Device(number) => {
                let other = cards.get(*number).ok_or(io::ErrorKind::NotFound)?;
                wire.lead(card.outgoing(), into(other))?;
                if !Arc::ptr_eq(card, other) {
                    wire.lead(other.outgoing(), into(card))?;
                }
            }
            FarEnd::Tap(name) => wire.join_tap(card, name)?,
            FarEnd::Socket(path) => wire.join_socket(card, path)?,
        }
        Ok(wire)
    }

    /// Captures every frame on it from now on into `path`; without one no longer.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn watch(&self, path: Option<&Path>) -> io::Result<()> {
        let pcap = path.map(Pcap::create).transpose()?;
        *lock(&self.watch) = pcap;
        Ok(())
    }

    /// Whether it is captured.
    pub fn watched(&self) -> bool {
        lock(&self.watch).is_some()
    }

    /// Makes it worse from now on, in both directions.
    pub fn impair(&self, impairment: Impairment) {
        *lock(&self.impairment) = impairment;
    }

    /// How bad it is.
    pub fn impairment(&self) -> Impairment {
        *lock(&self.impairment)
    }

    /// One direction: takes frames from a queue to `sink`, in a thread.
    fn lead(self: &Arc<Wire>, from: &Arc<Queue>, mut sink: Sink) -> io::Result<()> {
        let (wire, from) = (self.clone(), from.clone());
        from.plug();
        thread::Builder::new().name("wire".into()).spawn(move || {
            let mut delayed = Delayed::default();
            while let Some(frames) = from.pop(BURST, delayed.due()) {
                wire.carry(frames, &mut delayed);
                let ripe = delayed.take();
                if !ripe.is_empty() {
                    sink(ripe);
                }
            }
        })?;
        Ok(())
    }

    /// The direction from the host to `card`: the queue to fill, by one that waits when it is full.
    fn back(self: &Arc<Wire>, card: &Arc<Card>) -> io::Result<Arc<Queue>> {
        let queue = Arc::default();
        self.lead(&queue, into(card))?;
        Ok(queue)
    }

    /// Shows frames to whoever watches, and does to them what wires do. `delayed` has what comes out, and when.
    fn carry(&self, frames: Vec<Frame>, delayed: &mut Delayed) {
        if let Some(pcap) = lock(&self.watch).as_mut() {
            pcap.record(frames.iter().map(Vec::as_slice));
        }
        let impairment = *lock(&self.impairment);
        delayed.add(frames, impairment);
    }
}

/// A card as the far end of a direction.
fn into(card: &Arc<Card>) -> Sink {
    let card = card.clone();
    Box::new(move |frames| card.receive(frames))
}

#[cfg(test)]
mod tests;
