//! Who refers to whom. An object that another one uses cannot be destroyed: firmware answers BAD_RES_STATE.

use crate::{Check, Refusal};
use core::fmt;
use mlx5_pci::prm::CmdStatus;
use std::collections::BTreeMap;

/// The kinds of objects that refer or are referred to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Kind {
    Uar,
    Pd,
    TransportDomain,
    Mkey,
    Eq,
    Cq,
    Sq,
    Rq,
    Rmp,
    Tis,
    Tir,
    Rqt,
    QCounter,
    FlowCounter,
    FlowTable,
    FlowGroup,
    FlowEntry,
    ModifyHeader,
    Reformat,
    EncryptionKey,
    Ipsec,
    General,
    L2Entry,
}

/// An object: its kind and number.
pub(crate) type Object = (Kind, u32);

/// Every reference between objects.
#[derive(Debug, Default)]
pub(crate) struct Links {
    holders: BTreeMap<Object, u32>,
    held: BTreeMap<Object, Vec<Object>>,
}

impl Links {
    /// Notes that `holder` refers to all of `objects`, besides what it refers to already.
    pub(crate) fn hold(&mut self, holder: Object, objects: impl IntoIterator<Item = Object>) {
        let held = self.held.entry(holder).or_default();
        for object in objects {
            *self.holders.entry(object).or_default() += 1;
            held.push(object);
        }
    }

    /// Forgets everything that `holder` refers to.
    pub(crate) fn release(&mut self, holder: Object) {
        for object in self.held.remove(&holder).unwrap_or_default() {
            if let Some(count) = self.holders.get_mut(&object) {
                *count -= 1;
                if *count == 0 {
                    self.holders.remove(&object);
                }
            }
        }
    }

    /// How many references there are to `object`.
    pub(crate) fn count(&self, object: Object) -> u32 {
        self.holders.get(&object).copied().unwrap_or(0)
    }

    /// Ends an object: releases what it holds.
    ///
    /// # Errors
    /// BAD_RES_STATE while somebody still refers to it.
    pub(crate) fn end(&mut self, object: Object, field: &'static str, offset: u16) -> Result<(), Refusal> {
        if self.count(object) > 0 {
            return Err(Refusal::new(CmdStatus::BAD_RES_STATE, Check::InUse, field, offset));
        }
        self.release(object);
        Ok(())
    }
}

/// Objects of one kind, by number. Numbers start at `first` and are used again only after all others.
pub(crate) struct Numbered<T> {
    first: u32,
    limit: u32,
    next: u32,
    items: BTreeMap<u32, T>,
}

impl<T> fmt::Debug for Numbered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.items.keys()).finish()
    }
}

impl<T> Numbered<T> {
    /// Room for `limit` objects whose numbers start at `first`.
    pub(crate) const fn new(first: u32, limit: u32) -> Numbered<T> {
        Numbered { first, limit, next: 0, items: BTreeMap::new() }
    }

    /// Adds an object and says its number.
    ///
    /// # Errors
    /// NO_RES when the capability's limit is reached.
    pub(crate) fn insert(&mut self, item: T) -> Result<u32, Refusal> {
        if self.items.len() as u64 >= u64::from(self.limit) {
            return Err(Refusal::new(CmdStatus::NO_RES, Check::Full, "opcode", 0));
        }
        loop {
            let number = self.first + self.next;
            self.next = (self.next + 1) % self.limit;
            if let std::collections::btree_map::Entry::Vacant(place) = self.items.entry(number) {
                place.insert(item);
                return Ok(number);
            }
        }
    }

    /// The object, if it exists.
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        self.items.get(&number)
    }

    /// The object, if it exists.
    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.items.get_mut(&number)
    }

    /// The object that a command names in `field` at `offset`.
    ///
    /// # Errors
    /// BAD_RES when it does not exist.
    pub(crate) fn named(&self, number: u32, field: &'static str, offset: u16) -> Result<&T, Refusal> {
        self.items.get(&number).ok_or(Refusal::no_object(field, offset))
    }

    /// As [`Numbered::named`].
    ///
    /// # Errors
    /// BAD_RES when it does not exist.
    pub(crate) fn named_mut(
        &mut self,
        number: u32,
        field: &'static str,
        offset: u16,
    ) -> Result<&mut T, Refusal> {
        self.items.get_mut(&number).ok_or(Refusal::no_object(field, offset))
    }

    /// Takes an object out.
    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        self.items.remove(&number)
    }

    /// All objects in the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.items.iter().map(|(number, item)| (*number, item))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }
}
