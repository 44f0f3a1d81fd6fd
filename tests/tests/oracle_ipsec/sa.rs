//! The SAs and policies of a test: one SA each way between the guests, set by `ip xfrm` in both.

use ravelin_tests::error::Result;
use ravelin_tests::oracle::pair::{INTERFACE, Pair};

/// Transport or tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Between the guests themselves.
    Transport,
    /// Between 192.168.1.1 behind guest 0 and 192.168.2.1 behind guest 1, or fd01::1 and fd02::1 over IPv6: the packets
    /// that come out of a tunnel get the EtherType of its outer header from Linux's driver, so both are of one family.
    Tunnel,
}

/// What protects the traffic between the guests.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Key length.
    pub(crate) bits: u32,
    pub(crate) mode: Mode,
    /// Whether the guests' IPv6 addresses are used.
    pub(crate) six: bool,
    /// Extended sequence numbers with this replay window.
    pub(crate) esn: Option<u32>,
    /// The sequence number that both SAs begin with.
    pub(crate) first: u32,
    /// Whether the card of guest N does the work.
    pub(crate) on_card: [bool; 2],
    /// Limits of the SA that guest 0 sends under, in guest 0, e.g. `limit packet-hard 30`.
    pub(crate) limits: String,
    /// In UDP, port 4500 (RFC 3948).
    pub(crate) in_udp: bool,
}

impl Plan {
    /// Transport mode over IPv4 on both cards.
    pub(crate) fn new(bits: u32) -> Plan {
        Plan {
            bits,
            mode: Mode::Transport,
            six: false,
            esn: None,
            first: 1,
            on_card: [true, true],
            limits: String::new(),
            in_udp: false,
        }
    }

    /// The SPI of what guest `from` sends.
    pub(crate) fn spi(&self, from: usize) -> u32 {
        0x1001 + u32::from(from == 1)
    }

    /// Key and salt of what guest `from` sends, in hex.
    pub(crate) fn key(&self, from: usize) -> String {
        let octets = self.bits / 8 + 4;
        (0..octets).map(|place| format!("{:02x}", (0x11 + 0x40 * from as u32 + place * 7) & 0xff)).collect()
    }

    /// The outer address of guest `guest`.
    pub(crate) fn outer(&self, guest: usize) -> String {
        if self.six { format!("fd00::{}", guest + 1) } else { format!("10.0.0.{}", guest + 1) }
    }

    /// The address that pings and connections use.
    pub(crate) fn inner(&self, guest: usize) -> String {
        match self.mode {
            Mode::Transport => self.outer(guest),
            Mode::Tunnel if self.six => format!("fd0{}::1", guest + 1),
            Mode::Tunnel => format!("192.168.{}.1", guest + 1),
        }
    }

    fn mode_name(&self) -> &'static str {
        match self.mode {
            Mode::Transport => "transport",
            Mode::Tunnel => "tunnel",
        }
    }

    /// Installs SAs and policies in both guests.
    pub(crate) fn install(&self, pair: &Pair) -> Result<()> {
        // A tunnel's SA takes the next hop's address from the neighbours: they must be known.
        pair.ping(0, &self.outer(1), 1, 56)?;
        pair.ping(1, &self.outer(0), 1, 56)?;
        for (number, guest) in pair.guests.iter().enumerate() {
            if self.mode == Mode::Tunnel {
                guest.sh(&format!(
                    "ip addr replace {mine}/{all} dev lo && ip route replace {other}/{all} via {peer} src {mine}",
                    all = if self.six { 128 } else { 32 },
                    mine = self.inner(number),
                    other = self.inner(1 - number),
                    peer = self.outer(1 - number),
                ))?;
                // What the card will put into a tunnel, Linux sends to the inner address as if it were on the link. ARP
                // answers for every address of a host, neighbour discovery does not.
                if self.six {
                    let (other, mac) = (self.inner(1 - number), 2 - number);
                    guest.sh(&format!(
                        "ip neigh replace {other} lladdr 02:00:00:00:00:0{mac} dev {INTERFACE}"
                    ))?;
                }
            }
            for from in [0, 1] {
                guest.sh(&self.state(number, from))?;
            }
            for from in [0, 1] {
                guest.sh(&self.policy(number, from))?;
            }
        }
        Ok(())
    }

    /// The line that adds the SA of what `from` sends to guest `guest`.
    pub(crate) fn state(&self, guest: usize, from: usize) -> String {
        let to = 1 - from;
        let direction = if guest == from { "out" } else { "in" };
        let mut line = format!(
            "ip xfrm state add src {} dst {} proto esp spi {:#x} reqid {} mode {}",
            self.outer(from),
            self.outer(to),
            self.spi(from),
            1 + from,
            self.mode_name()
        );
        if let Some(window) = self.esn {
            // Linux takes no window for an SA whose direction it knows to be out, and `dir` says that it is.
            if guest != from || !self.on_card[guest] {
                line.push_str(&format!(" replay-window {window}"));
            }
            line.push_str(" flag esn");
        } else if guest != from {
            line.push_str(" replay-window 32");
        }
        if self.first > 1 {
            // Linux counts the last number that was used, its mlx5 gives the card the same number as the next one.
            let last = if self.on_card[from] { self.first } else { self.first - 1 };
            let word = if guest == from { "replay-oseq" } else { "replay-seq" };
            line.push_str(&format!(" {word} {last}"));
        }
        line.push_str(&format!(" aead 'rfc4106(gcm(aes))' 0x{} 128", self.key(from)));
        if self.in_udp {
            line.push_str(" encap espinudp 4500 4500 0.0.0.0");
        }
        line.push_str(&format!(" sel src {} dst {}", self.inner(from), self.inner(to)));
        if guest == 0 && from == 0 {
            line.push_str(&format!(" {}", self.limits));
        }
        if self.on_card[guest] {
            line.push_str(&format!(" offload packet dev {INTERFACE} dir {direction}"));
        }
        line
    }

    /// The line that adds the policy of what `from` sends to guest `guest`.
    pub(crate) fn policy(&self, guest: usize, from: usize) -> String {
        let to = 1 - from;
        let direction = if guest == from { "out" } else { "in" };
        let mut line = format!(
            "ip xfrm policy add src {} dst {} dir {direction} tmpl src {} dst {} proto esp reqid {} mode {}",
            self.inner(from),
            self.inner(to),
            self.outer(from),
            self.outer(to),
            1 + from,
            self.mode_name()
        );
        if self.on_card[guest] {
            line.push_str(&format!(" offload packet dev {INTERFACE}"));
        }
        line
    }
}
