//! Extended sequence numbers: the upper half is authenticated and not sent, and it grows when the lower one wraps.

use crate::sa::Plan;
use crate::wire::Wire;
use crate::with;
use ravelin_tests::error::{Result, demand};
use ravelin_tests::oracle::pair::Pair;

/// How a line of the model's list of commands begins.
const MODIFY_GENERAL_OBJECT: &str = "0xa01 ";
/// Forty sequence numbers before the wrap.
const NEAR_THE_WRAP: u32 = u32::MAX - 39;
/// As many before the middle.
const NEAR_THE_MIDDLE: u32 = (1 << 31) - 40;

fn echoes(pair: &Pair, plan: &Plan) -> Result<()> {
    plan.install(pair)?;
    let wire = Wire::from_now(pair, plan)?;
    pair.ping(0, &plan.inner(1), 15, 56)?;
    pair.ping(1, &plan.inner(0), 15, 56)?;
    wire.demand_esp(pair, plan, 30).map(|_| ())
}

/// How many commands have changed IPSEC objects of card `card`: the driver's answer to the card's ESN events.
fn objects_modified(pair: &Pair, card: usize) -> Result<u64> {
    let said = pair.model.ask(&format!("commands {card}"))?;
    let line = said.lines().find(|line| line.starts_with(MODIFY_GENERAL_OBJECT));
    Ok(line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0))
}

/// A hundred echoes one after the other over the wrap, or over the middle of the lower half's numbers. The card tells
/// its driver of either, once for each SA.
///
/// The driver asks what the event was about and gives the card 10 ms to answer; when a loaded host is later, the driver
/// drops the event. So there is a second and a third chance, with a driver loaded anew, for that alone.
fn across(pair: &Pair, plan: &Plan) -> Result<()> {
    let wanted = plan.on_card.map(|on_card| 2 * u64::from(on_card));
    let mut seen = Vec::new();
    for _ in 0..3 {
        let before = [objects_modified(pair, 0)?, objects_modified(pair, 1)?];
        plan.install(pair)?;
        let wire = Wire::from_now(pair, plan)?;
        pair.ping(0, &plan.inner(1), 100, 56)?;
        wire.demand_esp(pair, plan, 100)?;
        let modified = [objects_modified(pair, 0)? - before[0], objects_modified(pair, 1)? - before[1]];
        if modified == wanted {
            return Ok(());
        }
        seen.push(modified);
        for guest in &pair.guests {
            guest.sh("rmmod mlx5_core")?;
        }
        pair.reset()?;
    }
    demand(false, format!("{wanted:?} changes of objects on the cards"), format!("{seen:?}"))
}

#[test]
fn esn_on_both_cards() -> Result<()> {
    with(|pair| echoes(pair, &Plan { esn: Some(64), ..Plan::new(256) }))
}

#[test]
fn esn_against_software() -> Result<()> {
    with(|pair| echoes(pair, &Plan { esn: Some(128), on_card: [true, false], ..Plan::new(128) }))
}

#[test]
fn the_sequence_number_wraps_on_both_cards() -> Result<()> {
    with(|pair| across(pair, &Plan { esn: Some(32), first: NEAR_THE_WRAP, ..Plan::new(128) }))
}

#[test]
fn the_sequence_number_wraps_against_software() -> Result<()> {
    with(|pair| {
        let plan = Plan { esn: Some(32), first: NEAR_THE_WRAP, on_card: [true, false], ..Plan::new(256) };
        across(pair, &plan)
    })
}

#[test]
fn the_middle_of_the_numbers_passes_on_both_cards() -> Result<()> {
    with(|pair| across(pair, &Plan { esn: Some(32), first: NEAR_THE_MIDDLE, ..Plan::new(128) }))
}
