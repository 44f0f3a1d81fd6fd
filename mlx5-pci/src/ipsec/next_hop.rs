//! Another next hop for an SA whose outer Ethernet header is the card's: other headers are made, the entry is changed to
//! them in one step, and the old ones go.

use super::made::{Entry, Headers};
use super::names::Handle;
use super::offload::Offload;
use super::reformat::{self, Reformat};
use super::sa::{Direction, Install, Key, Limits, Mode, Ports, Secret};
use super::send;
use crate::cmd::Commands;
use crate::error::Error;
use crate::hal::Function;
use core::net::IpAddr;

/// What makes the headers of a tunnel.
#[derive(Debug)]
pub(super) struct Plan {
    source: IpAddr,
    udp: Option<Ports>,
    mode: Mode,
}

impl Plan {
    /// That of `sa`.
    pub(super) fn of(sa: &Install) -> Self {
        Self { source: sa.source, udp: sa.udp, mode: sa.mode }
    }
}

impl<F: Function> Offload<F> {
    /// Gives an SA of the card's own tunnel mode another next hop: each packet goes to the old or the new one.
    ///
    /// # Errors
    /// When a command fails.
    pub fn redirect(
        &mut self,
        commands: &mut Commands<F>,
        handle: Handle,
        next_hop: [u8; 6],
    ) -> Result<bool, Error> {
        let place = self.sas.get_mut(handle.slot() as usize).and_then(Option::as_deref_mut);
        let Some(sa) = place.filter(|sa| sa.handle == handle && !sa.stopped && !self.broken) else {
            return Ok(false);
        };
        let (Some(plan), Some(object), [counter]) =
            (&mut sa.plan, sa.made.object, sa.made.counters.as_slice())
        else {
            return Ok(false);
        };
        let Mode::Tunnel { destination, .. } = &mut plan.mode else { return Ok(false) };
        let (Some(Entry::Send(index)), Some(Headers::Own(old))) =
            (sa.made.entries.last(), sa.made.headers.clone())
        else {
            return Ok(false);
        };
        *destination = next_hop;
        let shell = shell(sa.spi, sa.destination, plan);
        let reformat = Reformat::of(&shell).create(commands)?;
        let parts = send::Parts { object, reformat, counter: *counter };
        let changed = self.send.change(commands, *index, (handle, &shell), parts);
        let (unused, used) = if changed.is_ok() { (old, reformat) } else { (reformat, old) };
        sa.made.headers = Some(Headers::Own(used));
        let gone = reformat::destroy(commands, unused);
        if let Err(error) = changed.and(gone) {
            self.fail();
            return Err(error.into());
        }
        Ok(true)
    }
}

/// What headers are made from, as an SA without a secret.
fn shell(spi: u32, destination: IpAddr, plan: &Plan) -> Install {
    Install {
        direction: Direction::Send,
        spi,
        source: plan.source,
        destination,
        mode: plan.mode,
        udp: plan.udp,
        vlan: None,
        secret: Secret { key: Key::Aes128([0; 16]), salt: [0; 4] },
        iv: [0; 8],
        esn: true,
        sequence: 1,
        packets: Limits::default(),
        octets: Limits::default(),
        selector: None,
    }
}
