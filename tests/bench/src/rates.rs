//! How many SAs a second come to a card and leave it: the SAD, the driver and the model together, which is the slowest of
//! them. A device's own time for its commands is not in it.

use crate::port::Port;
use crate::through::{ETHERNET, NOW, OUTSIDE};
use core::net::Ipv4Addr;
use core::time::Duration;
use gateway::card::Shared;
use ipsec::offload::{Hardware, Wish};
use ipsec::{
    Action, AddressRange, Algorithm, Direction, Handle, Ipsec, Key, Mode, Policy, SaParams, Selector, Spi,
};
use std::time::Instant;

/// Bytes of a key of AES-128-GCM with its salt.
const KEY: usize = 20;
/// The first SPI.
const SPI: u32 = 0x100;
const OURS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

/// SAs a second.
pub(crate) struct Rates {
    /// That were installed.
    pub(crate) installed: f64,
    /// That were retired, drained and with their last counts read.
    pub(crate) retired: f64,
}

/// Installs `sas` SAs, half of them each way, and retires them in the order in which they came.
///
/// # Panics
/// When the card refuses one, or does not become empty.
pub(crate) fn measure(sas: usize) -> Rates {
    let (port, machine) = Port::listening(ETHERNET + 1500, OUTSIDE);
    let card = Shared::new(port.driver, OUTSIDE);
    let mut ipsec = Ipsec::new(sas);
    ipsec.attach(OUTSIDE, Box::new(card.clone()));
    let all = Selector::addresses(AddressRange::ANY_V4, AddressRange::ANY_V4).expect("one family");
    let policy = ipsec.spd_mut().push(Policy { selectors: vec![all], action: Action::TUNNEL });
    let begun = Instant::now();
    let handles: Vec<Handle> = (0..sas).map(|number| install(&mut ipsec, policy, all, number)).collect();
    let installed = begun.elapsed();
    let begun = Instant::now();
    for handle in handles {
        assert!(ipsec.retire(handle).is_some());
    }
    let retired = begun.elapsed();
    assert!(card.nic().ipsec().is_some_and(mlx5_pci::ipsec::Offload::is_empty));
    assert_eq!(machine.misuse(), Vec::<String>::new());
    let rate = |took: Duration| sas as f64 / took.as_secs_f64();
    Rates { installed: rate(installed), retired: rate(retired) }
}

fn install(ipsec: &mut Ipsec, policy: ipsec::PolicyId, selector: Selector, number: usize) -> Handle {
    let direction = if number.is_multiple_of(2) { Direction::Out } else { Direction::In };
    let key: [u8; KEY] = core::array::from_fn(|at| (number >> (at % 3 * 8)) as u8 ^ at as u8);
    let key = Key::new(&key).expect("a key of that length");
    let mode = Mode::Tunnel { local: OURS.into(), remote: PEER.into() };
    let params = SaParams {
        replay_window: 64,
        wish: Wish { hardware: Hardware::Packet, port: Some(OUTSIDE) },
        ..SaParams::new(
            direction,
            Spi(SPI + number as u32),
            mode,
            (Algorithm::AesGcm128, key),
            (policy, vec![selector]),
        )
    };
    ipsec.install(NOW, params).unwrap_or_else(|error| panic!("SA {number}: {error:?}"))
}
