//! Linux guests with Debian's own `mlx5_core` on cards wired to ours: two independent drivers at the ends of one wire.

use ravelin_tests::cards::{End, Host, Setup, Stage, address, address6};
use ravelin_tests::error::{Error, Result, demand};
use ravelin_tests::oracle::Kernel;
use ravelin_tests::oracle::pair::{INTERFACE, counter_of};
use ravelin_tests::oracle::transfer::transfer;

/// Megabytes of a TCP transfer.
const MEGABYTES: u32 = 32;

/// Echoes up to the largest packet that crosses whole, and TCP each way in both families, cut and summed by the sender's card.
fn crosses(stage: &Stage, mtu: u16) -> Result<()> {
    let [Host::Guest(left), Host::Guest(right)] = &stage.hosts else {
        return Err(Error::Observed { expected: "two guests".into(), found: "other hosts".into() });
    };
    // IPv4 and ICMP headers, IPv6 and ICMPv6 headers.
    for (side, target, headers) in
        [(0, address(1), 28), (1, address(0), 28), (0, address6(1), 48), (1, address6(0), 48)]
    {
        stage.ping(side, &target, 3, 56)?;
        stage.ping(side, &target, 3, u32::from(mtu) - headers)?;
    }
    for (from, to, target) in
        [(left, right, address(1)), (right, left, address(0)), (left, right, address6(1))]
    {
        let read = |name| {
            let said = from.sh(&format!("ethtool -S {INTERFACE}"))?;
            counter_of(&said, name)
        };
        let names = ["tx_tso_packets", "tx_csum_partial"];
        let before = names.map(read);
        let took = transfer(from, to, &target, MEGABYTES)?;
        println!("MTU {mtu}: {MEGABYTES} MB to {target} in {:.1} s", took.as_secs_f64());
        for (name, before) in names.iter().zip(before) {
            let grown = read(name)? - before?;
            demand(grown > 0, format!("{name} to have grown"), grown)?;
        }
        let said = to.sh(&format!("ethtool -S {INTERFACE}"))?;
        let good = counter_of(&said, "rx_csum_complete")? + counter_of(&said, "rx_csum_unnecessary")?;
        let bad = counter_of(&said, "rx_csum_none")?;
        demand(good > bad, "checksums that the card has verified", format!("{good} of {}", good + bad))?;
        let largest = to.sh(&format!("cat /sys/class/net/{INTERFACE}/mtu"))?;
        demand(largest.trim() == mtu.to_string(), format!("MTU {mtu}"), largest)?;
    }
    stage.judge()
}

fn at(name: &str, kernels: [Kernel; 2], mtu: u16) -> Result<()> {
    let [left, right] = kernels;
    let ends = [End::Guest("cx6dx", left), End::Guest("cx7", right)];
    crosses(&Stage::start(name, &Setup { mtu, ..Setup::new(ends) })?, mtu)
}

#[test]
fn linux_hosts_at_mtu_1500() -> Result<()> {
    at("linux1500", [Kernel::V6_12, Kernel::V6_1], 1500)
}

#[test]
fn linux_hosts_at_mtu_9000() -> Result<()> {
    at("linux9000", [Kernel::V6_1, Kernel::V6_12], 9000)
}
