//! Card against card: the image on one, Linux's mlx5_core with `offload packet` on the other, static keys. (IKE would need a
//! strongSwan that asks Linux for packet offload, 5.9.11; Debian 12 has 5.9.8.)
//!
//! ```text
//!   10.2.0.10 ─ tap ─ 10.2.0.1  image  10.9.0.2 ─ card 0 ── wire ── card 2 ─ mlx5_core ─ 10.9.0.1  Linux 6.12
//!   fd02::10          fd02::1          fd09::2                               10.1.0.1 10.3.0.1 fd01::1 behind it
//! ```

use crate::stage::{Sa, number, sas};
use core::time::Duration;
use ravelin_tests::error::{Error, Result, demand};
use ravelin_tests::namespace::Namespace;
use ravelin_tests::oracle::Kernel;
use ravelin_tests::oracle::guest::{Boot, Guest, XFRM};
use ravelin_tests::oracle::model::Model;
use ravelin_tests::paths;
use ravelin_tests::ping;
use ravelin_tests::prerequisites::{self, Need};
use ravelin_tests::process::run;
use ravelin_tests::qemu::{Machine, Qemu};
use ravelin_tests::site::Site;
use ravelin_tests::topology::ask_status;
use std::process::Command;

/// The interface of the host and of the guest.
const INTERFACE: &str = "eth0";
const HOST: &str = "10.2.0.10";
const HOST6: &str = "fd02::10";
const GATEWAY_MAC: &str = "02:00:00:00:00:01";
/// Packets of both replay windows.
const WINDOW: u32 = 64;
const BOOT: Duration = Duration::from_secs(60);

/// One SA each way.
struct Plan {
    name: &'static str,
    tunnel: bool,
    /// Outer addresses, the image's and the guest's.
    outer: [&'static str; 2],
    /// Selectors as the image has them.
    networks: [&'static str; 2],
    /// Addresses that talk, the image's side and the guest's.
    inner: [&'static str; 2],
    bits: u32,
    esn: bool,
    spi: u32,
}

const V4: [&str; 2] = ["10.9.0.2", "10.9.0.1"];
const V6: [&str; 2] = ["fd09::2", "fd09::1"];
const PLANS: [Plan; 4] = [
    Plan {
        name: "tunnel4",
        tunnel: true,
        outer: V4,
        networks: ["10.2.0.0/24", "10.1.0.0/24"],
        inner: [HOST, "10.1.0.1"],
        bits: 128,
        esn: true,
        spi: 0x1100,
    },
    Plan {
        name: "tunnel4-long-key",
        tunnel: true,
        outer: V4,
        networks: ["10.2.0.0/24", "10.3.0.0/24"],
        inner: [HOST, "10.3.0.1"],
        bits: 256,
        esn: false,
        spi: 0x1200,
    },
    Plan {
        name: "tunnel6",
        tunnel: true,
        outer: V6,
        networks: ["fd02::/64", "fd01::/64"],
        inner: [HOST6, "fd01::1"],
        bits: 256,
        esn: true,
        spi: 0x1300,
    },
    Plan {
        name: "transport4",
        tunnel: false,
        outer: V4,
        networks: ["10.9.0.2/32", "10.9.0.1/32"],
        inner: V4,
        bits: 128,
        esn: true,
        spi: 0x1400,
    },
];

impl Plan {
    /// Of what side `from` sends; the image is side 0.
    fn spi(&self, from: usize) -> u32 {
        self.spi + 1 + from as u32
    }

    fn key(&self, from: usize) -> String {
        let octets = self.bits / 8 + 4;
        (0..octets)
            .map(|place| format!("{:02x}", (self.spi + 0x55 * from as u32 + place * 7) & 0xff))
            .collect()
    }

    /// What the image is told.
    fn config(&self) -> String {
        let [local, remote] = self.networks;
        let mut text = format!(
            "[[policy]]\nname = \"{}\"\naction = \"protect\"\nlocal_ts = \"{local}\"\nremote_ts = \"{remote}\"\n",
            self.name
        );
        for (direction, from) in [("out", 0), ("in", 1)] {
            text.push_str(&format!(
                "[[sa]]\npolicy = \"{}\"\ndirection = \"{direction}\"\nspi = {:#x}\nmode = \"{}\"\nlocal = \"{}\"
remote = \"{}\"\nesp_proposal = \"aes{}gcm16{}\"\nkey = \"{}\"\nreplay_window = {}\nhw_offload = \"packet\"\n",
                self.name,
                self.spi(from),
                self.mode(),
                self.outer[0],
                self.outer[1],
                self.bits,
                if self.esn { "-esn" } else { "" },
                self.key(from),
                if self.esn { WINDOW } else { 0 },
            ));
        }
        text
    }

    fn mode(&self) -> &'static str {
        if self.tunnel { "tunnel" } else { "transport" }
    }

    /// Sets SAs and policies in the guest, and what Linux needs to send to the other end's tunnel.
    fn install(&self, guest: &Guest) -> Result<()> {
        let [theirs, ours] = self.inner;
        if self.tunnel {
            let all = if ours.contains(':') { 128 } else { 32 };
            guest.sh(&format!(
                "ip addr replace {ours}/{all} dev lo && ip route replace {theirs}/{all} via {} src {ours}
ip neigh replace {theirs} lladdr {GATEWAY_MAC} dev {INTERFACE}",
                self.outer[0]
            ))?;
        }
        for (direction, from) in [("in", 0), ("out", 1)] {
            let (to, reqid) = (1 - from, self.spi(from));
            let mut line = format!(
                "ip xfrm state add src {} dst {} proto esp spi {:#x} reqid {reqid} mode {}",
                self.outer[from],
                self.outer[to],
                self.spi(from),
                self.mode()
            );
            if self.esn {
                // Linux takes no window for an SA that sends.
                if direction == "in" {
                    line.push_str(&format!(" replay-window {WINDOW}"));
                }
                line.push_str(" flag esn");
            }
            line.push_str(&format!(
                " aead 'rfc4106(gcm(aes))' 0x{} 128 sel src {} dst {} offload packet dev {INTERFACE} dir {direction}",
                self.key(from),
                self.inner[from],
                self.inner[to]
            ));
            guest.sh(&line)?;
            guest.sh(&format!(
                "ip xfrm policy add src {} dst {} dir {direction} tmpl src {} dst {} proto esp reqid {reqid} mode {} \
                 offload packet dev {INTERFACE}",
                self.inner[from],
                self.inner[to],
                self.outer[from],
                self.outer[to],
                self.mode()
            ))?;
        }
        Ok(())
    }
}

struct Stage {
    host: Namespace,
    guest: Guest,
    model: Model,
    gateway: Qemu,
    // Goes last.
    _site: Site,
}

fn start(site: &Site) -> Result<Stage> {
    let home = site.namespace("m")?;
    let host = site.namespace("i")?;
    let model = Model::start_with(site, "model", &["cx7"; 3], &["0:2", "1:tap=rvhost"], &[], Some(&home))?;
    home.ip(&format!("link set rvhost netns {}", host.name()))?;
    host.sh(&format!(
        "ip link set rvhost name {INTERFACE}; ip link set lo up; ip link set {INTERFACE} up
ip addr add {HOST}/24 dev {INTERFACE}; ip addr add {HOST6}/64 dev {INTERFACE} nodad
ip route add default via 10.2.0.1; ip -6 route add default via fd02::1"
    ))?;
    let mut config = String::from(
        "[gateway]\nname = \"under-test\"\nlog = \"info\"\nstatus_interval = 0
[[port]]\nname = \"outside\"\nside = \"outside\"\naddresses = [\"10.9.0.2/24\", \"fd09::2/64\"]
[[port]]\nname = \"inside\"\nside = \"inside\"\naddresses = [\"10.2.0.1/24\", \"fd02::1/64\"]
[[route]]\nto = \"10.1.0.0/24\"\nvia = \"10.9.0.1\"\n[[route]]\nto = \"10.3.0.0/24\"\nvia = \"10.9.0.1\"
[[route]]\nto = \"fd01::/64\"\nvia = \"fd09::1\"\n",
    );
    PLANS.iter().for_each(|plan| config.push_str(&plan.config()));
    let config = site.write("config.toml", &config)?;
    let mut machine = Machine { memory: 192, ..Machine::ravelin(&paths::image(), &config) };
    machine.cards = model.sockets().iter().take(2).cloned().collect();
    let gateway = machine.start(site, "gateway")?;
    let card: Vec<_> = model.sockets().get(2).cloned().into_iter().collect();
    let boot = Boot { rebuilt: true, ..Boot::new(Kernel::V6_12, &card) };
    let guest = boot.start(site, "guest")?;
    guest.load(XFRM)?;
    guest.sh(&format!(
        "load mlx5_core
for try in $(seq 50); do [ -e /sys/class/net/{INTERFACE} ] && break; sleep 0.1; done
ip link set lo up; ip link set {INTERFACE} up
ip addr replace 10.9.0.1/24 dev {INTERFACE}; ip addr replace fd09::1/64 dev {INTERFACE} nodad
for try in $(seq 100); do [ $(cat /sys/class/net/{INTERFACE}/carrier) = 1 ] && break; sleep 0.1; done
ip neigh replace 10.9.0.2 lladdr {GATEWAY_MAC} dev {INTERFACE}
ip neigh replace fd09::2 lladdr {GATEWAY_MAC} dev {INTERFACE}"
    ))?;
    gateway.expect_line("ready: ", BOOT)?;
    for plan in &PLANS {
        plan.install(&guest)?;
    }
    Ok(Stage { host, guest, model, gateway, _site: site.clone() })
}

/// Echoes from the guest, all of which come back.
fn echoes(stage: &Stage, plan: &Plan, size: u32) -> Result<()> {
    let [theirs, ours] = plan.inner;
    let said = stage.guest.sh(&format!("ping -c 3 -i 0.1 -W 5 -s {size} -I {ours} {theirs} || true"))?;
    demand(
        said.contains("3 packets received"),
        format!("3 echoes of {size} octets under {}", plan.name),
        said,
    )
}

/// What the guest's kernel has counted for an SA.
fn counted(guest: &Guest, spi: u32) -> Result<u64> {
    let said = guest.sh(&format!("ip -s xfrm state list spi {spi:#x}"))?;
    let current = said.split("lifetime current:").nth(1).and_then(|rest| rest.lines().nth(1));
    let packets = current
        .and_then(|line| line.split("(packets)").next()?.rsplit(|c: char| !c.is_ascii_digit()).next())
        .and_then(|digits| digits.parse().ok());
    packets.ok_or_else(|| Error::Observed { expected: "packets of an SA".into(), found: said })
}

fn all_plans(stage: &mut Stage) -> Result<()> {
    stage.model.capture()?;
    for plan in &PLANS {
        for size in [0, 1, 56, 1000, 1300] {
            echoes(stage, plan, size)?;
        }
        if plan.tunnel {
            ping::all(&stage.host, plan.inner[0], plan.inner[1], 3)?;
        }
    }
    let status = ask_status(&mut stage.gateway)?;
    let sas = sas(&status);
    demand(sas.len() == 2 * PLANS.len(), "all SAs", &status.text)?;
    for plan in &PLANS {
        for from in [0, 1] {
            let spi = format!("{:08x}", plan.spi(from));
            let ours = sas.iter().find(|sa: &&Sa| sa.get("spi") == Some(&spi)).ok_or_else(|| {
                Error::Observed { expected: format!("SA {spi}"), found: status.text.clone() }
            })?;
            let on_card = ours.get("engine").is_some_and(|engine| engine == "card");
            demand(on_card, format!("{spi} on the card"), format!("{ours:?}"))?;
            let (mine, theirs) = (number(ours, "packets")?, counted(&stage.guest, plan.spi(from))?);
            demand(mine == theirs && mine >= 15, format!("{spi}: the kernel's {theirs} packets"), mine)?;
        }
    }
    stage.guest.demand_clean_log()?;
    (0..3).try_for_each(|card| stage.model.demand_no_refusals(card))?;
    // Of card 0.
    let wire = stage.model.pcap().join("A-wire.pcap").display().to_string();
    let frames = |filter: &str| run(Command::new("tshark").args(["-r", &wire, "-Y", filter]));
    let esp = frames("esp")?;
    demand(esp.lines().count() >= 120, "the echoes in ESP", esp.lines().count())?;
    let clear = frames("(icmp || icmpv6.type == 128 || icmpv6.type == 129) && !esp")?;
    demand(clear.is_empty(), "no echo in the clear", clear)
}

#[test]
fn every_mode_against_linux_on_a_card() -> Result<()> {
    prerequisites::check(&[Need::Root, Need::Qemu, Need::Network, Need::Oracle, Need::Captures])?;
    let site = Site::new("card-peer")?;
    let mut stage = start(&site)?;
    let outcome = all_plans(&mut stage);
    if outcome.is_err() {
        site.keep();
        stage.model.write_account(&site);
        eprintln!("logs: {}", site.dir().display());
    }
    outcome
}
