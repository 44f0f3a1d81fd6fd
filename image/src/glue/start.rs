//! From power-on to a gateway: entropy, configuration, ports.

use alloc::{boxed::Box, format, string::String, vec::Vec};
use core::fmt;

use gateway::config::{self, Binding, Config};
use gateway::devices::{self, NoDevice};
use gateway::{Gateway, PortDevice, SetupError};
use kernel::rng::{NoEntropy, Rng};
use kernel::{Exit, Machine};
use net::{Nic, Pool, PortId};

use super::ports::{self, OpenError, Port, RING};
use super::{drive, entropy};

/// The configuration that was built in (`RAVELIN_CONFIG=FILE cargo xtask image`).
#[cfg(baked_config)]
const BUILT_IN: Option<&str> = Some(include_str!(env!("RAVELIN_BAKED_CONFIG")));
#[cfg(not(baked_config))]
const BUILT_IN: Option<&str> = None;

/// fw_cfg directory of the configuration and of the secret files that it names.
const FILES: &str = "opt/ravelin/";
/// Buffers beyond the receive rings: what is on its way through the gateway or waits to be sent.
const SPARE: usize = 128;

/// Frames that fit a standard buffer, with one VLAN tag, and what a frame adds to an IP packet.
const FRAME: usize = 1500 + FRAME_HEADER;
const FRAME_HEADER: usize = 18;

/// Why the gateway did not start.
#[derive(Debug)]
pub(crate) enum StartError {
    /// Neither fw_cfg, nor a boot module, nor the image has a configuration.
    NoConfig,
    /// The configuration from this place is no UTF-8.
    NotText(&'static str),
    /// The first mistake in it.
    Config(config::Error),
    /// No keys can be made.
    NoEntropy(NoEntropy),
    /// A port without a device.
    NoDevice(NoDevice),
    /// Fewer buffers than the ports' receive rings and some traffic need.
    Buffers {
        /// As configured.
        configured: usize,
        /// At least.
        needed: usize,
    },
    /// The device of a port.
    Open(String, OpenError),
    /// What only showed when everything was put together.
    Setup(SetupError),
}

impl StartError {
    /// The exit code that tells a script.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::NoConfig | Self::NotText(_) | Self::Config(_) | Self::Buffers { .. } | Self::Setup(_) => {
                Exit::Configuration
            }
            Self::NoEntropy(_) => Exit::NoEntropy,
            Self::NoDevice(_) | Self::Open(..) => Exit::Failure,
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoConfig => {
                write!(f, "no configuration: no fw_cfg file {FILES}config, no boot module, none built in")
            }
            Self::NotText(place) => write!(f, "configuration from {place}: not UTF-8"),
            Self::Config(error) => write!(f, "configuration: {error}"),
            Self::NoEntropy(error) => write!(f, "{error}"),
            Self::NoDevice(error) => write!(f, "{error}"),
            Self::Buffers { configured, needed } => {
                write!(
                    f,
                    "configuration: gateway.buffers: found {configured}; these ports need at least {needed}"
                )
            }
            Self::Open(port, error) => write!(f, "port \"{port}\": {error}"),
            Self::Setup(error) => write!(f, "configuration: {error}"),
        }
    }
}

/// Runs the gateway until somebody ends it.
///
/// # Errors
/// Whatever kept it from starting.
pub(crate) fn run(machine: &Machine) -> Result<Exit, StartError> {
    let rng = randomness()?;
    let config = configuration(machine)?;
    kernel::console::set_level(
        machine.option("log").and_then(|it| it.parse().ok()).unwrap_or(config.gateway.log),
    );
    let pool = pool(&config)?;
    let mut ports = open(&config, &pool)?;
    let devices: Vec<_> = ports
        .iter()
        .zip(&config.ports)
        .map(|(port, configured)| {
            let device = port.nic.link().mtu;
            PortDevice { mac: port.nic.mac(), mtu: configured.mtu.map_or(device, |mtu| mtu.min(device)) }
        })
        .collect();
    let answers = !config.connections.is_empty();
    let cards = (0..).map(PortId).zip(&mut ports);
    let cards = cards.filter_map(|(id, port)| Some((id, port.nic.inner().card()?))).collect();
    let gateway = Gateway::with_cards(config, &devices, cards, pool, Box::new(rng), drive::now())
        .map_err(StartError::Setup)?;
    let memory = kernel::mem::usage();
    log::info!(
        "ready: {}, {} ports, {} KiB of {} KiB memory in use",
        if answers { "IKE ready" } else { "no IKE" },
        ports.len(),
        (memory.ram - memory.free) / 1024,
        memory.ram / 1024,
    );
    Ok(drive::run(gateway, ports))
}

/// The generator, once it has enough entropy. A CPU with RDSEED has seeded it already; virtio-rng comes in
/// addition.
fn randomness() -> Result<Rng, StartError> {
    let mixed_in = entropy::gather();
    log::debug!("entropy: {mixed_in} bytes from virtio-rng");
    Rng::new().map_err(StartError::NoEntropy)
}

fn configuration(machine: &Machine) -> Result<Config, StartError> {
    let fw_cfg = kernel::fw_cfg::file("opt/ravelin/config");
    let module = machine.modules().next();
    let (place, bytes) = match (&fw_cfg, module, BUILT_IN) {
        (Some(bytes), ..) => ("fw_cfg", bytes.as_slice()),
        (None, Some(bytes), _) => ("module", bytes),
        (None, None, Some(text)) => ("built-in", text.as_bytes()),
        (None, None, None) => return Err(StartError::NoConfig),
    };
    let text = core::str::from_utf8(bytes).map_err(|_| StartError::NotText(place))?;
    let secret = |name: &str| kernel::fw_cfg::file(&format!("{FILES}{name}"));
    config::parse(place, text, &secret).map_err(StartError::Config)
}

fn pool(config: &Config) -> Result<Pool, StartError> {
    let (configured, needed) = (config.gateway.buffers, config.ports.len() * RING + SPARE);
    if configured < needed {
        return Err(StartError::Buffers { configured, needed });
    }
    // Frames of a port with a large MTU have to fit as well.
    let mtu = config.ports.iter().filter_map(|port| port.mtu).max().unwrap_or_default();
    let frame = usize::from(mtu) + FRAME_HEADER;
    Ok(if frame > FRAME { Pool::for_frames(configured, frame) } else { Pool::new(configured) })
}

/// Opens the ports in the order of the configuration.
fn open(config: &Config, pool: &Pool) -> Result<Vec<Port>, StartError> {
    let mut found: Vec<_> = ports::find().into_iter().map(Some).collect();
    let by_mac = config.ports.iter().any(|port| matches!(port.binding, Binding::Mac(_)));
    let identities: Vec<_> = found.iter_mut().flatten().map(|device| device.identity(by_mac)).collect();
    let assigned = devices::assign(&config.ports, &identities).map_err(StartError::NoDevice)?;
    let mut opened = Vec::with_capacity(assigned.len());
    for ((index, device), port) in (0..).zip(assigned).zip(&config.ports) {
        // Each device is assigned once.
        let Some(device) = found.get_mut(device).and_then(Option::take) else { continue };
        let place = device.function.address;
        let started = device
            .open(pool.clone(), PortId(index), port.mtu)
            .map_err(|error| StartError::Open(port.name.clone(), error))?;
        let mut started = started;
        let (mac, link, kind) = (started.nic.mac(), started.nic.link(), started.nic.inner().kind());
        log::info!(
            "port {}: {kind} {place} {mac} mtu {} {}",
            port.name,
            link.mtu,
            if link.up { "up" } else { "down" }
        );
        opened.push(started);
    }
    found.into_iter().flatten().for_each(ports::Found::leave);
    Ok(opened)
}
