//! The image as a router on modelled ConnectX cards, between two ends:
//!
//! ```text
//!   10.7.0.10 fd07::10  left ── 10.7.0.1 fd07::1  image  10.8.0.1 fd08::1 ── right  10.8.0.10 fd08::10
//! ```
//! Each end is a namespace of the host or a Linux guest with a card of its own, and each port of the image a card of the
//! model's or virtio. Both ports are inside the IPsec boundary, so what crosses is forwarded as it is.

use crate::error::{Error, Result, demand};
use crate::namespace::Namespace;
use crate::oracle::Kernel;
use crate::oracle::guest::{Boot, Guest};
use crate::oracle::model::Model;
use crate::paths;
use crate::prerequisites::{self, Need};
use crate::qemu::{Machine, Port, Qemu, mac};
use crate::site::Site;
use core::time::Duration;

/// How long the image may take to be ready: two cards are reset and brought up under emulation.
const READY: Duration = Duration::from_secs(60);
/// An answer of the console.
const ANSWER: Duration = Duration::from_secs(20);
/// Memory of the image in MiB, most of it for what the cards' firmware asks for.
const MEMORY: u32 = 192;
/// The interface of an end.
const INTERFACE: &str = "eth0";

/// The port of the image towards an end, and what is at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A virtio port, with a namespace behind it.
    Virtio,
    /// A card of this profile, with a namespace behind it.
    Card(&'static str),
    /// A card of this profile, wired to the card of a Linux guest.
    Guest(&'static str, Kernel),
}

/// How the configuration tells the image which device is which port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Cards by their order on the bus, virtio ports by hardware address: their order is not that of the ends.
    Order,
    /// By PCI address, with the cards in the wrong order on the bus.
    Pci,
    /// By hardware address, with the cards in the wrong order on the bus.
    Mac,
}

/// How the image is set up.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// The ends, left and right.
    pub ends: [End; 2],
    /// How its ports are bound.
    pub bound: Bound,
    /// The largest packet on both sides.
    pub mtu: u16,
    /// Whether QEMU counts instructions: the image's time-stamp counter then ticks once for each.
    pub counted: bool,
}

impl Setup {
    /// Ports in bus order, MTU 1500.
    pub fn new(ends: [End; 2]) -> Setup {
        Setup { ends, bound: Bound::Order, mtu: 1500, counted: false }
    }

    /// The line of the configuration that binds the port at an end.
    fn binding(&self, side: usize) -> String {
        match (self.ends[side], self.bound) {
            (End::Virtio, _) => format!("mac = \"{}\"\n", mac(1 + side as u8)),
            (_, Bound::Order) => String::new(),
            // Each card is alone behind a root port, and the last one of the model's is the first on the bus.
            (_, Bound::Pci) => format!("pci = \"0{}:00.0\"\n", self.cards() - side),
            // As `mlx5-device` numbers them.
            (_, Bound::Mac) => format!("mac = \"02:00:00:00:00:0{}\"\n", side + 1),
        }
    }

    /// How many cards the image has.
    fn cards(&self) -> usize {
        self.ends.iter().filter(|end| **end != End::Virtio).count()
    }

    fn config(&self) -> String {
        let mut text = String::from("[gateway]\nname = \"router\"\nlog = \"info\"\nstatus_interval = 0\n");
        for (side, name) in ["left", "right"].iter().enumerate() {
            let network = network(side);
            text.push_str(&format!(
                "[[port]]\nname = \"{name}\"\nside = \"inside\"\nmtu = {}\n\
                 addresses = [\"10.{network}.0.1/24\", \"fd0{network}::1/64\"]\n{}",
                self.mtu,
                self.binding(side)
            ));
        }
        text
    }
}

/// What is at an end.
pub enum Host {
    /// A namespace.
    Namespace(Namespace),
    /// A guest.
    Guest(Box<Guest>),
}

/// The image between two ends.
pub struct Stage {
    /// Left and right.
    pub hosts: [Host; 2],
    /// The server of all cards; the image's come first, in the order of its ports.
    pub model: Model,
    /// The image.
    pub gateway: Qemu,
    /// How many of the cards are the image's.
    pub cards: usize,
    /// What owns all of it.
    pub site: Site,
}

/// An end's network by its number, 7 on the left and 8 on the right.
fn network(side: usize) -> usize {
    7 + side
}

/// The IPv4 address of the host at an end.
pub fn address(side: usize) -> String {
    format!("10.{}.0.10", network(side))
}

/// The IPv6 address of the host at an end.
pub fn address6(side: usize) -> String {
    format!("fd0{}::10", network(side))
}

impl Stage {
    /// Starts everything, and waits until the image forwards.
    ///
    /// # Errors
    /// When something does not come up.
    pub fn start(name: &str, setup: &Setup) -> Result<Stage> {
        prerequisites::check(&[Need::Root, Need::Qemu, Need::Network, Need::Oracle])?;
        let site = Site::new(name)?;
        let stage = Stage::start_in(&site, setup);
        if stage.is_err() {
            site.keep();
            eprintln!("logs: {}", site.dir().display());
        }
        stage
    }

    fn start_in(site: &Site, setup: &Setup) -> Result<Stage> {
        let image = paths::image();
        demand(image.is_file(), "an image (cargo xtask image)", image.display())?;
        let home = site.namespace("m")?;
        let config = site.write("config.toml", &setup.config())?;
        let mut machine = Machine { memory: MEMORY, ..Machine::ravelin(&image, &config) };

        if setup.counted {
            // QEMU 11.1 ends with "Bad icount read" when the timer's counter is read through x2APIC.
            machine.cpu.push_str(",-x2apic");
            machine.arguments.extend(["-icount", "shift=0,sleep=on"].map(str::to_owned));
        }

        // The image's cards in the order of its ports, the guests' behind them.
        let (mut profiles, mut wires, mut guests) = (Vec::new(), Vec::new(), Vec::new());
        let mut spaces = [None, None];
        let cards = setup.cards();
        for (side, end) in setup.ends.iter().enumerate() {
            let card = profiles.len();
            match *end {
                End::Virtio => {
                    let space = site.namespace(["a", "b"][side])?;
                    let addresses = [format!("{}/24", address(side)), format!("{}/64", address6(side))];
                    let addresses = addresses.each_ref().map(String::as_str);
                    machine = machine.port(Port::tap(1 + side as u8, &space, INTERFACE, &addresses));
                    spaces[side] = Some(space);
                }
                End::Card(profile) => {
                    spaces[side] = Some(site.namespace(["a", "b"][side])?);
                    profiles.push(profile);
                    wires.push(format!("{card}:tap=rvcard{side}"));
                }
                End::Guest(profile, kernel) => {
                    profiles.push(profile);
                    wires.push(format!("{card}:{}", cards + guests.len()));
                    guests.push((side, profile, kernel));
                }
            }
        }
        profiles.extend(guests.iter().map(|(_, profile, _)| *profile));
        let wires: Vec<&str> = wires.iter().map(String::as_str).collect();
        let model = Model::start_with(site, "model", &profiles, &wires, &[], Some(&home))?;
        machine.cards = model.sockets().iter().take(cards).cloned().collect();
        if setup.bound != Bound::Order {
            machine.cards.reverse();
        }

        let mut hosts = [None, None];
        for (side, end) in setup.ends.iter().enumerate() {
            if let (End::Card(_), Some(space)) = (end, &spaces[side]) {
                home.ip(&format!("link set rvcard{side} netns {}", space.name()))?;
                space.ip(&format!("link set rvcard{side} name {INTERFACE}"))?;
            }
        }
        let boot = |card: usize, side: usize, kernel: Kernel| -> Result<Guest> {
            let socket: Vec<_> = model.sockets().get(card).cloned().into_iter().collect();
            let guest = Boot::new(kernel, &socket).start(site, &format!("guest{side}"))?;
            guest.sh(&format!(
                "load mlx5_core
for try in $(seq 50); do [ -e /sys/class/net/{INTERFACE} ] && break; sleep 0.1; done"
            ))?;
            Ok(guest)
        };
        std::thread::scope(|scope| {
            let boot = &boot;
            let start = |(card, &(side, _, kernel)): (usize, &(usize, _, Kernel))| {
                (side, scope.spawn(move || boot(card, side, kernel)))
            };
            let started: Vec<_> = (cards..).zip(&guests).map(start).collect();
            for (side, guest) in started {
                let panicked =
                    |_| Err(Error::Observed { expected: "a guest to boot".into(), found: "a panic".into() });
                hosts[side] = Some(Host::Guest(Box::new(guest.join().unwrap_or_else(panicked)?)));
            }
            Ok(())
        })?;
        let gateway = machine.start(site, "gateway")?;
        gateway.expect_line("ready: ", READY)?;
        for (side, space) in spaces.into_iter().enumerate() {
            hosts[side] = space.map(Host::Namespace).or(hosts[side].take());
        }
        let [Some(left), Some(right)] = hosts else {
            return Err(Error::Observed { expected: "two ends".into(), found: "fewer".into() });
        };
        let stage = Stage { hosts: [left, right], model, gateway, cards, site: site.clone() };
        for side in [0, 1] {
            stage.configure(side, setup.mtu)?;
        }
        Ok(stage)
    }

    /// Addresses, routes and MTU of an end.
    fn configure(&self, side: usize, mtu: u16) -> Result<()> {
        let (own, other) = (network(side), network(1 - side));
        self.sh(
            side,
            &format!(
                "ip link set lo up; ip link set {INTERFACE} mtu {mtu} up
ip addr replace 10.{own}.0.10/24 dev {INTERFACE}; ip addr replace fd0{own}::10/64 dev {INTERFACE} nodad
ip route replace 10.{other}.0.0/24 via 10.{own}.0.1; ip -6 route replace fd0{other}::/64 via fd0{own}::1"
            ),
        )
        .map(|_| ())
    }

    /// Runs a shell line at an end.
    ///
    /// # Errors
    /// When it ends with a failure.
    pub fn sh(&self, side: usize, line: &str) -> Result<String> {
        match &self.hosts[side] {
            Host::Namespace(space) => space.sh(line),
            Host::Guest(guest) => guest.sh_for(line, Duration::from_secs(120)),
        }
    }

    /// Demands that `count` echoes with `size` octets of data from an end to `target` all come back.
    ///
    /// # Errors
    /// When one does not.
    pub fn ping(&self, from: usize, target: &str, count: u32, size: u32) -> Result<()> {
        // Both iputils' and busybox's ping take these; an exit code of 0 says only that one came back.
        let said = self.sh(from, &format!("ping -c {count} -i 0.1 -W 5 -s {size} {target} || true"))?;
        let all = [format!("{count} received"), format!("{count} packets received")];
        demand(
            all.iter().any(|words| said.contains(words.as_str())),
            format!("{count} echoes of {size} octets from {target}"),
            said,
        )
    }

    /// The image's status, line by line.
    ///
    /// # Errors
    /// When the console does not answer.
    pub fn status(&mut self) -> Result<Vec<String>> {
        let mark = self.gateway.console().len();
        self.gateway.ask("s", "^end of status$", ANSWER)?;
        Ok(self.gateway.console().lines(mark).into_iter().map(|line| line.text).collect())
    }

    /// Demands that the image's cards have refused nothing, and that a guest's kernel has logged no fault.
    ///
    /// # Errors
    /// With the faults.
    pub fn judge(&self) -> Result<()> {
        for card in 0..self.model.sockets().len() {
            self.model.demand_no_refusals(card)?;
        }
        for host in &self.hosts {
            if let Host::Guest(guest) = host {
                guest.demand_clean_log()?;
            }
        }
        Ok(())
    }
}
