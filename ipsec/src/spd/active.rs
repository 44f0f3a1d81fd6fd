//! The outbound SAs of a policy: which of them takes a flow. The newest that covers it does.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use net::flow::Flow;

use super::index::Index;
use crate::sa::Handle;
use crate::selector::{Match, Selector};

#[derive(Debug)]
struct Active {
    handle: Handle,
    selectors: Vec<Selector>,
}

/// The SAs of one policy.
#[derive(Debug, Default)]
pub(super) struct Actives {
    /// Newest last, by how many came before.
    sas: BTreeMap<u64, Active>,
    index: Index<(u64, Handle)>,
    next: u64,
    /// The newest one, if it covers all that the policy covers: no need to compare.
    whole: Option<Handle>,
}

/// What takes a flow.
pub(super) enum Taken {
    /// This SA.
    By(Handle),
    /// None; with ports it might be one.
    Unknown,
    /// None.
    No,
}

fn covers(new: &[Selector], old: &[Selector]) -> bool {
    old.iter().all(|old| new.iter().any(|new| old.is_subset(new)))
}

impl Actives {
    /// Adds an SA, as the newest; its number, and the SAs that carry nothing any more because of it.
    pub(super) fn add(
        &mut self,
        handle: Handle,
        selectors: &[Selector],
        policy: &[Selector],
    ) -> (u64, Vec<Handle>) {
        let mut under = BTreeSet::new();
        for selector in selectors {
            self.index.under(selector, |(number, _)| {
                under.insert(number);
            });
        }
        let replaced =
            |number: &u64| self.sas.get(number).is_some_and(|old| covers(selectors, &old.selectors));
        let replaced: Vec<u64> = under.into_iter().filter(replaced).collect();
        // Newest first, as they were asked.
        let handles = replaced.into_iter().rev().filter_map(|number| self.remove(number)).collect();
        let number = self.next;
        self.next += 1;
        for (at, selector) in (0..).zip(selectors) {
            self.index.insert((u64::MAX - number, at), selector, (number, handle));
        }
        self.sas.insert(number, Active { handle, selectors: selectors.to_vec() });
        self.whole = covers(selectors, policy).then_some(handle);
        (number, handles)
    }

    /// Takes an SA out by its number.
    pub(super) fn remove(&mut self, number: u64) -> Option<Handle> {
        let active = self.sas.remove(&number)?;
        for (at, selector) in (0..).zip(&active.selectors) {
            self.index.remove((u64::MAX - number, at), selector);
        }
        self.whole.take_if(|whole| *whole == active.handle);
        Some(active.handle)
    }

    /// Newest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Handle> {
        self.sas.values().rev().map(|active| active.handle)
    }

    /// Which one takes a flow of the policy's.
    #[inline]
    pub(super) fn take(&self, flow: &Flow) -> Taken {
        if let Some(handle) = self.whole {
            return Taken::By(handle);
        }
        match self.index.first(flow, |matched| matched == Match::Yes) {
            Some((_, (_, handle))) => Taken::By(handle),
            None if self.index.first(flow, |matched| matched == Match::Unknown).is_some() => Taken::Unknown,
            None => Taken::No,
        }
    }
}
