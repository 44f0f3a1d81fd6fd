//! Lifetimes in packets: the card counts, Linux is told and tells its listeners; at the hard one the SA ends.
//!
//! Linux also looks at the card's counters every second and would find the limits by itself, only later. What is the
//! card's own work shows in its event, and in that not one packet more leaves than the hard limit allows. The soft
//! limit is heard from Linux's own look: with limits below 2^31 the driver of 6.12 gives the card hard - soft + 2^31 as
//! the count to tell of, which such an SA never has. The model's unit tests have the card's soft event.

use crate::sa::Plan;
use crate::wire::Wire;
use crate::with;
use core::time::Duration;
use ravelin_tests::error::{Result, demand};
use ravelin_tests::oracle::pair::Pair;

const SOFT: u32 = 10;
const HARD: u32 = 40;

/// Demands that card 0 has told its driver `count` times of a change of an SA.
fn demand_events(pair: &Pair, count: usize) -> Result<()> {
    let notes = pair.model.ask("notes 0")?;
    let told = notes.lines().filter(|line| line.starts_with("OBJECT_CHANGE")).count();
    demand(told == count, format!("{count} events"), notes)
}

/// The soft limit is heard first and the traffic goes on; the hard limit ends the SA, and nothing goes out in the clear.
#[test]
fn the_soft_and_the_hard_limit_fire() -> Result<()> {
    with(|pair| {
        let limits = format!("limit packet-soft {SOFT} limit packet-hard {HARD}");
        let plan = Plan { limits, ..Plan::new(128) };
        plan.install(pair)?;
        let wire = Wire::from_now(pair, &plan)?;
        let guest = &pair.guests[0];
        guest.sh("ip xfrm monitor expire > /run/expire 2>&1 & sleep 0.3")?;
        pair.ping(0, &plan.inner(1), SOFT - 1, 56)?;
        let early = guest.sh("sleep 1.5; cat /run/expire")?;
        demand(early.is_empty(), "no word before the soft limit", early)?;
        demand_events(pair, 0)?;
        pair.ping(0, &plan.inner(1), 1, 56)?;
        pair.wait_for(guest, "grep -q 'hard 0' /run/expire")?;
        let soft = guest.sh("cat /run/expire")?;
        demand(!soft.contains("hard 1"), "only the soft limit yet", soft)?;
        pair.ping(0, &plan.inner(1), 5, 56)?;
        demand_events(pair, 0)?;
        // All within the second in which Linux does not look.
        guest.run_for(
            &format!("ping -c {} -i 0.01 -W 1 {}", 2 * HARD, plan.inner(1)),
            Duration::from_secs(40),
        )?;
        demand_events(pair, 1)?;
        let sent = wire.frames_of(plan.spi(0))?.len();
        demand(sent == HARD as usize, format!("{HARD} packets under the SA"), sent)?;
        pair.wait_for(guest, "grep -q 'hard 1' /run/expire")?;
        let states = guest.sh("ip xfrm state; killall ip; true")?;
        demand(!states.contains(&format!("spi {:#010x}", plan.spi(0))), "the SA to be gone", &states)?;
        let after = guest.run(&format!("ping -c 2 -W 1 {}", plan.inner(1)))?;
        demand(after.status != 0, "no echo under an SA that has ended", after.text)?;
        wire.demand_esp(pair, &plan, 30).map(|_| ())
    })
}
