//! `[[policy]]` and `[[sa]]`, the policies of children, and what only the whole shows to be wrong.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ike_lite::{EspProposal, SelectorSpec, TrafficSelector};

use super::connections::MODES;
use super::document::{Item, quoted};
use super::error::{Error, Mistake, Position};
use super::protection::{lifetimes, protection};
use super::selector::{PORTS, PROTOCOL, SELECTOR, Upper, ports, protocol, selector};
use super::{
    Action, Connection, Direction, ManualSa, Policy, Port, Route, Secret, SecretFiles, Side, Source,
    connections, secrets, units,
};

pub(super) const POLICY_KEYS: &[&str] =
    &["name", "action", "child", "local_ts", "remote_ts", "protocol", "local_port", "remote_port", "icmp"];
pub(super) const SA_KEYS: &[&str] = &[
    "policy",
    "direction",
    "spi",
    "mode",
    "local",
    "remote",
    "local_port",
    "remote_port",
    "esp_proposal",
    "key",
    "key_file",
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Bypass,
    Discard,
    Protect,
}

const ACTIONS: &[(&str, Word)] =
    &[("bypass", Word::Bypass), ("discard", Word::Discard), ("protect", Word::Protect)];
const DIRECTIONS: &[(&str, Direction)] = &[("in", Direction::In), ("out", Direction::Out)];

/// A place for mistakes about a policy that are found later.
pub(super) type Places<'a> = Vec<Option<Item<'a>>>;

fn any() -> [TrafficSelector; 2] {
    [
        TrafficSelector::prefix(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        TrafficSelector::prefix(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0),
    ]
}

/// The policies of one side of a child: `dynamic` stands for every address that the connection allows.
fn resolve(specs: &[SelectorSpec], addrs: &[ike_lite::Prefix]) -> Vec<TrafficSelector> {
    let mut list = Vec::new();
    for spec in specs {
        match *spec {
            SelectorSpec::Fixed(ts) => list.push(ts),
            SelectorSpec::Dynamic { protocol, first_port, last_port } => {
                let all = addrs.iter().map(|prefix| TrafficSelector::prefix(prefix.address, prefix.length));
                let all: Vec<_> = if addrs.is_empty() { any().to_vec() } else { all.collect() };
                list.extend(all.into_iter().map(|ts| ts.with_ports(protocol, first_port, last_port)));
            }
        }
    }
    list
}

fn child_policy(connections: &[Connection], connection: usize, child: usize) -> Option<Policy> {
    let ike = &connections.get(connection)?.ike;
    let spec = ike.children.get(child)?;
    Some(Policy {
        name: format!("{}.{}", ike.name, spec.name),
        action: Action::Protect(Source::Child { connection, child }),
        local: resolve(&spec.local_ts, &ike.local_addrs),
        remote: resolve(&spec.remote_ts, &ike.remote_addrs),
    })
}

pub(super) fn policies<'a>(
    items: &[Item<'a>],
    connections: &[Connection],
    connections_item: Option<&Item<'a>>,
) -> Result<(Vec<Policy>, Places<'a>), Error> {
    let mut policies: Vec<Policy> = Vec::new();
    let mut places: Places<'a> = Vec::new();
    let children: Vec<Policy> = connections
        .iter()
        .enumerate()
        .flat_map(|(c, conn)| (0..conn.children.len()).filter_map(move |i| child_policy(connections, c, i)))
        .collect();
    for item in items {
        let (policy, place) = policy(item, policies.len() + 1, &children)?;
        if let Some(index) = policies.iter().position(|other| other.name == policy.name) {
            let first = places.get(index).and_then(Option::as_ref).map_or(item.position(), Item::position);
            let mistake = Mistake::Duplicate { found: format!("policy \"{}\"", policy.name), first };
            return Err(place.mistake(mistake, "a policy of its own"));
        }
        policies.push(policy);
        places.push(Some(place));
    }
    for child in children {
        if policies.iter().all(|policy| policy.action != child.action) {
            let names = child.name.split_once('.').zip(connections_item);
            places.push(names.and_then(|((c, name), item)| connections::place(item, c, name)));
            policies.push(child);
        }
    }
    Ok((policies, places))
}

fn policy<'a>(item: &Item<'a>, number: usize, children: &[Policy]) -> Result<(Policy, Item<'a>), Error> {
    let table = item.table(POLICY_KEYS)?;
    let action_item = table.required("action", &quoted(ACTIONS.iter().map(|(word, _)| *word)))?;
    let action = action_item.one_of(ACTIONS)?;
    if let Some(item) = table.optional("child") {
        let names = quoted(children.iter().map(|child| child.name.as_str()));
        let name = item.text(&names)?;
        if action != Word::Protect {
            let why = "only \"protect\" goes with a child";
            return Err(item.mistake(Mistake::Conflict { found: item.shown(), why }, "action = \"protect\""));
        }
        let unknown = Mistake::Unknown { noun: "child", found: name.to_owned() };
        let child = children.iter().find(|child| child.name == name);
        let child = child.ok_or_else(|| item.mistake(unknown, &names))?.clone();
        for key in POLICY_KEYS.iter().filter(|key| !matches!(**key, "action" | "child")) {
            if let Some(extra) = table.optional(key) {
                let why = "the child has its own name and selectors";
                let mistake = Mistake::Conflict { found: extra.shown(), why };
                return Err(extra.mistake(mistake, "action and child alone"));
            }
        }
        return Ok((child, item));
    }
    let (name, place) = match table.optional("name") {
        Some(item) => (super::ports::name(&item)?, item),
        None => (format!("policy-{number}"), action_item),
    };
    let default = match table.optional("protocol") {
        Some(item) if item.is_text() => {
            protocol(item.text(PROTOCOL)?).ok_or_else(|| item.unacceptable(PROTOCOL))?
        }
        Some(item) => u8::try_from(item.within(1..=255)?).unwrap_or_default(),
        None => 0,
    };
    let range = |key: &str| -> Result<Option<(u16, u16)>, Error> {
        let Some(item) = table.optional(key) else { return Ok(None) };
        let text = match item.is_text() {
            true => item.text(PORTS)?.to_owned(),
            false => format!("{}", item.integer(PORTS)?),
        };
        let is_icmp = matches!(default, 1 | 58);
        if is_icmp != (key == "icmp") {
            let why = match key {
                "icmp" => "needs protocol = \"icmp\" or \"icmpv6\"",
                _ => "ICMP has types and codes, not ports",
            };
            return Err(item.mistake(Mistake::Conflict { found: item.shown(), why }, PORTS));
        }
        ports(default, &text).map(Some).ok_or_else(|| item.unacceptable(PORTS))
    };
    let icmp = range("icmp")?;
    let (local_port, remote_port) = (range("local_port")?.or(icmp), range("remote_port")?.or(icmp));
    let side = |key: &str, port: Option<(u16, u16)>| -> Result<Vec<TrafficSelector>, Error> {
        let (first_port, last_port) = port.unwrap_or((0, u16::MAX));
        let upper = Upper { protocol: default, first_port, last_port };
        let apply = |ts: TrafficSelector| ts.with_ports(upper.protocol, upper.first_port, upper.last_port);
        let Some(item) = table.optional(key) else { return Ok(any().map(apply).to_vec()) };
        let mut list = Vec::new();
        for (text, item) in item.strings(SELECTOR)? {
            match selector(text, &item)? {
                SelectorSpec::Fixed(ts) if ts.protocol == 0 => list.push(apply(ts)),
                SelectorSpec::Fixed(ts) if upper == Upper::ANY => list.push(ts),
                SelectorSpec::Fixed(_) => {
                    let why = "protocol and ports are given twice";
                    let mistake = Mistake::Conflict { found: format!("\"{text}\""), why };
                    return Err(item.mistake(mistake, "either [protocol/port] or the keys"));
                }
                SelectorSpec::Dynamic { .. } => {
                    let why = "only a child knows the addresses of its peers";
                    let mistake = Mistake::Conflict { found: format!("\"{text}\""), why };
                    return Err(item.mistake(mistake, "a network, an address or a range"));
                }
            }
        }
        Ok(list)
    };
    let (local, remote) = (side("local_ts", local_port)?, side("remote_ts", remote_port)?);
    if !local.iter().any(|a| remote.iter().any(|b| a.first.is_ipv4() == b.first.is_ipv4())) {
        let why = "local_ts and remote_ts have no address family in common";
        let place = table.optional("remote_ts").unwrap_or(place);
        return Err(place.mistake(
            Mistake::Conflict { found: place.shown(), why },
            "selectors of the same family on both sides",
        ));
    }
    let action = match action {
        Word::Bypass => Action::Bypass,
        Word::Discard => Action::Discard,
        Word::Protect => Action::Protect(Source::Manual),
    };
    Ok((Policy { name, action, local, remote }, place))
}

pub(super) fn sas(
    items: &[Item<'_>],
    ports: &[Port],
    policies: &[Policy],
    files: SecretFiles<'_>,
) -> Result<Vec<ManualSa>, Error> {
    let mut sas: Vec<ManualSa> = Vec::new();
    let mut places: Vec<Position> = Vec::new();
    for item in items {
        let (sa, place) = sa(item, ports, policies, files)?;
        let clash = |other: &ManualSa| {
            let peer = sa.direction == Direction::In || other.remote == sa.remote;
            other.direction == sa.direction && other.spi == sa.spi && peer
        };
        if let Some(index) = sas.iter().position(clash) {
            let first = places.get(index).copied().unwrap_or_else(|| place.position());
            let mistake = Mistake::Duplicate { found: format!("SPI {:#010x}", sa.spi), first };
            return Err(place.mistake(mistake, "another SPI"));
        }
        places.push(place.position());
        sas.push(sa);
    }
    Ok(sas)
}

fn sa<'a>(
    item: &Item<'a>,
    ports: &[Port],
    policies: &[Policy],
    files: SecretFiles<'_>,
) -> Result<(ManualSa, Item<'a>), Error> {
    let table = item.table(SA_KEYS)?;
    let manual = |policy: &&Policy| policy.action == Action::Protect(Source::Manual);
    let names = quoted(policies.iter().filter(manual).map(|policy| policy.name.as_str()));
    let item = table.required("policy", &names)?;
    let name = item.text(&names)?;
    let policy =
        policies.iter().position(|policy| policy.name == name && manual(&policy)).ok_or_else(|| {
            item.mistake(Mistake::Unknown { noun: "protect policy", found: name.to_owned() }, &names)
        })?;
    let direction =
        table.required("direction", &quoted(DIRECTIONS.iter().map(|(word, _)| *word)))?.one_of(DIRECTIONS)?;
    // 1 to 255 are reserved, 0 never appears on the wire.
    //= rfc4303#2.1
    let spi_item = table.required("spi", "256 to 4294967295")?;
    let spi = u32::try_from(spi_item.within(256..=u32::MAX.into())?).unwrap_or_default();
    let mode = table.optional("mode").map_or(Ok(ike_lite::Mode::Tunnel), |item| item.one_of(MODES))?;
    let item = table.required("local", units::ADDRESS)?;
    let local = units::address(&item)?;
    if !ports.iter().any(|port| port.addresses.iter().any(|prefix| prefix.addr() == local)) {
        let known: Vec<String> = ports
            .iter()
            .flat_map(|port| &port.addresses)
            .map(|prefix| format!("{}", prefix.addr()))
            .collect();
        let unknown = Mistake::Unknown { noun: "address of this gateway", found: format!("{local}") };
        return Err(item.mistake(unknown, &quoted(known.iter().map(String::as_str))));
    }
    let item = table.required("remote", units::ADDRESS)?;
    let remote = units::address(&item)?;
    let conflict =
        |item: &Item<'_>, why| item.mistake(Mistake::Conflict { found: item.shown(), why }, units::ADDRESS);
    if remote.is_ipv4() != local.is_ipv4() {
        return Err(conflict(&item, "local and remote are of different families"));
    }
    let host =
        |side: &[TrafficSelector], addr: IpAddr| side.iter().any(|ts| ts.first <= addr && addr <= ts.last);
    if mode == ike_lite::Mode::Transport
        && !policies.get(policy).is_some_and(|p| host(&p.local, local) && host(&p.remote, remote))
    {
        return Err(conflict(&item, "in transport mode the policy has to cover local and remote themselves"));
    }
    let port = |key: &str| -> Result<Option<u16>, Error> {
        let Some(item) = table.optional(key) else { return Ok(None) };
        Ok(Some(u16::try_from(item.within(1..=65_535)?).unwrap_or_default()))
    };
    let encap = match (port("local_port")?, port("remote_port")?) {
        (Some(local), Some(remote)) => Some((local, remote)),
        (None, None) => None,
        (Some(_), None) => return Err(missing(&table, "remote_port")),
        (None, Some(_)) => return Err(missing(&table, "local_port")),
    };
    let (algorithm, esn) = algorithm(&table.required("esp_proposal", ALGORITHM)?)?;
    let (octets, item) = secrets::octets(&table, ("key", "key_file"), "hexadecimal", files, |text| {
        units::hex(text.strip_prefix("0x").unwrap_or(text))
    })?;
    if octets.len() != algorithm.key_len() {
        let accepted = format!("{} octets: key and 4 octets of salt", algorithm.key_len());
        return Err(item.mistake(Mistake::BadSecret("wrong length for the algorithm"), &accepted));
    }
    let sa = ManualSa {
        policy,
        direction,
        spi,
        mode,
        local,
        remote,
        encap,
        algorithm,
        esn,
        key: Secret(octets),
        protection: protection(&table, esn, ports)?,
        lifetimes: lifetimes(&table, None)?,
    };
    Ok((sa, spi_item))
}

const ALGORITHM: &str =
    "\"aes128gcm16\", \"aes256gcm16\" or \"chacha20poly1305\", with \"-esn\" for extended sequence numbers";

fn missing(table: &super::document::Table<'_>, key: &str) -> Error {
    let accepted = "local_port and remote_port together, for UDP encapsulation";
    table.required(key, accepted).err().unwrap_or_else(|| table.mistake(Mistake::Missing, accepted))
}

/// A manual SA has one algorithm: a proposal without choice.
fn algorithm(item: &Item<'_>) -> Result<(ike_lite::EspAlgorithm, bool), Error> {
    let text = item.text(ALGORITHM)?;
    let proposal: EspProposal = text.parse().map_err(|_| item.unacceptable(ALGORITHM))?;
    match (proposal.encryption.as_slice(), proposal.esn.as_slice(), proposal.groups.is_empty()) {
        (&[algorithm], &[esn], true) => Ok((algorithm, esn)),
        _ => Err(item.unacceptable(ALGORITHM)),
    }
}

/// A protected destination must not be routed to the inside, where packets leave without IPsec.
pub(super) fn check_routes(
    ports: &[Port],
    routes: &[Route],
    policies: &[Policy],
    places: &Places<'_>,
) -> Result<(), Error> {
    let inside = |port: usize| ports.get(port).is_some_and(|port| port.side == Side::Inside);
    for (policy, place) in policies.iter().zip(places) {
        let (Action::Protect(_), Some(place)) = (policy.action, place) else { continue };
        for ts in &policy.remote {
            let within =
                |prefix: &net::prefix::Prefix| prefix.first() <= ts.first && ts.last <= prefix.last();
            let links = ports.iter().enumerate().flat_map(|(i, p)| p.addresses.iter().map(move |a| (*a, i)));
            let routed = routes.iter().map(|route| (route.to, route.port)).chain(links);
            let routed: Vec<_> = routed.filter(|(prefix, _)| within(prefix)).collect();
            // Several of the best, where one takes another's place.
            let longest = routed.iter().map(|(prefix, _)| prefix.prefix_len()).max();
            if routed.iter().any(|(prefix, port)| Some(prefix.prefix_len()) == longest && inside(*port)) {
                let why = "these destinations are routed to an inside port, where nothing is protected";
                let mistake = Mistake::Conflict { found: format!("{ts}"), why };
                return Err(place.mistake(mistake, "a route by an outside port"));
            }
        }
    }
    Ok(())
}
