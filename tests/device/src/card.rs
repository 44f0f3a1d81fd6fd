//! A card: one function of the model, with the guest that drives it and the wire that it is on.
//!
//! Every act on the device goes through [`Card::with`]: time goes on, the act happens, what the device hands out is
//! queued, all under the device's lock. So frames keep the order in which the device made them. No lock is held while
//! anybody waits, and nobody holds the locks of two cards.

use crate::capture::Captures;
use crate::guest::GuestMemory;
use crate::interrupts::Interrupts;
use crate::queue::{Frame, Queue};
use crate::{esp, lock};
use core::time::Duration;
use mlx5_model::Device;
use mlx5_model::snapshot::Snapshot;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

/// Frames with ESP from the wire that are kept for a replay.
const KEPT: usize = 1024;
/// Frames that are received under one lock.
const BURST: usize = 32;

/// What somebody at the control socket has asked for, and what that needs to know.
#[derive(Default)]
struct Tampering {
    /// Frames with ESP as they came, newest last.
    seen: VecDeque<Frame>,
    /// ESP packets that are still to be corrupted.
    corrupt: u64,
}

/// A card. See the module's documentation.
pub struct Card {
    name: String,
    device: Mutex<Device>,
    memory: GuestMemory,
    interrupts: Interrupts,
    outgoing: Arc<Queue>,
    captures: Mutex<Option<Captures>>,
    tampering: Mutex<Tampering>,
    due: Mutex<Due>,
    due_sooner: Condvar,
    power_on: Instant,
}

/// When the device wants to be told the time.
#[derive(Default)]
struct Due {
    at: Option<Duration>,
    ended: bool,
}

impl Card {
    /// A card as after power-on, which is now.
    pub fn new(name: &str, device: Device) -> Arc<Card> {
        Arc::new(Card {
            name: name.to_string(),
            interrupts: Interrupts::new(usize::from(device.vectors())),
            device: Mutex::new(device),
            memory: GuestMemory::default(),
            outgoing: Arc::default(),
            captures: Mutex::new(None),
            tampering: Mutex::new(Tampering::default()),
            due: Mutex::new(Due::default()),
            due_sooner: Condvar::new(),
            power_on: Instant::now(),
        })
    }

    /// What it is called in captures and views.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The guest's memory.
    pub fn memory(&self) -> &GuestMemory {
        &self.memory
    }

    /// The guest's interrupt lines.
    pub fn interrupts(&self) -> &Interrupts {
        &self.interrupts
    }

    /// Frames for the wire.
    pub fn outgoing(&self) -> &Arc<Queue> {
        &self.outgoing
    }

    /// Time since power-on.
    pub fn now(&self) -> Duration {
        self.power_on.elapsed()
    }

    /// Acts on the device and hands out what it then has to say. Never waits for the wire: whoever can make the device
    /// send calls [`Queue::settle`] afterwards, unless it is a wire itself.
    pub fn with<R>(&self, act: impl FnOnce(&mut Device, &GuestMemory) -> R) -> R {
        let mut device = lock(&self.device);
        device.advance(&self.memory, self.now());
        let result = act(&mut device, &self.memory);
        let outbox = device.take();
        let deadline = device.deadline();
        self.outgoing.push(outbox.frames);
        if !outbox.taps.is_empty()
            && let Some(captures) = lock(&self.captures).as_mut()
        {
            captures.record(&outbox.taps);
        }
        drop(device);
        for vector in outbox.vectors {
            self.interrupts.raise(vector);
        }
        self.wake_at(deadline);
        result
    }

    /// Looks at the device; nothing happens to it.
    pub fn look<R>(&self, at: impl FnOnce(&Device) -> R) -> R {
        at(&lock(&self.device))
    }

    /// What it looks like now, with what its queue to the wire has counted.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.look(Device::snapshot);
        let (queued, dropped) = (self.outgoing.len() as u64, self.outgoing.dropped());
        snapshot.counters.extend([("wire_queued", queued), ("wire_dropped", dropped)]);
        snapshot
    }

    /// Frames arrive from the wire.
    pub fn receive(&self, mut frames: Vec<Frame>) {
        self.tamper(&mut frames);
        for burst in frames.chunks(BURST) {
            self.with(|device, memory| burst.iter().for_each(|frame| device.receive(memory, frame)));
        }
    }

    /// Receives the last `count` ESP frames again, as they came at first; says how many there were.
    pub fn replay(&self, count: usize) -> usize {
        let again: Vec<Frame> = {
            let seen = &lock(&self.tampering).seen;
            seen.iter().skip(seen.len().saturating_sub(count)).cloned().collect()
        };
        for burst in again.chunks(BURST) {
            self.with(|device, memory| burst.iter().for_each(|frame| device.receive(memory, frame)));
        }
        again.len()
    }

    /// The next `count` ESP packets from the wire arrive with a bit flipped.
    pub fn corrupt(&self, count: u64) {
        lock(&self.tampering).corrupt += count;
    }

    /// ESP packets that are still to be corrupted.
    pub fn to_corrupt(&self) -> u64 {
        lock(&self.tampering).corrupt
    }

    fn tamper(&self, frames: &mut [Frame]) {
        let mut tampering = lock(&self.tampering);
        for frame in frames {
            if esp::find(frame).is_none() {
                continue;
            }
            if tampering.seen.len() == KEPT {
                tampering.seen.pop_front();
            }
            tampering.seen.push_back(frame.clone());
            if tampering.corrupt > 0 && esp::corrupt(frame) {
                tampering.corrupt -= 1;
            }
        }
    }

    /// The captures to write from now on, or none.
    pub fn capture(&self, captures: Option<Captures>) {
        lock(&self.device).set_tapping(captures.is_some());
        *lock(&self.captures) = captures;
    }

    /// Whether captures are written.
    pub fn capturing(&self) -> bool {
        lock(&self.captures).is_some()
    }

    /// The guest is gone: the device is reset, and nothing of the guest can be reached any more.
    pub fn disconnect(&self) {
        self.with(|device, _| device.reset());
        self.interrupts.clear();
        self.memory.clear();
    }

    /// Tells the device the time whenever it wants to know, until [`Card::end`].
    pub fn keep_time(&self) {
        let mut due = lock(&self.due);
        while !due.ended {
            let wait = due.at.map(|at| at.saturating_sub(self.now()));
            due = match wait {
                None => self.due_sooner.wait(due).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => {
                    due.at = None;
                    drop(due);
                    // The time goes on in every act.
                    self.with(|_, _| ());
                    self.outgoing.settle();
                    lock(&self.due)
                }
                Some(wait) => {
                    let waited = self.due_sooner.wait_timeout(due, wait);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn wake_at(&self, deadline: Option<Duration>) {
        let mut due = lock(&self.due);
        // One that is now later costs an early look, which sets it right.
        if let Some(deadline) = deadline
            && due.at.is_none_or(|at| deadline < at)
        {
            due.at = Some(deadline);
            self.due_sooner.notify_all();
        }
    }

    /// Ends the threads that keep its time and serve its wire.
    pub fn end(&self) {
        lock(&self.due).ended = true;
        self.due_sooner.notify_all();
        self.outgoing.close();
    }
}
