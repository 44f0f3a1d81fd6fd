//! A gateway on cards sleeps until a completion's interrupt wakes it.

use core::time::Duration;
use ravelin_tests::cards::{End, Setup, Stage, address};
use ravelin_tests::error::{Result, demand};
use std::time::Instant;

/// The budget is 3 % of a core under emulation, as for virtio ports.
#[test]
fn an_idle_gateway_sleeps_and_wakes_for_a_packet() -> Result<()> {
    const WATCHED: Duration = Duration::from_secs(5);
    let stage = Stage::start("idle", &Setup::new([End::Card("cx7"), End::Card("cx6dx")]))?;
    // Addresses are claimed and announced first, and neighbours found.
    stage.ping(0, &address(1), 10, 56)?;
    std::thread::sleep(Duration::from_secs(2));
    let before = stage.gateway.usage().cpu;
    std::thread::sleep(WATCHED);
    let used = stage.gateway.usage().cpu - before;
    demand(used < WATCHED * 3 / 100, "less than 3 % of a core", format!("{used:?} in {WATCHED:?}"))?;
    // The loop looks around every 50 ms: without interrupts, an echo would wait for that at both ports.
    let started = Instant::now();
    let said = stage.sh(0, &format!("ping -n -c 40 -i 0.07 {}", address(1)))?;
    let average = said.lines().find_map(|line| line.split('/').nth(4)?.parse::<f64>().ok());
    println!("{used:?} in {WATCHED:?}; 40 echoes in {:?}, on average {average:?} ms", started.elapsed());
    demand(average.is_some_and(|average| average < 10.0), "answers at once", said)?;
    stage.judge()
}
