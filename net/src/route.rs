//! Longest-prefix match (RFC 1812 5.2.4.3, RFC 4632 5.1) in a path-compressed binary trie, one per family.
//! Nodes lie in one vector; a look-up visits at most one node per distinct prefix length on its path.

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::prefix::Prefix;

/// Values by prefix, both families.
#[derive(Debug, Clone)]
pub struct Table<V> {
    v4: Trie<u32, V>,
    v6: Trie<u128, V>,
}

impl<V: Copy> Default for Table<V> {
    fn default() -> Self {
        Self { v4: Trie::new(), v6: Trie::new() }
    }
}

impl<V: Copy> Table<V> {
    /// Sets the value of `prefix` (host bits are ignored); returns the one it replaces.
    pub fn insert(&mut self, prefix: Prefix, value: V) -> Option<V> {
        match prefix.first() {
            IpAddr::V4(addr) => self.v4.insert(addr.to_bits(), prefix.prefix_len(), value),
            IpAddr::V6(addr) => self.v6.insert(addr.to_bits(), prefix.prefix_len(), value),
        }
    }

    /// Takes the value of exactly `prefix` away and returns it.
    pub fn remove(&mut self, prefix: Prefix) -> Option<V> {
        match prefix.first() {
            IpAddr::V4(addr) => self.v4.remove(addr.to_bits(), prefix.prefix_len()),
            IpAddr::V6(addr) => self.v6.remove(addr.to_bits(), prefix.prefix_len()),
        }
    }

    /// The value of the longest prefix that contains `addr`.
    #[inline]
    pub fn lookup(&self, addr: IpAddr) -> Option<V> {
        match addr {
            IpAddr::V4(addr) => self.v4.lookup(addr.to_bits()),
            IpAddr::V6(addr) => self.v6.lookup(addr.to_bits()),
        }
    }
}

/// An address as a number, most significant bit first.
trait Key: Copy + Eq {
    const BITS: u8;
    /// Leading bits that both share.
    fn common(self, other: Self) -> u8;
    /// The bit at `index`, counted from the most significant.
    fn bit(self, index: u8) -> usize;
}

impl Key for u32 {
    const BITS: u8 = 32;
    #[inline]
    fn common(self, other: Self) -> u8 {
        (self ^ other).leading_zeros() as u8
    }
    #[inline]
    fn bit(self, index: u8) -> usize {
        (self.rotate_left(u32::from(index) + 1) & 1) as usize
    }
}

impl Key for u128 {
    const BITS: u8 = 128;
    #[inline]
    fn common(self, other: Self) -> u8 {
        (self ^ other).leading_zeros() as u8
    }
    #[inline]
    fn bit(self, index: u8) -> usize {
        (self.rotate_left(u32::from(index) + 1) & 1) as usize
    }
}

#[derive(Debug, Clone, Copy)]
struct Node<K, V> {
    key: K,
    len: u8,
    value: Option<V>,
    /// Indices by the first bit behind `len`; [`NONE`] where there is no child.
    child: [u32; 2],
}

const NONE: u32 = u32::MAX;

#[derive(Debug, Clone)]
struct Trie<K, V> {
    /// The first is the root, if there is any. Children's keys extend their parent's.
    nodes: Vec<Node<K, V>>,
}

impl<K: Key, V: Copy> Trie<K, V> {
    const fn new() -> Self {
        Self { nodes: Vec::new() }
    }

    #[inline]
    fn lookup(&self, key: K) -> Option<V> {
        let mut best = None;
        let mut at = 0;
        while let Some(node) = self.nodes.get(at as usize) {
            if node.key.common(key) < node.len {
                break;
            }
            best = node.value.or(best);
            if node.len == K::BITS {
                break;
            }
            at = node.child[key.bit(node.len)];
        }
        best
    }

    fn add(&mut self, key: K, len: u8, value: Option<V>) -> u32 {
        self.nodes.push(Node { key, len, value, child: [NONE; 2] });
        (self.nodes.len() - 1) as u32
    }

    fn insert(&mut self, key: K, len: u8, value: V) -> Option<V> {
        if self.nodes.is_empty() {
            // The key of the root is never looked at: no bits of it count.
            self.add(key, 0, None);
        }
        let mut at = 0;
        loop {
            // Here `at` covers the prefix to insert.
            let node = self.nodes[at as usize];
            if node.len == len {
                return self.nodes[at as usize].value.replace(value);
            }
            let side = key.bit(node.len);
            let next = node.child[side];
            if next == NONE {
                let leaf = self.add(key, len, Some(value));
                self.nodes[at as usize].child[side] = leaf;
                return None;
            }
            let below = self.nodes[next as usize];
            let common = below.key.common(key).min(below.len).min(len);
            if common == below.len {
                at = next;
                continue;
            }
            let fork = if common == len {
                self.add(key, len, Some(value))
            } else {
                let leaf = self.add(key, len, Some(value));
                let fork = self.add(key, common, None);
                self.nodes[fork as usize].child[key.bit(common)] = leaf;
                fork
            };
            self.nodes[fork as usize].child[below.key.bit(common)] = next;
            self.nodes[at as usize].child[side] = fork;
            return None;
        }
    }

    /// Leaves the node in place: routes come and go with configurations, not with packets.
    fn remove(&mut self, key: K, len: u8) -> Option<V> {
        let mut at = 0;
        loop {
            let node = self.nodes.get_mut(at as usize)?;
            if node.len > len || node.key.common(key) < node.len {
                return None;
            }
            if node.len == len {
                return node.value.take();
            }
            at = node.child[key.bit(node.len)];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Prefixes that often nest: few distinct bits.
    fn prefixes() -> impl Strategy<Value = Vec<Prefix>> {
        let one = (any::<bool>(), any::<u128>(), 0u8..=128).prop_map(|(v4, bits, len)| {
            let bits = bits & 0xe000_0007_0000_0000_0000_0000_e000_0003;
            if v4 {
                Prefix::new(IpAddr::V4((bits as u32).into()), len % 33).unwrap()
            } else {
                Prefix::new(IpAddr::V6(bits.into()), len).unwrap()
            }
        });
        proptest::collection::vec(one, 0..40)
    }

    fn linear(routes: &[(Prefix, usize)], addr: IpAddr) -> Option<usize> {
        let matching = routes.iter().filter(|(prefix, _)| prefix.contains(addr));
        // Of equal prefixes the last inserted counts; max_by_key returns the last of equals.
        matching.max_by_key(|(prefix, _)| prefix.prefix_len()).map(|(_, value)| *value)
    }

    proptest! {
        #[test]
        fn equals_a_linear_search(prefixes in prefixes(), probes in prefixes(), gone in any::<u64>()) {
            let mut table = Table::default();
            let mut routes: Vec<_> = prefixes.into_iter().enumerate().map(|(i, p)| (p, i)).collect();
            for (prefix, value) in &routes {
                table.insert(*prefix, *value);
            }
            for probe in probes.iter().chain(routes.iter().map(|(p, _)| p)) {
                prop_assert_eq!(table.lookup(probe.addr()), linear(&routes, probe.addr()));
            }
            let victims: Vec<_> =
                routes.iter().filter(|(_, i)| gone >> (i % 64) & 1 == 1).map(|(p, _)| p.network()).collect();
            for victim in &victims {
                table.remove(*victim);
            }
            routes.retain(|(prefix, _)| !victims.contains(&prefix.network()));
            for probe in &probes {
                prop_assert_eq!(table.lookup(probe.addr()), linear(&routes, probe.addr()));
            }
        }
    }

    #[test]
    fn a_hundred_thousand_routes() {
        let mut table = Table::default();
        for i in 0..100_000u32 {
            let prefix = Prefix::new(IpAddr::V4((i.wrapping_mul(0x9e37_79b1) & !0xff).into()), 24).unwrap();
            table.insert(prefix, i);
        }
        assert!(table.v4.nodes.len() <= 200_001);
        for i in (0..100_000u32).rev().step_by(997) {
            let addr = IpAddr::V4((i.wrapping_mul(0x9e37_79b1) | 7).into());
            let found = table.lookup(addr).unwrap();
            assert_eq!(found.wrapping_mul(0x9e37_79b1) >> 8, i.wrapping_mul(0x9e37_79b1) >> 8);
        }
    }
}
