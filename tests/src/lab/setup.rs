//! What a story varies: algorithm, mode, families, UDP encapsulation, selectors, limits; and the
//! configuration file that says so to the gateway.

use core::fmt::Write;
use core::net::IpAddr;

use super::addr;
use super::esp::{self, Sa};

/// SPI of the gateway's inbound SA.
const SPI_IN: u32 = 0x0001_0001;
/// SPI of the gateway's outbound SA.
const SPI_OUT: u32 = 0x0002_0002;

/// The knobs of a lab.
#[derive(Debug, Clone)]
pub struct Setup {
    /// AEAD, by its name in proposals.
    pub algorithm: &'static str,
    /// Extended sequence numbers.
    pub esn: bool,
    /// Outer addresses are IPv6.
    pub outer_v6: bool,
    /// UDP encapsulation on port 4500.
    pub encap: bool,
    /// `"tunnel"` or `"transport"`.
    pub mode: &'static str,
    /// The PROTECT policy's own side.
    pub local_ts: &'static str,
    /// The PROTECT policy's other side.
    pub remote_ts: &'static str,
    /// Keys of both SAs beyond the usual.
    pub sa: &'static str,
    /// Whether there are SAs at all.
    pub sas: bool,
    /// Tables put in front of the PROTECT policy.
    pub first: &'static str,
    /// Largest IP packet of the outside wire.
    pub outside_mtu: u16,
    /// For the wires' faults and the gateway's randomness.
    pub seed: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            algorithm: "aes128gcm16",
            esn: false,
            outer_v6: false,
            encap: false,
            mode: "tunnel",
            local_ts: "10.2.0.0/24,fd02::/64",
            remote_ts: "10.1.0.0/24,fd01::/64",
            sa: "",
            sas: true,
            first: "",
            outside_mtu: 1500,
            seed: 1,
        }
    }
}

impl Setup {
    /// The outer addresses: the gateway's and the peer's.
    pub fn ends(&self) -> (IpAddr, IpAddr) {
        if self.outer_v6 { (addr("fd09::2"), addr("fd09::1")) } else { (addr("10.9.0.2"), addr("10.9.0.1")) }
    }

    fn key(&self, spi: u32) -> Vec<u8> {
        (0..esp::key_len(self.algorithm)).map(|i| (i as u8) ^ (spi as u8).wrapping_mul(0x35)).collect()
    }

    /// The peer's SAs: the one it sends by, the one it receives by.
    pub fn peer_sas(&self) -> (Sa, Sa) {
        let sa = |spi| Sa::new(self.algorithm, &self.key(spi), spi, self.esn);
        (sa(SPI_IN), sa(SPI_OUT))
    }

    /// The gateway's configuration.
    pub fn config(&self) -> String {
        let mut text = format!(
            r#"
[gateway]
name = "lab"
status_interval = 0
[[port]]
name = "outside"
side = "outside"
addresses = ["10.9.0.2/24", "fd09::2/64"]
[[port]]
name = "inside"
side = "inside"
addresses = ["10.2.0.1/24", "fd02::1/64"]
[[route]]
to = "0.0.0.0/0"
via = "10.9.0.1"
[[route]]
to = "::/0"
via = "fd09::1"
{first}
[[policy]]
name = "vpn"
action = "protect"
local_ts = "{local_ts}"
remote_ts = "{remote_ts}"
"#,
            first = self.first,
            local_ts = self.local_ts,
            remote_ts = self.remote_ts,
        );
        let (local, remote) = self.ends();
        let esn = if self.esn { "-esn" } else { "" };
        for (direction, spi) in [("in", SPI_IN), ("out", SPI_OUT)] {
            if !self.sas {
                break;
            }
            let key: String = self.key(spi).iter().map(|octet| format!("{octet:02x}")).collect();
            let encap = if self.encap { "local_port = 4500\nremote_port = 4500" } else { "" };
            write!(
                text,
                r#"
[[sa]]
policy = "vpn"
direction = "{direction}"
spi = {spi:#x}
mode = "{mode}"
local = "{local}"
remote = "{remote}"
esp_proposal = "{algorithm}{esn}"
key = "{key}"
{encap}
{sa}
"#,
                mode = self.mode,
                algorithm = self.algorithm,
                sa = self.sa,
            )
            .expect("string");
        }
        text
    }
}
