//! `[gateway]`, `[[port]]` and `[[route]]`.

use alloc::{borrow::ToOwned, format, string::String, vec, vec::Vec};
use core::net::IpAddr;
use core::time::Duration;

use log::LevelFilter;
use net::prefix::Prefix;
use net::wire::EthernetAddress;

use super::document::{Item, Table, quoted};
use super::error::{Error, Mistake, Position};
use super::units;
use super::{Binding, Port, Route, Settings, Side};

pub(super) const GATEWAY_KEYS: &[&str] =
    &["name", "log", "status_interval", "keylog", "buffers", "sas", "cookie_threshold", "half_open"];
pub(super) const PORT_KEYS: &[&str] = &["name", "side", "pci", "mac", "addresses", "mtu"];
pub(super) const ROUTE_KEYS: &[&str] = &["to", "via", "port", "metric"];

const LEVELS: &[(&str, LevelFilter)] = &[
    ("off", LevelFilter::Off),
    ("error", LevelFilter::Error),
    ("warn", LevelFilter::Warn),
    ("info", LevelFilter::Info),
    ("debug", LevelFilter::Debug),
    ("trace", LevelFilter::Trace),
];
const SIDES: &[(&str, Side)] = &[("inside", Side::Inside), ("outside", Side::Outside)];
const PCI: &str = "PCI address such as \"00:03.0\" or \"0000:00:03.0\"";
const MAC: &str = "hardware address such as \"52:54:00:00:00:01\"";
const NAME: &str = "a name of 1 to 32 characters";
/// Most ports of one gateway.
const PORTS: usize = 16;

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: "ravelin".to_owned(),
            log: LevelFilter::Info,
            status_interval: Some(Duration::from_secs(60)),
            keylog: false,
            buffers: 2048,
            sas: 1024,
            cookie_threshold: 32,
            half_open: 256,
        }
    }
}

pub(super) fn name(item: &Item<'_>) -> Result<String, Error> {
    let text = item.text(NAME)?;
    let printable = text.chars().all(|c| !c.is_control());
    if printable && (1..=32).contains(&text.chars().count()) {
        Ok(text.to_owned())
    } else {
        Err(item.unacceptable(NAME))
    }
}

pub(super) fn settings(table: &Table<'_>) -> Result<Settings, Error> {
    let mut settings = Settings::default();
    if let Some(item) = table.optional("name") {
        settings.name = name(&item)?;
    }
    if let Some(item) = table.optional("log") {
        settings.log = item.one_of(LEVELS)?;
    }
    if let Some(item) = table.optional("status_interval") {
        settings.status_interval = units::duration_or_off(&item)?;
    }
    if let Some(item) = table.optional("keylog") {
        settings.keylog = item.flag()?;
    }
    let count = |key, bounds, value: &mut usize| -> Result<(), Error> {
        if let Some(item) = table.optional(key) {
            *value = usize::try_from(item.within(bounds)?).unwrap_or(usize::MAX);
        }
        Ok(())
    };
    count("buffers", 64..=65_536, &mut settings.buffers)?;
    count("sas", 2..=1_048_576, &mut settings.sas)?;
    count("cookie_threshold", 0..=65_536, &mut settings.cookie_threshold)?;
    count("half_open", 1..=65_536, &mut settings.half_open)?;
    Ok(settings)
}

fn pci(text: &str) -> Option<(u16, u8, u8, u8)> {
    let hex = |text: &str, width: usize| {
        let digits = text.len() == width && text.bytes().all(|c| c.is_ascii_hexdigit());
        digits.then(|| u16::from_str_radix(text, 16).ok()).flatten()
    };
    let octet = |text: &str, width, most: u16| {
        hex(text, width).filter(|&n| n <= most).and_then(|n| u8::try_from(n).ok())
    };
    let (rest, function) = text.rsplit_once('.')?;
    let (rest, device) = rest.rsplit_once(':')?;
    let (segment, bus) = rest.rsplit_once(':').unwrap_or(("0000", rest));
    Some((hex(segment, 4)?, octet(bus, 2, 0xff)?, octet(device, 2, 0x1f)?, octet(function, 1, 7)?))
}

fn mac(text: &str) -> Option<EthernetAddress> {
    let mut octets = [0; 6];
    let mut parts = text.split([':', '-']);
    for octet in &mut octets {
        let hex = |part: &&str| part.len() == 2 && part.bytes().all(|c| c.is_ascii_hexdigit());
        let part = parts.next().filter(hex)?;
        *octet = u8::from_str_radix(part, 16).ok()?;
    }
    let address = EthernetAddress(octets);
    (parts.next().is_none() && address.is_unicast()).then_some(address)
}

fn binding(table: &Table<'_>) -> Result<Binding, Error> {
    match (table.optional("pci"), table.optional("mac")) {
        (Some(_), Some(item)) => {
            let why = "the port is bound by pci already";
            Err(item.mistake(Mistake::Conflict { found: item.shown(), why }, "pci or mac, not both"))
        }
        (Some(item), None) => {
            let (segment, bus, device, function) =
                pci(item.text(PCI)?).ok_or_else(|| item.unacceptable(PCI))?;
            Ok(Binding::Pci { segment, bus, device, function })
        }
        (None, Some(item)) => Ok(Binding::Mac(mac(item.text(MAC)?).ok_or_else(|| item.unacceptable(MAC))?)),
        (None, None) => Ok(Binding::Order),
    }
}

fn port_address(text: &str, item: &Item<'_>) -> Result<Prefix, Error> {
    const ACCEPTED: &str = "address/length such as \"10.1.0.1/24\" or \"fd01::1/64\"";
    let prefix =
        units::prefix(text).ok_or_else(|| item.mistake(Mistake::Value(format!("\"{text}\"")), ACCEPTED))?;
    let addr = prefix.addr();
    let broadcast = match addr {
        IpAddr::V4(v4) => v4.is_broadcast(),
        IpAddr::V6(_) => false,
    };
    let network_itself = match addr {
        IpAddr::V4(_) => prefix.prefix_len() < 31 && !units::has_host_bits(&prefix),
        // The all-zero host part is the subnet-router anycast address.
        IpAddr::V6(_) => prefix.prefix_len() < 127 && !units::has_host_bits(&prefix),
    };
    if addr.is_unspecified() || addr.is_multicast() || addr.is_loopback() || broadcast || network_itself {
        let why = "not the address of a host";
        return Err(item.mistake(Mistake::Conflict { found: format!("\"{text}\""), why }, ACCEPTED));
    }
    Ok(prefix)
}

fn overlap(a: &Prefix, b: &Prefix) -> bool {
    a.contains(b.addr()) || b.contains(a.addr())
}

pub(super) fn ports(items: &[Item<'_>], missing: impl Fn() -> Error) -> Result<Vec<Port>, Error> {
    let mut ports: Vec<Port> = Vec::new();
    let mut places: Vec<Position> = Vec::new();
    for item in items {
        let table = item.table(PORT_KEYS)?;
        let name_item = table.required("name", NAME)?;
        let name = name(&name_item)?;
        if let Some(index) = ports.iter().position(|port| port.name == name) {
            let duplicate = Mistake::Duplicate { found: format!("port \"{name}\""), first: places[index] };
            return Err(name_item.mistake(duplicate, "another name"));
        }
        let side_item = table.required("side", &quoted(SIDES.iter().map(|(word, _)| *word)))?;
        let side = side_item.one_of(SIDES)?;
        let binding = binding(&table)?;
        if binding != Binding::Order
            && let Some(index) = ports.iter().position(|port| port.binding == binding)
        {
            let duplicate = Mistake::Duplicate { found: "this device".to_owned(), first: places[index] };
            return Err(table.mistake(duplicate, "one port for each device"));
        }
        let mtu = match table.optional("mtu") {
            // 576 is what every IPv4 host takes (RFC 791); IPv6 is checked below.
            Some(item) => Some(u16::try_from(item.within(576..=9_216)?).unwrap_or(u16::MAX)),
            None => None,
        };
        let addresses_item =
            table.required("addresses", "address/length such as \"10.1.0.1/24\" or \"fd01::1/64\"")?;
        let mut addresses: Vec<Prefix> = vec![];
        for (text, item) in addresses_item.strings("addresses with their prefix lengths")? {
            let prefix = port_address(text, &item)?;
            let others = ports.iter().flat_map(|port| port.addresses.iter());
            let clash = addresses.iter().find(|other| other.addr() == prefix.addr());
            if let Some(other) = clash.or_else(|| others.into_iter().find(|other| overlap(other, &prefix))) {
                let mistake =
                    Mistake::Overlap { found: format!("\"{text}\""), other: format!("\"{other}\"") };
                return Err(item.mistake(mistake, "networks that no other port has"));
            }
            if let (IpAddr::V6(_), Some(mtu @ ..1280), Some(at)) = (prefix.addr(), mtu, table.optional("mtu"))
            {
                let why = "IPv6 needs 1280 (RFC 8200, section 5)";
                return Err(at.mistake(Mistake::Conflict { found: format!("{mtu}"), why }, "1280 to 9216"));
            }
            addresses.push(prefix);
        }
        places.push(name_item.position());
        ports.push(Port { name, side, binding, addresses, mtu });
    }
    if ports.is_empty() {
        return Err(missing());
    }
    if let Some(extra) = items.get(PORTS) {
        return Err(extra.mistake(Mistake::Value(format!("{} ports", items.len())), "1 to 16 ports"));
    }
    Ok(ports)
}

pub(super) fn routes(items: &[Item<'_>], ports: &[Port]) -> Result<Vec<Route>, Error> {
    let mut routes: Vec<Route> = Vec::new();
    let mut places: Vec<Position> = Vec::new();
    for item in items {
        let table = item.table(ROUTE_KEYS)?;
        let to_item = table.required("to", units::NETWORK)?;
        let to = units::network(&to_item)?;
        let via = match table.optional("via") {
            Some(item) => Some((units::address(&item)?, item)),
            None => None,
        };
        let on_link = |addr: IpAddr| {
            ports.iter().position(|port| port.addresses.iter().any(|prefix| prefix.contains(addr)))
        };
        let names = quoted(ports.iter().map(|port| port.name.as_str()));
        let port = match (table.optional("port"), &via) {
            (Some(item), _) => {
                let name = item.text(&names)?;
                let unknown = Mistake::Unknown { noun: "port", found: name.to_owned() };
                ports
                    .iter()
                    .position(|port| port.name == name)
                    .ok_or_else(|| item.mistake(unknown, &names))?
            }
            (None, Some((addr, item))) => on_link(*addr).ok_or_else(|| {
                let why = "no port has this next hop in its networks";
                item.mistake(Mistake::Conflict { found: item.shown(), why }, "a neighbour's address")
            })?,
            (None, None) => {
                return Err(table
                    .required("port", &names)
                    .err()
                    .unwrap_or_else(|| item.unacceptable(&names)));
            }
        };
        if let Some((addr, item)) = &via {
            let conflict =
                |why| item.mistake(Mistake::Conflict { found: item.shown(), why }, "a neighbour's address");
            if addr.is_ipv4() != to.addr().is_ipv4() {
                return Err(conflict("the next hop is of the other family"));
            }
            if ports.iter().any(|port| port.addresses.iter().any(|prefix| prefix.addr() == *addr)) {
                return Err(conflict("the next hop is this gateway itself"));
            }
            // Link-local next hops are on every link.
            let link_local = matches!(addr, IpAddr::V6(v6) if v6.is_unicast_link_local());
            if !link_local && on_link(*addr) != Some(port) {
                return Err(conflict("the next hop is in no network of that port"));
            }
        }
        let metric = match table.optional("metric") {
            Some(item) => u32::try_from(item.within(0..=65_535)?).unwrap_or_default(),
            None => 0,
        };
        if let Some(index) = routes.iter().position(|route| (route.to, route.metric) == (to, metric)) {
            let duplicate = Mistake::Duplicate { found: format!("route to \"{to}\""), first: places[index] };
            return Err(to_item.mistake(duplicate, "one route for each network and metric"));
        }
        places.push(to_item.position());
        routes.push(Route { to, via: via.map(|(addr, _)| addr), port, metric });
    }
    Ok(routes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_addresses() {
        assert_eq!(pci("00:03.0"), Some((0, 0, 3, 0)));
        assert_eq!(pci("0001:fe:1f.7"), Some((1, 0xfe, 0x1f, 7)));
        for text in ["", "00:03", "00:20.0", "00:03.8", "0:3.0", "00:+3.0", "x:00:03.0"] {
            assert_eq!(pci(text), None, "{text}");
        }
        assert_eq!(mac("52:54:00:00:00:0a"), Some(EthernetAddress([0x52, 0x54, 0, 0, 0, 10])));
        for text in [
            "",
            "52:54:00:00:00",
            "52:54:00:00:00:0a:0b",
            "53:54:00:00:00:0a",
            "52:54:0:0:0:a",
            "52:54:00:00:00:+a",
        ] {
            assert_eq!(mac(text), None, "{text}");
        }
    }
}
