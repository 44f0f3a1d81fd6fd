//! TCP with every offload on: a hundred megabytes each way, several flows over several rings, large frames, VLANs.

use core::time::Duration;
use ravelin_tests::error::{Result, demand};
use ravelin_tests::oracle::pair::{INTERFACE, Pair};
use ravelin_tests::process::run;
use std::process::Command;

/// What the driver has on by default and TCP at speed uses.
const OFFLOADS: &[&str] = &[
    "rx-checksumming: on",
    "tx-checksumming: on",
    "tcp-segmentation-offload: on",
    "receive-hashing: on",
    "generic-receive-offload: on",
];

/// A hundred megabytes each way arrive as they were sent, as large sends that the card cut and whose checksums it made.
pub(crate) fn a_hundred_megabytes_cross_each_way(pair: &Pair) -> Result<()> {
    for guest in &pair.guests {
        let features = guest.sh(&format!("ethtool -k {INTERFACE}"))?;
        for offload in OFFLOADS {
            demand(features.contains(offload), *offload, &features)?;
        }
    }
    for (from, address) in [(0, "10.0.0.2"), (1, "10.0.0.1")] {
        let names = ["tx_tso_packets", "tx_tso_bytes", "tx_csum_partial"];
        let before = names.map(|name| pair.counter(from, name));
        let took = pair.transfer(from, address, 100)?;
        println!("100 MB from guest {from} in {:.1} s", took.as_secs_f64());
        for (name, before) in names.iter().zip(before) {
            let grown = pair.counter(from, name)? - before?;
            demand(grown > 0, format!("{name} to have grown"), grown)?;
        }
        let bad = pair.counter(1 - from, "rx_csum_none")?;
        let good =
            pair.counter(1 - from, "rx_csum_complete")? + pair.counter(1 - from, "rx_csum_unnecessary")?;
        demand(good > bad, "checksums that the card has verified", format!("{good} of {}", good + bad))?;
    }
    Ok(())
}

/// The same over IPv6, shorter.
pub(crate) fn tcp_over_ipv6_crosses(pair: &Pair) -> Result<()> {
    let before = pair.counter(0, "tx_tso_packets")?;
    pair.transfer(0, "fd00::2", 20)?;
    demand(pair.counter(0, "tx_tso_packets")? > before, "large sends over IPv6", before)
}

/// Several flows are spread over the rings by their hash.
pub(crate) fn flows_are_spread_over_the_rings(pair: &Pair) -> Result<()> {
    let received = |ring: u32| pair.counter(1, &format!("rx{ring}_packets"));
    let before = [received(0)?, received(1)?];
    pair.guests[1].sh("iperf3 -s -D -1")?;
    let report = pair.guests[0].sh_for("sleep 0.5; iperf3 -c 10.0.0.2 -P 8 -t 3", Duration::from_secs(60))?;
    demand(report.contains("receiver"), "a report", &report)?;
    for (ring, before) in (0..).zip(before) {
        let grown = received(ring)? - before;
        demand(grown > 50, format!("packets on ring {ring}"), grown)?;
    }
    let table = pair.guests[1].sh(&format!("ethtool -x {INTERFACE}"))?;
    demand(table.contains("toeplitz: on"), "the hash Toeplitz", table)
}

/// Frames of nine thousand octets, echoes and TCP.
pub(crate) fn large_frames_cross(pair: &Pair) -> Result<()> {
    for guest in &pair.guests {
        guest.sh(&format!("ip link set {INTERFACE} mtu 9000"))?;
    }
    pair.wait_for_carrier()?;
    pair.model.capture()?;
    for size in [56, 1473, 8972, 30_000] {
        pair.ping(0, "10.0.0.2", 2, size)?;
    }
    pair.transfer(0, "10.0.0.2", 30)?;
    pair.transfer(1, "10.0.0.1", 30)?;
    let largest = run(Command::new("tshark").args([
        "-r",
        &pair.wire()?.display().to_string(),
        "-Y",
        "frame.len >= 9014",
        "-c",
        "100000",
    ]))?;
    demand(!largest.is_empty(), "frames of full size on the wire", "none")
}

/// A VLAN on both ends, its tag put in and taken off by the card, then by software.
pub(crate) fn vlans_carry_their_tag(pair: &Pair) -> Result<()> {
    for (number, guest) in (1..).zip(&pair.guests) {
        guest.sh(&format!(
            "ip link add link {INTERFACE} name {INTERFACE}.100 type vlan id 100 && ip link set {INTERFACE}.100 up &&
ip addr add 10.0.100.{number}/24 dev {INTERFACE}.100"
        ))?;
    }
    pair.model.capture()?;
    for offload in ["on", "off"] {
        for guest in &pair.guests {
            guest.sh(&format!("ethtool -K {INTERFACE} txvlan {offload} rxvlan {offload}"))?;
        }
        pair.wait_for_carrier()?;
        pair.ping(0, "10.0.100.2", 3, 56)?;
        pair.ping(1, "10.0.100.1", 3, 1472)?;
        pair.transfer(0, "10.0.100.2", 10)?;
    }
    for guest in &pair.guests {
        guest.sh(&format!("ethtool -K {INTERFACE} txvlan on rxvlan on; ip link del {INTERFACE}.100"))?;
    }
    let file = pair.wire()?.display().to_string();
    let tagged = run(Command::new("tshark").args(["-r", &file, "-Y", "vlan.id == 100 && icmp"]))?;
    demand(tagged.lines().count() >= 24, "tagged echoes on the wire", tagged.lines().count())
}
