//! The world that the interop suites share: the image between an inside host and an outside wire.
//!
//! ```text
//!  namespace i                       QEMU                       namespace o
//!  host 10.2.0.10  ─ tap ─ 10.2.0.1 image 10.9.0.2 ─ tap ─ bridge `wire` 10.9.0.1 ─ 10.1.0.1 (on lo)
//!       fd02::10           fd02::1        fd09::2                        fd09::1    fd01::1
//! ```
//! strongSwan runs in `o` itself and owns 10.9.0.1; User-Mode Linux hangs on the bridge and owns it instead.

use crate::error::{Result, demand};
use crate::namespace::Namespace;
use crate::oracle::model::Model;
use crate::paths;
use crate::prerequisites::{self, Need};
use crate::process::Process;
use crate::qemu::{Machine, Port, Qemu};
use crate::site::Site;
use crate::swanctl::{Child, Connection, SECRET};
use crate::uml::Guest;
use core::time::Duration;
use std::collections::BTreeMap;
use std::time::Instant;

/// Outer and inner addresses, IPv4.
pub const GATEWAY: &str = "10.9.0.2";
/// The peer's outer address.
pub const PEER: &str = "10.9.0.1";
/// The peer on the second outside wire.
pub const BACKUP_PEER: &str = "10.19.0.1";
/// A host behind the gateway.
pub const HOST: &str = "10.2.0.10";
/// A host behind the peer (the peer itself).
pub const PEER_HOST: &str = "10.1.0.1";
/// The network behind the gateway.
pub const NET: &str = "10.2.0.0/24";
/// The network behind the peer.
pub const PEER_NET: &str = "10.1.0.0/24";
/// The same in IPv6.
pub const GATEWAY6: &str = "fd09::2";
/// The peer's outer address.
pub const PEER6: &str = "fd09::1";
/// A host behind the gateway.
pub const HOST6: &str = "fd02::10";
/// A host behind the peer.
pub const PEER_HOST6: &str = "fd01::1";
/// The network behind the gateway.
pub const NET6: &str = "fd02::/64";
/// The network behind the peer.
pub const PEER_NET6: &str = "fd01::/64";
/// The interface of the bridge in the outside namespace.
pub const WIRE: &str = "wire";

/// Every ESP proposal that the image has, as its configuration writes it.
pub const ALL_ESP: &str =
    r#"["aes128gcm16-esn-noesn", "aes256gcm16-esn-noesn", "chacha20poly1305-esn-noesn"]"#;

/// The image's configuration, with what tests vary as fields.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Lines of `[connections.gw]`.
    pub connection: String,
    /// `id` of the gateway and the peer.
    pub ids: (String, String),
    /// The pre-shared key.
    pub secret: String,
    /// The children: name and lines.
    pub children: Vec<(String, String)>,
    /// Whole tables at the end, e.g. `[[policy]]`.
    pub more: String,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            connection: String::from(
                "proposals = [\"aes256gcm16-prfsha384-ecp256\", \"aes128gcm16-prfsha256-x25519-ecp384\"]",
            ),
            ids: ("gw.test".into(), "peer.test".into()),
            secret: SECRET.into(),
            children: vec![(
                "net".into(),
                format!(
                    "local_ts = [\"{NET}\", \"{NET6}\"]\nremote_ts = [\"{PEER_NET}\", \"{PEER_NET6}\"]\n\
                     esp_proposals = {ALL_ESP}"
                ),
            )],
            more: String::new(),
        }
    }
}

impl Settings {
    /// The file's text.
    pub fn render(&self) -> String {
        let mut text = format!(
            "[gateway]\nname = \"under-test\"\nlog = \"info\"\nstatus_interval = 0\n
[[port]]\nname = \"outside\"\nside = \"outside\"\naddresses = [\"{GATEWAY}/24\", \"{GATEWAY6}/64\"]
[[port]]\nname = \"inside\"\nside = \"inside\"\naddresses = [\"10.2.0.1/24\", \"fd02::1/64\"]
[[route]]\nto = \"{PEER_NET}\"\nvia = \"{PEER}\"
[[route]]\nto = \"{PEER_NET6}\"\nvia = \"{PEER6}\"
"
        );
        if !self.children.is_empty() {
            text.push_str(&format!("[connections.gw]\n{}\n", self.connection));
            text.push_str(&format!(
                "[connections.gw.local]\nid = \"{}\"\n[connections.gw.remote]\nid = \"{}\"\n",
                self.ids.0, self.ids.1
            ));
            for (name, lines) in &self.children {
                text.push_str(&format!("[connections.gw.children.{name}]\n{lines}\n"));
            }
            text.push_str(&format!("[secrets.peers]\nsecret = \"{}\"\n", self.secret));
        }
        text.push_str(&self.more);
        text
    }

    /// Replaces the children by one.
    #[must_use]
    pub fn child(mut self, name: &str, lines: &str) -> Settings {
        self.children = vec![(name.into(), lines.into())];
        self
    }
}

/// A connection of the peer that matches the default settings, with the child `net`.
pub fn connection(esp: &str) -> Connection {
    Connection::new(PEER, GATEWAY).child(Child::tunnel("net", esp, PEER_NET, NET))
}

/// The default guest as peer: both families, its own hosts behind it.
pub fn guest(connections: Vec<Connection>) -> Guest {
    Guest {
        addresses: vec![format!("{PEER}/24"), format!("{PEER6}/64")],
        behind: vec![format!("{PEER_HOST}/24"), format!("{PEER_HOST6}/64")],
        routes: vec![
            format!("{NET} via {GATEWAY} src {PEER_HOST}"),
            format!("{NET6} via {GATEWAY6} src {PEER_HOST6}"),
        ],
        inside: None,
        connections,
    }
}

/// What the image's ports are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// Virtio devices, in QEMU's smallest machine for it.
    Virtio,
    /// Modelled cards of these profiles: outside, inside, and a second outside one on a wire of its own, at the end of which the
    /// peer is [`BACKUP_PEER`].
    Cards(&'static [&'static str]),
}

/// The image, booted, with an inside host and an outside wire.
pub struct World {
    /// The inside host's namespace.
    pub inside: Namespace,
    /// The outside namespace with the bridge.
    pub outside: Namespace,
    /// The server of its cards, outside and inside, if it has such.
    pub model: Option<Model>,
    /// The image.
    pub gateway: Qemu,
    /// What everything belongs to; last, so that it goes last.
    pub site: Site,
}

/// Until the image is ready.
const START: Duration = Duration::from_secs(20);
/// Memory of an image with cards in MiB, most of it for what their firmware asks for.
const CARD_MEMORY: u32 = 192;
/// The console line that tells that IKE answers.
pub const READY: &str = "ready: ";
/// The last line of a status (`image/src/control.rs`).
pub const STATUS_END: &str = "^end of status$";

/// The answer to `s` on the console.
#[derive(Clone, Debug)]
pub struct Status {
    /// Its lines.
    pub text: String,
}

impl Status {
    /// IKE SAs that are up.
    pub fn ikes(&self) -> u64 {
        self.number("ike_sas").unwrap_or(u64::MAX)
    }

    /// Child SAs that are up, a pair counted once.
    pub fn children(&self) -> u64 {
        self.number("child_sas").unwrap_or(u64::MAX)
    }

    /// Packets with ESP that came in fragments and were given back to the card that does their SA.
    pub fn given_back(&self) -> u64 {
        self.number("given_back").unwrap_or(u64::MAX)
    }

    /// Every cause of any layer for which something was dropped, with its count.
    pub fn drops(&self) -> BTreeMap<String, u64> {
        let mut drops = BTreeMap::new();
        for line in self.text.lines() {
            let Some((_, pairs)) = line.split_once("drops ") else { continue };
            for (cause, count) in pairs.split_whitespace().filter_map(|pair| pair.split_once('=')) {
                let count: u64 = count.parse().unwrap_or(0);
                let name = cause.rsplit('.').next().unwrap_or(cause);
                *drops.entry(name.to_string()).or_default() += count;
            }
        }
        drops
    }

    fn number(&self, key: &str) -> Option<u64> {
        let rest = self.text.split(&format!("{key}=")).nth(1)?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    }
}

/// What the gateway reports when asked with `s`.
///
/// # Errors
/// When it does not answer.
pub fn ask_status(gateway: &mut Qemu) -> Result<Status> {
    let mark = gateway.console().len();
    gateway.type_line("s")?;
    gateway.console().expect_from(mark, STATUS_END, Duration::from_secs(5))?;
    let lines = gateway.console().lines(mark);
    Ok(Status { text: lines.iter().map(|line| format!("{}\n", line.text)).collect() })
}

/// Who owns the peer's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerIs {
    /// The outside namespace itself.
    TheNamespace,
    /// A guest on the bridge.
    AGuest,
}

impl World {
    /// Makes the wires and boots the image with `settings` on virtio ports; returns when it says that it is ready.
    ///
    /// # Errors
    /// When something is missing or the image does not come up in time.
    pub fn boot(name: &str, needs: &[Need], peer: PeerIs, settings: &Settings) -> Result<World> {
        World::boot_on(Ports::Virtio, name, needs, peer, settings)
    }

    /// As [`World::boot`], on any ports.
    ///
    /// # Errors
    /// As there.
    pub fn boot_on(
        ports: Ports,
        name: &str,
        needs: &[Need],
        peer: PeerIs,
        settings: &Settings,
    ) -> Result<World> {
        prerequisites::check(&[&[Need::Root, Need::Network, Need::Qemu], needs].concat())?;
        let image = paths::image();
        demand(image.is_file(), "an image (cargo xtask image)", image.display())?;
        let site = Site::new(name)?;
        let (inside, outside) = (site.namespace("i")?, site.namespace("o")?);
        outside.bridge(WIRE)?;
        if peer == PeerIs::TheNamespace {
            for address in [format!("{PEER}/24"), format!("{PEER6}/64")] {
                outside.address(WIRE, &address)?;
            }
            for address in [format!("{PEER_HOST}/24"), format!("{PEER_HOST6}/64")] {
                outside.address("lo", &address)?;
            }
        }
        let config = site.write("ravelin.toml", &settings.render())?;
        let mut machine = Machine::ravelin(&image, &config);
        let hosts = [format!("{HOST}/24"), format!("{HOST6}/64")];
        let model = match ports {
            Ports::Virtio => {
                machine = machine.port(Port::bridged(0x01, &outside, "gwo", WIRE)).port(Port::tap(
                    0x02,
                    &inside,
                    "gwi",
                    &hosts.each_ref().map(String::as_str),
                ));
                None
            }
            Ports::Cards(profiles) => {
                prerequisites::check(&[Need::Oracle])?;
                let model = cards(&site, profiles, &outside, &inside, &hosts)?;
                machine.cards = model.sockets().to_vec();
                machine.memory = CARD_MEMORY;
                Some(model)
            }
        };
        let gateway = machine.start(&site, "gateway")?;
        gateway.expect_line(READY, START)?;
        inside.route("default via 10.2.0.1")?;
        inside.route("default via fd02::1")?;
        Ok(World { inside, outside, model, gateway, site })
    }

    /// What the gateway reports when asked with `s`: every `name=number` or `name number` of its answer.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn status(&mut self) -> Result<Status> {
        ask_status(&mut self.gateway)
    }

    /// Asks for the status until `holds`.
    ///
    /// # Errors
    /// When it does not hold within `timeout`.
    pub fn until(
        &mut self,
        what: &str,
        timeout: Duration,
        holds: impl Fn(&Status) -> bool,
    ) -> Result<Status> {
        let deadline = Instant::now() + timeout;
        loop {
            let status = self.status()?;
            if holds(&status) {
                return Ok(status);
            }
            demand(Instant::now() < deadline, what, &status.text)?;
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Starts something in the outside namespace.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn_outside(&self, name: &str, program: &str, arguments: &[&str]) -> Result<Process> {
        self.outside.spawn(name, program, arguments)
    }
}

/// Starts the model, and leads the wires of its cards to the bridge outside and to the host inside.
fn cards(
    site: &Site,
    profiles: &[&str],
    outside: &Namespace,
    inside: &Namespace,
    hosts: &[String],
) -> Result<Model> {
    let home = site.namespace("m")?;
    let wires = ["0:tap=gwo", "1:tap=gwi", "2:tap=gwb"];
    let wires = wires.get(..profiles.len()).unwrap_or(&wires);
    let model = Model::start_with(site, "model", profiles, wires, &[], Some(&home))?;
    for (interface, space) in
        [("gwo", outside), ("gwi", inside), ("gwb", outside)].iter().take(profiles.len())
    {
        home.ip(&format!("link set {interface} netns {}", space.name()))?;
    }
    if profiles.len() > 2 {
        outside.address("gwb", &format!("{BACKUP_PEER}/24"))?;
        outside.ip("link set gwb up")?;
    }
    outside.ip(&format!("link set gwo master {WIRE} up"))?;
    hosts.iter().try_for_each(|host| inside.address("gwi", host))?;
    inside.ip("link set gwi up")?;
    Ok(model)
}
