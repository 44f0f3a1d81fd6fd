//! Keys that children and manual SAs have in common: lifetimes, replay window, header copying, offload.

use core::time::Duration;

use ike_lite::{Lifetime, Lifetimes};
use ipsec::Hardware;

use super::connections::unsupported;
use super::document::{Item, Table, quoted};
use super::error::{Error, Mistake};
use super::{CopyDscp, Port, Protection, units};

/// Smallest and largest window that the data path has, in packets.
const WINDOW: core::ops::RangeInclusive<u64> = 32..=4096;
/// swanctl's words; the data path never changes the DSCP of an inner packet.
const DSCP: &[(&str, Option<CopyDscp>)] =
    &[("out", Some(CopyDscp::Out)), ("in", None), ("yes", None), ("no", Some(CopyDscp::No))];

/// swanctl's words, but for "crypto", which leaves the headers to software, and "yes", which means the same.
const HARDWARE: &[(&str, Hardware)] =
    &[("auto", Hardware::Auto), ("packet", Hardware::Packet), ("no", Hardware::No)];

impl Default for Protection {
    /// strongSwan's, with the window of its userland ESP rather than the kernel's 32.
    fn default() -> Self {
        Self {
            replay_window: 128,
            copy_df: true,
            copy_dscp: CopyDscp::Out,
            copy_ecn: true,
            hw_offload: Hardware::Auto,
            hw_interface: None,
        }
    }
}

pub(super) fn protection(table: &Table<'_>, esn: bool, ports: &[Port]) -> Result<Protection, Error> {
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
    if let Some(item) = table.optional("hw_offload") {
        protection.hw_offload = item.one_of(HARDWARE)?;
    }
    if let Some(item) = table.optional("hw_interface") {
        const ANY: &str = "auto";
        let names = quoted(core::iter::once(ANY).chain(ports.iter().map(|port| port.name.as_str())));
        let name = item.text(&names)?;
        if name != ANY {
            let unknown = Mistake::Unknown { noun: "port", found: name.into() };
            let port = ports.iter().position(|port| port.name == name);
            protection.hw_interface = Some(port.ok_or_else(|| item.mistake(unknown, &names))?);
        }
        if protection.hw_interface.is_some() && protection.hw_offload == Hardware::No {
            let why = "hw_offload is \"no\"";
            let conflict = Mistake::Conflict { found: item.shown(), why };
            return Err(item.mistake(conflict, "hw_interface with hw_offload \"auto\" or \"packet\""));
        }
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
