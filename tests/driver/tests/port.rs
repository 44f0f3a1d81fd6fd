//! The port: link, speed, MTU, flow control, addresses, counters.

use core::time::Duration;
use mlx5_driver_tests::{Machine, blameless, open, stories};
use mlx5_model::Fault;
use mlx5_model::caps::Profile;
use mlx5_pci::port::{LinkState, Pause, Promiscuity};

fn the_link_goes_down_and_up<M: Machine>() {
    let machine = M::new("cx7");
    let mut device = open(&machine);
    let up = device.link().unwrap();
    assert!(up.up && up.speed.is_some_and(|speed| speed >= 100_000), "{up:?}");
    machine.inject(Fault::LinkFlap { down: Duration::from_secs(1) });
    assert_eq!(device.link().unwrap(), LinkState { up: false, speed: None });
    machine.pass(Duration::from_secs(2));
    assert_eq!(device.link().unwrap(), up);
    device.set_link(false).unwrap();
    assert!(!device.link().unwrap().up);
    device.set_link(true).unwrap();
    assert_eq!(device.link().unwrap(), up);
    assert!(device.counters().unwrap().link_downs >= 1);
    blameless(&machine);
}

fn the_mtu_can_be_set<M: Machine>() {
    for profile in ["cx7", "vf"] {
        let machine = M::new(profile);
        let mut device = open(&machine);
        let most = device.max_mtu().unwrap();
        assert!(most >= 9000);
        for mtu in [1500, 9000, most] {
            device.set_mtu(mtu).unwrap();
            assert_eq!(device.mtu().unwrap(), mtu);
        }
        blameless(&machine);
        assert!(device.set_mtu(most + 1).is_err());
        assert_eq!(device.mtu().unwrap(), most);
    }
}

fn flow_control_can_be_set<M: Machine>() {
    let machine = M::new("cx6dx");
    let mut device = open(&machine);
    for pause in [Pause { send: true, heed: false }, Pause { send: false, heed: true }, Pause::default()] {
        device.set_pause(pause).unwrap();
        assert_eq!(device.pause().unwrap(), pause);
    }
    blameless(&machine);
}

fn addresses_and_promiscuity<M: Machine>() {
    let machine = M::new("cx7");
    let mut device = open(&machine);
    let mac = device.mac().unwrap();
    assert_eq!(mac, Profile::named("cx7").unwrap().identity().mac);
    device.set_addresses(&[mac, [2, 0, 0, 0, 0, 7]], &[[1, 0, 0x5e, 0, 0, 1]]).unwrap();
    device.set_promiscuity(Promiscuity { all: true, ..Promiscuity::default() }).unwrap();
    device.set_promiscuity(Promiscuity::default()).unwrap();
    device.set_addresses(&[], &[]).unwrap();
    blameless(&machine);
}

fn counters_count<M: Machine>() {
    for profile in ["cx7", "vf"] {
        let machine = M::new(profile);
        let mut device = open(&machine);
        let before = device.counters().unwrap();
        let mac = device.mac().unwrap();
        let mut frame = [0; 60];
        frame[..6].copy_from_slice(&mac);
        frame[12..14].copy_from_slice(&[0x08, 0x00]);
        for _ in 0..3 {
            machine.receive(&frame);
        }
        let after = device.counters().unwrap();
        assert_eq!(after.port_received - before.port_received, 3);
        // No table is there yet to take them.
        assert_eq!(after.steering_discards - before.steering_discards, 3);
        blameless(&machine);
    }
}

stories!(
    the_link_goes_down_and_up,
    the_mtu_can_be_set,
    flow_control_can_be_set,
    addresses_and_promiscuity,
    counters_count
);
