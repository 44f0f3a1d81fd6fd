//! From the configuration to a gateway: stack, policies, responder, static SAs.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};
use core::fmt;
use core::net::IpAddr;

use ike_lite::{Endpoint, EspAlgorithm, TrafficSelector};
use ipsec::offload::{Card, Hardware};
use ipsec::{
    AddressRange, Algorithm, Df, Dscp, Ecn, InstallError, Ipsec, Key, Mode, Negotiated, Outer, Policy,
    SaParams, Selector, Spi, UdpEncap,
};
use net::wire::EthernetAddress;
use net::{Instant, Pool, PortConfig, PortId, Stack, StackConfig};
use rand_core::CryptoRng;

use crate::cause::Counters;
use crate::config::{self, Action, Config, CopyDscp, Direction, ManualSa, Protection, Source};
use crate::gateway::{ChildRule, Gateway, Port, Rule};
use crate::quiet::Quiet;
use crate::slots::{Sends, Slot, Slots};

/// What a port's device says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortDevice {
    /// Hardware address.
    pub mac: EthernetAddress,
    /// Largest IP packet in bytes.
    pub mtu: u16,
}

/// Why there is no gateway.
#[derive(Debug)]
pub enum SetupError {
    /// Not one device for each port.
    Devices {
        /// Ports of the configuration.
        ports: usize,
        /// Devices given.
        devices: usize,
    },
    /// The responder refuses its configuration.
    Ike(ike_lite::ConfigError),
    /// An SA with static keys cannot be installed.
    Sa {
        /// Its SPI.
        spi: u32,
        /// Why.
        error: InstallError,
    },
    /// `hw_offload = "packet"`, and no port that could be meant has a card that does ESP.
    NoCard {
        /// Name of the policy.
        name: String,
    },
    /// The selectors of a policy cover nothing.
    EmptyPolicy {
        /// Its name.
        name: String,
    },
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Devices { ports, devices } => write!(f, "{ports} ports and {devices} devices"),
            Self::Ike(error) => write!(f, "IKE: {error}"),
            Self::Sa { spi, error } => match error {
                InstallError::Card(reason) => write!(f, "SA {spi:08x}: not on a card: {reason}"),
                error => write!(f, "SA {spi:08x}: {error:?}"),
            },
            Self::NoCard { name } => {
                write!(
                    f,
                    "policy \"{name}\": hw_offload = \"packet\", but no card that does ESP is there for it"
                )
            }
            Self::EmptyPolicy { name } => write!(f, "policy \"{name}\" covers no packet"),
        }
    }
}

impl core::error::Error for SetupError {}

impl Gateway {
    /// A gateway. `devices` are those of the configuration's ports, in the same order; `pool` has the
    /// buffers of packets that the gateway makes itself; `rng` must be unpredictable.
    ///
    /// # Errors
    /// What only shows when everything is put together; a [`Config`] from [`config::parse`] rarely fails.
    pub fn new(
        config: Config,
        devices: &[PortDevice],
        pool: Pool,
        rng: Box<dyn CryptoRng>,
        now: Instant,
    ) -> Result<Self, SetupError> {
        Self::with_cards(config, devices, Vec::new(), pool, rng, now)
    }

    /// As [`Gateway::new`]; `cards` do ESP for SAs whose packets pass their ports.
    ///
    /// # Errors
    /// As [`Gateway::new`], and when the configuration insists on a card where there is none.
    pub fn with_cards(
        config: Config,
        devices: &[PortDevice],
        cards: Vec<(PortId, Box<dyn Card>)>,
        pool: Pool,
        mut rng: Box<dyn CryptoRng>,
        now: Instant,
    ) -> Result<Self, SetupError> {
        if devices.len() != config.ports.len() {
            return Err(SetupError::Devices { ports: config.ports.len(), devices: devices.len() });
        }
        let own = config.ports.iter().flat_map(|port| &port.addresses).map(|prefix| prefix.addr()).collect();
        let stack = Stack::new(stack_config(&config, devices, rng.next_u64()), pool.clone());
        let mut ipsec = Ipsec::new(config.gateway.sas);
        let esp: Vec<PortId> = cards.iter().map(|(port, _)| *port).collect();
        for (port, card) in cards {
            ipsec.attach(port, card);
        }
        let mut rules = Vec::new();
        let mut children = Vec::new();
        let transport = config.sas.iter().filter(|sa| sa.mode == ike_lite::Mode::Transport);
        let transport: BTreeSet<usize> = transport.map(|sa| sa.policy).collect();
        for (index, policy) in config.policies.iter().enumerate() {
            let selectors = selectors(&policy.local, &policy.remote);
            if selectors.is_empty() {
                return Err(SetupError::EmptyPolicy { name: policy.name.clone() });
            }
            let action = action(&config, policy, transport.contains(&index));
            let id = ipsec.spd_mut().push(Policy { selectors, action });
            rules.push(Rule { id, name: policy.name.clone(), no_sa: 0 });
            if let Action::Protect(Source::Child { connection, child }) = policy.action
                && let Some(conn) = config.connections.get(connection)
                && let (Some(spec), Some(protection)) =
                    (conn.ike.children.get(child), conn.children.get(child))
            {
                let on_card = match protection.hw_interface {
                    Some(pinned) => esp.iter().any(|port| usize::from(port.0) == pinned),
                    None => !esp.is_empty(),
                };
                if protection.hw_offload == Hardware::Packet && !on_card {
                    return Err(SetupError::NoCard { name: policy.name.clone() });
                }
                children.push(ChildRule {
                    connection: conn.ike.name.clone(),
                    child: spec.name.clone(),
                    policy: id,
                    protection: *protection,
                });
            }
        }
        let ike = endpoint(&config, &mut *rng)?;
        let port = |(id, port): (u8, &config::Port)| Port {
            name: port.name.clone(),
            side: port.side,
            esp: esp.contains(&PortId(id)),
            rx: Default::default(),
            tx: Default::default(),
        };
        let mut gateway = Self {
            name: config.gateway.name.clone(),
            keylog: config.gateway.keylog,
            ports: (0..).zip(&config.ports).map(port).collect(),
            rules,
            children,
            stack,
            ipsec,
            // The first poll finds out when it wants to be called.
            ike_wake: if ike.is_some() { now } else { Instant::NEVER },
            ike,
            ident: rng.next_u32() as u16,
            rng,
            pool,
            own,
            slots: Slots::default(),
            cards: esp.len(),
            trains: net::Trains::default(),
            came: (0, None),
            given_back: 0,
            pairs: BTreeMap::new(),
            ike_sas: BTreeMap::new(),
            refusals: Quiet::default(),
            counters: Counters::default(),
            tap: None,
            started: now,
            status_interval: config.gateway.status_interval,
            status_at: config.gateway.status_interval.map_or(Instant::NEVER, |interval| now + interval),
        };
        for sa in &config.sas {
            gateway.install_manual(now, sa).map_err(|error| SetupError::Sa { spi: sa.spi, error })?;
        }
        if config.gateway.keylog {
            log::warn!("keylog: every negotiated key goes to the log");
        }
        Ok(gateway)
    }

    fn install_manual(&mut self, now: Instant, sa: &ManualSa) -> Result<(), InstallError> {
        let policy = self.rules.get(sa.policy).map(|rule| rule.id).unwrap_or(ipsec::PolicyId(u32::MAX));
        let selectors =
            self.ipsec.spd().policy(policy).map(|policy| policy.selectors.clone()).unwrap_or_default();
        let cut_inside = selectors.iter().all(|selector| selector.upper == ipsec::Upper::Any);
        let direction = match sa.direction {
            Direction::In => ipsec::Direction::In,
            Direction::Out => ipsec::Direction::Out,
        };
        let mode = mode(sa.mode, sa.local, sa.remote);
        let algorithm = algorithm(sa.algorithm);
        let given = sa.key.0.len();
        let key = Key::new(&sa.key.0).ok_or(InstallError::KeyLength { algorithm, given })?;
        let params = SaParams {
            encap: sa.encap.map(|(local_port, remote_port)| UdpEncap { local_port, remote_port }),
            keepalive: None,
            esn: sa.esn,
            replay_window: sa.protection.replay_window,
            lifetime: lifetimes(&sa.lifetimes),
            outer: outer(&sa.protection),
            wish: self.wish(&sa.protection, sa.remote),
            ..SaParams::new(direction, Spi(sa.spi), mode, (algorithm, key), (policy, selectors))
        };
        let handle = self.ipsec.install(now, params)?;
        let mut slot = Slot::new(handle, None, sa.remote, mode.is_tunnel());
        slot.card = self.ipsec.placement(handle).and_then(|placement| placement.card());
        if direction == ipsec::Direction::Out {
            slot.sends = Some(Sends { spi: sa.spi, local: sa.local, ports: sa.encap, cut_inside });
            self.ipsec.activate_outbound(policy, handle);
        }
        self.slots.insert(slot);
        Ok(())
    }
}

fn stack_config(config: &Config, devices: &[PortDevice], seed: u64) -> StackConfig {
    let port = |(port, device): (&config::Port, &PortDevice)| PortConfig {
        mac: device.mac,
        addresses: port.addresses.clone(),
        mtu: port.mtu.map_or(device.mtu, |mtu| mtu.min(device.mtu)),
    };
    let route = |route: &config::Route| net::Route {
        prefix: route.to,
        via: route.via,
        port: PortId(u8::try_from(route.port).unwrap_or(u8::MAX)),
        metric: route.metric,
    };
    StackConfig {
        ports: config.ports.iter().zip(devices).map(port).collect(),
        routes: config.routes.iter().map(route).collect(),
        seed,
        ..StackConfig::default()
    }
}

fn endpoint(config: &Config, rng: &mut dyn CryptoRng) -> Result<Option<Endpoint>, SetupError> {
    if config.connections.is_empty() {
        return Ok(None);
    }
    let limits = ike_lite::Limits {
        half_open: config.gateway.half_open,
        cookie_threshold: config.gateway.cookie_threshold,
        ..ike_lite::Limits::default()
    };
    let ike = ike_lite::Config {
        connections: config.connections.iter().map(|connection| connection.ike.clone()).collect(),
        limits,
        keylog: config.gateway.keylog,
        ..ike_lite::Config::default()
    };
    Endpoint::new(ike, rng).map(Some).map_err(SetupError::Ike)
}

/// `manual`: an SA with static keys of this policy is one of transport mode.
fn action(config: &Config, policy: &config::Policy, manual: bool) -> ipsec::Action {
    let transport = match policy.action {
        Action::Bypass => return ipsec::Action::Bypass,
        Action::Discard => return ipsec::Action::Discard,
        Action::Protect(Source::Child { connection, child }) => config
            .connections
            .get(connection)
            .and_then(|connection| connection.ike.children.get(child))
            .is_some_and(|child| child.mode == ike_lite::Mode::Transport),
        Action::Protect(Source::Manual) => manual,
    };
    ipsec::Action::Protect { transport }
}

/// Every pair of one family and compatible protocols out of the selectors of the two sides.
pub(crate) fn selectors(local: &[TrafficSelector], remote: &[TrafficSelector]) -> Vec<Selector> {
    let side = |ts: &TrafficSelector| {
        Some(Negotiated {
            addresses: AddressRange::new(ts.first, ts.last)?,
            proto: ts.protocol,
            ports: (ts.first_port, ts.last_port),
        })
    };
    let mut all = Vec::new();
    for local in local.iter().filter_map(side) {
        all.extend(remote.iter().filter_map(side).filter_map(|remote| Selector::negotiated(local, remote)));
    }
    all
}

pub(crate) fn mode(mode: ike_lite::Mode, local: IpAddr, remote: IpAddr) -> Mode {
    match mode {
        ike_lite::Mode::Tunnel => Mode::Tunnel { local, remote },
        ike_lite::Mode::Transport => Mode::Transport { local, remote },
    }
}

pub(crate) fn algorithm(algorithm: EspAlgorithm) -> Algorithm {
    match algorithm {
        EspAlgorithm::AesGcm128 => Algorithm::AesGcm128,
        EspAlgorithm::AesGcm256 => Algorithm::AesGcm256,
        EspAlgorithm::ChaCha20Poly1305 => Algorithm::ChaCha20Poly1305,
    }
}

pub(crate) fn lifetimes(lifetimes: &ike_lite::Lifetimes) -> ipsec::Lifetimes {
    let limits = |limits: &ike_lite::Lifetime| ipsec::Limits {
        bytes: limits.bytes,
        packets: limits.packets,
        time: limits.time,
    };
    ipsec::Lifetimes { soft: limits(&lifetimes.soft), hard: limits(&lifetimes.hard) }
}

pub(crate) fn outer(protection: &Protection) -> Outer {
    Outer {
        dscp: match protection.copy_dscp {
            CopyDscp::Out => Dscp::Copy,
            CopyDscp::No => Dscp::Set(0),
        },
        ecn: if protection.copy_ecn { Ecn::Normal } else { Ecn::Compatibility },
        df: if protection.copy_df { Df::Copy } else { Df::Clear },
        ..Outer::default()
    }
}
