//! Selectors in an order, and which is the first that a flow falls under, in a time that does not grow with their number.
//!
//! A few are looked at one by one. Beyond that, those whose addresses are prefixes lie in tables by the lengths of both
//! prefixes: a flow is looked up once in each table, and there are as many tables as there are pairs of lengths. One by one
//! are still looked at: ranges that are no prefixes, and selectors between the same two prefixes.

use alloc::vec::Vec;
use core::hash::Hash;
use core::net::IpAddr;
use core::ops::{BitAnd, BitXor};

use hashbrown::HashMap;
use net::flow::Flow;

use crate::selector::{AddressRange, Match, Selector, Upper};

/// How many selectors are looked at one by one before there are tables.
const FEW: usize = 16;

/// Where a selector stands: lower ones come first, and no two are equal.
pub(super) type Place = (u64, u32);

/// An address as an integer.
trait Address: Copy + Ord + Hash + BitAnd<Output = Self> + BitXor<Output = Self> {
    /// The bits of a prefix of this length.
    fn mask(length: u8) -> Self;
    /// The length of the prefix that this range is, if it is one.
    fn prefix(range: (Self, Self)) -> Option<u8>;
}

macro_rules! addresses {
    ($($kind:ty),*) => { $(
        impl Address for $kind {
            fn mask(length: u8) -> Self {
                Self::MAX.checked_shl(Self::BITS - u32::from(length)).unwrap_or(0)
            }

            fn prefix((first, last): (Self, Self)) -> Option<u8> {
                let free = first ^ last;
                (free & free.wrapping_add(1) == 0 && first & free == 0).then_some(free.leading_zeros() as u8)
            }
        }
    )* };
}

addresses!(u32, u128);

/// A selector of one family, ready to compare.
#[derive(Debug, Clone, Copy)]
struct Rule<A, T> {
    place: Place,
    src: (A, A),
    dst: (A, A),
    proto: Option<u8>,
    upper: Upper,
    target: T,
}

impl<A: Address, T: Copy> Rule<A, T> {
    fn matches(&self, src: A, dst: A, flow: &Flow) -> Match {
        let outer = self.src.0 <= src
            && src <= self.src.1
            && self.dst.0 <= dst
            && dst <= self.dst.1
            && self.proto.is_none_or(|proto| proto == flow.proto);
        if outer { self.upper.matches(flow.ports) } else { Match::No }
    }

    fn prefixes(&self) -> Option<(u8, u8)> {
        Some((A::prefix(self.src)?, A::prefix(self.dst)?))
    }

    fn is_under(&self, src: (A, A), dst: (A, A)) -> bool {
        src.0 <= self.src.0 && self.src.1 <= src.1 && dst.0 <= self.dst.0 && self.dst.1 <= dst.1
    }
}

/// Rules whose prefixes have these lengths, by the prefixes, each list in order.
#[derive(Debug)]
struct Table<A, T> {
    lengths: (u8, u8),
    masks: (A, A),
    /// None stands before this.
    first: Place,
    rules: HashMap<(A, A), Vec<Rule<A, T>>>,
}

/// All rules of one family.
#[derive(Debug)]
struct Family<A, T> {
    /// Those that are looked at one by one, in order: all, as long as they are few.
    listed: Vec<Rule<A, T>>,
    tables: Vec<Table<A, T>>,
}

fn put<A, T>(rules: &mut Vec<Rule<A, T>>, rule: Rule<A, T>) {
    let at = rules.partition_point(|other| other.place < rule.place);
    rules.insert(at, rule);
}

fn take<A, T>(rules: &mut Vec<Rule<A, T>>, place: Place) -> bool {
    let found = rules.binary_search_by_key(&place, |rule| rule.place).ok();
    found.map(|at| rules.remove(at)).is_some()
}

impl<A: Address, T: Copy> Family<A, T> {
    const NEW: Self = Self { listed: Vec::new(), tables: Vec::new() };

    fn insert(&mut self, rule: Rule<A, T>) {
        if self.tables.is_empty() && self.listed.len() < FEW {
            return put(&mut self.listed, rule);
        }
        if self.tables.is_empty() {
            for rule in core::mem::take(&mut self.listed) {
                self.spread(rule);
            }
        }
        self.spread(rule);
    }

    fn spread(&mut self, rule: Rule<A, T>) {
        let Some(lengths) = rule.prefixes() else { return put(&mut self.listed, rule) };
        let found = self.tables.iter().position(|table| table.lengths == lengths);
        let at = found.unwrap_or_else(|| {
            let masks = (A::mask(lengths.0), A::mask(lengths.1));
            self.tables.push(Table { lengths, masks, first: rule.place, rules: HashMap::new() });
            self.tables.len() - 1
        });
        if let Some(table) = self.tables.get_mut(at) {
            table.first = table.first.min(rule.place);
            put(table.rules.entry((rule.src.0, rule.dst.0)).or_default(), rule);
        }
    }

    fn remove(&mut self, place: Place, src: (A, A), dst: (A, A)) {
        if take(&mut self.listed, place) {
            return;
        }
        let Some(lengths) = A::prefix(src).zip(A::prefix(dst)) else { return };
        let Some(at) = self.tables.iter().position(|table| table.lengths == lengths) else { return };
        let Some(table) = self.tables.get_mut(at) else { return };
        if let Some(rules) = table.rules.get_mut(&(src.0, dst.0)) {
            take(rules, place);
            if rules.is_empty() {
                table.rules.remove(&(src.0, dst.0));
            }
        }
        if table.rules.is_empty() {
            self.tables.swap_remove(at);
        }
    }

    #[inline]
    fn first(&self, src: A, dst: A, flow: &Flow, wanted: impl Fn(Match) -> bool) -> Option<(Match, T)> {
        let mut best: Option<(Place, Match, T)> = None;
        let consider = |rules: &[Rule<A, T>], best: &mut Option<(Place, Match, T)>| {
            for rule in rules {
                if best.is_some_and(|(place, ..)| place < rule.place) {
                    return;
                }
                let matched = rule.matches(src, dst, flow);
                if wanted(matched) {
                    *best = Some((rule.place, matched, rule.target));
                    return;
                }
            }
        };
        for table in &self.tables {
            if best.is_none_or(|(place, ..)| table.first < place)
                && let Some(rules) = table.rules.get(&(src & table.masks.0, dst & table.masks.1))
            {
                consider(rules, &mut best);
            }
        }
        consider(&self.listed, &mut best);
        best.map(|(_, matched, target)| (matched, target))
    }

    fn under(&self, src: (A, A), dst: (A, A), mut each: impl FnMut(T)) {
        let mut of = |rules: &[Rule<A, T>]| {
            rules.iter().filter(|rule| rule.is_under(src, dst)).for_each(|rule| each(rule.target));
        };
        of(&self.listed);
        let lengths = A::prefix(src).zip(A::prefix(dst));
        for table in &self.tables {
            match lengths {
                Some(lengths) if lengths == table.lengths => {
                    table.rules.get(&(src.0, dst.0)).into_iter().for_each(|rules| of(rules));
                }
                // Nothing with a shorter prefix lies within.
                Some((src, dst)) if src > table.lengths.0 || dst > table.lengths.1 => {}
                _ => table.rules.values().for_each(|rules| of(rules)),
            }
        }
    }
}

/// Selectors of both families, each with what it stands for.
#[derive(Debug)]
pub(super) struct Index<T> {
    v4: Family<u32, T>,
    v6: Family<u128, T>,
}

impl<T: Copy> Default for Index<T> {
    fn default() -> Self {
        Self { v4: Family::NEW, v6: Family::NEW }
    }
}

/// Both ends of a range in one family.
enum Ends {
    V4((u32, u32)),
    V6((u128, u128)),
}

fn ends(range: AddressRange) -> Option<Ends> {
    match (range.first(), range.last()) {
        (IpAddr::V4(first), IpAddr::V4(last)) => Some(Ends::V4((first.to_bits(), last.to_bits()))),
        (IpAddr::V6(first), IpAddr::V6(last)) => Some(Ends::V6((first.to_bits(), last.to_bits()))),
        _ => None,
    }
}

impl<T: Copy> Index<T> {
    /// Adds a selector. One across families covers nothing and is left out.
    pub(super) fn insert(&mut self, place: Place, selector: &Selector, target: T) {
        let &Selector { proto, upper, .. } = selector;
        match (ends(selector.src), ends(selector.dst)) {
            (Some(Ends::V4(src)), Some(Ends::V4(dst))) => {
                self.v4.insert(Rule { place, src, dst, proto, upper, target });
            }
            (Some(Ends::V6(src)), Some(Ends::V6(dst))) => {
                self.v6.insert(Rule { place, src, dst, proto, upper, target });
            }
            _ => {}
        }
    }

    /// Takes out the selector that was inserted at `place`.
    pub(super) fn remove(&mut self, place: Place, selector: &Selector) {
        match (ends(selector.src), ends(selector.dst)) {
            (Some(Ends::V4(src)), Some(Ends::V4(dst))) => self.v4.remove(place, src, dst),
            (Some(Ends::V6(src)), Some(Ends::V6(dst))) => self.v6.remove(place, src, dst),
            _ => {}
        }
    }

    /// The first selector that matches the flow as `wanted` wants it.
    #[inline]
    pub(super) fn first(&self, flow: &Flow, wanted: impl Fn(Match) -> bool) -> Option<(Match, T)> {
        match (flow.src, flow.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => self.v4.first(src.to_bits(), dst.to_bits(), flow, wanted),
            (IpAddr::V6(src), IpAddr::V6(dst)) => self.v6.first(src.to_bits(), dst.to_bits(), flow, wanted),
            _ => None,
        }
    }

    /// Calls `each` for every selector whose addresses are within `selector`'s, in no order.
    pub(super) fn under(&self, selector: &Selector, each: impl FnMut(T)) {
        match (ends(selector.src), ends(selector.dst)) {
            (Some(Ends::V4(src)), Some(Ends::V4(dst))) => self.v4.under(src, dst, each),
            (Some(Ends::V6(src)), Some(Ends::V6(dst))) => self.v6.under(src, dst, each),
            _ => {}
        }
    }
}
