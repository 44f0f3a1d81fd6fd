//! The oracle's stage: two Linux guests, each with a card of the model's, the cards wired to each other.
//!
//! ```text
//!   guest 0  10.0.0.1 fd00::1 ─ mlx5_core ─ card 0 ── wire ── card 1 ─ mlx5_core ─ 10.0.0.2 fd00::2  guest 1
//! ```
//! Booting takes most of a suite's time, so the tests of one program share a pair through [`Shared`]: before each test
//! the pair is put in its first state, after it the kernel's logs and the model's refusals are judged.

use super::Kernel;
use super::guest::{Boot, Guest, XFRM};
use super::model::Model;
use super::transfer::transfer;
use crate::error::{Error, Result, demand};
use crate::site::Site;
use core::time::Duration;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// The card's interface in every guest.
pub const INTERFACE: &str = "eth0";
/// What kind of pair a test wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Both guests' kernel.
    pub kernel: Kernel,
    /// Whether both have the driver that was rebuilt with IPsec.
    pub rebuilt: bool,
    /// The model's profile.
    pub profile: &'static str,
}

/// Two guests on two wired cards.
pub struct Pair {
    /// What it is.
    pub kind: Kind,
    /// The guests; guest N has card N and the addresses that end in N + 1.
    pub guests: [Guest; 2],
    /// The server of both cards.
    pub model: Model,
    /// What owns them.
    pub site: Site,
}

impl Pair {
    /// Boots both guests at once and loads their drivers.
    ///
    /// # Errors
    /// When the model or a guest does not come up.
    pub fn boot(name: &str, kind: Kind) -> Result<Pair> {
        let site = Site::new(name)?;
        let pair = Pair::boot_in(&site, kind);
        if pair.is_err() {
            site.keep();
            eprintln!("logs: {}", site.dir().display());
        }
        pair
    }

    fn boot_in(site: &Site, kind: Kind) -> Result<Pair> {
        let model = Model::start(site, "model", &[kind.profile; 2], &[])?;
        let boot = |number: usize| -> Result<Guest> {
            let card = model.sockets().get(number).cloned();
            let cards: Vec<_> = card.into_iter().collect();
            let boot = Boot { rebuilt: kind.rebuilt, ..Boot::new(kind.kernel, &cards) };
            let guest = boot.start(site, &format!("guest{number}"))?;
            guest.load(XFRM)?;
            guest.load(&["8021q"])?;
            Ok(guest)
        };
        let (left, right) = std::thread::scope(|scope| {
            let left = scope.spawn(|| boot(0));
            let right = boot(1);
            let panicked =
                |_| Err(Error::Observed { expected: "a guest to boot".into(), found: "a panic".into() });
            (left.join().unwrap_or_else(panicked), right)
        });
        Ok(Pair { kind, guests: [left?, right?], model, site: site.clone() })
    }

    /// The state that every test begins with: driver loaded, link up, MTU 1500, the addresses above, no SA, no policy,
    /// the neighbours forgotten.
    ///
    /// # Errors
    /// When a guest refuses.
    pub fn reset(&self) -> Result<()> {
        for (number, guest) in (1..).zip(&self.guests) {
            guest.sh(&format!(
                "load mlx5_core
for try in $(seq 50); do [ -e /sys/class/net/{INTERFACE} ] && break; sleep 0.1; done
ip xfrm state flush; ip xfrm policy flush
for vlan in /proc/net/vlan/{INTERFACE}.*; do [ -e $vlan ] && ip link del $(basename $vlan); done
ip link set {INTERFACE} up mtu 1500 || exit 1
ip addr replace 10.0.0.{number}/24 dev {INTERFACE}
ip addr replace fd00::{number}/64 dev {INTERFACE} nodad
ip neigh flush dev {INTERFACE}
killall nc iperf3 2>/dev/null; rm -f /tmp/in; true"
            ))?;
        }
        self.wait_for_carrier()
    }

    /// Waits until both links are up.
    ///
    /// # Errors
    /// When one is not within twenty seconds.
    pub fn wait_for_carrier(&self) -> Result<()> {
        for guest in &self.guests {
            self.wait_for(guest, &format!("[ $(cat /sys/class/net/{INTERFACE}/carrier) = 1 ]"))?;
        }
        Ok(())
    }

    /// Waits until a shell condition holds in a guest.
    ///
    /// # Errors
    /// When it does not within twenty seconds.
    pub fn wait_for(&self, guest: &Guest, condition: &str) -> Result<()> {
        guest
            .sh(&format!("for try in $(seq 200); do {condition} && exit 0; sleep 0.1; done; exit 1"))
            .map(|_| ())
    }

    /// Demands that `count` echoes with `size` octets of data from guest `from` to `address` all come back.
    ///
    /// # Errors
    /// When one does not.
    pub fn ping(&self, from: usize, address: &str, count: u32, size: u32) -> Result<()> {
        let line = format!("ping -c {count} -i 0.1 -W 5 -s {size} {address}");
        let said = self.guests[from].run(&line)?.text;
        demand(
            said.contains(&format!("{count} packets received")),
            format!("{count} echoes of {size} octets from {address}"),
            said,
        )
    }

    /// [`transfer`] from guest `from` to the other one at `address` (an IPv4 or IPv6 address of it).
    ///
    /// # Errors
    /// When the octets do not arrive, or differ.
    pub fn transfer(&self, from: usize, address: &str, megabytes: u32) -> Result<Duration> {
        transfer(&self.guests[from], &self.guests[1 - from], address, megabytes)
    }

    /// The capture of what guest 0's card sent and received, on the wire's side of its crypto.
    ///
    /// # Errors
    /// When the model has written none.
    pub fn wire(&self) -> Result<PathBuf> {
        self.capture(0, "wire")
    }

    /// The captures of the card of guest `card` on both sides of its crypto: the wire's, the host's.
    ///
    /// # Errors
    /// When the model has written none.
    pub fn sides(&self, card: usize) -> Result<[PathBuf; 2]> {
        Ok([self.capture(card, "wire")?, self.capture(card, "host")?])
    }

    fn capture(&self, card: usize, side: &str) -> Result<PathBuf> {
        let name = if card == 0 { 'A' } else { 'B' };
        let path = self.model.pcap().join(format!("{name}-{side}.pcap"));
        demand(path.exists(), format!("the capture {}", path.display()), "none")?;
        Ok(path)
    }

    /// One counter of `ethtool -S` of guest `guest`.
    ///
    /// # Errors
    /// When the driver has no such counter.
    pub fn counter(&self, guest: usize, name: &str) -> Result<u64> {
        let said = self.guests[guest].sh(&format!("ethtool -S {INTERFACE}"))?;
        counter_of(&said, name)
    }

    /// Demands that no card has refused anything and no guest's kernel has logged a fault since [`Pair::forget`].
    ///
    /// # Errors
    /// With the faults.
    pub fn judge(&self) -> Result<()> {
        for (number, guest) in self.guests.iter().enumerate() {
            self.model.demand_no_refusals(number)?;
            guest.demand_clean_log()?;
        }
        Ok(())
    }

    /// Begins the kernels' logs and the model's account anew.
    fn forget(&self) -> Result<()> {
        self.model.tell("capture off")?;
        for (number, guest) in self.guests.iter().enumerate() {
            guest.log()?;
            guest.forget_log();
            self.model.tell(&format!("clear {number}"))?;
        }
        Ok(())
    }
}

/// One counter out of what `ethtool -S` says.
///
/// # Errors
/// When there is none of this name.
pub fn counter_of(said: &str, name: &str) -> Result<u64> {
    let value = said.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "));
    value
        .and_then(|value| value.trim().parse().ok())
        .ok_or_else(|| Error::Observed { expected: format!("the counter {name}"), found: said.to_owned() })
}

/// The pair that the tests of one program share. It ends with the program: nobody drops a static, but the site's
/// janitor sees the end.
pub struct Shared(Mutex<Slot>);

enum Slot {
    Empty,
    Up(Box<Pair>),
    /// This kind did not come up; trying again would cost minutes and say the same.
    Failed(Kind, String),
}

impl Shared {
    /// No pair yet.
    #[must_use]
    pub const fn new() -> Shared {
        Shared(Mutex::new(Slot::Empty))
    }

    /// Runs one test on a pair of `kind`, which is booted if it is not up, and judges the logs after it.
    ///
    /// # Errors
    /// When the pair does not come up, the test fails, or the logs show a fault.
    pub fn run(&self, kind: Kind, test: impl FnOnce(&Pair) -> Result<()>) -> Result<()> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(&*slot, Slot::Up(pair) if pair.kind == kind)
            && !matches!(&*slot, Slot::Failed(failed, _) if *failed == kind)
        {
            *slot = Slot::Empty;
            let name = format!("oracle-{}", kind.kernel.series());
            *slot = match Pair::boot(&name, kind) {
                Ok(pair) => Slot::Up(Box::new(pair)),
                Err(error) => Slot::Failed(kind, error.to_string()),
            };
        }
        let pair = match &*slot {
            Slot::Up(pair) => pair,
            Slot::Failed(_, why) => {
                return Err(Error::Observed {
                    expected: "two guests on the model".into(),
                    found: why.clone(),
                });
            }
            Slot::Empty => return Err(Error::Observed { expected: "a pair".into(), found: "none".into() }),
        };
        let result = pair.forget().and_then(|()| pair.reset()).and_then(|()| test(pair));
        let judged = pair.judge();
        if let (Err(_), Err(faults)) = (&result, &judged) {
            eprintln!("besides: {faults}");
        }
        let result = result.and(judged);
        if result.is_err() {
            pair.site.keep();
            pair.model.write_account(&pair.site);
            eprintln!("logs: {}", pair.site.dir().display());
            // A guest that is dead or hung must not fail the tests behind this one.
            if pair.guests.iter().any(|guest| guest.run("true").is_err()) {
                *slot = Slot::Empty;
            }
        }
        result
    }
}

impl Default for Shared {
    fn default() -> Shared {
        Shared::new()
    }
}

#[cfg(test)]
mod tests {
    use super::counter_of;

    #[test]
    fn a_counter_is_found_by_its_whole_name() {
        let said = "NIC statistics:\n     rx_packets_phy: 7\n     rx_packets: 5\n";
        assert_eq!(counter_of(said, "rx_packets").unwrap(), 5);
        assert!(counter_of(said, "rx").is_err());
    }
}
