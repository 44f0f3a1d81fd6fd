//! What the operator wants, as plain owned data with swanctl's names. Parsing the file is not done here;
//! proposal strings are read by [`crate::proposal`]. [`Config::check`] refuses what could only fail later.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zeroize::Zeroizing;

use crate::output::Mode;
use crate::proposal::{EspProposal, IkeProposal};
use crate::selector::TrafficSelector;
use crate::time::Duration;

/// Everything an [`Endpoint`](crate::Endpoint) is told at its start.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// In order of preference: the first that fits a peer is used.
    pub connections: Vec<Connection>,
    /// Bounds on what peers may make us hold.
    pub limits: Limits,
    /// How our own requests are repeated.
    pub retransmit: Retransmit,
    /// Emits [`Output::KeyLog`](crate::Output::KeyLog) with every key in the clear. For decoders in tests only.
    pub keylog: bool,
}

/// One peer, or a group of peers that share a secret.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The operator's name for it; unique.
    pub name: String,
    /// Our addresses it applies to; empty means any.
    pub local_addrs: Vec<Prefix>,
    /// The peer's addresses; empty means any.
    pub remote_addrs: Vec<Prefix>,
    /// Acceptable IKE proposals, best first.
    pub proposals: Vec<IkeProposal>,
    /// What we call ourselves; `None` means our address.
    pub local_id: Option<Identity>,
    /// Who the peer has to be.
    pub remote_id: IdentityMatch,
    /// The pre-shared key.
    pub psk: Psk,
    /// What may be protected.
    pub children: Vec<Child>,
    /// A peer silent for this long is asked whether it lives; `None` never asks.
    pub dpd_delay: Option<Duration>,
    /// Forces UDP encapsulation of ESP by claiming to be behind a NAT.
    pub encap: bool,
    /// The IKE SA asks to be replaced after this time; `None` leaves it to the peer.
    pub rekey_time: Option<Duration>,
    /// Time after `rekey_time` at which an IKE SA that was not replaced is deleted.
    pub over_time: Duration,
}

impl Connection {
    /// A connection with swanctl's defaults: any address, the default proposals, any peer identity.
    pub fn new(name: &str, psk: Psk) -> Self {
        Self {
            name: name.into(),
            local_addrs: Vec::new(),
            remote_addrs: Vec::new(),
            proposals: alloc::vec![IkeProposal::default()],
            local_id: None,
            remote_id: IdentityMatch::Any,
            psk,
            children: Vec::new(),
            dpd_delay: None,
            encap: false,
            rekey_time: None,
            over_time: Duration::from_secs(24 * 60),
        }
    }
}

/// One kind of Child SA.
#[derive(Debug, Clone)]
pub struct Child {
    /// The operator's name for it; unique within its connection.
    pub name: String,
    /// Traffic on our side.
    pub local_ts: Vec<SelectorSpec>,
    /// Traffic on the peer's side.
    pub remote_ts: Vec<SelectorSpec>,
    /// Acceptable ESP proposals, best first.
    pub esp_proposals: Vec<EspProposal>,
    /// Tunnel, or transport where the peer asks for it.
    pub mode: Mode,
    /// Soft and hard limits of each SA.
    pub lifetimes: Lifetimes,
}

impl Child {
    /// A tunnel-mode child between the two peers' own addresses, with the default proposals and without limits.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            local_ts: alloc::vec![SelectorSpec::DYNAMIC],
            remote_ts: alloc::vec![SelectorSpec::DYNAMIC],
            esp_proposals: alloc::vec![EspProposal::default()],
            mode: Mode::Tunnel,
            lifetimes: Lifetimes::default(),
        }
    }
}

/// A configured traffic selector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelectorSpec {
    /// These addresses.
    Fixed(TrafficSelector),
    /// swanctl's `dynamic`: the address that side uses for IKE, with this protocol and these ports.
    Dynamic {
        /// 0 means any.
        protocol: u8,
        /// Inclusive.
        first_port: u16,
        /// Inclusive.
        last_port: u16,
    },
}

impl SelectorSpec {
    /// All traffic of the address that side uses for IKE.
    pub const DYNAMIC: Self = Self::Dynamic { protocol: 0, first_port: 0, last_port: u16::MAX };

    /// The selector, given the address that side uses.
    pub fn resolve(&self, address: IpAddr) -> TrafficSelector {
        match *self {
            Self::Fixed(selector) => selector,
            Self::Dynamic { protocol, first_port, last_port } => {
                TrafficSelector::host(address).with_ports(protocol, first_port, last_port)
            }
        }
    }
}

/// When a Child SA is replaced (soft) and when it must not be used any more (hard).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lifetimes {
    /// swanctl's `rekey_time`, `rekey_bytes`, `rekey_packets`.
    pub soft: Lifetime,
    /// swanctl's `life_time`, `life_bytes`, `life_packets`.
    pub hard: Lifetime,
}

/// One set of limits; `None` is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lifetime {
    /// Since installation.
    pub time: Option<Duration>,
    /// Octets carried, in either direction.
    pub bytes: Option<u64>,
    /// Packets carried, in either direction.
    pub packets: Option<u64>,
}

/// An address prefix, used to choose a connection by addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    /// Any address inside.
    pub address: IpAddr,
    /// Number of leading bits that count.
    pub length: u8,
}

impl Prefix {
    /// One address.
    pub const fn host(address: IpAddr) -> Self {
        Self { address, length: if address.is_ipv4() { 32 } else { 128 } }
    }

    /// Whether `address` lies inside.
    pub fn contains(&self, address: IpAddr) -> bool {
        TrafficSelector::host(address).is_subset(&TrafficSelector::prefix(self.address, self.length))
    }
}

/// An identity (RFC 7296, section 3.5).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// ID_IPV4_ADDR.
    Ipv4(Ipv4Addr),
    /// ID_IPV6_ADDR.
    Ipv6(Ipv6Addr),
    /// ID_FQDN; compared without regard to the case of ASCII letters.
    Fqdn(String),
    /// ID_RFC822_ADDR; compared likewise.
    Rfc822(String),
    /// ID_KEY_ID: opaque octets.
    KeyId(Vec<u8>),
}

/// Which peer identities are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityMatch {
    /// swanctl's `%any`.
    Any,
    /// Exactly this one.
    Is(Identity),
}

/// A pre-shared key; wiped on drop, not printed.
#[derive(Clone)]
pub struct Psk(Zeroizing<Vec<u8>>);

impl Psk {
    /// The octets as they are shared with the peer.
    pub fn new(octets: &[u8]) -> Self {
        Self(Zeroizing::new(octets.to_vec()))
    }

    pub(crate) fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Psk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Psk(..)")
    }
}

/// Bounds on what peers may make us hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// IKE SAs between IKE_SA_INIT and IKE_AUTH; more requests are dropped.
    pub half_open: usize,
    /// From this many half-open IKE SAs on, a COOKIE is demanded; 0 demands it always.
    pub cookie_threshold: usize,
    /// Half-open IKE SAs of one peer address; more requests from it are dropped.
    pub half_open_per_peer: usize,
    /// A half-open IKE SA is forgotten after this time.
    pub half_open_timeout: Duration,
    /// Authenticated IKE SAs.
    pub ike_sas: usize,
    /// Child SAs of one IKE SA.
    pub children: usize,
    /// Replaced Child SAs keep receiving for this time after they were deleted.
    pub overlap: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            half_open: 512,
            cookie_threshold: 32,
            half_open_per_peer: 16,
            half_open_timeout: Duration::from_secs(30),
            ike_sas: 4096,
            children: 64,
            overlap: Duration::from_secs(2),
        }
    }
}

/// How our own requests are repeated: after `first`, then each time `base_percent`/100 later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retransmit {
    /// Time to the first repetition.
    pub first: Duration,
    /// Growth of the interval, in percent.
    pub base_percent: u32,
    /// Repetitions before the peer is taken for dead.
    pub tries: u32,
}

impl Default for Retransmit {
    fn default() -> Self {
        Self { first: Duration::from_secs(2), base_percent: 180, tries: 5 }
    }
}

/// What can't work, found before any peer does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// Two connections, or two children of one connection, have the same name.
    DuplicateName {
        /// The name.
        name: String,
    },
    /// The connection's pre-shared key is empty.
    EmptyPsk {
        /// Its name.
        connection: String,
    },
    /// No IKE proposal.
    NoProposals {
        /// Its name.
        connection: String,
    },
    /// No ESP proposal.
    NoEspProposals {
        /// Connection and child.
        connection: String,
        /// Connection and child.
        child: String,
    },
    /// One side of a child has no traffic selector, or the two sides share no address family.
    NoSelectors {
        /// Connection and child.
        connection: String,
        /// Connection and child.
        child: String,
    },
    /// Transport mode selects addresses other than the peers' own, as only a tunnel can.
    TransportPrefix {
        /// Connection and child.
        connection: String,
        /// Connection and child.
        child: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateName { name } => write!(f, "the name {name} is used twice"),
            Self::EmptyPsk { connection } => write!(f, "{connection}: the pre-shared key is empty"),
            Self::NoProposals { connection } => write!(f, "{connection}: no IKE proposal"),
            Self::NoEspProposals { connection, child } => write!(f, "{connection}.{child}: no ESP proposal"),
            Self::NoSelectors { connection, child } => {
                write!(f, "{connection}.{child}: local_ts and remote_ts have no address family in common")
            }
            Self::TransportPrefix { connection, child } => {
                write!(f, "{connection}.{child}: transport mode protects the peers' own addresses only")
            }
        }
    }
}

impl core::error::Error for ConfigError {}

impl Config {
    /// Refuses what could only fail once a peer is there.
    ///
    /// # Errors
    /// The first [`ConfigError`] found, with the names of the connection and child.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (index, connection) in self.connections.iter().enumerate() {
            let name = &connection.name;
            if self.connections.iter().take(index).any(|other| other.name == *name) {
                return Err(ConfigError::DuplicateName { name: name.clone() });
            }
            if connection.psk.octets().is_empty() {
                return Err(ConfigError::EmptyPsk { connection: name.clone() });
            }
            if connection.proposals.is_empty() {
                return Err(ConfigError::NoProposals { connection: name.clone() });
            }
            for (index, child) in connection.children.iter().enumerate() {
                if connection.children.iter().take(index).any(|other| other.name == child.name) {
                    return Err(ConfigError::DuplicateName { name: child.name.clone() });
                }
                child.check(name)?;
            }
        }
        Ok(())
    }
}

impl Child {
    fn check(&self, connection: &str) -> Result<(), ConfigError> {
        let names = || (connection.into(), self.name.clone());
        if self.esp_proposals.is_empty() {
            let (connection, child) = names();
            return Err(ConfigError::NoEspProposals { connection, child });
        }
        let family = |spec: &SelectorSpec| match spec {
            SelectorSpec::Fixed(selector) => Some(selector.first.is_ipv4()),
            SelectorSpec::Dynamic { .. } => None,
        };
        let paired = self.local_ts.iter().any(|local| {
            self.remote_ts.iter().any(|remote| match (family(local), family(remote)) {
                (Some(a), Some(b)) => a == b,
                _ => true,
            })
        });
        if !paired {
            let (connection, child) = names();
            return Err(ConfigError::NoSelectors { connection, child });
        }
        let wide = |spec: &SelectorSpec| matches!(spec, SelectorSpec::Fixed(s) if s.first != s.last);
        if self.mode == Mode::Transport && self.local_ts.iter().chain(&self.remote_ts).any(wide) {
            let (connection, child) = names();
            return Err(ConfigError::TransportPrefix { connection, child });
        }
        Ok(())
    }
}
