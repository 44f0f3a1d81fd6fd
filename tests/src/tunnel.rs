//! Two images joined by a wire, each between two modelled ConnectX cards, with a host behind each:
//!
//! ```text
//!   10.7.0.10 ── tap ── 10.7.0.1  image 0  10.9.0.1 ═ 10.9.0.2  image 1  10.8.0.1 ── tap ── 10.8.0.10
//!   fd07::10            fd07::1            fd09::1    fd09::2            fd08::1            fd08::10
//! ```
//! What crosses the wire does so in the clear, or under a tunnel with static keys of which either image does its part in
//! software or on its card.

use crate::error::{Result, demand};
use crate::namespace::Namespace;
use crate::oracle::model::Model;
use crate::paths;
use crate::prerequisites::{self, Need};
use crate::qemu::{Machine, Qemu};
use crate::site::Site;
use crate::topology::{Status, ask_status};
use core::time::Duration;

/// How long an image may take to be ready.
const READY: Duration = Duration::from_secs(60);
/// Memory of an image in MiB, most of it for what its cards' firmware asks for.
const MEMORY: u32 = 192;
/// The interface of a host.
pub const INTERFACE: &str = "eth0";
/// Packets of the replay window.
const WINDOW: u32 = 256;

/// What becomes of packets on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protection {
    /// They pass as they are, by a BYPASS policy.
    None,
    /// ESP in software.
    Software,
    /// ESP by the card.
    Card,
}

/// How a tunnel is set up.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// What each image does; both protect, or none.
    pub protection: [Protection; 2],
    /// Whether QEMU counts the instructions of image 0: its time-stamp counter then ticks once for each.
    pub counted: bool,
    /// The largest packet at the hosts; on the wire there is room for ESP around it.
    pub mtu: u16,
    /// IPv6 outside instead of IPv4.
    pub outer_v6: bool,
}

impl Setup {
    /// Both images alike, MTU 1500, not counted, IPv4 outside.
    pub fn new(protection: Protection) -> Setup {
        Setup { protection: [protection; 2], counted: false, mtu: 1500, outer_v6: false }
    }
}

/// A tunnel between two images.
pub struct Tunnel {
    /// The hosts behind image 0 and image 1.
    pub hosts: [Namespace; 2],
    /// Cards: 0 and 1 are joined by the wire, 2 and 3 lead to the hosts.
    pub model: Model,
    /// The images.
    pub gateways: [Qemu; 2],
    /// What owns all of it.
    pub site: Site,
}

/// IPv4 address of a host.
pub fn host(side: usize) -> String {
    format!("10.{}.0.10", 7 + side)
}

/// IPv6 address of a host.
pub fn host6(side: usize) -> String {
    format!("fd0{}::10", 7 + side)
}

/// Outer address of an image.
pub fn outer(side: usize, v6: bool) -> String {
    if v6 { format!("fd09::{}", side + 1) } else { format!("10.9.0.{}", side + 1) }
}

/// The configuration of an image.
fn config(side: usize, setup: &Setup) -> String {
    let other = 1 - side;
    let (own, far) = (7 + side, 7 + other);
    let wire_mtu = setup.mtu + 100;
    let mut text = format!(
        "[gateway]\nname = \"image{side}\"\nlog = \"info\"\nstatus_interval = 0
[[port]]\nname = \"outside\"\nside = \"outside\"\nmtu = {wire_mtu}
addresses = [\"{}/24\", \"{}/64\"]
[[port]]\nname = \"inside\"\nside = \"inside\"\nmtu = {}
addresses = [\"10.{own}.0.1/24\", \"fd0{own}::1/64\"]
[[route]]\nto = \"10.{far}.0.0/24\"\nvia = \"{}\"
[[route]]\nto = \"fd0{far}::/64\"\nvia = \"{}\"
",
        outer(side, false),
        outer(side, true),
        setup.mtu,
        outer(other, false),
        outer(other, true),
    );
    let networks = |own, far| {
        format!(
            "local_ts = [\"10.{own}.0.0/24\", \"fd0{own}::/64\"]\nremote_ts = [\"10.{far}.0.0/24\", \"fd0{far}::/64\"]\n"
        )
    };
    let hardware = match setup.protection[side] {
        Protection::None => {
            text.push_str(&format!(
                "[[policy]]\nname = \"net\"\naction = \"bypass\"\n{}",
                networks(own, far)
            ));
            return text;
        }
        Protection::Software => "no",
        Protection::Card => "packet",
    };
    text.push_str(&format!("[[policy]]\nname = \"net\"\naction = \"protect\"\n{}", networks(own, far)));
    for (direction, from) in [("out", side), ("in", other)] {
        // Each way has a key of its own.
        let key: String = (0..20).map(|octet| format!("{:02x}", 16 * from + octet + 1)).collect();
        text.push_str(&format!(
            "[[sa]]\npolicy = \"net\"\ndirection = \"{direction}\"\nspi = 0x{:x}\nlocal = \"{}\"\nremote = \"{}\"
esp_proposal = \"aes128gcm16-esn\"\nkey = \"{key}\"\nreplay_window = {WINDOW}\nhw_offload = \"{hardware}\"\n",
            0x1001 + from,
            outer(side, setup.outer_v6),
            outer(other, setup.outer_v6),
        ));
    }
    text
}

/// Boots both images on the first four cards of `model`, and waits until each is ready.
///
/// # Errors
/// When one does not come up.
pub fn images(site: &Site, model: &Model, setup: &Setup) -> Result<[Qemu; 2]> {
    let image = paths::image();
    demand(image.is_file(), "an image (cargo xtask image)", image.display())?;
    let sockets = model.sockets();
    let start = |side: usize| -> Result<Qemu> {
        let config = site.write(&format!("image{side}.toml"), &config(side, setup))?;
        let mut machine = Machine { memory: MEMORY, ..Machine::ravelin(&image, &config) };
        machine.cards = [side, 2 + side].iter().filter_map(|at| sockets.get(*at).cloned()).collect();
        if setup.counted && side == 0 {
            // QEMU 11.1 ends with "Bad icount read" when the timer's counter is read through x2APIC.
            machine.cpu.push_str(",-x2apic");
            machine.arguments.extend(["-icount", "shift=0,sleep=on"].map(str::to_owned));
        }
        machine.start(site, &format!("image{side}"))
    };
    let gateways = [start(0)?, start(1)?];
    for gateway in &gateways {
        gateway.expect_line("ready: ", READY)?;
    }
    Ok(gateways)
}

impl Tunnel {
    /// Starts both images, and waits until each is ready.
    ///
    /// # Errors
    /// When something does not come up.
    pub fn start(name: &str, setup: &Setup) -> Result<Tunnel> {
        prerequisites::check(&[Need::Root, Need::Qemu, Need::Network, Need::Oracle])?;
        let site = Site::new(name)?;
        let outcome = Tunnel::start_in(&site, setup);
        if outcome.is_err() {
            site.keep();
            eprintln!("logs: {}", site.dir().display());
        }
        outcome
    }

    fn start_in(site: &Site, setup: &Setup) -> Result<Tunnel> {
        let home = site.namespace("m")?;
        let hosts = [site.namespace("a")?, site.namespace("b")?];
        let wires = ["0:1", "2:tap=rvhost0", "3:tap=rvhost1"];
        let model = Model::start_with(site, "model", &["cx7"; 4], &wires, &[], Some(&home))?;
        for (side, space) in hosts.iter().enumerate() {
            home.ip(&format!("link set rvhost{side} netns {}", space.name()))?;
            space.ip(&format!("link set rvhost{side} name {INTERFACE}"))?;
        }
        let gateways = images(site, &model, setup)?;
        for (side, space) in hosts.iter().enumerate() {
            let (own, far) = (7 + side, 8 - side);
            space.sh(&format!(
                "ip link set lo up; ip link set {INTERFACE} mtu {} up
ip addr replace {}/24 dev {INTERFACE}; ip addr replace {}/64 dev {INTERFACE} nodad
ip route replace 10.{far}.0.0/24 via 10.{own}.0.1; ip -6 route replace fd0{far}::/64 via fd0{own}::1",
                setup.mtu,
                host(side),
                host6(side)
            ))?;
        }
        Ok(Tunnel { hosts, model, gateways, site: site.clone() })
    }

    /// What an image reports.
    ///
    /// # Errors
    /// When its console does not answer.
    pub fn status(&mut self, side: usize) -> Result<Status> {
        let [first, second] = &mut self.gateways;
        ask_status(if side == 0 { first } else { second })
    }

    /// Demands that no card has refused anything.
    ///
    /// # Errors
    /// With what was refused.
    pub fn judge(&self) -> Result<()> {
        (0..self.model.sockets().len()).try_for_each(|card| self.model.demand_no_refusals(card))
    }
}
