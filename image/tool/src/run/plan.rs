//! What `cargo xtask run` needs to know of a configuration: which addresses the world around the gateway has, and
//! what a peer must say to be let in. The file is checked by the gateway's own parser first.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use gateway::config::{self, Binding, Config, Side};
use ike_lite::{Mode, SelectorSpec, TrafficSelector};
use net::Prefix;
use ravelin_tests::swanctl::{Child, Connection};
use std::path::{Path, PathBuf};
use std::{fs, io};
use toml::{Table, Value};

/// Why there is nothing to run.
#[derive(Debug)]
pub(crate) enum Error {
    /// The file cannot be read.
    Read(PathBuf, io::Error),
    /// The gateway would refuse it: line, column, key and what is accepted.
    Config(config::Error),
    /// It is a good configuration, but not one that this command can make a world for.
    Unfit(&'static str),
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Error::Read(path, error) => write!(f, "{}: {error}", path.display()),
            Error::Config(error) => write!(f, "{error}"),
            Error::Unfit(why) => write!(f, "this configuration cannot be run here: {why}"),
        }
    }
}

/// One port of the machine, in the configuration's order.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    pub(crate) side: Side,
    /// Its hardware address, if the configuration demands one.
    pub(crate) mac: Option<String>,
    /// Further properties of the QEMU device.
    pub(crate) options: String,
}

/// An address with the length of its link's prefix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address {
    pub(crate) ip: IpAddr,
    pub(crate) len: u8,
}

impl core::fmt::Display for Address {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}/{}", self.ip, self.len)
    }
}

/// The world around the gateway.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The configuration's text.
    pub(crate) text: String,
    /// Files that it names, by name.
    pub(crate) files: Vec<(String, PathBuf)>,
    pub(crate) ports: Vec<Port>,
    /// The gateway's outer address, and the peer's on the same link.
    pub(crate) gateway: Address,
    pub(crate) peer: Address,
    /// The gateway's inside address, and a host's on the same link.
    pub(crate) inside: Address,
    pub(crate) host: Address,
    /// A host behind the peer.
    pub(crate) peer_host: IpAddr,
    /// One address in each of the peer's networks; strongSwan wants to own one to route by.
    pub(crate) peer_addresses: Vec<IpAddr>,
    /// The networks of the tunnel as the configuration writes them, gateway's first.
    pub(crate) nets: (String, String),
    /// What strongSwan is told; its child is called `net`.
    pub(crate) connection: Connection,
}

/// Reads and checks the configuration and plans the world for its first connection's first child.
pub(crate) fn plan(path: &Path) -> Result<Plan, Error> {
    let read = |path: &Path| fs::read_to_string(path).map_err(|error| Error::Read(path.into(), error));
    let text = read(path)?;
    let dir = path.parent().unwrap_or(Path::new(".")).to_path_buf();
    let config = config::parse(&path.display().to_string(), &text, &|name| fs::read(dir.join(name)).ok())
        .map_err(Error::Config)?;
    let raw: Table = text.parse().map_err(|_| Error::Unfit("it is not TOML"))?;
    let connection = config.connections.first().ok_or(Error::Unfit("it has no connection"))?;
    let child = connection.ike.children.first().ok_or(Error::Unfit("its connection has no child"))?;
    if child.mode != Mode::Tunnel {
        return Err(Error::Unfit("its first child is not in tunnel mode, and the peer here knows no other"));
    }
    let fixed = |specs: &[SelectorSpec]| {
        specs.iter().find_map(|spec| match spec {
            SelectorSpec::Fixed(selector) => Some(*selector),
            SelectorSpec::Dynamic { .. } => None,
        })
    };
    let local = fixed(&child.local_ts).ok_or(Error::Unfit("its first child's local_ts is no network"))?;
    let remote = fixed(&child.remote_ts).ok_or(Error::Unfit("its first child's remote_ts is no network"))?;
    let (gateway, peer) = outer(&config, connection, &remote)?;
    let (inside, host) = within(&config, &local)?;
    let (name, child_name) = (&connection.ike.name, &child.name);
    let connection = swanctl(&raw, name, child_name, (gateway.ip, peer.ip), &dir)
        .ok_or(Error::Unfit("its secret cannot be found"))?;
    let files = ["secret_file", "key_file"].into_iter().flat_map(|key| named_files(&raw, key));
    Ok(Plan {
        files: files.map(|file| (file.clone(), dir.join(file))).collect(),
        ports: ports(&config)?,
        gateway,
        peer,
        inside,
        host,
        peer_host: host_of(&remote),
        peer_addresses: child
            .remote_ts
            .iter()
            .filter_map(|spec| match spec {
                SelectorSpec::Fixed(selector) => Some(host_of(selector)),
                SelectorSpec::Dynamic { .. } => None,
            })
            .collect(),
        nets: (network(&local), network(&remote)),
        connection,
        text,
    })
}

fn ports(config: &Config) -> Result<Vec<Port>, Error> {
    let count = |side| config.ports.iter().filter(|port| port.side == side).count();
    if (count(Side::Inside), count(Side::Outside)) != (1, 1) {
        return Err(Error::Unfit("this command wires one inside and one outside port"));
    }
    let ports = config.ports.iter().map(|port| {
        let (mac, options) = match port.binding {
            Binding::Order => (None, String::new()),
            Binding::Mac(mac) => (Some(mac.to_string().replace('-', ":")), String::new()),
            Binding::Pci { device, function, .. } => (None, format!("addr={device:02x}.{function}")),
        };
        Port { side: port.side, mac, options }
    });
    Ok(ports.collect())
}

/// The gateway's outer address and the peer's.
fn outer(
    config: &Config,
    connection: &config::Connection,
    remote: &TrafficSelector,
) -> Result<(Address, Address), Error> {
    let port = config.ports.iter().find(|port| port.side == Side::Outside);
    let addresses = port.map(|port| port.addresses.as_slice()).unwrap_or_default();
    let allowed = |prefix: &&Prefix| {
        let local = &connection.ike.local_addrs;
        local.is_empty() || local.iter().any(|own| own.address == prefix.addr())
    };
    let own = addresses.iter().find(allowed).ok_or(Error::Unfit("its connection has no local address"))?;
    let single = |address: IpAddr, length: u8| length == if address.is_ipv4() { 32 } else { 128 };
    let named = connection.ike.remote_addrs.iter().find(|remote| single(remote.address, remote.length));
    let routed = config.routes.iter().find(|route| route.to.contains(remote.first)).and_then(|r| r.via);
    let neighbour = named.map(|named| named.address).or(routed);
    let neighbour = neighbour.unwrap_or_else(|| beside(own, own.addr()));
    if !own.contains(neighbour) {
        return Err(Error::Unfit("its peer is not on the outside port's own link"));
    }
    let address = |ip| Address { ip, len: own.prefix_len() };
    Ok((address(own.addr()), address(neighbour)))
}

/// The gateway's inside address and a host's.
fn within(config: &Config, local: &TrafficSelector) -> Result<(Address, Address), Error> {
    let inside = config.ports.iter().filter(|port| port.side == Side::Inside);
    let mut addresses = inside.flat_map(|port| &port.addresses);
    let own = addresses.find(|prefix| prefix.contains(local.first) || selects(local, prefix.addr()));
    let own = own.ok_or(Error::Unfit("no inside port has an address for its first child's local_ts"))?;
    let host = (1..=10).rev().map(|step| offset(own.addr(), step));
    let host = host.into_iter().find(|host| own.contains(*host) && selects(local, *host));
    let host = host.ok_or(Error::Unfit("its local_ts leaves no room for a host beside the gateway"))?;
    let address = |ip| Address { ip, len: own.prefix_len() };
    Ok((address(own.addr()), address(host)))
}

fn selects(selector: &TrafficSelector, address: IpAddr) -> bool {
    selector.first.is_ipv4() == address.is_ipv4() && (selector.first..=selector.last).contains(&address)
}

/// An address of the selector that can be a host.
fn host_of(selector: &TrafficSelector) -> IpAddr {
    if selector.first == selector.last { selector.first } else { offset(selector.first, 1) }
}

fn network(selector: &TrafficSelector) -> String {
    format!("{}-{}", selector.first, selector.last)
}

/// Another address of the same link.
fn beside(prefix: &Prefix, own: IpAddr) -> IpAddr {
    let first = offset(prefix.first(), 1);
    if first == own { offset(own, 1) } else { first }
}

fn offset(address: IpAddr, by: u32) -> IpAddr {
    match address {
        IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits().wrapping_add(by)).into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits().wrapping_add(by.into())).into(),
    }
}

/// The peer's side of the connection. The words are swanctl's own, so they are taken over as they stand.
fn swanctl(
    raw: &Table,
    name: &str,
    child: &str,
    (gateway, peer): (IpAddr, IpAddr),
    dir: &Path,
) -> Option<Connection> {
    let connection = raw.get("connections")?.get(name)?;
    let words = |value: Option<&Value>| value.map(list).unwrap_or_default();
    let id = |side: &str| connection.get(side).and_then(|side| side.get("id")).map(list);
    let gateway_id = id("local").unwrap_or_else(|| gateway.to_string());
    let peer_id = id("remote").filter(|id| id != "%any").unwrap_or_else(|| peer.to_string());
    let settings = connection.get("children")?.get(child)?;
    let mut to = Connection::new(&peer.to_string(), &gateway.to_string()).child(Child::tunnel(
        "net",
        &for_libipsec(&words(settings.get("esp_proposals"))),
        &words(settings.get("remote_ts")),
        &words(settings.get("local_ts")),
    ));
    let proposals = words(connection.get("proposals"));
    if !proposals.is_empty() && proposals != "default" {
        to.proposals = proposals;
    }
    to.secret = secret(raw, &[&gateway_id, &peer_id], dir)?;
    (to.local_id, to.remote_id) = (peer_id, gateway_id);
    Some(to)
}

/// strongSwan's ESP in the daemon has no extended sequence numbers.
fn for_libipsec(proposals: &str) -> String {
    let plain = |proposal: &str| -> String {
        let words: Vec<&str> = proposal.split('-').filter(|word| !word.ends_with("esn")).collect();
        words.join("-")
    };
    match proposals {
        "" | "default" => "aes128gcm16".into(),
        _ => proposals.split(',').map(|proposal| plain(proposal.trim())).collect::<Vec<_>>().join(","),
    }
}

/// The secret that names both ends, or the first that names nobody.
fn secret(raw: &Table, ids: &[&str], dir: &Path) -> Option<String> {
    let secrets = raw.get("secrets")?.as_table()?;
    let belongs = |entry: &&Value| match entry.get("id") {
        None => true,
        Some(owners) => list(owners).split(',').any(|owner| ids.contains(&owner)),
    };
    let mut fitting: Vec<&Value> = secrets.values().filter(belongs).collect();
    fitting.sort_by_key(|entry| entry.get("id").is_none());
    let entry = fitting.first()?;
    match (entry.get("secret"), entry.get("secret_file")) {
        (Some(secret), _) => secret.as_str().map(str::to_string),
        (None, Some(file)) => fs::read_to_string(dir.join(file.as_str()?)).ok(),
        (None, None) => None,
    }
}

/// A list as swanctl writes it.
fn list(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
        other => other.as_str().unwrap_or_default().to_string(),
    }
}

/// Every file that a table of the configuration names under `key`.
fn named_files(raw: &Table, key: &str) -> Vec<String> {
    let tables = raw.values().flat_map(|value| match value {
        Value::Table(table) => table.values().collect::<Vec<_>>(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    });
    tables.filter_map(|table| table.get(key)?.as_str().map(str::to_string)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ravelin_tests::paths;

    #[test]
    fn the_reference_configuration_can_be_run() {
        let plan = plan(&paths::root().join("image/ravelin.toml")).unwrap();
        assert_eq!(plan.gateway.to_string(), "10.9.0.2/24");
        assert_eq!(plan.peer.to_string(), "10.9.0.1/24");
        assert_eq!(plan.inside.to_string(), "10.2.0.1/24");
        assert_eq!(plan.host.to_string(), "10.2.0.11/24");
        assert_eq!(plan.peer_host.to_string(), "10.1.0.1");
        assert_eq!(
            (plan.connection.local_id.as_str(), plan.connection.remote_id.as_str()),
            ("a.test", "b.test")
        );
        assert_eq!(plan.connection.secret, "0123456789abcdef-shared");
        let child = &plan.connection.children[0];
        assert_eq!(child.proposals, "aes128gcm16,aes256gcm16,chacha20poly1305");
        assert_eq!(child.local_ts, "10.1.0.0/24,fd01::/64");
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        let path = std::env::temp_dir().join(format!("ravelin-mistake-{}.toml", std::process::id()));
        fs::write(&path, "[gateway]\nnmae = \"x\"\n").unwrap();
        let said = plan(&path).unwrap_err().to_string();
        fs::remove_file(&path).unwrap();
        for word in ["2", "nmae", "\"name\""] {
            assert!(said.contains(word), "{said}");
        }
    }
}
