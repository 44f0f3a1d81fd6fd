//! What a security association is told at installation, and how it is named afterwards (RFC 4301
//! section 4.4.2.1). The installed SA itself is in [`crate::state`].

use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use net::{Duration, Instant};

use crate::aead::{Algorithm, Key};
use crate::cause::Drops;
use crate::offload::{Reason, Wish};
use crate::selector::Selector;
use crate::spd::PolicyId;

/// Security parameters index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Spi(pub u32);

impl Spi {
    /// The smallest SPI an SA may have; those below are reserved (RFC 4303 section 2.1).
    pub const MIN: Self = Self(256);
}

impl fmt::Display for Spi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// The name of an installed SA, ours and not the device's: a slot and the generation of its tenant, so
/// that the handle of a retired SA never names its successor. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle(u32);

impl Handle {
    /// Bits of the slot; the generation has the rest.
    const SLOT_BITS: u32 = 20;
    /// Generations before one comes again.
    pub(crate) const GENERATIONS: u32 = 1 << (u32::BITS - Self::SLOT_BITS);
    /// Slots that can be named.
    pub const SLOTS: usize = 1 << Self::SLOT_BITS;

    pub(crate) const fn new(slot: u32, generation: u32) -> Self {
        Self(generation << Self::SLOT_BITS | slot)
    }

    pub(crate) const fn slot(self) -> usize {
        self.0 as usize & (Self::SLOTS - 1)
    }

    pub(crate) const fn generation(self) -> u32 {
        self.0 >> Self::SLOT_BITS
    }

    /// The handle as a number, for `net::Meta` and for devices.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The handle that [`Handle::bits`] gave out. One that names no SA is refused where it is used.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot(), self.generation())
    }
}

/// Which way an SA works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// It opens what the peer has sealed.
    In,
    /// It seals for the peer.
    Out,
}

/// Mode and ends of an SA. `local` is ours and `remote` the peer's, in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Whole IP packets of either family inside an outer packet between the two ends.
    Tunnel {
        /// Our outer address.
        local: IpAddr,
        /// The peer's outer address.
        remote: IpAddr,
    },
    /// The payload of IP packets between the two ends.
    Transport {
        /// Our address.
        local: IpAddr,
        /// The peer's address.
        remote: IpAddr,
    },
}

impl Mode {
    /// Our address.
    pub const fn local(&self) -> IpAddr {
        match *self {
            Self::Tunnel { local, .. } | Self::Transport { local, .. } => local,
        }
    }

    /// The peer's address.
    pub const fn remote(&self) -> IpAddr {
        match *self {
            Self::Tunnel { remote, .. } | Self::Transport { remote, .. } => remote,
        }
    }

    /// Whether this is tunnel mode.
    pub const fn is_tunnel(&self) -> bool {
        matches!(self, Self::Tunnel { .. })
    }

    pub(crate) fn set_remote(&mut self, addr: IpAddr) {
        match self {
            Self::Tunnel { remote, .. } | Self::Transport { remote, .. } => *remote = addr,
        }
    }
}

/// UDP encapsulation of ESP (RFC 3948).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UdpEncap {
    /// Our port, usually 4500.
    pub local_port: u16,
    /// The peer's port as we see it.
    pub remote_port: u16,
}

/// Limits on the use of an SA; nothing stands for no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of IP packets before encryption.
    pub bytes: Option<u64>,
    /// Packets.
    pub packets: Option<u64>,
    /// Time since installation.
    pub time: Option<Duration>,
}

/// When an SA is to be replaced, and when it stops.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lifetimes {
    /// Reaching one of these raises [`crate::Event::SoftLimit`], once.
    pub soft: Limits,
    /// Reaching one of these stops the SA and raises [`crate::Event::HardLimit`], once.
    pub hard: Limits,
}

/// Where the DSCP of the outer header comes from. That of the inner packet is never changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dscp {
    /// From the inner packet.
    #[default]
    Copy,
    /// Always this value (0 to 63).
    Set(u8),
}

/// How ECN is put on the outer header (RFC 6040 section 4.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ecn {
    /// The inner field is copied, so that congestion in the tunnel can be signalled.
    #[default]
    Normal,
    /// Always not-ECT, for a peer that does not propagate congestion on decapsulation.
    Compatibility,
}

/// Where the DF bit of an outer IPv4 header comes from (RFC 4301 section 8.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Df {
    /// From the inner packet; an inner IPv6 packet counts as one with DF set.
    #[default]
    Copy,
    /// Always set.
    Set,
    /// Always clear.
    Clear,
}

/// What the outer header of tunnel mode is made of (RFC 4301 section 5.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outer {
    /// Where DSCP comes from.
    pub dscp: Dscp,
    /// Where ECN comes from.
    pub ecn: Ecn,
    /// Where DF comes from.
    pub df: Df,
    /// TTL or hop limit.
    pub hop_limit: u8,
}

impl Default for Outer {
    fn default() -> Self {
        Self { dscp: Dscp::Copy, ecn: Ecn::Normal, df: Df::Copy, hop_limit: 64 }
    }
}

/// Everything an SA is told at installation. Not cloneable: the key in it is the only copy.
#[derive(Debug)]
pub struct SaParams {
    /// Which way it works.
    pub direction: Direction,
    /// Its SPI: chosen by us for [`Direction::In`], by the peer for [`Direction::Out`].
    pub spi: Spi,
    /// Mode and ends.
    pub mode: Mode,
    /// UDP encapsulation, if there is a NAT between the ends or it is forced. An inbound SA accepts
    /// both forms (RFC 7296 section 2.23).
    pub encap: Option<UdpEncap>,
    /// Silence after which an outbound SA with `encap` asks for a NAT keepalive.
    pub keepalive: Option<Duration>,
    /// AEAD.
    pub algorithm: Algorithm,
    /// The AEAD's key and salt.
    pub key: Key,
    /// Extended sequence numbers.
    pub esn: bool,
    /// Sequence numbers the replay window spans: 0 (no protection) or 32 to 4096. Inbound only.
    pub replay_window: u32,
    /// What the SA may carry, in the outbound sense whatever its direction. At least one.
    pub selectors: Vec<Selector>,
    /// When it ends.
    pub lifetime: Lifetimes,
    /// The policy it serves.
    pub policy: PolicyId,
    /// The outer header of tunnel mode.
    pub outer: Outer,
    /// What is to do it.
    pub wish: Wish,
}

impl SaParams {
    /// Default replay window.
    pub const REPLAY_WINDOW: u32 = 1024;
    /// Default interval of NAT keepalives (RFC 3948 section 4).
    pub const KEEPALIVE: Duration = Duration::from_secs(20);

    /// Parameters with defaults: no encapsulation, ESN, a window of [`Self::REPLAY_WINDOW`], no limits.
    pub fn new(
        direction: Direction,
        spi: Spi,
        mode: Mode,
        (algorithm, key): (Algorithm, Key),
        (policy, selectors): (PolicyId, Vec<Selector>),
    ) -> Self {
        Self {
            direction,
            spi,
            mode,
            encap: None,
            keepalive: Some(Self::KEEPALIVE),
            algorithm,
            key,
            esn: true,
            replay_window: Self::REPLAY_WINDOW,
            selectors,
            lifetime: Lifetimes::default(),
            policy,
            outer: Outer::default(),
            wish: Wish::default(),
        }
    }
}

/// Why an SA was not installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstallError {
    /// No room for another SA.
    Full {
        /// SAs that fit.
        limit: usize,
    },
    /// An SA in this direction has this SPI already (outbound: to the same peer).
    DuplicateSpi(Spi),
    /// SPIs 0 to 255 are reserved.
    ReservedSpi(Spi),
    /// Not the key length of the algorithm.
    KeyLength {
        /// The algorithm.
        algorithm: Algorithm,
        /// Bytes given.
        given: usize,
    },
    /// Neither 0 nor 32 to 4096.
    ReplayWindow(u32),
    /// Extended sequence numbers cannot be recovered without a replay window.
    EsnWithoutWindow,
    /// The SA is for the other direction than the engine was asked for.
    WrongDirection,
    /// The two ends are of different families.
    MixedEnds,
    /// No selector: the SA could carry nothing.
    NoSelectors,
    /// The policy does not exist, or does not protect.
    NoPolicy(PolicyId),
    /// The configuration wants a card to do it, and none does; or the card has failed while it was told.
    Card(Reason),
}

/// What an SA has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaStats {
    /// The SA.
    pub handle: Handle,
    /// Its SPI.
    pub spi: Spi,
    /// Which way it works.
    pub direction: Direction,
    /// Mode and ends.
    pub mode: Mode,
    /// UDP encapsulation.
    pub encap: Option<UdpEncap>,
    /// AEAD.
    pub algorithm: Algorithm,
    /// The policy it serves.
    pub policy: PolicyId,
    /// Packets sealed, or authenticated and opened.
    pub packets: u64,
    /// Bytes of those packets before encryption, headers of the inner packet included.
    pub bytes: u64,
    /// Drops by cause.
    pub drops: Drops,
    /// Sequence number last sent, or highest received.
    pub sequence: u64,
    /// Sequence numbers the replay window spans; zero outbound.
    pub window: u32,
    /// When it was installed.
    pub installed: Instant,
    /// When it last carried a packet; the time of installation before the first.
    pub last_used: Instant,
    /// Whether it has reached a hard limit.
    pub expired: bool,
}
