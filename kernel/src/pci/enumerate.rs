//! Finding the functions: bus 0, and every bus behind a bridge that firmware has numbered. Root buses beyond
//! the first are not looked for.

use super::config::{CLASS, Config, HEADER_TYPE, SECONDARY_BUS, SUBSYSTEM, VENDOR};
use super::{Address, Function, Ids, Space};

const NOBODY: u32 = u32::MAX;
const MULTIFUNCTION: u8 = 0x80;
const BRIDGE: u8 = 1;

/// All functions, bus by bus in the order their bridges were met.
pub fn enumerate() -> impl Iterator<Item = Function> + Clone {
    Walk::new(Space)
}

/// A set of bus numbers.
#[derive(Clone, Default)]
struct Buses([u64; 4]);

impl Buses {
    /// Adds a bus; false if it was there.
    fn insert(&mut self, bus: u8) -> bool {
        let Some(word) = self.0.get_mut(usize::from(bus / 64)) else { return false };
        let bit = 1 << (bus % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Removes and returns the lowest bus.
    fn take(&mut self) -> Option<u8> {
        let (index, word) = self.0.iter_mut().enumerate().find(|(_, word)| **word != 0)?;
        let bit = word.trailing_zeros();
        *word &= *word - 1;
        Some((index * 64) as u8 + bit as u8)
    }
}

#[derive(Clone)]
struct Walk<F> {
    space: F,
    seen: Buses,
    waiting: Buses,
    at: Option<Address>,
    /// Functions to try in the current device.
    functions: u8,
}

impl<F: Fn(Address) -> C, C: Config> Walk<F> {
    fn new(space: F) -> Self {
        let mut walk =
            Self { space, seen: Buses::default(), waiting: Buses::default(), at: None, functions: 1 };
        walk.seen.insert(0);
        walk.at = Some(Address { bus: 0, device: 0, function: 0 });
        walk
    }

    /// The place after `at`.
    fn next_address(&mut self, at: Address) -> Option<Address> {
        if at.function + 1 < self.functions {
            return Some(Address { function: at.function + 1, ..at });
        }
        self.functions = 1;
        if at.device < 31 {
            return Some(Address { device: at.device + 1, function: 0, ..at });
        }
        self.waiting.take().map(|bus| Address { bus, device: 0, function: 0 })
    }
}

impl<F: Fn(Address) -> C, C: Config> Iterator for Walk<F> {
    type Item = Function;

    fn next(&mut self) -> Option<Function> {
        loop {
            let address = self.at?;
            let config = (self.space)(address);
            let ids = config.read32(VENDOR);
            if ids == NOBODY || ids == 0 {
                self.at = self.next_address(address);
                continue;
            }
            let header = config.read8(HEADER_TYPE);
            if address.function == 0 && header & MULTIFUNCTION != 0 {
                self.functions = 8;
            }
            if header & !MULTIFUNCTION == BRIDGE {
                let behind = config.read8(SECONDARY_BUS);
                if self.seen.insert(behind) {
                    self.waiting.insert(behind);
                }
            }
            self.at = self.next_address(address);
            let subsystem = if header & !MULTIFUNCTION == 0 { config.read32(SUBSYSTEM) } else { 0 };
            let halves = |word: u32| Ids { vendor: word as u16, device: (word >> 16) as u16 };
            return Some(Function {
                address,
                ids: halves(ids),
                class: config.read32(CLASS) >> 8,
                subsystem: halves(subsystem),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Functions by address: header type and secondary bus.
    type Machine = BTreeMap<Address, (u8, u8)>;

    struct Slot(Option<(u8, u8)>, Address);

    impl Config for Slot {
        fn read32(&self, offset: u16) -> u32 {
            let Some((header, behind)) = self.0 else { return u32::MAX };
            match offset & !3 {
                0x00 => u32::from(self.1.device) << 16 | 0x1af4,
                0x08 => 0x0200_0001,
                0x0c => u32::from(header) << 16,
                0x18 => u32::from(behind) << 8,
                0x2c => 0x0001_1af4,
                _ => 0,
            }
        }

        fn write32(&self, _: u16, _: u32) {}
    }

    fn found(machine: &Machine) -> Vec<String> {
        Walk::new(|address| Slot(machine.get(&address).copied(), address))
            .map(|f| f.address.to_string())
            .collect()
    }

    fn at(bus: u8, device: u8, function: u8) -> Address {
        Address { bus, device, function }
    }

    #[test]
    fn follows_bridges_and_functions() {
        let machine = Machine::from([
            (at(0, 0, 0), (0, 0)),
            (at(0, 1, 1), (0, 0)), // hidden: its device has no function 0
            (at(0, 2, 0), (0x81, 5)),
            (at(0, 2, 3), (1, 1)),
            (at(0, 31, 0), (0, 0)),
            (at(1, 0, 0), (0, 0)),
            (at(5, 0, 0), (0, 0)),
            (at(9, 0, 0), (0, 0)), // behind nothing
        ]);
        assert_eq!(found(&machine), ["00:00.0", "00:02.0", "00:02.3", "00:1f.0", "01:00.0", "05:00.0"]);
    }

    #[test]
    fn bridges_in_a_circle_end() {
        let machine = Machine::from([(at(0, 0, 0), (1, 7)), (at(7, 0, 0), (1, 0)), (at(7, 1, 0), (1, 7))]);
        assert_eq!(found(&machine), ["00:00.0", "07:00.0", "07:01.0"]);
    }

    #[test]
    fn reports_identity_and_class() {
        let machine = Machine::from([(at(0, 3, 0), (0, 0))]);
        let f = Walk::new(|address| Slot(machine.get(&address).copied(), address)).next().unwrap();
        assert_eq!(f.ids, Ids { vendor: 0x1af4, device: 3 });
        assert_eq!(f.class, 0x02_0000);
        assert_eq!(f.subsystem, Ids { vendor: 0x1af4, device: 1 });
    }
}
