//! A device that fails: found out in time, said in words, mended by recovery.

use core::time::Duration;
use mlx5_driver_tests::{Machine, blameless, open, stories};
use mlx5_model::Fault;
use mlx5_pci::device::Device;
use mlx5_pci::error::Error;
use mlx5_pci::hal::Function;
use mlx5_pci::health::Illness;
use mlx5_pci::pci::ResetError;
use mlx5_pci::prm::HealthSyndrome;

const STEP: Duration = Duration::from_millis(300);

/// Looks after the device until it is ill or `at_most` has passed; how long that was.
fn watch<M: Machine, F: Function>(
    machine: &M,
    device: &mut Device<F>,
    at_most: Duration,
) -> (Duration, Result<(), Illness>) {
    let mut passed = Duration::ZERO;
    loop {
        let health = device.check();
        if health.is_err() || passed > at_most {
            return (passed, health);
        }
        machine.pass(STEP);
        passed += STEP;
    }
}

fn a_healthy_device_stays_healthy<M: Machine>() {
    let machine = M::new("cx7");
    let mut device = open(&machine);
    assert_eq!(watch(&machine, &mut device, Duration::from_secs(60)).1, Ok(()));
    assert!(device.health().to_string().contains("health syndrome 0x00 (none)"));
    device.close().unwrap();
    blameless(&machine);
}

fn a_counter_that_stands_still_is_found_out<M: Machine>() {
    let machine = M::new("cx7");
    let mut device = open(&machine);
    assert_eq!(watch(&machine, &mut device, Duration::from_secs(1)).1, Ok(()));
    machine.inject(Fault::HealthStuck);
    let (after, health) = watch(&machine, &mut device, Duration::from_secs(60));
    assert_eq!(health, Err(Illness::Stuck));
    let period = device.commands().timeouts().health_poll;
    assert!(after > 3 * period && after < 4 * period, "{after:?}");
    device.recover().unwrap();
    assert_eq!(watch(&machine, &mut device, Duration::from_secs(20)).1, Ok(()));
    device.close().unwrap();
}

fn a_fatal_error_is_reported_and_recovered_from<M: Machine>() {
    let machine = M::new("cx7");
    let mut device = open(&machine);
    for syndrome in [HealthSyndrome::FW_INTERNAL_ERR, HealthSyndrome::HW_FATAL_ERR, HealthSyndrome(0x77)] {
        machine.inject(Fault::HealthFatal { syndrome: syndrome.0 });
        assert_eq!(device.check(), Err(Illness::Disabled { syndrome, extended: 0 }));
        let report = device.health().to_string();
        let text = if syndrome.0 == 0x77 { "0x77 (unknown)" } else { "error)" };
        assert!(report.contains(text) && report.contains("exit pointer"), "{report}");
        device.recover().unwrap();
        assert_eq!(device.check(), Ok(()));
        assert_eq!(device.commands().pages_held(), machine.pages_held());
    }
    device.close().unwrap();
    blameless(&machine);
}

fn a_device_that_is_gone_cannot_be_recovered<M: Machine>() {
    let machine = M::new("cx7");
    let mut device = open(&machine);
    machine.inject(Fault::Death);
    assert_eq!(device.check(), Err(Illness::Gone));
    assert_eq!(device.recover(), Err(Error::Reset(ResetError::Absent)));
    // It stays down, and says so.
    assert_eq!(device.domain(), Err(Error::Down));
    assert_eq!(device.close(), Err(Error::Down));
}

stories!(
    a_fatal_error_is_reported_and_recovered_from,
    a_device_that_is_gone_cannot_be_recovered;
    virtual time:
    a_healthy_device_stays_healthy,
    a_counter_that_stands_still_is_found_out
);
