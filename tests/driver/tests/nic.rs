//! A function as a port: packets both ways, a queue and a device that fail, and recovery.

use core::time::Duration;
use mlx5_driver_tests::{InProcess, Machine, open};
use mlx5_model::Fault;
use mlx5_pci::nic::{Mlx5, PortSettings};
use mlx5_pci::queues::Settings;
use mlx5_pci::steering::receive::Filter;
use net::{Burst, Nic, Packet, Pool, PortId};

const BUFFERS: usize = 512;

fn settings(channels: u16) -> PortSettings {
    let queues = Settings {
        channels,
        log_send: 6,
        log_receive: 6,
        striding: false,
        compression: false,
        ..Settings::default()
    };
    PortSettings { queues, mtu: 1500, filter: Filter { promiscuous: true, ..Filter::default() } }
}

fn start(machine: &InProcess, pool: &Pool, channels: u16) -> Mlx5<InProcess> {
    Mlx5::new(open(machine), settings(channels), pool.clone(), PortId(2)).unwrap()
}

/// A frame of a flow that the card takes for something other than IP.
fn frame(last: u8) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 0x88, 0xb5][..], &[last; 50]].concat()
}

fn send(nic: &mut Mlx5<InProcess>, pool: &Pool, frames: &[Vec<u8>]) -> usize {
    let packet = |bytes: &Vec<u8>| {
        let mut packet: Packet = pool.take().unwrap();
        packet.append(bytes.len()).unwrap().copy_from_slice(bytes);
        packet
    };
    nic.tx(&mut frames.iter().map(packet).collect())
}

fn received(nic: &mut Mlx5<InProcess>) -> Vec<Vec<u8>> {
    let mut burst = Burst::new();
    nic.rx(&mut burst);
    assert!(burst.iter().all(|packet| packet.meta.port == PortId(2)));
    burst.iter().map(|packet| packet.bytes().to_vec()).collect()
}

#[test]
fn packets_go_both_ways() {
    let (machine, pool) = (InProcess::new("cx7"), Pool::new(BUFFERS));
    let mut nic = start(&machine, &pool, 3);
    assert!(nic.link().up && nic.mac().is_unicast());
    assert_eq!(nic.link().mtu, 1500);
    let frames: Vec<_> = (0..20).map(frame).collect();
    assert_eq!(send(&mut nic, &pool, &frames), 20);
    assert_eq!(machine.sent(), frames);
    frames.iter().for_each(|frame| machine.receive(frame));
    assert_eq!(received(&mut nic), frames);
    let stats = nic.stats();
    assert_eq!((stats.tx_frames, stats.rx_frames, stats.tx_bytes), (20, 20, 20 * 64));
    assert!(nic.offloads().transport && nic.offloads().vlan && nic.offloads().segment > 65_535);
    nic.close().unwrap();
    assert_eq!(machine.misuse(), Vec::<String>::new());
    assert_eq!((pool.available(), machine.pages_held(), machine.space().live()), (BUFFERS, 0, 0));
}

#[test]
fn the_link_is_told() {
    let (machine, pool) = (InProcess::new("cx7"), Pool::new(BUFFERS));
    let mut nic = start(&machine, &pool, 1);
    machine.inject(Fault::LinkFlap { down: Duration::from_secs(1) });
    assert!(!nic.poll().unwrap().up);
    machine.pass(Duration::from_secs(2));
    assert!(nic.poll().unwrap().up);
    nic.close().unwrap();
}

#[test]
fn a_queue_in_error_is_repaired_by_polling() {
    let (machine, pool) = (InProcess::new("cx7"), Pool::new(BUFFERS));
    let mut nic = start(&machine, &pool, 1);
    machine.inject(Fault::CompletionError { count: 1, syndrome: 4 });
    send(&mut nic, &pool, &[frame(1)]);
    nic.arm();
    assert_eq!(send(&mut nic, &pool, &[frame(2)]), 0);
    nic.poll().unwrap();
    machine.sent();
    assert_eq!(send(&mut nic, &pool, &[frame(3)]), 1);
    assert_eq!(machine.sent(), [frame(3)]);
    nic.close().unwrap();
    assert_eq!(pool.available(), BUFFERS);
}

#[test]
fn an_ill_device_sends_nothing_until_it_has_recovered() {
    let (machine, pool) = (InProcess::new("cx7"), Pool::new(BUFFERS));
    let mut nic = start(&machine, &pool, 2);
    send(&mut nic, &pool, &[frame(1)]);
    machine.inject(Fault::HealthFatal { syndrome: 1 });
    machine.sent();
    assert!(nic.poll().is_err() && !nic.link().up);
    assert_eq!(send(&mut nic, &pool, &[frame(2)]), 1, "dropped, not kept");
    assert_eq!((machine.sent().len(), nic.stats().tx_drops), (0, 1));
    assert!(nic.poll().is_err());
    nic.recover().unwrap();
    assert!(nic.poll().unwrap().up);
    assert_eq!(send(&mut nic, &pool, &[frame(3)]), 1);
    assert_eq!(machine.sent(), [frame(3)]);
    machine.receive(&frame(4));
    assert_eq!(received(&mut nic), [frame(4)]);
    assert_eq!((nic.stats().tx_frames, nic.stats().tx_drops), (2, 1));
    nic.close().unwrap();
    assert_eq!((pool.available(), machine.pages_held()), (BUFFERS, 0));
}

#[test]
fn without_buffers_it_does_not_start_and_leaves_nothing() {
    let (machine, pool) = (InProcess::new("cx7"), Pool::new(10));
    assert!(Mlx5::new(open(&machine), settings(1), pool.clone(), PortId(2)).is_err());
    assert_eq!(pool.available(), 10);
}
