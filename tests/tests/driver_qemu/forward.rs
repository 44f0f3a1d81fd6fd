//! Two ports of the image forward between two hosts: two cards, and a card beside a virtio port.

use core::time::Duration;
use ravelin_tests::cards::{Bound, End, Host, Setup, Stage, address, address6};
use ravelin_tests::error::Result;
use ravelin_tests::traffic;

/// Octets of a TCP transfer.
const OCTETS: u64 = 16 << 20;
const PATIENCE: Duration = Duration::from_secs(120);

/// Echoes of all sizes and TCP, both ways, in both families.
fn crosses(stage: &Stage) -> Result<()> {
    for side in [0, 1] {
        for target in [address(1 - side), address6(1 - side)] {
            stage.ping(side, &target, 3, 56)?;
            stage.ping(side, &target, 3, 1400)?;
        }
    }
    let [Host::Namespace(left), Host::Namespace(right)] = &stage.hosts else { return Ok(()) };
    for (from, to, side) in [(left, right, 1), (right, left, 0)] {
        let ends = (address(1 - side), address(side));
        traffic::transfer(
            traffic::End { namespace: from, address: &ends.0 },
            traffic::End { namespace: to, address: &ends.1 },
            OCTETS,
            PATIENCE,
        )?;
    }
    stage.judge()
}

#[test]
fn between_two_cards() -> Result<()> {
    crosses(&Stage::start("cards", &Setup::new([End::Card("cx7"), End::Card("cx6dx")]))?)
}

#[test]
fn between_a_card_and_a_virtio_port() -> Result<()> {
    crosses(&Stage::start("mixed", &Setup::new([End::Card("cx7"), End::Virtio]))?)
}

#[test]
fn between_a_virtual_function_and_a_virtio_port_pinned_by_hardware_address() -> Result<()> {
    let setup = Setup { bound: Bound::Mac, ..Setup::new([End::Card("vf"), End::Virtio]) };
    crosses(&Stage::start("function", &setup)?)
}

#[test]
fn between_cards_pinned_by_pci_address() -> Result<()> {
    crosses(&Stage::start("pci", &Setup { bound: Bound::Pci, ..Setup::new([End::Card("cx7"); 2]) })?)
}

#[test]
fn between_cards_pinned_by_hardware_address() -> Result<()> {
    crosses(&Stage::start("mac", &Setup { bound: Bound::Mac, ..Setup::new([End::Card("cx6dx"); 2]) })?)
}
