//! A TCP transfer between two guests whose content is compared: `nc` of busybox and SHA-256 at both ends.

use super::guest::Guest;
use crate::error::{Result, demand};
use core::time::Duration;
use std::time::Instant;

/// Sends `megabytes` of random octets from one guest to the other at `address`, compares their hashes, and returns the
/// time that the sender took.
///
/// # Errors
/// When they do not arrive, or differ.
pub fn transfer(sender: &Guest, receiver: &Guest, address: &str, megabytes: u32) -> Result<Duration> {
    let patience = Duration::from_secs(30 + u64::from(megabytes));
    // A standard input that never ends: at its end busybox's nc would end the sending side of the connection, and at that
    // the other nc goes away with data unsent.
    receiver.sh("rm -f /run/received; [ -e /run/open ] || mkfifo /run/open
(nc -l -p 5001 <> /run/open | sha256sum > /run/sum; touch /run/received) > /dev/null 2>&1 &
sleep 0.3")?;
    let prepare =
        format!("dd if=/dev/urandom of=/tmp/out bs=1M count={megabytes} 2>/dev/null; sha256sum < /tmp/out");
    let sent = sender.sh_for(&prepare, patience)?;
    let started = Instant::now();
    sender.sh_for(&format!("nc -w 10 {address} 5001 < /tmp/out"), patience)?;
    let took = started.elapsed();
    let got = receiver.sh_for("until [ -e /run/received ]; do sleep 0.1; done; cat /run/sum", patience)?;
    sender.sh("rm /tmp/out")?;
    demand(sent == got, format!("{megabytes} MB with the hash {sent}"), got)?;
    Ok(took)
}
