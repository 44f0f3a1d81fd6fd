//! The cards that do ESP, by port, and the names that they have given to SAs.

use alloc::boxed::Box;
use alloc::vec::Vec;

use net::{Instant, PortId};

use crate::offload::{Card, CardCounts, CardEvent, CardSa, Hardware, Name, Reason};
use crate::sa::{Handle, InstallError, SaParams};

/// Where an SA is about to be installed.
pub(crate) enum Place<'a> {
    Software(Reason),
    Card(PortId, &'a mut dyn Card),
}

struct Slot {
    card: Box<dyn Card>,
    up: bool,
    /// By the index of a name.
    tenants: Vec<Option<(Name, Handle)>>,
}

/// All cards.
#[derive(Default)]
pub(crate) struct Cards(Vec<Option<Slot>>);

impl Cards {
    pub(crate) fn attach(&mut self, port: PortId, card: Box<dyn Card>) {
        let at = usize::from(port.0);
        if self.0.len() <= at {
            self.0.resize_with(at + 1, || None);
        }
        if let Some(place) = self.0.get_mut(at) {
            *place = Some(Slot { card, up: true, tenants: Vec::new() });
        }
    }

    fn slot(&mut self, port: PortId) -> Option<&mut Slot> {
        self.0.get_mut(usize::from(port.0))?.as_mut()
    }

    /// Where the SA goes: to its port's card if it is wished for and the card can, else to software, if that may be.
    pub(crate) fn place(&mut self, sa: &SaParams) -> Result<Place<'_>, InstallError> {
        let reason = match (sa.wish.hardware, sa.wish.port) {
            (Hardware::No, _) => return Ok(Place::Software(Reason::Configured)),
            (_, None) => Reason::NoRoute,
            (_, Some(port)) => match self.0.get_mut(usize::from(port.0)) {
                Some(Some(slot)) if !slot.up => Reason::Down(port),
                Some(Some(slot)) => match slot.card.check(&CardSa::of(sa)) {
                    Ok(()) => return Ok(Place::Card(port, &mut *slot.card)),
                    Err(reason) => reason,
                },
                _ => Reason::NoCard(port),
            },
        };
        match sa.wish.hardware {
            Hardware::Packet => Err(InstallError::Card(reason)),
            _ => Ok(Place::Software(reason)),
        }
    }

    /// From now on `name` is the card's word for `handle`.
    pub(crate) fn bind(&mut self, port: PortId, name: Name, handle: Handle) {
        let Some(slot) = self.slot(port) else { return };
        if slot.tenants.len() <= name.index() {
            slot.tenants.resize(name.index() + 1, None);
        }
        if let Some(place) = slot.tenants.get_mut(name.index()) {
            *place = Some((name, handle));
        }
    }

    /// The SA that the card of `port` calls `name`.
    #[inline]
    pub(crate) fn tenant(&self, port: PortId, name: Name) -> Option<Handle> {
        let slot = self.0.get(usize::from(port.0))?.as_ref()?;
        let (of, handle) = (*slot.tenants.get(name.index())?)?;
        (of == name).then_some(handle)
    }

    /// The largest packet that the card of `port` takes back; 0 if it is down.
    pub(crate) fn takes_back(&self, port: PortId) -> u16 {
        let slot = self.0.get(usize::from(port.0)).and_then(Option::as_ref);
        slot.filter(|slot| slot.up).map_or(0, |slot| slot.card.takes_back())
    }

    /// Takes an SA off its card; what that has counted last. A card that has failed since has forgotten the name, and may have
    /// given it anew.
    pub(crate) fn retire(&mut self, port: PortId, name: Name) -> Option<CardCounts> {
        let slot = self.slot(port)?;
        let place = slot.tenants.get_mut(name.index())?;
        place.take_if(|(of, _)| *of == name)?;
        slot.card.retire(name)
    }

    /// Calls `each` with the counts of every SA.
    pub(crate) fn counts(&mut self, mut each: impl FnMut(Handle, CardCounts)) {
        for slot in self.0.iter_mut().flatten().filter(|slot| slot.up) {
            let tenants = &slot.tenants;
            slot.card.counts(&mut |name, counts| {
                if let Some(Some((of, handle))) = tenants.get(name.index())
                    && *of == name
                {
                    each(*handle, counts);
                }
            });
        }
    }

    /// What has happened to which SA, or to the card of a port.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<(PortId, CardEvent, Option<Handle>)> {
        for (port, slot) in (0..).map(PortId).zip(&mut self.0) {
            let Some(slot) = slot else { continue };
            let Some(event) = slot.card.poll(now) else { continue };
            let tenant =
                |name: Name| slot.tenants.get(name.index()).copied().flatten().filter(|(of, _)| *of == name);
            let handle = match event {
                CardEvent::Soft(name) | CardEvent::Hard(name) => tenant(name).map(|(_, handle)| handle),
                CardEvent::Dead => {
                    slot.up = false;
                    slot.tenants.clear();
                    None
                }
                CardEvent::Up => {
                    slot.up = true;
                    None
                }
            };
            return Some((port, event, handle));
        }
        None
    }
}
