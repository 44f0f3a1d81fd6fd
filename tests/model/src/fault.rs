//! Faults that a test or a person injects: what goes wrong, and when.
//!
//! A [`Fault`] is armed by [`Device::inject`], now, at a time or after a number of commands; [`Script`] is the textual
//! form, one fault a line.

use crate::{Device, Memory};
use core::time::Duration;

mod script;

pub use script::{Script, ScriptError};

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The next command with this opcode (any, when `None`) is never answered.
    CommandTimeout {
        /// Its opcode.
        opcode: Option<u16>,
    },
    /// The next command with this opcode is answered late.
    CommandDelay {
        /// Its opcode.
        opcode: Option<u16>,
        /// How late.
        by: Duration,
    },
    /// The next command with this opcode is answered with this status and not carried out.
    CommandStatus {
        /// Its opcode.
        opcode: Option<u16>,
        /// The command status.
        status: u8,
        /// The syndrome.
        syndrome: u32,
    },
    /// The next completions are not written.
    CompletionLost {
        /// How many.
        count: u32,
    },
    /// The next completions are written twice.
    CompletionTwice {
        /// How many.
        count: u32,
    },
    /// The next completions say that an error happened; their queues go to the error state.
    CompletionError {
        /// How many.
        count: u32,
        /// The syndrome in the CQE.
        syndrome: u8,
    },
    /// The health counter stops.
    HealthStuck,
    /// The firmware reports a fatal error and answers no more commands.
    HealthFatal {
        /// The syndrome in the health buffer.
        syndrome: u8,
    },
    /// The link goes down, and comes up again.
    LinkFlap {
        /// For how long it is down.
        down: Duration,
    },
    /// Pages are asked for (positive) or offered back (negative), so many times.
    PageRequest {
        /// Pages of each request.
        pages: i32,
        /// How many requests.
        times: u32,
    },
    /// The next packets fail decryption as if their ICV were wrong.
    IcvFailure {
        /// How many.
        count: u32,
    },
    /// The next packets are taken for replays.
    Replay {
        /// How many.
        count: u32,
    },
    /// The function is gone from the bus until it is reset by power.
    Death,
}

/// When an armed fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Now,
    At(Duration),
    AfterCommands(u64),
}

/// What the fault scripts do to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interference {
    None,
    Never,
    NotYet,
    Status(u8, u32),
}

/// What is done to a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CompletionFault {
    None,
    Lost,
    Twice,
    Error(u8),
}

/// Armed faults and those that last.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Vec<(When, Fault)>,
    delayed: Vec<(u8, Duration)>,
    commands: u64,
    lost: u32,
    twice: u32,
    error: (u32, u8),
    icv: u32,
    replay: u32,
    link_up_at: Option<Duration>,
    stopped: Option<Duration>,
    fatal: Option<u8>,
    dead: bool,
}

fn spend(count: &mut u32) -> bool {
    let some = *count > 0;
    *count = count.saturating_sub(1);
    some
}

impl Faults {
    pub(crate) fn arm(&mut self, fault: Fault, _now: Duration) {
        self.armed.push((When::Now, fault));
    }

    fn arm_when(&mut self, when: When, fault: Fault) {
        self.armed.push((when, fault));
    }

    /// When the next timed fault is due.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let timed = self.armed.iter().filter_map(|(when, fault)| match when {
            When::At(at) => Some(*at),
            When::Now if !of_commands(fault) => Some(Duration::ZERO),
            _ => None,
        });
        timed.chain(self.link_up_at).chain(self.delayed.iter().map(|(_, at)| *at)).min()
    }

    /// What happens to a command with `opcode` in `slot`.
    pub(crate) fn command(&mut self, opcode: u16, slot: u8, now: Duration) -> Interference {
        if self.fatal.is_some() {
            return Interference::Never;
        }
        if let Some(place) = self.delayed.iter().position(|(of, _)| *of == slot) {
            if self.delayed[place].1 > now {
                return Interference::NotYet;
            }
            self.delayed.remove(place);
            return Interference::None;
        }
        self.commands += 1;
        let count = self.commands;
        let due = |when: &When| match when {
            When::Now => true,
            When::At(at) => *at <= now,
            When::AfterCommands(after) => count > *after,
        };
        let meant = |of: &Option<u16>| of.is_none_or(|of| of == opcode);
        let found = self.armed.iter().position(|(when, fault)| {
            due(when)
                && match fault {
                    Fault::CommandTimeout { opcode }
                    | Fault::CommandDelay { opcode, .. }
                    | Fault::CommandStatus { opcode, .. } => meant(opcode),
                    _ => false,
                }
        });
        match found.map(|place| self.armed.remove(place).1) {
            Some(Fault::CommandTimeout { .. }) => Interference::Never,
            Some(Fault::CommandDelay { by, .. }) => {
                self.delayed.push((slot, now + by));
                Interference::NotYet
            }
            Some(Fault::CommandStatus { status, syndrome, .. }) => Interference::Status(status, syndrome),
            _ => Interference::None,
        }
    }

    /// What happens to the next completion.
    pub(crate) fn completion(&mut self) -> CompletionFault {
        if spend(&mut self.lost) {
            CompletionFault::Lost
        } else if spend(&mut self.twice) {
            CompletionFault::Twice
        } else if spend(&mut self.error.0) {
            CompletionFault::Error(self.error.1)
        } else {
            CompletionFault::None
        }
    }

    /// Whether the next decryption has to fail.
    pub(crate) fn icv_failure(&mut self) -> bool {
        spend(&mut self.icv)
    }

    /// Whether the next packet has to be taken for a replay.
    pub(crate) fn replay(&mut self) -> bool {
        spend(&mut self.replay)
    }

    /// The syndrome of a fatal error, while there is one.
    pub(crate) fn fatal_syndrome(&self) -> Option<u8> {
        self.fatal
    }

    /// When the health counter stopped.
    pub(crate) fn health_stopped(&self) -> Option<Duration> {
        self.stopped
    }

    /// Whether the function is gone.
    pub(crate) fn dead(&self) -> bool {
        self.dead
    }

    /// A reset ends what a reset can mend.
    pub(crate) fn heal(&mut self) {
        self.fatal = None;
        self.stopped = None;
        self.delayed.clear();
    }
}

/// Faults that happen to a command, not at a time.
fn of_commands(fault: &Fault) -> bool {
    matches!(fault, Fault::CommandTimeout { .. } | Fault::CommandDelay { .. } | Fault::CommandStatus { .. })
}

impl Device {
    /// Arms a fault that happens at `at`.
    pub fn inject_at(&mut self, at: Duration, fault: Fault) {
        self.faults.arm_when(When::At(at), fault);
    }

    /// Arms a fault that happens after `commands` more commands.
    pub fn inject_after(&mut self, commands: u64, fault: Fault) {
        let at = self.faults.commands + commands;
        self.faults.arm_when(When::AfterCommands(at), fault);
    }

    /// Power goes off and on: everything is as after power-on, faults included.
    pub fn power_cycle(&mut self) {
        self.faults = Faults::default();
        self.reset();
    }

    /// Starts the timed faults that are due.
    pub(crate) fn advance_faults(&mut self, memory: &dyn Memory) {
        let now = self.now;
        let count = self.faults.commands;
        let due = |when: &When| match when {
            When::Now => true,
            When::At(at) => *at <= now,
            When::AfterCommands(after) => count >= *after,
        };
        while let Some(place) =
            self.faults.armed.iter().position(|(when, fault)| due(when) && !of_commands(fault))
        {
            let (_, fault) = self.faults.armed.remove(place);
            self.start(memory, fault);
        }
        if self.faults.link_up_at.is_some_and(|at| at <= now) {
            self.faults.link_up_at = None;
            self.set_link(memory, true);
        }
        if self.faults.delayed.iter().any(|(_, at)| *at <= now) {
            self.run_commands(memory);
        }
    }

    fn start(&mut self, memory: &dyn Memory, fault: Fault) {
        self.log.note(format!("fault: {fault:?}"));
        match fault {
            Fault::CompletionLost { count } => self.faults.lost += count,
            Fault::CompletionTwice { count } => self.faults.twice += count,
            Fault::CompletionError { count, syndrome } => self.faults.error = (count, syndrome),
            Fault::HealthStuck => self.faults.stopped = Some(self.now),
            Fault::HealthFatal { syndrome } => {
                self.faults.fatal = Some(syndrome);
                self.faults.stopped = Some(self.now);
                self.commands.disable();
            }
            Fault::LinkFlap { down } => {
                self.faults.link_up_at = Some(self.now + down);
                self.set_link(memory, false);
            }
            Fault::PageRequest { pages, times } => {
                for _ in 0..times {
                    if pages >= 0 {
                        self.request_pages(memory, pages.unsigned_abs() as usize);
                    } else {
                        self.return_pages(memory, pages.unsigned_abs() as usize);
                    }
                }
            }
            Fault::IcvFailure { count } => self.faults.icv += count,
            Fault::Replay { count } => self.faults.replay += count,
            Fault::Death => self.faults.dead = true,
            Fault::CommandTimeout { .. } | Fault::CommandDelay { .. } | Fault::CommandStatus { .. } => {}
        }
    }
}
