//! What a gateway takes: bytes to ship and load, the least guest memory with which a protected ping crosses it, memory
//! of the QEMU process with the same translation buffer on both sides, and processor time while nothing happens.

use super::appliance::{Appliance, file_bytes};
use super::bed::{Bed, Gateway, Size};
use super::error::{Error, Result};
use super::report::{Goal, Row};
use super::{Options, boot};
use core::time::Duration;
use ravelin_tests::paths;
use std::thread::sleep;
use std::time::Instant;

const MIB: f64 = 1024.0 * 1024.0;
/// Largest image.
const IMAGE_MIB: f64 = 2.0;
/// Least guest memory that has to do.
const MEMORY_MIB: f64 = 32.0;
/// Share of one core while idle, in percent.
const IDLE_PERCENT: f64 = 3.0;
/// Guest memory that is tried, in MiB, from what is known to do downwards.
const OUR_MEMORY: &[u32] = &[32, 28, 24, 20, 16, 14, 12, 10, 8, 6, 5, 4, 3, 2];
const THEIR_MEMORY: &[u32] = &[128, 120, 112, 104, 96, 88, 80];
/// Translation buffer for the comparison of QEMU's own memory, in MiB.
const TRANSLATION_BUFFER: u32 = 32;
/// How long idling is watched, and how long the gateway gets to come to rest before.
const IDLE: Duration = Duration::from_secs(12);
const REST: Duration = Duration::from_secs(2);

/// Runs the bench.
///
/// # Errors
/// When a gateway does not come up with the memory that it is known to need.
pub(crate) fn run(options: &mut Options) -> Result<Vec<Row>> {
    let image = file_bytes(&paths::image())? as f64 / MIB;
    let ours = of_gateway(options, Gateway::Image(boot::BOARDS[0]), boot::IMAGE_MEMORY, OUR_MEMORY)?;
    let theirs = if options.quick {
        None
    } else {
        let shipped = Appliance::ready()?.shipped_bytes()? as f64 / MIB;
        let gateway = Gateway::Appliance { offloads: true };
        Some((shipped, of_gateway(options, gateway, boot::APPLIANCE_MEMORY, THEIR_MEMORY)?))
    };
    let beside = |of: fn(&Footprint) -> f64| theirs.as_ref().map(|(_, theirs)| of(theirs));
    let mut rows = vec![
        Row::single("image", image, "MiB")
            .beside(theirs.as_ref().map(|(shipped, _)| *shipped))
            .goal(Goal::at_most(IMAGE_MIB)),
        Row::single("least guest memory", ours.memory, "MiB")
            .beside(beside(|theirs| theirs.memory))
            .goal(Goal::at_most(MEMORY_MIB)),
        Row::single(&resident_name(boot::IMAGE_MEMORY), ours.resident, "MiB")
            .beside(beside(|theirs| theirs.resident)),
        Row::single("idle", ours.idle, "% of a core")
            .beside(beside(|theirs| theirs.idle))
            .goal(Goal::at_most(IDLE_PERCENT)),
    ];
    if let Some((shipped, theirs)) = theirs {
        rows.extend([
            Row::single("appliance: kernel and initial file system", shipped, "MiB"),
            Row::single("appliance: least guest memory", theirs.memory, "MiB"),
            Row::single(
                &format!("appliance: {}", resident_name(boot::APPLIANCE_MEMORY)),
                theirs.resident,
                "MiB",
            ),
            Row::single("appliance: idle", theirs.idle, "% of a core"),
        ]);
    }
    Ok(rows)
}

fn resident_name(memory: u32) -> String {
    format!("QEMU resident, -m {memory}, tb-size={TRANSLATION_BUFFER}")
}

/// What was measured of one gateway: MiB, MiB, percent.
struct Footprint {
    memory: f64,
    resident: f64,
    idle: f64,
}

fn of_gateway(options: &mut Options, gateway: Gateway, usual: u32, steps: &[u32]) -> Result<Footprint> {
    options.settle();
    let bed = Bed::start(gateway, Size { memory: usual, translation_buffer: Some(TRANSLATION_BUFFER) })?;
    let resident = bed.qemu.usage().resident as f64 / MIB;
    let idle = idle_percent(&bed, options.quick);
    drop(bed);
    options.note(&format!("footprint {}: resident {resident:.0} MiB, idle {idle:.2} %", gateway.name()));
    let steps = if options.quick { &steps[..1] } else { steps };
    let memory = least(steps, |memory| {
        let came = match Bed::start(gateway, Size::memory(memory)) {
            Ok(_) => true,
            Err(Error::NoPing { .. }) => false,
            Err(other) => return Err(other),
        };
        options.note(&format!("footprint {} with {memory} MiB: {came}", gateway.name()));
        Ok(came)
    })?;
    let Some(memory) = memory else {
        let console = format!("(not even with {} MiB)", steps.first().copied().unwrap_or(usual));
        return Err(Error::NoPing { gateway: gateway.name(), console });
    };
    Ok(Footprint { memory: f64::from(memory), resident, idle })
}

/// The last of `steps` up to the first that does not do.
fn least(steps: &[u32], mut does: impl FnMut(u32) -> Result<bool>) -> Result<Option<u32>> {
    let mut least = None;
    for &step in steps {
        if !does(step)? {
            break;
        }
        least = Some(step);
    }
    Ok(least)
}

/// QEMU's share of one core, in percent, with the tunnel up and nothing to carry.
fn idle_percent(bed: &Bed, quick: bool) -> f64 {
    sleep(REST);
    let (before, start) = (bed.qemu.usage().cpu, Instant::now());
    sleep(if quick { REST } else { IDLE });
    let used = bed.qemu.usage().cpu.saturating_sub(before);
    100.0 * used.as_secs_f64() / start.elapsed().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_ends_at_the_first_failure() {
        let mut tried = Vec::new();
        let found = least(&[32, 24, 16, 8], |memory| {
            tried.push(memory);
            Ok(memory != 16)
        });
        assert_eq!(found.expect("no start fails otherwise"), Some(24));
        assert_eq!(tried, [32, 24, 16]);
        assert_eq!(least(&[32], |_| Ok(false)).expect("no start fails otherwise"), None);
    }
}
