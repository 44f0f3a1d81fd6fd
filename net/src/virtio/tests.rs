//! The driver against a device model: honest, slow, and lying.

mod model;

use alloc::{vec, vec::Vec};
use model::{Bounce, Model, RX, TX, ring_pages};
use proptest::prelude::*;

use super::*;

const SIZE: usize = 8;
type Port = VirtioNet<Bounce, Model, SIZE>;

fn start(model: &Model, pool: &Pool) -> Port {
    Port::new(model.clone(), pool.clone(), PortId(3)).unwrap()
}

fn frame(fill: u8) -> Vec<u8> {
    vec![fill; 60]
}

fn packet(pool: &Pool, fill: u8) -> Packet {
    let mut packet = pool.take().unwrap();
    packet.append(60).unwrap().fill(fill);
    // Buffers come back from earlier use with anything in their headroom.
    let headroom = packet.headroom();
    packet.push(headroom).unwrap().fill(0xee);
    assert!(packet.pull(headroom));
    packet
}

fn received(port: &mut Port) -> Vec<Vec<u8>> {
    let mut burst = Burst::new();
    port.rx(&mut burst);
    burst.iter().map(|packet| packet.bytes().to_vec()).collect()
}

#[test]
fn starts_with_a_full_ring_and_no_offload() {
    let (model, pool) = (Model::new(), Pool::new(20));
    let port = start(&model, &pool);
    assert_eq!(port.mac(), EthernetAddress([2, 0, 0, 0, 0, 9]));
    assert_eq!(port.link(), Link { up: true, mtu: 1500 });
    let accepted = features::MAC | features::MTU | features::STATUS | features::VERSION_1;
    assert_eq!(model.0.accepted.get(), accepted);
    assert_eq!(model.0.status.get(), 1 | 2 | 4 | 8);
    assert_eq!((model.offered(RX), model.offered(TX)), (8, 0));
    assert_eq!(*model.0.notified.borrow(), [0]);
    assert!(model.interrupts_off(RX) && model.interrupts_off(TX));
}

#[test]
fn refuses_what_it_cannot_drive() {
    let refusal = |model: &Model, stock| Port::new(model.clone(), Pool::new(stock), PortId(0)).err().unwrap();
    let block = Model::with(|state| state.kind = DeviceType::Block);
    assert_eq!(refusal(&block, 8), StartError::NotNetwork(DeviceType::Block));
    let legacy = Model::with(|state| state.offered = features::MAC);
    assert_eq!(refusal(&legacy, 8), StartError::Features(features::MAC));
    let picky = Model::with(|state| state.refuses_features = true);
    assert!(matches!(refusal(&picky, 8), StartError::FeaturesRefused(_)));
    let small = Model::with(|state| state.max_queue = 4);
    assert_eq!(refusal(&small, 8), StartError::Device(virtio_drivers::Error::InvalidParam));
    let stuck = Model::with(|state| {
        state.status.set(4);
        state.ignores_reset.set(true);
    });
    assert_eq!(refusal(&stuck, 8), StartError::Reset);
    assert_eq!(refusal(&Model::new(), 7), StartError::Pool(7));
    assert_eq!(ring_pages(), 0, "failed starts leave nothing with the device");
}

#[test]
fn a_large_device_mtu_is_capped_by_the_buffer() {
    let model = Model::with(|state| state.config[10..].copy_from_slice(&9000u16.to_le_bytes()));
    let port = start(&model, &Pool::new(8));
    let room = crate::packet::BUFFER - HEADROOM - ETHERNET;
    assert_eq!(usize::from(port.link().mtu), room);
}

#[test]
fn receives_in_the_order_the_device_chose() {
    let (model, pool) = (Model::new(), Pool::new(20));
    let mut port = start(&model, &pool);
    let (first, second) = (model.take(RX), model.take(RX));
    assert_eq!(first.len as usize, crate::packet::BUFFER - HEADROOM + HEADER);
    let len = model.write(second, &frame(2));
    model.give(RX, second.id.into(), len);
    let len = model.write(first, &frame(1));
    model.give(RX, first.id.into(), len);

    let mut burst = Burst::new();
    assert_eq!(port.rx(&mut burst), 2);
    assert_eq!(burst[0].bytes(), frame(2));
    assert_eq!(burst[1].bytes(), frame(1));
    assert_eq!((burst[0].meta.port, burst[0].headroom()), (PortId(3), HEADROOM));
    assert_eq!(model.offered(RX), 8, "fresh buffers took their places");
    let stats = port.stats();
    assert_eq!((stats.rx_frames, stats.rx_bytes, stats.rx_drops), (2, 120, 0));
}

#[test]
fn receives_for_longer_than_the_indices_count() {
    let (model, pool) = (Model::new(), Pool::new(20));
    let mut port = start(&model, &pool);
    for round in 0..70_000u32 {
        model.receive(&frame(round as u8));
        assert_eq!(received(&mut port), [frame(round as u8)]);
    }
}

#[test]
fn a_burst_that_is_full_leaves_the_rest_in_the_ring() {
    let (model, pool) = (Model::new(), Pool::new(100));
    let mut port = start(&model, &pool);
    let mut burst: Burst = (0..crate::nic::BURST - 1).map(|_| packet(&pool, 9)).collect();
    model.receive(&frame(1));
    model.receive(&frame(2));
    assert_eq!(port.rx(&mut burst), 1);
    assert_eq!(burst.last().unwrap().bytes(), frame(1));
    assert_eq!(received(&mut port), [frame(2)]);
}

#[test]
fn an_empty_pool_costs_frames_but_never_the_ring() {
    let (model, pool) = (Model::new(), Pool::new(9));
    let mut port = start(&model, &pool);
    model.receive(&frame(1));
    model.receive(&frame(2));
    let mut held = Burst::new();
    assert_eq!(port.rx(&mut held), 1);
    assert_eq!((port.stats().rx_frames, port.stats().rx_drops), (1, 1));
    assert_eq!(model.offered(RX), 8);
    held.clear();
    model.receive(&frame(3));
    assert_eq!(received(&mut port), [frame(3)]);
}

#[test]
fn sends_behind_a_zero_header_with_one_notification_per_burst() {
    let (model, pool) = (Model::new(), Pool::new(20));
    let mut port = start(&model, &pool);
    model.0.notified.borrow_mut().clear();
    let mut burst: Burst = (1..=3).map(|fill| packet(&pool, fill)).collect();
    assert_eq!(port.tx(&mut burst), 3);
    assert!(burst.is_empty());
    assert_eq!(*model.0.notified.borrow(), [1]);
    for fill in 1..=3 {
        let sent = model.read(model.take(TX));
        assert_eq!(sent, [vec![0; HEADER], frame(fill)].concat());
    }
    assert_eq!((port.stats().tx_frames, port.stats().tx_bytes), (3, 180));

    model.suppress_notify(TX, true);
    burst.push(packet(&pool, 4)).unwrap();
    port.tx(&mut burst);
    assert_eq!(*model.0.notified.borrow(), [1], "the device is polling");
}

#[test]
fn a_full_ring_keeps_the_rest_in_order_and_completions_may_come_in_any() {
    let (model, pool) = (Model::new(), Pool::new(40));
    let mut port = start(&model, &pool);
    let mut burst: Burst = (0..10).map(|fill| packet(&pool, fill)).collect();
    assert_eq!(port.tx(&mut burst), 8);
    assert_eq!((burst[0].bytes(), burst[1].bytes()), (&frame(8)[..], &frame(9)[..]));
    assert_eq!(port.tx(&mut burst), 0);
    let chains: Vec<_> = (0..8).map(|_| model.take(TX)).collect();
    model.give(TX, chains[5].id.into(), 0);
    model.give(TX, chains[2].id.into(), 0);
    let free = pool.available();
    assert_eq!(port.tx(&mut burst), 2);
    assert_eq!(pool.available(), free + 2, "sent buffers are back");
    assert_eq!(model.read(model.take(TX))[HEADER..], frame(8));
    assert_eq!(model.read(model.take(TX))[HEADER..], frame(9));
}

#[test]
fn a_packet_without_headroom_is_dropped_and_counted() {
    let (model, pool) = (Model::new(), Pool::new(10));
    let mut port = start(&model, &pool);
    let mut tight = packet(&pool, 1);
    let _ = tight.push(tight.headroom() - HEADER + 1);
    let mut burst: Burst = [tight, packet(&pool, 2)].into_iter().collect();
    assert_eq!(port.tx(&mut burst), 2);
    assert_eq!((port.stats().tx_frames, port.stats().tx_drops), (1, 1));
    assert_eq!(model.offered(TX), 1);
}

#[test]
fn arming_sees_a_frame_that_came_first() {
    let (model, pool) = (Model::new(), Pool::new(20));
    let mut port = start(&model, &pool);
    assert!(port.arm());
    assert!(!model.interrupts_off(RX));
    assert!(model.interrupts_off(TX), "nobody waits for completions");
    received(&mut port);
    assert!(model.interrupts_off(RX), "a poll ends the wait");
    model.receive(&frame(1));
    assert!(!port.arm());
    assert_eq!(received(&mut port), [frame(1)]);
    assert!(port.arm());
}

#[test]
fn arming_collects_sent_buffers() {
    let (model, pool) = (Model::new(), Pool::new(9));
    let mut port = start(&model, &pool);
    let mut burst: Burst = [packet(&pool, 1)].into_iter().collect();
    port.tx(&mut burst);
    assert_eq!(pool.available(), 0);
    let chain = model.take(TX);
    model.give(TX, chain.id.into(), 0);
    port.arm();
    assert_eq!(pool.available(), 1);
}

#[test]
fn dropping_resets_before_it_frees() {
    let (model, pool) = (Model::new(), Pool::new(20));
    let mut port = start(&model, &pool);
    let mut burst: Burst = [packet(&pool, 1)].into_iter().collect();
    port.tx(&mut burst);
    drop(port);
    assert_eq!(model.0.status.get(), 0);
    let (buffers, pages) = model.0.reachable_at_reset.get();
    assert!(buffers == 9 && pages > 0, "the rings outlive the device's access");
    assert_eq!((ring_pages(), pool.available()), (0, 20));
}

#[test]
fn a_device_that_will_not_reset_keeps_its_memory() {
    let (model, pool) = (Model::new(), Pool::new(20));
    let port = start(&model, &pool);
    model.0.ignores_reset.set(true);
    drop(port);
    assert!(ring_pages() > 0);
    assert_eq!(pool.available(), 12);
}

#[test]
fn the_link_follows_the_device() {
    let (model, pool) = (Model::with(|state| state.config[6] = 0), Pool::new(20));
    let port = start(&model, &pool);
    assert!(!port.link().up);
}

/// Lies that end the port: what it did, and which fault that is.
#[test]
fn a_token_that_was_not_lent_ends_the_port() {
    for (ring, lie, fault) in [(RX, 8, 8), (RX, 0xffff, 0xffff), (TX, 0, 0), (TX, 7, 7)] {
        let (model, pool) = (Model::new(), Pool::new(20));
        let mut port = start(&model, &pool);
        model.give(ring, lie, 100);
        let mut burst = Burst::new();
        port.rx(&mut burst);
        port.arm();
        assert_eq!(port.fault(), Some(Fault::Token(fault)));
        assert!(burst.is_empty() && !port.link().up);
        assert_eq!(model.0.status.get(), 0, "the device may not write any more");
        burst.push(packet(&pool, 1)).unwrap();
        assert_eq!((port.tx(&mut burst), port.stats().tx_drops), (1, 1));
        drop(port);
        assert_eq!(pool.available(), 20);
    }
}

#[test]
fn a_buffer_returned_twice_ends_the_port() {
    let (model, pool) = (Model::new(), Pool::new(20));
    let mut port = start(&model, &pool);
    let mut burst: Burst = [packet(&pool, 1)].into_iter().collect();
    port.tx(&mut burst);
    let chain = model.take(TX);
    model.give(TX, chain.id.into(), 0);
    model.give(TX, chain.id.into(), 0);
    port.arm();
    assert_eq!(port.fault(), Some(Fault::Token(chain.id)));
}

#[test]
fn a_length_outside_the_buffer_drops_the_frame() {
    let (model, pool) = (Model::new(), Pool::new(20));
    let mut port = start(&model, &pool);
    for len in [0, 11, 25, 5000, u32::MAX] {
        let chain = model.take(RX);
        model.give(RX, chain.id.into(), len);
    }
    model.receive(&frame(1));
    assert_eq!(received(&mut port), [frame(1)]);
    assert_eq!((port.stats().rx_drops, port.fault()), (5, None));
    assert_eq!(model.offered(RX), 8);
}

#[derive(Debug, Clone)]
enum Act {
    Receive,
    Lie { ring: usize, id: u32, len: u32 },
    Jump { ring: usize, n: u16 },
    Send(usize),
    Complete,
    Poll,
    Arm,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => Just(Act::Receive),
        1 => (0..2usize, 0..12u32, any::<u32>()).prop_map(|(ring, id, len)| Act::Lie { ring, id, len }),
        1 => (0..2usize, any::<u16>()).prop_map(|(ring, n)| Act::Jump { ring, n }),
        4 => (1..12usize).prop_map(Act::Send),
        4 => Just(Act::Complete),
        4 => Just(Act::Poll),
        1 => Just(Act::Arm),
    ]
}

proptest! {
    /// Whatever the device does, nothing panics and no buffer is lost or freed twice.
    #[test]
    fn no_lie_panics_or_leaks(acts in proptest::collection::vec(act(), 1..60)) {
        let (model, pool) = (Model::new(), Pool::new(40));
        let mut port = start(&model, &pool);
        let mut burst = Burst::new();
        for act in acts {
            let live = port.fault().is_none();
            match act {
                Act::Receive if live && model.offered(RX) > 0 => model.receive(&frame(1)),
                Act::Lie { ring, id, len } if live => model.give(ring, id, len),
                Act::Jump { ring, n } if live => model.jump(ring, n),
                Act::Complete if live && model.offered(TX) > 0 => {
                    let chain = model.take(TX);
                    model.give(TX, chain.id.into(), 0);
                }
                Act::Send(n) => {
                    burst.clear();
                    burst.extend((0..n).filter_map(|_| pool.take()).map(|mut packet| {
                        packet.append(60).unwrap().fill(7);
                        packet
                    }));
                    port.tx(&mut burst);
                    burst.clear();
                }
                Act::Poll => {
                    burst.clear();
                    port.rx(&mut burst);
                }
                Act::Arm => { port.arm(); }
                _ => {}
            }
        }
        drop(port);
        drop(burst);
        prop_assert_eq!(pool.available(), 40);
        prop_assert_eq!(ring_pages(), 0);
    }
}
