//! The control path against a card that lies: no panic, no waiting without end, no memory that stays with it.

use core::time::Duration;
use mlx5_driver_tests::{Liar, Lies};
use mlx5_pci::device::{Device, Options};
use mlx5_pci::error::Error;
use mlx5_pci::hal::Function;
use mlx5_pci::port::Pause;
use mlx5_pci::rss::Traffic;
use mlx5_pci::steering::flow::{Flow, Transport};
use mlx5_pci::steering::receive::{Filter, Receive};

/// Everything that a gateway does to the control path of a port, until something fails.
fn live(device: &mut Device<Liar>) -> Result<(), Error> {
    device.set_mtu(9000)?;
    device.set_pause(Pause { send: true, heed: true })?;
    device.link()?;
    device.counters()?;
    let mac = device.mac()?;
    device.check().map_err(Error::Ill)?;
    while device.commands().event()?.is_some() {}
    // No TIR of this number is there, and a card that lies may take it all the same.
    let mut receive = Receive::create(device, &[(Traffic::Other, 1)])?;
    receive.set_filter(device, &Filter { unicast: vec![mac], ..Filter::default() })?;
    let [source, destination] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(Into::into);
    receive.mark(device, &Flow { source, destination, transport: Transport::Esp(1) }, 9)?;
    receive.destroy(device)?;
    Ok(())
}

/// One life of a driver with a card that lies from the first command on; how many steps failed.
fn life(profile: &str, seed: u64, lies: Lies) -> usize {
    let card = Liar::new(profile, seed);
    card.set(lies);
    let mut failures = 0;
    let options = Options { page_limit: 5000, ..Options::default() };
    for _ in 0..3 {
        // Nothing else brings a dead card back.
        card.honest().with(|device, _| device.power_cycle());
        match Device::open(card.clone(), options) {
            Ok(mut device) => {
                for _ in 0..3 {
                    failures += usize::from(live(&mut device).is_err());
                    let _ = device.health().to_string();
                    if device.check().is_err() || card.random(2) == 0 {
                        failures += usize::from(device.recover().is_err());
                    }
                }
                failures += usize::from(device.close().is_err());
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                failures += 1;
            }
        }
        assert_eq!(card.honest().space().live(), 0, "memory stays with the card");
    }
    assert!(card.now() < Duration::from_secs(24 * 3600), "{:?}", card.now());
    // The lies end, and so does the trouble.
    card.set(Lies::default());
    card.honest().with(|device, _| device.power_cycle());
    Device::open(card.clone(), options).expect("an honest card").close().expect("an honest card");
    failures
}

/// Lives of many seeds; some have to fail, or nothing was shown, and some have to get far.
fn lives(seeds: core::ops::Range<u64>, lies: Lies) {
    let count = seeds.end - seeds.start;
    let failed = seeds.filter(|seed| life("vf", *seed, lies) > 0).count() as u64;
    assert!(failed > count / 10, "{failed} of {count} lives knew trouble");
}

#[test]
fn memory_that_changes_by_itself() {
    lives(0..60, Lies { memory: 3, ..Lies::default() });
    lives(100..160, Lies { memory: 100, ..Lies::default() });
}

#[test]
fn registers_that_read_as_anything() {
    lives(0..60, Lies { registers: 20, ..Lies::default() });
}

#[test]
fn faults_at_any_time() {
    lives(0..60, Lies { faults: 30, ..Lies::default() });
}

#[test]
fn everything_at_once() {
    lives(0..60, Lies { memory: 50, registers: 200, faults: 50 });
}
