//! The bed that every bench measures on: an initiator (strongSwan with ESP in the daemon) on the outside, a host on the
//! inside, and between them one gateway under QEMU, ours or the appliance, with the same addresses and the same options.
//!
//! ```text
//!  outside namespace            QEMU                inside namespace
//!  10.1.0.1 (lo)  charon
//!  10.9.0.1 br0 ─ tap ─ 10.9.0.2  gateway  10.2.0.1 ─ tap ─ br0 10.2.0.10
//! ```
//!
//! The bridges are there before QEMU, and pings are under way while the gateway boots. The initiator starts when the
//! gateway says that it answers IKE: then no pace of retransmission is in the figures, and no early refusal.

use super::appliance::Appliance;
use super::error::{Error, Result};
use core::time::Duration;
use ravelin_tests::charon::Charon;
use ravelin_tests::error::demand;
use ravelin_tests::namespace::Namespace;
use ravelin_tests::paths;
use ravelin_tests::process::{Process, describe};
use ravelin_tests::qemu::{self, Machine, Port, Qemu};
use ravelin_tests::site::Site;
use ravelin_tests::swanctl::{Child, Connection};
use ravelin_tests::transcript::{Line, Transcript};
use std::process::Command;
use std::time::Instant;

/// The initiator's protected address.
pub(crate) const FAR_HOST: &str = "10.1.0.1";
/// The inside host, which the initiator reaches only through the tunnel.
pub(crate) const NEAR_HOST: &str = "10.2.0.10";
const OUTSIDE_PEER: &str = "10.9.0.1";
const OUTSIDE_GATEWAY: &str = "10.9.0.2";
const INSIDE_GATEWAY: &str = "10.2.0.1";
const BRIDGE: &str = "br0";
/// Last octets of the gateway's two hardware addresses.
const OUTSIDE_MAC: u8 = 1;
const INSIDE_MAC: u8 = 2;
/// Last octet of the hardware address of either bridge.
const BRIDGE_MAC: u8 = 0xff;

/// Repeats what was not answered, at a pace that no responder takes for a flood: under a flood strongSwan asks for
/// cookies, and is seconds late.
const RETRANSMIT: &str = "retransmit_timeout = 0.1\n  retransmit_base = 1.0\n  retransmit_tries = 100";
/// The harness logs every packet and every key; a bench does not.
const QUIET_LOG: &str =
    "filelog { log {\n default = 0\n ike = 0\n chd = 0\n cfg = 0\n knl = 0\n esp = 0\n } }";

/// Properties of a virtio-net device that take every offload away.
const NO_OFFLOADS: &str = "csum=off,gso=off,guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ufo=off,\
                           guest_ecn=off,host_tso4=off,host_tso6=off,host_ufo=off,host_ecn=off,mrg_rxbuf=off";

const IMAGE_CONFIG: &str = include_str!("image.toml");

/// How often a bed that waits for a line looks whether QEMU is still there.
const LOOK: Duration = Duration::from_millis(250);

/// A gateway under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Gateway {
    /// Ours, on this QEMU machine.
    Image(Board),
    /// Linux + strongSwan, with virtio's offloads or without.
    Appliance {
        /// Whether the devices offer checksum and segmentation offload.
        offloads: bool,
    },
}

/// QEMU's machines that the image runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Board {
    /// A small machine without firmware work.
    Microvm,
    /// A PC with PCI Express.
    Q35,
}

impl Board {
    /// As QEMU's `-M` takes it.
    fn machine(self) -> &'static str {
        match self {
            Board::Microvm => "microvm,pcie=on",
            Board::Q35 => "q35",
        }
    }

    /// As rows are named.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Board::Microvm => "microvm",
            Board::Q35 => "q35",
        }
    }
}

impl Gateway {
    /// As messages and rows are named.
    pub(crate) fn name(self) -> String {
        match self {
            Gateway::Image(board) => format!("ravelin {}", board.name()),
            Gateway::Appliance { offloads: true } => "appliance".to_owned(),
            Gateway::Appliance { offloads: false } => "appliance, offloads off".to_owned(),
        }
    }

    /// The console line that says that IKE requests are answered from now on.
    fn ready_line(self) -> &'static str {
        match self {
            Gateway::Image(_) => "IKE ready",
            Gateway::Appliance { .. } => "^IKEUP ",
        }
    }

    /// How long its first protected ping may take on a loaded machine.
    fn patience(self) -> Duration {
        match self {
            Gateway::Image(_) => Duration::from_secs(10),
            Gateway::Appliance { .. } => Duration::from_secs(45),
        }
    }
}

/// What QEMU is told besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    /// Guest memory in MiB.
    pub(crate) memory: u32,
    /// TCG's translation buffer in MiB; QEMU's own choice if there is none.
    pub(crate) translation_buffer: Option<u32>,
}

impl Size {
    /// Guest memory in MiB, and QEMU's defaults.
    pub(crate) fn memory(memory: u32) -> Self {
        Self { memory, translation_buffer: None }
    }
}

/// When things happened, counted from the start of QEMU.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// The gateway said that it answers IKE.
    pub(crate) ready: Duration,
    /// The first protected ping came back.
    pub(crate) first_ping: Duration,
    /// Processor time of QEMU until then.
    pub(crate) processor: Duration,
}

/// A gateway that carries protected traffic, and the two ends. Dropped, it leaves nothing behind.
pub(crate) struct Bed {
    /// The initiator's side.
    pub(crate) outside: Namespace,
    /// The inside host's side.
    pub(crate) inside: Namespace,
    /// The gateway's QEMU.
    pub(crate) qemu: Qemu,
    /// How the start went.
    pub(crate) times: Times,
    /// Runs as long as the bed.
    _charon: Charon,
}

impl Bed {
    /// Starts a gateway and waits until a ping has crossed it protected.
    ///
    /// # Errors
    /// [`Error::NoPing`] when none does, and whatever keeps the bed from being set up.
    pub(crate) fn start(gateway: Gateway, size: Size) -> Result<Self> {
        let appliance = match gateway {
            Gateway::Image(_) => None,
            Gateway::Appliance { .. } => Some(Appliance::ready()?),
        };
        let site = Site::new("bench")?;
        let (outside, inside) = (site.namespace("o")?, site.namespace("i")?);
        wire(&outside, &inside)?;
        let charon = Charon::start_with(&outside, &[initiator()], &[RETRANSMIT, QUIET_LOG])?;
        let ping = outside.spawn("ping", "ping", &["-n", "-i", "0.01", "-I", FAR_HOST, NEAR_HOST])?;
        let machine = machine(&site, gateway, size, appliance.as_ref(), &outside, &inside)?;
        let mut qemu = machine.start(&site, "qemu")?;
        let console = qemu.console().clone();
        let deadline = Instant::now() + gateway.patience();
        let seen = |line: Option<Line>| {
            let gateway = format!("{} with {} MiB", gateway.name(), size.memory);
            line.ok_or_else(|| Error::NoPing { gateway, console: console.tail() })
        };
        let ready = seen(line(&console, gateway.ready_line(), &mut qemu, deadline))?.at;
        let _initiate = initiate(&outside, &charon)?;
        let reply = seen(line(ping.transcript(), "bytes from", &mut qemu, deadline))?;
        let first_ping = (ping.started() + reply.at).saturating_duration_since(console.started());
        let processor = qemu.usage().cpu;
        let associations = charon.list_sas()?;
        demand(associations.contains("INSTALLED, TUNNEL"), "a tunnel that the ping took", associations)?;
        Ok(Self { outside, inside, qemu, times: Times { ready, first_ping, processor }, _charon: charon })
    }
}

/// The first line of `transcript` that has `pattern`; none when QEMU ends or `deadline` passes before.
fn line(transcript: &Transcript, pattern: &str, qemu: &mut Qemu, deadline: Instant) -> Option<Line> {
    while Instant::now() < deadline && qemu.process().poll().is_none() {
        if let Ok(line) = transcript.expect_from(0, pattern, LOOK) {
            return Some(line);
        }
    }
    None
}

/// Bridges, addresses, routes, and the neighbours that need no asking.
fn wire(outside: &Namespace, inside: &Namespace) -> Result<()> {
    for (namespace, address, gateway, mac) in [
        (outside, format!("{OUTSIDE_PEER}/24"), OUTSIDE_GATEWAY, OUTSIDE_MAC),
        (inside, format!("{NEAR_HOST}/24"), INSIDE_GATEWAY, INSIDE_MAC),
    ] {
        // Nothing but the measurement is on the wire: no router solicitations, no multicast reports.
        namespace.sysctl("net.ipv6.conf.all.disable_ipv6", "1")?;
        namespace.sysctl("net.ipv6.conf.default.disable_ipv6", "1")?;
        namespace.bridge(BRIDGE)?;
        // A bridge without an address of its own takes its first port's, and that forgets the neighbours.
        namespace.ip(&format!("link set {BRIDGE} address {}", qemu::mac(BRIDGE_MAC)))?;
        namespace.address(BRIDGE, &address)?;
        namespace.ip(&format!("neigh replace {gateway} lladdr {} dev {BRIDGE}", qemu::mac(mac)))?;
    }
    outside.address("lo", &format!("{FAR_HOST}/24"))?;
    inside.route(&format!("default via {INSIDE_GATEWAY}"))?;
    Ok(())
}

/// The one connection of every bench, as the initiator sees it.
fn initiator() -> Connection {
    let child = Child::tunnel("net", "aes128gcm16", "10.1.0.0/24", "10.2.0.0/24");
    let connection = Connection::new(OUTSIDE_PEER, OUTSIDE_GATEWAY).child(child);
    Connection { proposals: "aes128gcm16-prfsha256-ecp256".to_owned(), ..connection }
}

/// Asks for the tunnel until it stands.
fn initiate(outside: &Namespace, charon: &Charon) -> Result<Process> {
    let command = charon.swanctl_command(&["--initiate", "--child", "net"]);
    let mut script = String::new();
    for (key, value) in command.get_envs() {
        let value = value.unwrap_or_default();
        script += &format!("export {}='{}'\n", key.display(), value.display());
    }
    script += &format!("until {}; do sleep 0.02; done", describe(&command));
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]);
    Ok(Process::spawn(outside.site(), "initiate", shell)?)
}

fn machine(
    site: &Site,
    gateway: Gateway,
    size: Size,
    appliance: Option<&Appliance>,
    outside: &Namespace,
    inside: &Namespace,
) -> Result<Machine> {
    let mut machine = match (gateway, appliance) {
        (Gateway::Appliance { .. }, Some(appliance)) => {
            let line = Appliance::command_line(
                &format!("{OUTSIDE_GATEWAY}/24"),
                &format!("{INSIDE_GATEWAY}/24"),
                OUTSIDE_PEER,
            );
            Machine::linux(&appliance.kernel, &appliance.initramfs, &line, size.memory)
        }
        (gateway, _) => {
            let config = site.write("gateway.toml", IMAGE_CONFIG)?;
            let image = Machine::ravelin(&paths::image(), &config);
            let board = if let Gateway::Image(board) = gateway { board } else { Board::Q35 };
            Machine { machine: board.machine().to_owned(), memory: size.memory, ..image }
        }
    };
    machine.accel = "tcg,thread=multi".to_owned();
    if let Some(buffer) = size.translation_buffer {
        machine.accel += &format!(",tb-size={buffer}");
    }
    for (number, namespace, tap) in [(OUTSIDE_MAC, outside, "tap0"), (INSIDE_MAC, inside, "tap1")] {
        let mut port = Port::bridged(number, namespace, tap, BRIDGE);
        if gateway == (Gateway::Appliance { offloads: false }) {
            port.options = NO_OFFLOADS.to_owned();
        }
        machine = machine.port(port);
    }
    Ok(machine)
}
