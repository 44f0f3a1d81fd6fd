//! One PCI function: all of its state, and what a front end may do with it.

use crate::caps::Profile;
use crate::commands::CommandInterface;
use crate::fault::Faults;
use crate::hca::Hca;
use crate::ipsec::Ipsec;
use crate::log::Log;
use crate::objects::Links;
use crate::pages::Pages;
use crate::pci::ConfigSpace;
use crate::port::Port;
use crate::queues::Queues;
use crate::steering::Steering;
use crate::transit::Transit;
use crate::{Fault, Memory, Outbox, Refusal};
use core::time::Duration;

/// One function of a ConnectX. See the crate's documentation for the way of a command and of a packet.
pub struct Device {
    pub(crate) profile: Profile,
    pub(crate) now: Duration,
    pub(crate) pci: ConfigSpace,
    pub(crate) msix_table: Vec<u8>,
    pub(crate) commands: CommandInterface,
    pub(crate) hca: Hca,
    pub(crate) pages: Pages,
    pub(crate) links: Links,
    pub(crate) queues: Queues,
    pub(crate) steering: Steering,
    pub(crate) ipsec: Ipsec,
    pub(crate) port: Port,
    pub(crate) faults: Faults,
    pub(crate) log: Log,
    pub(crate) out: Outbox,
}

impl Device {
    /// A function as after power-on.
    pub fn new(profile: Profile) -> Device {
        Device {
            now: Duration::ZERO,
            pci: ConfigSpace::new(&profile),
            msix_table: vec![0; 0x2000],
            commands: CommandInterface::default(),
            hca: Hca::new(&profile),
            pages: Pages::new(&profile),
            links: Links::default(),
            queues: Queues::new(&profile),
            steering: Steering::new(&profile),
            ipsec: Ipsec::new(&profile),
            port: Port::new(&profile),
            faults: Faults::default(),
            log: Log::default(),
            out: Outbox::default(),
            profile,
        }
    }

    /// Function-level reset: everything is as after power-on, but for the log, faults that are armed, what the port
    /// has counted, and what the front end set in the outbox.
    pub fn reset(&mut self) {
        self.pci = ConfigSpace::new(&self.profile);
        self.msix_table.fill(0);
        self.faults.heal();
        self.commands = CommandInterface::default();
        self.hca = Hca::new(&self.profile);
        self.pages = Pages::new(&self.profile);
        self.forget_objects();
        self.port.reset(&self.profile);
        self.log.note("function-level reset");
    }

    /// Every object that commands have made is gone, as after TEARDOWN_HCA.
    pub(crate) fn forget_objects(&mut self) {
        self.links = Links::default();
        self.queues = Queues::new(&self.profile);
        self.steering = Steering::new(&self.profile);
        self.ipsec = Ipsec::new(&self.profile);
    }

    /// A frame from the wire, without FCS.
    pub fn receive(&mut self, memory: &dyn Memory, frame: &[u8]) {
        if self.is_dead() || !self.pci.bus_master() {
            return;
        }
        if let Some(frame) = self.arrive(frame) {
            let (copy, taps) = (self.out.tapping.then(|| frame.clone()), self.out.taps.len());
            self.steer_in(memory, Transit::new(frame));
            // A decryption has tapped it on its own.
            if let Some(frame) = copy.filter(|_| self.out.taps.len() == taps) {
                self.out.tap_both(false, &frame);
            }
        }
    }

    /// The time goes on to `now` since power-on: timers fire, moderated completions and scripted faults happen.
    pub fn advance(&mut self, memory: &dyn Memory, now: Duration) {
        self.now = self.now.max(now);
        if self.is_dead() {
            return;
        }
        self.advance_faults(memory);
        self.advance_queues(memory);
    }

    /// When [`Device::advance`] has something to do next, as time since power-on.
    pub fn deadline(&self) -> Option<Duration> {
        [self.queues_deadline(), self.faults.deadline()].into_iter().flatten().min()
    }

    /// Frames, interrupts and taps since the last call.
    pub fn take(&mut self) -> Outbox {
        let tapping = self.out.tapping;
        core::mem::replace(&mut self.out, Outbox { tapping, ..Outbox::default() })
    }

    /// Whether copies of packets are kept for captures.
    pub fn set_tapping(&mut self, tapping: bool) {
        self.out.tapping = tapping;
    }

    /// What it has refused, done and noticed.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// As [`Device::log`], to empty it or to switch tracing on.
    pub fn log_mut(&mut self) -> &mut Log {
        &mut self.log
    }

    /// Pages that the driver has given and not got back.
    pub fn pages_held(&self) -> usize {
        self.pages.held()
    }

    /// Arms a fault.
    pub fn inject(&mut self, fault: Fault) {
        self.faults.arm(fault, self.now);
    }

    /// The numbers of all objects that commands have made and that others hang on, by kind.
    pub(crate) fn objects(&self) -> Vec<(&'static str, usize)> {
        let [uars, pds, domains, mkeys] = self.hca.counts();
        let counts = [("UAR", uars), ("PD", pds), ("transport domain", domains), ("mkey", mkeys)];
        counts.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    /// Something outside of a command was wrong: a doorbell, a work queue entry, an access to memory.
    pub(crate) fn misuse(&mut self, what: &'static str, number: u32, detail: Refusal) {
        self.log.misuse(what, number, detail);
    }
}
