//! The show without root: QEMU's datagram sockets, and a peer of our own in this process.

use super::namespaces::power_off;
use super::peer::{Keys, World, with_static_sas};
use super::{Error, Options, boot, plan, print_status, until_the_end};
use core::sync::atomic::AtomicBool;
use core::time::Duration;
use gateway::config::Side;
use ravelin_tests::qemu::Port;
use ravelin_tests::site::Site;
use std::time::Instant;

/// Echoes of the bulk transfer, octets of each, and how many may be under way.
const BULK: (u64, usize, usize) = (2000, 1300, 16);

pub(super) fn show(
    site: &Site,
    options: &Options,
    plan: &plan::Plan,
    stop: &AtomicBool,
) -> Result<(), Error> {
    let keys = Keys::draw().map_err(Error::Keys)?;
    let text = with_static_sas(plan, &keys);
    let mut gateway = boot(site, plan, &text, |number, port| {
        let name = if port.side == Side::Inside { "inside" } else { "outside" };
        let (own, other) = (site.path(&format!("{name}.qemu")), site.path(&format!("{name}.peer")));
        Port::datagram(number, &own, &other)
    })?;
    let mut world = World::new(plan, &keys, site.dir()).map_err(Error::Peer)?;
    println!("pinging {} from {} through the tunnel", plan.host.ip, plan.peer_host);
    for _ in 0..5 {
        world.echoes(1, 56, 1);
    }
    println!("  {} of {} came back", world.tally.returned, world.tally.sent);
    if world.tally.returned == 0 {
        for line in world.far_status() {
            println!("  peer: {line}");
        }
        print_status(&mut gateway)?;
        return Err(Error::Failed("no ping crossed the tunnel".into()));
    }
    let (count, size, window) = BULK;
    let before = world.tally;
    let time = world.echoes(count, size, window);
    let octets = world.tally.octets - before.octets;
    println!(
        "{} of {count} echoes of {size} octets came back unharmed, {:.1} Mbit/s each way",
        world.tally.returned - before.returned,
        octets as f64 * 8.0 / 1e6 / time.as_secs_f64()
    );
    until_the_end(options, stop, || {
        let end = Instant::now() + Duration::from_secs(2).min(options.time.unwrap_or(Duration::MAX));
        while Instant::now() < end {
            world.echoes(1, 56, 1);
            world.run(Duration::from_millis(200));
        }
        println!("pings: {} sent, {} came back", world.tally.sent, world.tally.returned);
        print_status(&mut gateway)
    })?;
    power_off(&mut gateway)
}
