//! A card that lies about SAs: no panic, no waiting without end; when the lies end, and the port has recovered, all works.

use super::case::Case;
use core::time::Duration;
use mlx5_driver_tests::{Liar, Lies, Machine};
use mlx5_pci::device::{Device, Options};
use mlx5_pci::hal::Function;
use mlx5_pci::ipsec::{Handle, Limits, Settings};
use mlx5_pci::nic::{Mlx5, PortSettings};
use mlx5_pci::queues;
use mlx5_pci::steering::receive::Filter;
use net::{Burst, Meta, Nic, Pool, PortId};

const BUFFERS: usize = 96;

fn port(card: &Liar, pool: &Pool) -> Mlx5<Liar> {
    let queues =
        queues::Settings { log_send: 4, log_receive: 4, striding: false, ..queues::Settings::default() };
    let settings =
        PortSettings { queues, mtu: 1500, filter: Filter { promiscuous: true, ..Filter::default() } };
    let device = Device::open(card.clone(), Options { page_limit: 20_000, ..Options::default() });
    let mut nic = Mlx5::new(device.expect("an honest card"), settings, pool.clone(), PortId(0)).unwrap();
    nic.enable_ipsec(Settings { log_sas: 5, ..Settings::default() }).unwrap();
    nic
}

fn send(nic: &mut Mlx5<Liar>, pool: &Pool, handle: Handle, frame: &[u8]) -> usize {
    let mut burst = Burst::new();
    if let Some(mut packet) = pool.take() {
        packet.append(frame.len()).unwrap().copy_from_slice(frame);
        packet.meta = Meta { sa_out: Some(handle.bits()), ..Meta::default() };
        let _ = burst.push(packet);
    }
    nic.tx(&mut burst)
}

/// One life of a port; how often something failed.
fn life(seed: u64, lies: Lies) -> usize {
    let card = Liar::new("cx7", seed);
    let pool = Pool::for_frames(BUFFERS, 1518);
    let mut nic = port(&card, &pool);
    card.set(lies);
    let cases: Vec<Case> = Case::all();
    let (mut handles, mut failures) = (Vec::new(), 0);
    for step in 0..120u64 {
        let case = cases[card.random(cases.len() as u32) as usize];
        let pick = |handles: &[Handle]| handles.get(card.random(handles.len() as u32) as usize).copied();
        match card.random(10) {
            0..3 => {
                let mut sa = if card.random(2) == 0 { case.sends() } else { case.receives() };
                sa.spi = 0x1000 + card.random(1000);
                sa.packets = Limits { soft: Some(2), hard: Some(20) };
                sa.octets = Limits { soft: Some(500), hard: None };
                match nic.install(&sa) {
                    Ok(handle) => handles.push(handle),
                    Err(_) => failures += 1,
                }
            }
            3 => failures += pick(&handles).map_or(0, |handle| nic.retire(handle).is_err().into()),
            4 => failures += pick(&handles).map_or(0, |handle| nic.read(handle).is_err().into()),
            5 => card.honest().receive(&case.sealed(step, 40)),
            6 => {
                if let Some((offload, commands)) = nic.ipsec_mut() {
                    failures += usize::from(offload.count_all(commands).is_err());
                }
            }
            _ => {
                if let Some(handle) = pick(&handles) {
                    send(&mut nic, &pool, handle, &case.given(&case.packet(true, 60)));
                }
            }
        }
        let mut burst = Burst::new();
        nic.rx(&mut burst);
        nic.arm();
        card.honest().pass(Duration::from_millis(100));
        if nic.poll().is_err() {
            failures += 1;
            if card.random(3) == 0 {
                card.honest().with(|device, _| device.power_cycle());
                failures += usize::from(nic.recover().is_err());
            }
        }
        while nic.ipsec_event().is_some() {}
    }
    assert!(card.now() < Duration::from_secs(24 * 3600), "{:?}", card.now());
    // The lies end, and so does the trouble.
    card.set(Lies::default());
    card.honest().with(|device, _| device.power_cycle());
    nic.recover().expect("an honest card");
    // A link that was made to flap is up again.
    card.honest().pass(Duration::from_secs(1));
    nic.poll().expect("an honest card");
    assert!(nic.ipsec().unwrap().is_empty());
    card.honest().sent();
    let case = Case::PLAIN;
    let frame = case.given(&case.packet(true, 60));
    // Names that were given out before name nothing.
    for handle in handles {
        send(&mut nic, &pool, handle, &frame);
    }
    assert_eq!(card.honest().sent(), Vec::<Vec<u8>>::new());
    let handle = nic.install(&case.sends()).unwrap();
    assert_eq!(send(&mut nic, &pool, handle, &frame), 1);
    let sent = card.honest().sent();
    assert!(case.cipher().open(0, case.esp(&sent[0])).is_some());
    nic.arm();
    nic.close().expect("an honest card");
    assert_eq!((card.honest().space().live(), pool.available()), (0, BUFFERS));
    failures
}

fn lives(seeds: core::ops::Range<u64>, lies: Lies) {
    let count = seeds.end - seeds.start;
    let failed = seeds.filter(|seed| life(*seed, lies) > 0).count() as u64;
    assert!(failed > count / 10, "{failed} of {count} lives knew trouble");
}

#[test]
fn memory_that_changes_by_itself() {
    lives(0..10, Lies { memory: 20, ..Lies::default() });
    lives(100..110, Lies { memory: 400, ..Lies::default() });
}

#[test]
fn registers_that_read_as_anything() {
    lives(0..10, Lies { registers: 100, ..Lies::default() });
}

#[test]
fn faults_at_any_time() {
    lives(0..10, Lies { faults: 200, ..Lies::default() });
}

#[test]
fn everything_at_once() {
    lives(0..10, Lies { memory: 300, registers: 1000, faults: 500 });
}
