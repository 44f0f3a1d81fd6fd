//! The configuration file: one TOML document with swanctl's names for everything of IKE and IPsec
//! (design D15). [`parse`] turns the text into a checked [`Config`], or says where the first mistake is,
//! which key it concerns, what was found and what would have been accepted.
//!
//! `image/ravelin.toml` is the reference: it explains every key. Secrets may be in files of their own, which
//! the caller looks up by name; no error and no `Debug` output contains a secret.

mod connections;
mod document;
mod error;
mod ports;
mod protection;
mod rules;
mod secrets;
mod selector;
mod units;

#[cfg(test)]
mod tests;

use alloc::{string::String, vec::Vec};
use core::net::IpAddr;
use core::time::Duration;

use ipsec::Hardware;
use log::LevelFilter;
use net::prefix::Prefix;
use net::wire::EthernetAddress;
use toml::de::DeTable;
use zeroize::Zeroizing;

use document::{Document, Item, Table};
pub use error::{Error, Mistake, Position};

/// A configuration in which everything that can be checked before traffic flows has been checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[gateway]`.
    pub gateway: Settings,
    /// `[[port]]`; a port's index is its `PortId`.
    pub ports: Vec<Port>,
    /// `[[route]]`.
    pub routes: Vec<Route>,
    /// `[connections.…]` in the order of the file.
    pub connections: Vec<Connection>,
    /// The policies in the order in which they are looked up: every `[[policy]]`, then the children that no
    /// `[[policy]]` has placed.
    pub policies: Vec<Policy>,
    /// `[[sa]]`.
    pub sas: Vec<ManualSa>,
}

/// `[gateway]`: what concerns the machine as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Name in the status.
    pub name: String,
    /// Least important messages that reach the console.
    pub log: LevelFilter,
    /// Time between status tables on the console.
    pub status_interval: Option<Duration>,
    /// Whether keys are written to the log, for decoders in tests.
    pub keylog: bool,
    /// Packet buffers of 2 KiB each.
    pub buffers: usize,
    /// Most ESP SAs, each direction counted.
    pub sas: usize,
    /// Half-open IKE SAs from which on cookies are asked for.
    pub cookie_threshold: usize,
    /// Most half-open IKE SAs.
    pub half_open: usize,
}

/// Which side of the IPsec boundary a port is on (RFC 4301, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The protected side: plaintext is expected here.
    Inside,
    /// The unprotected side: everything that enters or leaves here is held against the policies.
    Outside,
}

/// How a port finds its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// The first device that no other port has named, in the order of PCI addresses.
    Order,
    /// The device at this PCI address.
    Pci {
        /// Segment group.
        segment: u16,
        /// Bus.
        bus: u8,
        /// Device.
        device: u8,
        /// Function.
        function: u8,
    },
    /// The device with this hardware address.
    Mac(EthernetAddress),
}

/// `[[port]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Name in routes and in the status.
    pub name: String,
    /// Side of the IPsec boundary.
    pub side: Side,
    /// Device.
    pub binding: Binding,
    /// Addresses with the prefix lengths of their links.
    pub addresses: Vec<Prefix>,
    /// Largest IP packet in bytes, if less than the device allows.
    pub mtu: Option<u16>,
}

/// `[[route]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Destinations.
    pub to: Prefix,
    /// Next hop; nothing where the destinations are on the link.
    pub via: Option<IpAddr>,
    /// Index of the port.
    pub port: usize,
    /// Of several to the same destinations the one with the least is used whose port has a link.
    pub metric: u32,
}

/// `[connections.NAME]`: what IKE needs, and per child what the data path needs besides.
#[derive(Debug, Clone)]
pub struct Connection {
    /// For the IKE responder; `ike.children[i]` belongs to `children[i]`.
    pub ike: ike_lite::Connection,
    /// For the data path.
    pub children: Vec<Protection>,
}

/// How packets of a child or of a manual SA are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protection {
    /// Packets that the anti-replay window spans; 0 switches the check off.
    pub replay_window: u32,
    /// Copy DF from the inner to the outer header (tunnel mode).
    pub copy_df: bool,
    /// Whether DSCP is copied to the outer header (tunnel mode).
    pub copy_dscp: CopyDscp,
    /// Whether ECN is carried over both ways (tunnel mode, RFC 6040).
    pub copy_ecn: bool,
    /// Whether a card is to do its ESP.
    pub hw_offload: Hardware,
    /// Index of the port whose card does it; `None`: the one that leads to the peer.
    pub hw_interface: Option<usize>,
}

/// swanctl's `copy_dscp`, as far as it goes: the inner header keeps its DSCP on the way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyDscp {
    /// To the outer header on the way out.
    Out,
    /// Not at all.
    No,
}

/// One entry of the ordered policy database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name: from the file, `CONNECTION.CHILD`, or `policy-N`.
    pub name: String,
    /// What happens to matching packets.
    pub action: Action,
    /// Traffic of our side: any of these, paired with any of `remote` of the same family.
    pub local: Vec<ike_lite::TrafficSelector>,
    /// Traffic of the other side.
    pub remote: Vec<ike_lite::TrafficSelector>,
}

/// What a policy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Passes without IPsec.
    Bypass,
    /// Drops.
    Discard,
    /// Passes only under an SA.
    Protect(Source),
}

/// Where the SAs of a PROTECT policy come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// `[[sa]]`.
    Manual,
    /// IKE: indices into `connections` and its `children`.
    Child {
        /// Connection.
        connection: usize,
        /// Child.
        child: usize,
    },
}

/// Direction of a manual SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the peer.
    In,
    /// To the peer.
    Out,
}

/// `[[sa]]`: an SA with static keys.
#[derive(Debug, Clone)]
pub struct ManualSa {
    /// Index of its PROTECT policy.
    pub policy: usize,
    /// Direction.
    pub direction: Direction,
    /// SPI.
    pub spi: u32,
    /// Tunnel or transport.
    pub mode: ike_lite::Mode,
    /// Our outer address.
    pub local: IpAddr,
    /// The peer's outer address.
    pub remote: IpAddr,
    /// UDP ports, ours and the peer's, for UDP encapsulation.
    pub encap: Option<(u16, u16)>,
    /// AEAD.
    pub algorithm: ike_lite::EspAlgorithm,
    /// Extended sequence numbers.
    pub esn: bool,
    /// Key and salt.
    pub key: Secret,
    /// Treatment of packets.
    pub protection: Protection,
    /// Limits.
    pub lifetimes: ike_lite::Lifetimes,
}

/// Octets that are never printed and are wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Zeroizing<Vec<u8>>);

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Looks up the content of a secret file by name.
pub type SecretFiles<'f> = &'f dyn Fn(&str) -> Option<Vec<u8>>;

/// Every table of the file with its keys, for the reference's completeness test and for tools.
pub const TABLES: &[(&str, &[&str])] = &[
    ("", ROOT_KEYS),
    ("gateway", ports::GATEWAY_KEYS),
    ("port", ports::PORT_KEYS),
    ("route", ports::ROUTE_KEYS),
    ("connections.NAME", connections::CONNECTION_KEYS),
    ("connections.NAME.local", connections::LOCAL_KEYS),
    ("connections.NAME.remote", connections::LOCAL_KEYS),
    ("connections.NAME.children.NAME", connections::CHILD_KEYS),
    ("secrets.NAME", secrets::SECRET_KEYS),
    ("policy", rules::POLICY_KEYS),
    ("sa", rules::SA_KEYS),
];

const ROOT_KEYS: &[&str] = &["gateway", "port", "route", "connections", "secrets", "policy", "sa"];

/// Reads and checks a configuration. `file` is the name that errors mention; `secret_file` gives the
/// content of files named by `secret_file` and `key_file`.
///
/// # Errors
/// The first mistake in the order in which tables are read: syntax, ports, routes, secrets, connections,
/// policies, SAs.
pub fn parse(file: &str, text: &str, secret_file: SecretFiles<'_>) -> Result<Config, Error> {
    let doc = Document { file, text };
    let parsed = DeTable::parse(text).map_err(|error| {
        let offset = error.span().map_or(text.len(), |span| span.start);
        doc.error(offset, "", Mistake::Syntax(error.message().into()), "")
    })?;
    let root = Table::root(doc, parsed.get_ref(), ROOT_KEYS)?;
    let list = |key: &str| -> Result<Vec<Item<'_>>, Error> {
        root.optional(key).map_or(Ok(Vec::new()), |item| item.elements(&alloc::format!("[[{key}]]")))
    };
    let gateway = match root.optional("gateway") {
        Some(item) => ports::settings(&item.table(ports::GATEWAY_KEYS)?)?,
        None => Settings::default(),
    };
    let ports = ports::ports(&list("port")?, || {
        let accepted = "[[port]] with name, side and addresses";
        root.required("port", accepted).err().unwrap_or_else(|| root.mistake(Mistake::Missing, accepted))
    })?;
    let routes = ports::routes(&list("route")?, &ports)?;
    let secrets = secrets::secrets(root.optional("secrets"), secret_file)?;
    let connections_item = root.optional("connections");
    let connections = connections::connections(connections_item.clone(), &ports, &secrets)?;
    let (policies, places) = rules::policies(&list("policy")?, &connections, connections_item.as_ref())?;
    let sas = rules::sas(&list("sa")?, &ports, &policies, secret_file)?;
    rules::check_routes(&ports, &routes, &policies, &places)?;
    Ok(Config { gateway, ports, routes, connections, policies, sas })
}
