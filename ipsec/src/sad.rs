//! The security association database (RFC 4301 section 4.4.2): slots named by handles with generations,
//! and inbound SAs by SPI. An inbound SPI is ours to choose, so it alone names an SA.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use core::net::IpAddr;
use hashbrown::{HashMap, HashSet};

use crate::sa::{Direction, Handle, InstallError, Spi};
use crate::state::Sa;

/// A place for an SA.
struct Slot {
    /// Of the present tenant, or of the next.
    generation: u32,
    sa: Option<Box<Sa>>,
}

/// The table of SAs. Grows when SAs are installed, never when packets pass.
pub(crate) struct Sad {
    slots: Vec<Slot>,
    /// Vacant slots, longest vacant first, so that a generation lasts as long as possible.
    free: VecDeque<u32>,
    inbound: HashMap<u32, u32>,
    /// Outbound SAs: to one peer no SPI comes twice.
    outbound: HashSet<(u32, IpAddr)>,
    limit: usize,
}

impl Sad {
    pub(crate) fn new(limit: usize) -> Self {
        let limit = limit.min(Handle::SLOTS);
        Self {
            slots: Vec::new(),
            free: VecDeque::new(),
            inbound: HashMap::new(),
            outbound: HashSet::new(),
            limit,
        }
    }

    /// Whether an SA may be inserted.
    pub(crate) fn admit(&self, direction: Direction, spi: Spi, remote: IpAddr) -> Result<(), InstallError> {
        let duplicate = match direction {
            Direction::In => self.inbound.contains_key(&spi.0),
            Direction::Out => self.outbound.contains(&(spi.0, remote)),
        };
        if duplicate {
            return Err(InstallError::DuplicateSpi(spi));
        }
        if self.free.is_empty() && self.slots.len() >= self.limit {
            return Err(InstallError::Full { limit: self.limit });
        }
        Ok(())
    }

    /// The ends of SAs have changed.
    pub(crate) fn reindex(&mut self) {
        let outbound = self.iter().filter(|(_, sa)| sa.direction() == Direction::Out);
        self.outbound = outbound.map(|(_, sa)| (sa.spi.0, sa.mode.remote())).collect();
    }

    pub(crate) fn insert(&mut self, sa: Sa) -> Result<Handle, InstallError> {
        self.admit(sa.direction(), sa.spi, sa.mode.remote())?;
        let full = InstallError::Full { limit: self.limit };
        let index = match self.free.pop_front() {
            Some(index) => index,
            None if self.slots.len() < self.limit => {
                self.slots.push(Slot { generation: 1, sa: None });
                (self.slots.len() - 1) as u32
            }
            None => return Err(full),
        };
        let slot = self.slots.get_mut(index as usize).ok_or(full)?;
        match sa.direction() {
            Direction::In => drop(self.inbound.insert(sa.spi.0, index)),
            Direction::Out => drop(self.outbound.insert((sa.spi.0, sa.mode.remote()))),
        }
        slot.sa = Some(Box::new(sa));
        Ok(Handle::new(index, slot.generation))
    }

    pub(crate) fn remove(&mut self, handle: Handle) -> Option<Box<Sa>> {
        let slot = self.slots.get_mut(handle.slot())?;
        if slot.generation != handle.generation() {
            return None;
        }
        let sa = slot.sa.take()?;
        // Generation zero is never given out, so that no handle is zero.
        slot.generation = (slot.generation + 1) % Handle::GENERATIONS;
        slot.generation = slot.generation.max(1);
        self.free.push_back(handle.slot() as u32);
        match sa.direction() {
            Direction::In => drop(self.inbound.remove(&sa.spi.0)),
            Direction::Out => drop(self.outbound.remove(&(sa.spi.0, sa.mode.remote()))),
        }
        Some(sa)
    }

    #[inline]
    pub(crate) fn sa(&self, handle: Handle) -> Option<&Sa> {
        let slot = self.slots.get(handle.slot())?;
        slot.sa.as_deref().filter(|_| slot.generation == handle.generation())
    }

    #[inline]
    pub(crate) fn sa_mut(&mut self, handle: Handle) -> Option<&mut Sa> {
        let slot = self.slots.get_mut(handle.slot())?;
        slot.sa.as_deref_mut().filter(|_| slot.generation == handle.generation())
    }

    /// The inbound SA with this SPI.
    #[inline]
    pub(crate) fn inbound_mut(&mut self, spi: Spi) -> Option<(Handle, &mut Sa)> {
        let &index = self.inbound.get(&spi.0)?;
        let slot = self.slots.get_mut(index as usize)?;
        Some((Handle::new(index, slot.generation), slot.sa.as_deref_mut()?))
    }

    /// The SA in a slot, if there is one.
    pub(crate) fn at_mut(&mut self, index: usize) -> Option<(Handle, &mut Sa)> {
        let slot = self.slots.get_mut(index)?;
        Some((Handle::new(index as u32, slot.generation), slot.sa.as_deref_mut()?))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Handle, &Sa)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            Some((Handle::new(index as u32, slot.generation), slot.sa.as_deref()?))
        })
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Sa> {
        self.slots.iter_mut().filter_map(|slot| slot.sa.as_deref_mut())
    }
}
