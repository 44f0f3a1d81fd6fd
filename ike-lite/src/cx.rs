//! What a session is handed each time it runs: the time, randomness, the configuration, the queue of outputs, and
//! the table of SPIs in use.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::SocketAddr;

use rand_core::CryptoRng;

use crate::config::Config;
use crate::error::Cause;
use crate::output::{Event, Output, Spi};
use crate::window::Path;
use crate::wire::notify::NotifyType;

/// Octets of our nonces: at least half the key size of every PRF here (RFC 7296, section 2.10).
const NONCE_LEN: usize = 32;
/// SPIs below are reserved (RFC 4303, section 2.1).
const FIRST_SPI: u32 = 256;

pub(crate) struct Cx<'a> {
    pub(crate) now: crate::time::Instant,
    pub(crate) rng: &'a mut dyn CryptoRng,
    pub(crate) config: &'a Config,
    pub(crate) outputs: &'a mut VecDeque<Output>,
    /// Inbound SPIs of all children, each with our SPI of its IKE SA.
    pub(crate) children: &'a mut BTreeMap<Spi, u64>,
}

impl Cx<'_> {
    pub(crate) fn put(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.put(Output::Event(event));
    }

    pub(crate) fn transmit(&mut self, path: Path, bytes: Vec<u8>) {
        self.put(Output::Transmit { local: path.local, remote: path.remote, bytes });
    }

    pub(crate) fn dropped(&mut self, remote: SocketAddr, cause: Cause) {
        self.event(Event::Dropped { remote, cause });
    }

    pub(crate) fn refused(&mut self, remote: SocketAddr, notify: NotifyType) {
        self.event(Event::Refused { remote, notify });
    }

    pub(crate) fn nonce(&mut self) -> Vec<u8> {
        let mut nonce = alloc::vec![0; NONCE_LEN];
        self.rng.fill_bytes(&mut nonce);
        nonce
    }

    /// A new IKE SPI. 64 random bits don't repeat within the life of an endpoint; 0 is not one.
    pub(crate) fn ike_spi(&mut self) -> u64 {
        loop {
            let spi = self.rng.next_u64();
            if spi != 0 {
                return spi;
            }
        }
    }

    /// A new inbound SPI, taken for the IKE SA whose SPI of ours is `ike`.
    pub(crate) fn child_spi(&mut self, ike: u64) -> Spi {
        loop {
            let spi = Spi(self.rng.next_u32());
            if spi.0 >= FIRST_SPI && !self.children.contains_key(&spi) {
                self.children.insert(spi, ike);
                return spi;
            }
        }
    }
}
