//! The number of channels and the size of the rings, changed under a card in use.

use ravelin_tests::error::{Result, demand};
use ravelin_tests::oracle::pair::{INTERFACE, Pair};

/// One channel, and as many as there are processors again.
pub(crate) fn channels_can_be_changed(pair: &Pair) -> Result<()> {
    for count in [1, 2] {
        pair.guests[0].sh(&format!("ethtool -L {INTERFACE} combined {count}"))?;
        let said = pair.guests[0].sh(&format!("ethtool -l {INTERFACE}"))?;
        let current = said.rsplit("Combined:").next().unwrap_or_default();
        demand(current.trim() == count.to_string(), format!("{count} channels"), said)?;
        pair.wait_for_carrier()?;
        pair.ping(1, "10.0.0.1", 3, 56)?;
        pair.transfer(1, "10.0.0.1", 8)?;
    }
    Ok(())
}

/// Rings of 64 entries and of 4096: the small one wraps many times over.
pub(crate) fn rings_can_be_resized(pair: &Pair) -> Result<()> {
    for (receive, send) in [(64, 64), (4096, 4096), (1024, 1024)] {
        for guest in &pair.guests {
            guest.sh(&format!("ethtool -G {INTERFACE} rx {receive} tx {send}"))?;
            let said = guest.sh(&format!("ethtool -g {INTERFACE}"))?;
            let current = said.split("Current hardware settings").nth(1).unwrap_or_default();
            demand(current.contains(&send.to_string()), format!("{send} entries"), &said)?;
        }
        pair.wait_for_carrier()?;
        pair.transfer(0, "10.0.0.2", 8)?;
        pair.transfer(1, "10.0.0.1", 8)?;
    }
    Ok(())
}

/// Moderation is read and set.
pub(crate) fn moderation_can_be_changed(pair: &Pair) -> Result<()> {
    let guest = &pair.guests[0];
    // One after the other: with the adaptive kind goes what was set with it.
    guest.sh(&format!("ethtool -C {INTERFACE} adaptive-rx off adaptive-tx off"))?;
    guest.sh(&format!("ethtool -C {INTERFACE} rx-usecs 50 rx-frames 64"))?;
    let said = guest.sh(&format!("ethtool -c {INTERFACE}"))?;
    demand(said.contains("rx-usecs:\t50"), "fifty microseconds", &said)?;
    pair.ping(0, "10.0.0.2", 5, 56)?;
    pair.transfer(0, "10.0.0.2", 8)?;
    guest.sh(&format!("ethtool -C {INTERFACE} adaptive-rx on adaptive-tx on")).map(|_| ())
}
