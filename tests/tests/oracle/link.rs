//! Probe, link, neighbours, echoes, the link going away and coming back.

use ravelin_tests::error::{Result, demand};
use ravelin_tests::oracle::pair::{INTERFACE, Pair};

/// The driver knows the card by its identity, reads its firmware's version, and takes vectors of its own.
pub(crate) fn the_driver_probes_the_card_and_the_link_comes_up(pair: &Pair) -> Result<()> {
    for guest in &pair.guests {
        let driver = guest.sh(&format!("ethtool -i {INTERFACE}"))?;
        demand(driver.contains("driver: mlx5_core"), "the driver mlx5_core", &driver)?;
        let version = driver.lines().find_map(|line| line.strip_prefix("firmware-version: "));
        demand(
            version.is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit())),
            "a version",
            &driver,
        )?;
        let link = guest.sh(&format!("ethtool {INTERFACE}"))?;
        demand(link.contains("Link detected: yes"), "a link", &link)?;
        demand(!link.contains("Speed: Unknown"), "a speed", &link)?;
        let interrupts = guest.sh("cat /proc/interrupts")?;
        let completions = interrupts.lines().filter(|line| line.contains("mlx5_comp")).count();
        demand(completions >= 2, "a completion vector per processor", &interrupts)?;
        demand(interrupts.contains("mlx5_async"), "a vector for events", &interrupts)?;
    }
    Ok(())
}

/// ARP finds the neighbour, and echoes of every size come back, in fragments and over IPv6 too.
pub(crate) fn neighbours_are_found_and_echoes_come_back(pair: &Pair) -> Result<()> {
    let arp = pair.guests[0].run(&format!("arping -c 2 -w 5 -I {INTERFACE} 10.0.0.2"))?.text;
    demand(arp.contains("Received 2 response") || arp.contains("Received 2 repl"), "two answers", arp)?;
    for size in [0, 1, 56, 1472, 1473, 8000, 20_000] {
        pair.ping(0, "10.0.0.2", 2, size)?;
        pair.ping(1, "10.0.0.1", 2, size)?;
    }
    for size in [56, 1452, 8000] {
        pair.ping(0, "fd00::2", 2, size)?;
    }
    let own = pair.guests[0].sh(&format!("cat /sys/class/net/{INTERFACE}/address"))?;
    let seen = pair.guests[1].sh(&format!("ip neigh show 10.0.0.1 dev {INTERFACE}"))?;
    demand(seen.contains(own.trim()), format!("a neighbour at {own}"), seen)
}

/// `ip link set down` and `up`, again and again; the traffic is there each time, and no queue is left.
pub(crate) fn the_interface_goes_down_and_up(pair: &Pair) -> Result<()> {
    for _ in 0..3 {
        pair.guests[0].sh(&format!("ip link set {INTERFACE} down"))?;
        let silent = pair.guests[1].run("ping -c 1 -W 1 10.0.0.1")?;
        demand(silent.status != 0, "no answer from an interface that is down", silent.text)?;
        pair.guests[0].sh(&format!("ip link set {INTERFACE} up"))?;
        pair.wait_for_carrier()?;
        pair.ping(1, "10.0.0.1", 2, 1000)?;
    }
    Ok(())
}

/// The cable is pulled and put back: the driver learns of both by the port's events.
pub(crate) fn the_driver_sees_the_link_go_and_come(pair: &Pair) -> Result<()> {
    let carrier = |value: u8| format!("[ $(cat /sys/class/net/{INTERFACE}/carrier) = {value} ]");
    pair.model.tell("link 0 down")?;
    pair.wait_for(&pair.guests[0], &carrier(0))?;
    pair.model.tell("link 0 up")?;
    pair.wait_for_carrier()?;
    pair.ping(0, "10.0.0.2", 2, 56)?;
    let log = pair.guests[0].log()?;
    demand(log.contains("Link down") && log.contains("Link up"), "both in the kernel's log", log)
}

/// The driver's own test: link, speed, health, and a frame to its own address, for which it lets vport and TIRs loop.
pub(crate) fn the_driver_hears_itself_when_it_tests_that(pair: &Pair) -> Result<()> {
    let said = pair.guests[0].sh(&format!("ethtool -t {INTERFACE}"))?;
    let passed = said.lines().any(|line| line.starts_with("Loopback") && line.trim_end().ends_with('0'));
    demand(said.contains("PASS") && passed, "a loopback test that passes", &said)?;
    // Traffic is as before.
    pair.ping(0, "10.0.0.2", 2, 56)
}
