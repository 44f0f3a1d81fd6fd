//! What a policy on the card means for packets that no SA protects.

use crate::sa::Plan;
use crate::wire::Wire;
use crate::with;
use ravelin_tests::error::{Result, demand};

/// Without its SA a policy lets nothing out in the clear.
#[test]
fn nothing_leaves_in_the_clear_when_the_sa_is_gone() -> Result<()> {
    with(|pair| {
        let plan = Plan::new(128);
        plan.install(pair)?;
        pair.ping(0, &plan.inner(1), 2, 56)?;
        pair.guests[0].sh("ip xfrm state flush")?;
        let wire = Wire::from_now(pair, &plan)?;
        let silent = pair.guests[0].run(&format!("ping -c 3 -W 1 {}", plan.inner(1)))?;
        demand(silent.status != 0, "no echo", silent.text)?;
        wire.demand_esp(pair, &plan, 0).map(|_| ())
    })
}

/// A packet in the clear that a policy wants protected is not taken.
#[test]
fn a_packet_in_the_clear_is_not_taken() -> Result<()> {
    with(|pair| {
        let plan = Plan::new(128);
        plan.install(pair)?;
        pair.guests[1].sh("ip xfrm policy flush; ip xfrm state flush")?;
        let wire = Wire::from_now(pair, &plan)?;
        let silent = pair.guests[1].run("ping -c 3 -W 1 10.0.0.1")?;
        let sent = wire.frames_with(&[0x0a, 0, 0, 2, 0x0a, 0, 0, 1, 8])?;
        demand(sent == 3, "three requests in the clear on the wire", sent)?;
        demand(silent.status != 0, "no answer to an echo in the clear", silent.text)
    })
}

/// SAs and policies come and go, again and again; then the driver unloads, and no page stays.
#[test]
fn sas_come_and_go_and_the_driver_unloads() -> Result<()> {
    with(|pair| {
        let plan = Plan::new(256);
        for _ in 0..3 {
            plan.install(pair)?;
            pair.ping(0, &plan.inner(1), 1, 56)?;
            pair.reset()?;
        }
        pair.guests[0].sh("rmmod mlx5_core")?;
        pair.model.demand_no_pages(0)
    })
}
