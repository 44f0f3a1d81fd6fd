//! RoCE v2 through two images whose cards do the ESP: Linux guests with `rdma_rxe` behind them read and write each other's
//! memory, `rping` compares every octet, and the counters of the guests and of both images agree that nothing was lost,
//! changed places or was sent twice.
//!
//! ```text
//!   guest 0 ─ card 4 ── card 2 ─ image 0 ─ card 0 ═ card 1 ─ image 1 ─ card 3 ── card 5 ─ guest 1
//! ```

use crate::stage::{number, sas};
use core::time::Duration;
use ravelin_tests::error::{Error, Result, demand};
use ravelin_tests::oracle::Kernel;
use ravelin_tests::oracle::guest::{Boot, Guest};
use ravelin_tests::oracle::model::Model;
use ravelin_tests::prerequisites::{self, Need};
use ravelin_tests::process::run;
use ravelin_tests::qemu::Qemu;
use ravelin_tests::site::Site;
use ravelin_tests::topology::ask_status;
use ravelin_tests::tunnel::{Protection, Setup, host, host6, images};
use std::path::Path;
use std::process::Command;

/// Octets that one round of `rping` carries each way.
const SIZE: u32 = 65_000;
/// Rounds of a test: 132 MB in both directions.
const ROUNDS: u32 = 1015;
/// Rounds that are captured.
const CAPTURED: u32 = 8;
/// Traffic class of RoCE: AF31 of congestion control's, and ECT(0).
const CLASS: u8 = 0x6a;
/// The longest that a transfer takes under emulation.
const TRANSFER: Duration = Duration::from_secs(240);
/// Of the modelled wire that RoCE is told to use.
const INTERFACE: &str = "eth0";
/// Counters of `rdma_rxe` that move only when a packet was lost, changed places or came twice.
const TROUBLE: [&str; 5] =
    ["duplicate_request", "out_of_seq_request", "rcvd_seq_err", "retry_exceeded_err", "completer_retry_err"];

struct Stage {
    guests: [Guest; 2],
    gateways: [Qemu; 2],
    model: Model,
    site: Site,
}

/// What differs between the tests.
struct Plan {
    mtu: u16,
    v6: bool,
    /// Path MTU that RoCE chooses: the octets of its payloads.
    path: u16,
}

impl Plan {
    fn address(&self, side: usize) -> String {
        if self.v6 { host6(side) } else { host(side) }
    }
}

/// A guest with RoCE on a card of its own.
fn guest(site: &Site, model: &Model, side: usize, plan: &Plan) -> Result<Guest> {
    let card: Vec<_> = model.sockets().get(4 + side).cloned().into_iter().collect();
    let guest = Boot::new(Kernel::V6_12, &card).start(site, &format!("guest{side}"))?;
    guest.load(&["mlx5_core", "ib_uverbs", "crc32_generic", "rdma_rxe", "rdma_ucm"])?;
    let (own, far) = (7 + side, 8 - side);
    guest.sh(&format!(
        "for try in $(seq 50); do [ -e /sys/class/net/{INTERFACE} ] && break; sleep 0.1; done
ip link set {INTERFACE} mtu {} up
ip addr replace {}/24 dev {INTERFACE}; ip addr replace {}/64 dev {INTERFACE} nodad
for try in $(seq 100); do [ $(cat /sys/class/net/{INTERFACE}/carrier) = 1 ] && break; sleep 0.1; done
ip route replace 10.{far}.0.0/24 via 10.{own}.0.1; ip -6 route replace fd0{far}::/64 via fd0{own}::1
rdma link add rxe0 type rxe netdev {INTERFACE}
mount -t configfs config /sys/kernel/config && mkdir /sys/kernel/config/rdma_cm/rxe0
echo {CLASS} > /sys/kernel/config/rdma_cm/rxe0/ports/1/default_roce_tos",
        plan.mtu,
        host(side),
        host6(side)
    ))?;
    Ok(guest)
}

fn start(site: &Site, plan: &Plan) -> Result<Stage> {
    let model = Model::start_with(site, "model", &["cx7"; 6], &["0:1", "2:4", "3:5"], &[], None)?;
    let setup = Setup { mtu: plan.mtu, outer_v6: plan.v6, ..Setup::new(Protection::Card) };
    let gateways = images(site, &model, &setup)?;
    let guests = [guest(site, &model, 0, plan)?, guest(site, &model, 1, plan)?];
    Ok(Stage { guests, gateways, model, site: site.clone() })
}

/// `rounds` of reading and writing, each octet compared by `rping`.
fn transfer(stage: &Stage, plan: &Plan, rounds: u32) -> Result<()> {
    let [client, server] = &stage.guests;
    let (from, to) = (plan.address(0), plan.address(1));
    server.sh(&format!("rping -s -a {to} -C {rounds} -S {SIZE} > /tmp/server 2>&1 &"))?;
    server.sh("for try in $(seq 50); do pidof rping > /dev/null && break; sleep 0.1; done; sleep 0.5")?;
    let said = client.run_for(&format!("rping -c -V -I {from} -a {to} -C {rounds} -S {SIZE}"), TRANSFER)?;
    demand(
        said.status == 0 && !said.text.contains("error") && !said.text.contains("mismatch"),
        format!("{rounds} rounds of rping, compared"),
        format!("status {}: {} / {}", said.status, said.text, server.run("cat /tmp/server")?.text),
    )
}

/// A counter of `rdma_rxe`.
fn counter(guest: &Guest, name: &str) -> Result<u64> {
    let said = guest.sh(&format!("cat /sys/class/infiniband/rxe0/ports/1/hw_counters/{name}"))?;
    said.trim().parse().map_err(|_| Error::Observed { expected: format!("a number in {name}"), found: said })
}

/// Packets that a gateway has sealed and opened, both by the card, and that it has dropped nothing.
fn counted(gateway: &mut Qemu) -> Result<(u64, u64)> {
    let status = ask_status(gateway)?;
    let drops = status.drops();
    // Guests speak to multicast groups that no router has joined.
    demand(
        drops.iter().all(|(cause, &count)| count == 0 || cause == "not_joined"),
        "no drops",
        &status.text,
    )?;
    let lost =
        status.text.split_whitespace().filter(|word| word.contains("x_dropped=") && !word.ends_with("=0"));
    demand(lost.count() == 0, "ports that lose nothing", &status.text)?;
    let (mut sealed, mut opened) = (0, 0);
    for sa in sas(&status) {
        demand(sa.get("engine").is_some_and(|engine| engine == "card"), "an SA on the card", &status.text)?;
        match sa.get("way").map(String::as_str) {
            Some("out") => sealed += number(&sa, "packets")?,
            _ => opened += number(&sa, "packets")?,
        }
    }
    Ok((sealed, opened))
}

/// What the cards saw of a few rounds: DSCP and ECN outside of ESP and behind it, payloads of the whole path MTU, no RoCE in
/// the clear on the wire between the images, and nothing sent twice or out of order.
fn judge_captures(stage: &Stage, plan: &Plan) -> Result<()> {
    stage.model.capture()?;
    transfer(stage, plan, CAPTURED)?;
    stage.model.tell("capture off")?;
    let wire = stage.model.pcap().join("wire0.pcap");
    let behind = stage.model.pcap().join("wire2.pcap");
    let frames = |file: &Path, filter: &str, field: &str| {
        let mut command = Command::new("tshark");
        command.arg("-r").arg(file).args(["-Y", filter, "-T", "fields", "-e", field]);
        run(&mut command)
    };
    let class = if plan.v6 { "ipv6.tclass" } else { "ip.dsfield" };
    let clear = frames(&wire, "udp.port == 4791", "frame.number")?;
    demand(clear.is_empty(), "no RoCE in the clear", clear)?;
    let marked = frames(&wire, &format!("esp && {class} == {CLASS}"), "frame.number")?.lines().count();
    demand(marked > 100, "ESP with the DSCP and ECN of RoCE", marked)?;
    let marked = format!("infiniband && {class} == {CLASS}");
    let far = frames(&behind, &marked, "udp.length")?;
    // UDP header, BTH and ICRC; what begins a write or a read has another header, the middle has not.
    let whole = (8 + 12 + plan.path + 4).to_string();
    let full = far.lines().filter(|length| *length == whole).count();
    demand(full > 100, format!("payloads of {} octets", plan.path), full)
}

fn crosses(name: &str, plan: &Plan) -> Result<()> {
    prerequisites::check(&[Need::Root, Need::Qemu, Need::Oracle, Need::Captures])?;
    let site = Site::new(name)?;
    let outcome = crosses_in(&site, plan);
    if outcome.is_err() {
        site.keep();
        eprintln!("logs: {}", site.dir().display());
    }
    outcome
}

fn crosses_in(site: &Site, plan: &Plan) -> Result<()> {
    let mut stage = start(site, plan)?;
    transfer(&stage, plan, ROUNDS)?;
    for guest in &stage.guests {
        let mut said = Vec::new();
        for name in TROUBLE {
            said.push((name, counter(guest, name)?));
        }
        demand(said.iter().all(|(_, count)| *count == 0), "no retransmission", format!("{said:?}"))?;
    }
    let [left, right] = &mut stage.gateways;
    let (left, right) = (counted(left)?, counted(right)?);
    demand(left == (right.1, right.0), "what one seals the other opens", format!("{left:?} {right:?}"))?;
    let least = u64::from(ROUNDS) * u64::from(SIZE / u32::from(plan.path));
    demand(left.0 > least && left.1 > least, format!("{least} packets each way"), format!("{left:?}"))?;
    judge_captures(&stage, plan)?;
    println!(
        "{} MB compared in {} packets, none lost",
        2 * u64::from(ROUNDS) * u64::from(SIZE) / 1_000_000,
        left.0 + left.1
    );
    for card in 0..stage.model.sockets().len() {
        stage.model.demand_no_refusals(card)?;
    }
    stage.guests.iter().try_for_each(Guest::demand_clean_log)?;
    stage.model.write_account(&stage.site);
    Ok(())
}

#[test]
fn over_ipv4_at_mtu_1500() -> Result<()> {
    crosses("roce4", &Plan { mtu: 1500, v6: false, path: 1024 })
}

#[test]
fn over_ipv6_with_payloads_of_4096_octets() -> Result<()> {
    crosses("roce6", &Plan { mtu: 5000, v6: true, path: 4096 })
}
