//! `[connections.NAME]` with `local`, `remote` and `children`.

use alloc::{borrow::ToOwned, format, string::String, string::ToString, vec::Vec};
use core::str::FromStr;
use core::time::Duration;

use ike_lite::{
    Child, EspProposal, IdentityMatch, IkeProposal, Mode, Prefix, ProposalError, Psk, SelectorSpec,
};

use super::document::{Item, Table, quoted};
use super::error::{Error, Mistake};
use super::protection::{lifetimes, protection};
use super::secrets::{self, identity_of};
use super::selector::{SELECTOR, selector};
use super::{Connection, Port, Protection, units};

pub(super) const CONNECTION_KEYS: &[&str] = &[
    "version",
    "local_addrs",
    "remote_addrs",
    "proposals",
    "dpd_delay",
    "encap",
    "mobike",
    "fragmentation",
    "rekey_time",
    "over_time",
    "local",
    "remote",
    "children",
];
pub(super) const LOCAL_KEYS: &[&str] = &["auth", "id"];
pub(super) const CHILD_KEYS: &[&str] = &[
    "local_ts",
    "remote_ts",
    "esp_proposals",
    "mode",
    "start_action",
    "rekey_time",
    "life_time",
    "rekey_bytes",
    "life_bytes",
    "rekey_packets",
    "life_packets",
    "replay_window",
    "hw_offload",
    "hw_interface",
    "copy_df",
    "copy_dscp",
    "copy_ecn",
];

const PEERS: &str = "\"%any\", addresses or networks such as \"10.9.0.1\" or \"10.9.0.0/24\"";
pub(super) const MODES: &[(&str, Mode)] = &[("tunnel", Mode::Tunnel), ("transport", Mode::Transport)];
pub(super) fn connections(
    item: Option<Item<'_>>,
    ports: &[Port],
    secrets: &[secrets::Psk],
) -> Result<Vec<Connection>, Error> {
    let Some(item) = item else { return Ok(Vec::new()) };
    item.names()?.named().into_iter().map(|(name, item)| connection(name, &item, ports, secrets)).collect()
}

/// Where mistakes about the peer's side of a child's traffic are reported.
pub(super) fn place<'a>(connections: &Item<'a>, connection: &str, child: &str) -> Option<Item<'a>> {
    let children = connections.names().ok()?.optional(connection)?.names().ok()?.optional("children")?;
    let (_, item) = children.names().ok()?.named().into_iter().find(|(name, _)| *name == child)?;
    let remote = item.names().ok()?.optional("remote_ts");
    Some(remote.unwrap_or(item))
}

fn connection(
    name: &str,
    item: &Item<'_>,
    ports: &[Port],
    secrets: &[secrets::Psk],
) -> Result<Connection, Error> {
    let table = item.table(CONNECTION_KEYS)?;
    if let Some(item) = table.optional("version") {
        item.within(2..=2)?;
    }
    for key in ["mobike", "fragmentation"] {
        if let Some(item) = table.optional(key)
            && item.flag()?
        {
            return Err(unsupported(&item, "not implemented; peers fall back", "false"));
        }
    }
    let mut ike = ike_lite::Connection::new(name, Psk::new(&[]));
    if let Some(item) = table.optional("local_addrs") {
        ike.local_addrs = local_addrs(&item, ports)?;
    }
    if let Some(item) = table.optional("remote_addrs") {
        ike.remote_addrs = remote_addrs(&item)?;
    }
    if let Some(item) = table.optional("proposals") {
        ike.proposals = proposals::<IkeProposal>(&item)?;
    }
    if let Some(item) = table.optional("dpd_delay") {
        ike.dpd_delay = units::duration_or_off(&item)?;
    }
    if let Some(item) = table.optional("encap") {
        ike.encap = item.flag()?;
    }
    ike.rekey_time = match table.optional("rekey_time") {
        Some(item) => units::duration_or_off(&item)?,
        None => Some(Duration::from_secs(4 * 3_600)),
    };
    // As in strongSwan: a tenth of the rekey time.
    ike.over_time = ike.rekey_time.unwrap_or_default() / 10;
    if let Some(item) = table.optional("over_time") {
        ike.over_time = units::duration(&item)?;
    }
    ike.local_id = match side(&table, "local")? {
        Some((text, item)) => Some(identity_of(&text, &item)?),
        None => None,
    };
    ike.remote_id = match side(&table, "remote")? {
        Some((text, _)) if text == "%any" => IdentityMatch::Any,
        Some((text, item)) => IdentityMatch::Is(identity_of(&text, &item)?),
        None => IdentityMatch::Any,
    };
    let remote_id = match &ike.remote_id {
        IdentityMatch::Is(id) => Some(id),
        IdentityMatch::Any => None,
    };
    let psk = secrets::choose(secrets, ike.local_id.as_ref(), remote_id).ok_or_else(|| {
        let shown = |side: &str, default: &str| -> String {
            let id = table.optional(side).and_then(|item| item.names().ok()?.optional("id"));
            id.and_then(|id| Some(id.text("").ok()?.to_owned())).unwrap_or_else(|| default.to_owned())
        };
        let mistake =
            Mistake::NoSecret { local: shown("local", "our address"), remote: shown("remote", "%any") };
        table.mistake(mistake, "a [secrets.NAME] whose id has both, only the peer's, or is left out")
    })?;
    ike.psk = Psk::new(&psk.octets);
    let mut protections = Vec::new();
    let children = table.required("children", "[connections.NAME.children.NAME]")?.names()?;
    for (name, item) in children.named() {
        let (child, protection) = child(name, &item, ports)?;
        ike.children.push(child);
        protections.push(protection);
    }
    if ike.children.is_empty() {
        return Err(children.mistake(Mistake::Missing, "[connections.NAME.children.NAME]"));
    }
    Ok(Connection { ike, children: protections })
}

pub(super) fn unsupported(item: &Item<'_>, why: &'static str, accepted: &str) -> Error {
    item.mistake(Mistake::Unsupported { found: item.shown(), why }, accepted)
}

/// The identity of one side, after checking that it authenticates in a way we know.
fn side<'a>(table: &Table<'a>, key: &str) -> Result<Option<(String, Item<'a>)>, Error> {
    let Some(item) = table.optional(key) else { return Ok(None) };
    let table = item.table(LOCAL_KEYS)?;
    if let Some(item) = table.optional("auth") {
        item.one_of(&[("psk", ())])?;
    }
    let Some(item) = table.optional("id") else { return Ok(None) };
    let text = item.text("an identity, for the peer also \"%any\"")?.to_owned();
    Ok(Some((text, item)))
}

fn local_addrs(item: &Item<'_>, ports: &[Port]) -> Result<Vec<Prefix>, Error> {
    let mut addrs = Vec::new();
    for (text, item) in item.strings(units::ADDRESS)? {
        if text == "%any" {
            continue;
        }
        let own = || ports.iter().flat_map(|port| &port.addresses).map(|prefix| prefix.addr());
        let known = own().map(|addr| addr.to_string()).collect::<Vec<_>>();
        let accepted = quoted(known.iter().map(String::as_str));
        let addr =
            text.parse().map_err(|_| item.mistake(Mistake::Value(format!("\"{text}\"")), &accepted))?;
        if !own().any(|other| other == addr) {
            let unknown = Mistake::Unknown { noun: "address of this gateway", found: text.to_owned() };
            return Err(item.mistake(unknown, &accepted));
        }
        addrs.push(Prefix::host(addr));
    }
    Ok(addrs)
}

fn remote_addrs(item: &Item<'_>) -> Result<Vec<Prefix>, Error> {
    let mut addrs = Vec::new();
    for (text, item) in item.strings(PEERS)? {
        if text == "%any" {
            continue;
        }
        let prefix: net::prefix::Prefix =
            text.parse().map_err(|_| item.mistake(Mistake::Value(format!("\"{text}\"")), PEERS))?;
        addrs.push(Prefix { address: prefix.addr(), length: prefix.prefix_len() });
    }
    Ok(addrs)
}

fn proposals<P: FromStr<Err = ProposalError>>(item: &Item<'_>) -> Result<Vec<P>, Error> {
    let mut proposals = Vec::new();
    for (text, item) in item.strings("proposal strings")? {
        proposals.push(text.parse().map_err(|error| match error {
            ProposalError::UnknownWord { word, offset, accepted } => item.inside(offset).mistake(
                Mistake::Unknown { noun: "algorithm", found: word },
                &quoted(accepted.iter().copied()),
            ),
            ProposalError::Missing { what, accepted } => {
                let mistake = Mistake::Unknown { noun: what, found: text.to_owned() };
                item.mistake(mistake, &quoted(accepted.iter().copied()))
            }
        })?);
    }
    Ok(proposals)
}

fn child(name: &str, item: &Item<'_>, ports: &[Port]) -> Result<(Child, Protection), Error> {
    let table = item.table(CHILD_KEYS)?;
    let mut child = Child::new(name);
    if let Some(item) = table.optional("mode") {
        child.mode = item.one_of(MODES)?;
    }
    let selectors = |key: &str| -> Result<Vec<SelectorSpec>, Error> {
        let Some(item) = table.optional(key) else { return Ok(alloc::vec![SelectorSpec::DYNAMIC]) };
        let mut list = Vec::new();
        for (text, item) in item.strings(SELECTOR)? {
            let spec = selector(text, &item)?;
            if child.mode == Mode::Transport && matches!(spec, SelectorSpec::Fixed(ts) if ts.first != ts.last)
            {
                let why = "transport mode protects two hosts, not networks";
                let mistake = Mistake::Conflict { found: format!("\"{text}\""), why };
                return Err(item.mistake(mistake, "\"dynamic\", a single address, or mode = \"tunnel\""));
            }
            list.push(spec);
        }
        Ok(list)
    };
    let (local_ts, remote_ts) = (selectors("local_ts")?, selectors("remote_ts")?);
    if !paired(&local_ts, &remote_ts) {
        let why = "local_ts and remote_ts have no address family in common";
        const ACCEPTED: &str = "selectors of the same family on both sides";
        let place = table.optional("remote_ts").or_else(|| table.optional("local_ts"));
        let found = place.as_ref().map(Item::shown).unwrap_or_default();
        let mistake = Mistake::Conflict { found, why };
        return Err(match place {
            Some(item) => item.mistake(mistake, ACCEPTED),
            None => table.mistake(mistake, ACCEPTED),
        });
    }
    (child.local_ts, child.remote_ts) = (local_ts, remote_ts);
    if let Some(item) = table.optional("esp_proposals") {
        child.esp_proposals = proposals::<EspProposal>(&item)?;
    }
    if let Some(item) = table.optional("start_action")
        && item.text("\"none\"")? != "none"
    {
        return Err(unsupported(&item, "this gateway responds and does not initiate", "\"none\""));
    }
    child.lifetimes = lifetimes(&table, Some(Duration::from_secs(3_600)))?;
    let esn = child.esp_proposals.iter().any(|proposal| proposal.esn.contains(&true));
    let protection = protection(&table, esn, ports)?;
    Ok((child, protection))
}

/// Whether any two selectors of the sides are of one family; `dynamic` is of whichever family is needed.
fn paired(local: &[SelectorSpec], remote: &[SelectorSpec]) -> bool {
    let family = |spec: &SelectorSpec| match spec {
        SelectorSpec::Fixed(ts) => Some(ts.first.is_ipv4()),
        SelectorSpec::Dynamic { .. } => None,
    };
    local.iter().any(|a| remote.iter().any(|b| family(a).zip(family(b)).is_none_or(|(a, b)| a == b)))
}
