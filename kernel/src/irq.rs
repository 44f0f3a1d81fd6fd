//! Interrupt vectors for devices, as message-signalled interrupts (Intel SDM volume 3, 11.11). An interrupt
//! does nothing but count and end a sleep: the driver looks at its queues itself.

use core::sync::atomic::{AtomicU8, Ordering};

use crate::{apic, cpu, trap};

/// First and last vector for devices; the timer lies below, the spurious vector above.
const FIRST: u8 = 0x30;
const LAST: u8 = 0xfe;

static NEXT: AtomicU8 = AtomicU8::new(FIRST);

/// An interrupt vector that belongs to one device queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vector(u8);

/// All vectors are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoVector;

impl core::fmt::Display for NoVector {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "all {} interrupt vectors are in use", LAST - FIRST + 1)
    }
}

impl core::error::Error for NoVector {}

/// A vector that nobody else has. Vectors are never given back.
pub fn allocate() -> Result<Vector, NoVector> {
    let next = |vector| (vector <= LAST).then(|| vector + 1);
    NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).map(Vector).map_err(|_| NoVector)
}

impl Vector {
    /// Its number.
    pub fn number(self) -> u8 {
        self.0
    }

    /// Where the device writes to raise it.
    pub fn message_address(self) -> u64 {
        // Fixed delivery to one CPU; eight bits of identifier.
        0xfee0_0000 | u64::from(apic::id() & 0xff) << 12
    }

    /// What the device writes to raise it: edge, fixed delivery.
    pub fn message_data(self) -> u32 {
        u32::from(self.0)
    }

    /// How often it was taken. Interrupts are taken while sleeping and in [`poll`].
    pub fn fired(self) -> u64 {
        trap::fired(self.0)
    }
}

/// Takes the interrupts that wait, without sleeping.
pub fn poll() {
    cpu::take_interrupts();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_unique_and_run_out() {
        let all: Vec<_> = core::iter::from_fn(|| allocate().ok()).map(Vector::number).collect();
        assert_eq!(all, (FIRST..=LAST).collect::<Vec<_>>());
        assert_eq!(allocate(), Err(NoVector));
        assert_eq!(Vector(0x31).message_data(), 0x31);
        assert_eq!(Vector(0x31).message_address(), 0xfee0_0000);
    }
}
