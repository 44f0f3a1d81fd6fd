//! A function from reset to teardown: order, pages, errors.

use mlx5_driver_tests::{InProcess, Machine};
use mlx5_pci::device::{Device, Options};

fn open<M: Machine>(machine: &M) -> Device<M::Function> {
    match Device::open(machine.function(), Options::default()) {
        Ok(device) => device,
        Err(error) => panic!("{error}; {:?}", machine.misuse()),
    }
}

fn comes_up_and_gives_every_page_back<M: Machine>(profile: &str) {
    let machine = M::new(profile);
    let mut device = open(&machine);
    assert!(machine.pages_held() > 100);
    assert_eq!(device.commands().pages_held(), machine.pages_held());
    assert_eq!(device.is_virtual(), profile == "vf");
    device.close().unwrap();
    assert_eq!(machine.pages_held(), 0);
    assert_eq!(machine.misuse(), Vec::<String>::new());
}

#[test]
fn every_profile() {
    for profile in ["cx6dx", "cx7", "vf"] {
        comes_up_and_gives_every_page_back::<InProcess>(profile);
    }
}

#[test]
fn nothing_stays_mapped() {
    let machine = InProcess::new("cx7");
    open(&machine).close().unwrap();
    assert_eq!(machine.space().live(), 0);
}
