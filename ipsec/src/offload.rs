//! The contract of an ESP engine (design D8): what the control path asks of whatever does ESP, be it
//! [`crate::Software`] or a network card. No device's types appear here.
//!
//! An SA belongs to exactly one engine for its whole life: the key is moved into [`Engine::install_tx`]
//! and does not come out again, so that no second encryptor can exist. Handles are ours, carry a
//! generation, and name an SA in packet metadata (`net::Meta`).

use core::net::IpAddr;

use net::Instant;

use crate::aead::Algorithm;
use crate::sa::{Direction, Handle, InstallError, SaParams, SaStats, Spi};

/// What an engine can do. What it cannot is refused at installation with
/// [`crate::sa::InstallError::Unsupported`], never silently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// The AEADs.
    pub algorithms: &'static [Algorithm],
    /// Largest replay window in packets.
    pub replay_window_max: u32,
    /// Tunnel mode.
    pub tunnel: bool,
    /// Transport mode.
    pub transport: bool,
    /// UDP encapsulation.
    pub udp_encap: bool,
    /// The upper half of the sequence number is kept by the engine itself. Otherwise it raises
    /// [`Event::EsnHalf`] and is told.
    pub esn_autonomous: bool,
    /// SAs that can be installed at one time, both directions together.
    pub sa_max: usize,
}

/// An ESP engine: the half of it that the control path sees.
pub trait Engine {
    /// What it can do.
    fn caps(&self) -> Caps;
    /// Installs an inbound SA ([`Direction::In`]); from here on it opens packets.
    fn install_rx(&mut self, now: Instant, sa: SaParams) -> Result<Handle, InstallError>;
    /// Installs an outbound SA ([`Direction::Out`]); from here on it can seal.
    fn install_tx(&mut self, now: Instant, sa: SaParams) -> Result<Handle, InstallError>;
    /// Stops an SA, wipes its key and returns its last state; nothing if the handle names none.
    fn retire(&mut self, handle: Handle) -> Option<SaStats>;
    /// Sequence number, window, packets, octets, and drops by cause.
    fn read_state(&self, handle: Handle) -> Option<SaStats>;
    /// What has happened since the last call, until nothing.
    fn poll(&mut self, now: Instant) -> Option<Event>;
    /// When to call [`Engine::poll`] next, if nothing else happens.
    fn next_wake(&self) -> Instant;
}

/// What happened to an SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A soft lifetime was reached: time to rekey. Raised once per SA. Also raised when 15/16 of the
    /// sequence numbers of an SA without ESN are used.
    SoftLimit {
        /// The SA.
        handle: Handle,
        /// Its SPI.
        spi: Spi,
        /// Which way it works.
        direction: Direction,
    },
    /// A hard lifetime was reached: the SA carries nothing any more and is to be retired.
    HardLimit {
        /// The SA.
        handle: Handle,
        /// Its SPI.
        spi: Spi,
        /// Which way it works.
        direction: Direction,
    },
    /// The last sequence number has been sent: the SA carries nothing any more and is to be retired.
    SequenceExhausted {
        /// The SA.
        handle: Handle,
        /// Its SPI.
        spi: Spi,
    },
    /// Nothing was sent for the keepalive interval: send one byte ff by UDP (RFC 3948 section 4). Raised
    /// once per pair of ends, however many SAs share it.
    Keepalive {
        /// One of the SAs between these ends.
        handle: Handle,
        /// Our address.
        local: IpAddr,
        /// Our port.
        local_port: u16,
        /// The peer's address.
        remote: IpAddr,
        /// The peer's port.
        remote_port: u16,
    },
    /// An authentic packet with the highest sequence number so far came from another address or port
    /// than the SA's: the NAT in front of the peer has a new mapping (RFC 7296 section 2.23). Nothing has
    /// been changed; see [`crate::Ipsec::set_peer`].
    PeerMoved {
        /// The inbound SA.
        handle: Handle,
        /// Its SPI.
        spi: Spi,
        /// Where the packet came from.
        remote: IpAddr,
        /// And from which port.
        remote_port: u16,
    },
    /// The sequence number has crossed the middle of its lower half: the engine has to be told the upper
    /// half. Only of engines whose [`Caps::esn_autonomous`] is false.
    EsnHalf {
        /// The SA.
        handle: Handle,
    },
    /// The engine has failed; none of its SAs works any more. They must be rekeyed, never continued.
    Dead,
}
