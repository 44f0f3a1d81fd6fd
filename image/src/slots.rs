//! What the pipeline remembers about each SA beside the SAD: for outbound ones the peer and how large a
//! packet fits, for inbound ones when IKE was last told that the peer lives. One vector, indexed like the
//! SAD, so that the fast path neither hashes nor copies statistics.

use alloc::vec::Vec;
use core::net::IpAddr;

use ipsec::Handle;
use net::{Duration, Hop, Instant, PortId};

/// How long a computed packet limit is used before the path MTU is asked for again.
pub(crate) const LIMIT_AGE: Duration = Duration::from_secs(1);
/// How often IKE is told that a peer lives.
pub(crate) const HINT_INTERVAL: Duration = Duration::from_secs(1);

/// What an outbound SA puts on the wire.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sends {
    pub(crate) spi: u32,
    /// Our outer address.
    pub(crate) local: IpAddr,
    /// UDP ports, ours and the peer's.
    pub(crate) ports: Option<(u16, u16)>,
    /// Whether fragments of inner packets may pass: not if the SA has selectors with ports, which the peer
    /// could not compare.
    pub(crate) cut_inside: bool,
}

/// An installed SA as the pipeline knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    pub(crate) handle: Handle,
    /// The inbound SPI of the pair, by which IKE knows it; nothing for an SA with static keys.
    pub(crate) ike_spi: Option<u32>,
    /// The peer's outer address.
    pub(crate) remote: IpAddr,
    pub(crate) tunnel: bool,
    /// The port whose card does it.
    pub(crate) card: Option<PortId>,
    /// Present on outbound SAs.
    pub(crate) sends: Option<Sends>,
    /// Largest inner packet, and the way to the peer; valid until `limit_until`.
    pub(crate) limit: u16,
    pub(crate) hop: Option<Hop>,
    pub(crate) limit_until: Instant,
    /// When the next hint to IKE is due.
    pub(crate) hint_at: Instant,
}

impl Slot {
    pub(crate) fn new(handle: Handle, ike_spi: Option<u32>, remote: IpAddr, tunnel: bool) -> Self {
        Self {
            handle,
            ike_spi,
            remote,
            tunnel,
            card: None,
            sends: None,
            limit: 0,
            hop: None,
            limit_until: Instant::ZERO,
            hint_at: Instant::ZERO,
        }
    }
}

/// Slots by handle.
#[derive(Debug, Default)]
pub(crate) struct Slots(Vec<Option<Slot>>);

fn index(handle: Handle) -> usize {
    // A handle's slot is its lower bits (`Handle::SLOTS` is a power of two).
    handle.bits() as usize & (Handle::SLOTS - 1)
}

impl Slots {
    pub(crate) fn insert(&mut self, slot: Slot) {
        let at = index(slot.handle);
        if self.0.len() <= at {
            self.0.resize(at + 1, None);
        }
        if let Some(place) = self.0.get_mut(at) {
            *place = Some(slot);
        }
    }

    #[inline]
    pub(crate) fn of(&mut self, handle: Handle) -> Option<&mut Slot> {
        self.0.get_mut(index(handle))?.as_mut().filter(|slot| slot.handle == handle)
    }

    pub(crate) fn remove(&mut self, handle: Handle) {
        if self.of(handle).is_some()
            && let Some(place) = self.0.get_mut(index(handle))
        {
            *place = None;
        }
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.0.iter_mut().flatten()
    }

    /// Has every limit computed anew, and every way to a peer found anew.
    pub(crate) fn forget_ways(&mut self) {
        self.iter_mut().for_each(|slot| slot.limit_until = Instant::ZERO);
    }

    /// Has every limit towards `remote` computed anew.
    pub(crate) fn forget_limits(&mut self, remote: IpAddr) {
        for slot in self.iter_mut().filter(|slot| slot.remote == remote) {
            slot.limit_until = Instant::ZERO;
        }
    }
}
