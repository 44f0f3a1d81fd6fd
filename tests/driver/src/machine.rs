//! What a test may do to the model behind the seam, wherever it runs.

use core::time::Duration;
use mlx5_model::Fault;
use mlx5_pci::device::{Device, Options};
use mlx5_pci::hal::Function;

/// A machine with one ConnectX in it.
pub trait Machine {
    /// The driver's side.
    type Function: Function;

    /// A machine with a card of this profile (`cx6dx`, `cx7`, `vf`), powered on.
    fn new(profile: &str) -> Self;
    /// The driver's side. One driver at a time.
    fn function(&self) -> Self::Function;
    /// What the model has refused or found misused, one line each. A driver without fault leaves none.
    fn misuse(&self) -> Vec<String>;
    /// Arms a fault.
    fn inject(&self, fault: Fault);
    /// Pages of the host that the model holds.
    fn pages_held(&self) -> usize;
    /// A frame arrives from the wire.
    fn receive(&self, frame: &[u8]);
    /// Frames that were sent to the wire since the last call.
    fn sent(&self) -> Vec<Vec<u8>>;
    /// Interrupts since the last call, by MSI-X vector.
    fn interrupts(&self) -> Vec<u16>;
    /// Time passes.
    fn pass(&self, time: Duration);
}

/// Opens the machine's card.
///
/// # Panics
/// When that fails; with what the model refused.
pub fn open<M: Machine>(machine: &M) -> Device<M::Function> {
    match Device::open(machine.function(), Options::default()) {
        Ok(device) => device,
        Err(error) => panic!("{error}; {:#?}", machine.misuse()),
    }
}

/// Asserts that the driver has done nothing that the model objects to.
///
/// # Panics
/// When it has.
pub fn blameless<M: Machine>(machine: &M) {
    assert_eq!(machine.misuse(), Vec::<String>::new());
}

/// Makes a test of each story for every kind of machine; those after `virtual time:` take too long in real time.
#[macro_export]
macro_rules! stories {
    ($($story:ident),* $(; virtual time: $($long:ident),*)? $(,)?) => {
        mod in_process {
            $(#[test]
            fn $story() {
                super::$story::<$crate::InProcess>();
            })*
            $($(#[test]
            fn $long() {
                super::$long::<$crate::InProcess>();
            })*)?
        }
        mod vfio_user {
            $(#[test]
            fn $story() {
                super::$story::<$crate::Loopback>();
            })*
        }
    };
}
