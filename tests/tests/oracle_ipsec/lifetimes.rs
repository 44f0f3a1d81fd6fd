//! Lifetimes in packets: the card counts, Linux is told and tells its listeners; at the hard one the SA ends.

use crate::sa::Plan;
use crate::with;
use core::time::Duration;
use ravelin_tests::error::{Result, demand};

/// The soft limit is heard first and the traffic goes on; the hard limit ends the SA, and nothing goes out in the clear.
#[test]
fn the_soft_and_the_hard_limit_fire() -> Result<()> {
    with(|pair| {
        let plan = Plan { limits: "limit packet-soft 10 limit packet-hard 40".into(), ..Plan::new(128) };
        plan.install(pair)?;
        let guest = &pair.guests[0];
        guest.sh("ip xfrm monitor expire > /run/expire 2>&1 & sleep 0.3")?;
        pair.ping(0, &plan.inner(1), 5, 56)?;
        let early = guest.sh("sleep 1.5; cat /run/expire")?;
        demand(early.is_empty(), "no word before the soft limit", early)?;
        pair.ping(0, &plan.inner(1), 10, 56)?;
        pair.wait_for(guest, "grep -q 'hard 0' /run/expire")?;
        let soft = guest.sh("cat /run/expire")?;
        demand(!soft.contains("hard 1"), "only the soft limit yet", soft)?;
        pair.ping(0, &plan.inner(1), 5, 56)?;
        guest.run_for(&format!("ping -c 40 -i 0.2 -W 1 {}", plan.inner(1)), Duration::from_secs(40))?;
        pair.wait_for(guest, "grep -q 'hard 1' /run/expire")?;
        let states = guest.sh("ip xfrm state; killall ip; true")?;
        demand(!states.contains(&format!("spi {:#010x}", plan.spi(0))), "the SA to be gone", &states)?;
        let after = guest.run(&format!("ping -c 2 -W 1 {}", plan.inner(1)))?;
        demand(after.status != 0, "no echo under an SA that has ended", after.text)
    })
}
