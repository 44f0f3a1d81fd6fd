//! Keys that children and manual SAs have in common: lifetimes, replay window, header copying, offload.

use core::time::Duration;

use ike_lite::{Lifetime, Lifetimes};

use super::connections::unsupported;
use super::document::{Item, Table};
use super::error::{Error, Mistake};
use super::{CopyDscp, Protection, units};

/// Smallest and largest window that the data path has, in packets.
const WINDOW: core::ops::RangeInclusive<u64> = 32..=4096;
/// swanctl's words; the data path never changes the DSCP of an inner packet.
const DSCP: &[(&str, Option<CopyDscp>)] =
    &[("out", Some(CopyDscp::Out)), ("in", None), ("yes", None), ("no", Some(CopyDscp::No))];

impl Default for Protection {
    /// strongSwan's, with the window of its userland ESP rather than the kernel's 32.
    fn default() -> Self {
        Self { replay_window: 128, copy_df: true, copy_dscp: CopyDscp::Out, copy_ecn: true }
    }
}

pub(super) fn protection(table: &Table<'_>, esn: bool) -> Result<Protection, Error> {
    let mut protection = Protection::default();
    if let Some(item) = table.optional("replay_window") {
        const ACCEPTED: &str = "0, 32 to 4096";
        let window = item.integer(ACCEPTED)?;
        if window != 0 && !WINDOW.contains(&window) {
            return Err(item.unacceptable(ACCEPTED));
        }
        if window == 0 && esn {
            // The upper half of an extended sequence number is inferred from the window.
            //= rfc4303#2.2.1
            let why = "extended sequence numbers need the window";
            return Err(item.mistake(Mistake::Conflict { found: item.shown(), why }, "32 to 4096, or noesn"));
        }
        protection.replay_window = u32::try_from(window).unwrap_or(0);
    }
    if let Some(item) = table.optional("hw_offload")
        && item.one_of(&[("auto", false), ("packet", true), ("no", false)])?
    {
        return Err(unsupported(&item, "no card in this build", "\"auto\", \"no\""));
    }
    if let Some(item) = table.optional("copy_df") {
        protection.copy_df = item.flag()?;
    }
    if let Some(item) = table.optional("copy_dscp") {
        let why = "the DSCP of inner packets is never changed";
        protection.copy_dscp =
            item.one_of(DSCP)?.ok_or_else(|| unsupported(&item, why, "\"out\", \"no\""))?;
    }
    if let Some(item) = table.optional("copy_ecn") {
        protection.copy_ecn = item.flag()?;
    }
    Ok(protection)
}

type Read = fn(&Item<'_>) -> Result<Option<u64>, Error>;

/// The limits of an SA. As in strongSwan, a hard limit that is not given is a tenth above the soft one.
pub(super) fn lifetimes(table: &Table<'_>, rekey_time: Option<Duration>) -> Result<Lifetimes, Error> {
    let seconds: Read = |item| Ok(units::duration_or_off(item)?.map(|span| span.as_secs()));
    let pair = |soft: &str, hard: &str, read: Read, default: Option<u64>| -> Result<_, Error> {
        let soft = table.optional(soft).map_or(Ok(default), |item| read(&item))?;
        let Some(item) = table.optional(hard) else {
            return Ok((soft, soft.map(|n| n.saturating_add(n / 10).max(n.saturating_add(1)))));
        };
        let hard = read(&item)?;
        if let (Some(soft), Some(hard)) = (soft, hard)
            && hard <= soft
        {
            let why = "the hard limit comes before the soft one";
            let accepted = alloc::format!("more than {soft}");
            return Err(item.mistake(Mistake::Conflict { found: item.shown(), why }, &accepted));
        }
        Ok((soft, hard))
    };
    let default = rekey_time.map(|span| span.as_secs());
    let time = pair("rekey_time", "life_time", seconds, default)?;
    let bytes = pair("rekey_bytes", "life_bytes", units::size_or_off, None)?;
    let packets = pair("rekey_packets", "life_packets", units::count_or_off, None)?;
    let lifetime =
        |time: Option<u64>, bytes, packets| Lifetime { time: time.map(Duration::from_secs), bytes, packets };
    Ok(Lifetimes { soft: lifetime(time.0, bytes.0, packets.0), hard: lifetime(time.1, bytes.1, packets.1) })
}
