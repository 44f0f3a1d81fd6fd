//! The responder: SPI to session, half-open bounds, dispatch.

use alloc::collections::VecDeque;

use rand_core::CryptoRng;

use crate::config::{Config, ConfigError};
use crate::output::{Command, Datagram, Output};
use crate::time::Instant;

/// An IKEv2 responder. See the crate's first page for the drain rule.
pub struct Endpoint {
    config: Config,
    outputs: VecDeque<Output>,
}

impl Endpoint {
    /// A responder without any IKE SA. `rng` seeds the COOKIE secret.
    ///
    /// # Errors
    /// What [`Config::check`] finds.
    pub fn new(config: Config, _rng: &mut dyn CryptoRng) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self { config, outputs: VecDeque::new() })
    }

    /// Takes in one datagram.
    pub fn handle(&mut self, _now: Instant, _rng: &mut dyn CryptoRng, datagram: Datagram<'_>) {
        log::trace!("{} octets from {}", datagram.bytes.len(), datagram.remote);
    }

    /// Takes in one command.
    pub fn command(&mut self, _now: Instant, _rng: &mut dyn CryptoRng, command: Command) {
        log::trace!("{command:?} for {} connections", self.config.connections.len());
    }

    /// The next thing to do; [`Output::Wake`] when there is nothing more. Runs the timers that are due.
    pub fn poll(&mut self, _now: Instant, _rng: &mut dyn CryptoRng) -> Output {
        self.outputs.pop_front().unwrap_or(Output::Wake(Instant::NEVER))
    }
}
