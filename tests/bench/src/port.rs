//! A port of the driver on a device that costs nothing.

use crate::card::Card;
use crate::machine::Machine;
use crate::told;
use mlx5_model::caps::Profile;
use mlx5_pci::device::{Device, Options};
use mlx5_pci::nic::{Mlx5, PortSettings};
use mlx5_pci::queues::Settings;
use mlx5_pci::steering::receive::Filter;
use net::{Pool, PortId};

/// Buffers for packets to send, and for queues whose packets have a buffer each.
const BUFFERS: usize = 2048;

/// The port and its device.
pub(crate) struct Port {
    pub(crate) driver: Mlx5<Machine>,
    pub(crate) card: Card,
    pub(crate) pool: Pool,
}

impl Port {
    /// Brings a port up on the model of a ConnectX-7, and switches the model off.
    ///
    /// # Panics
    /// When that fails, or the model objects to anything.
    pub(crate) fn new(settings: Settings, frame: usize) -> Self {
        let machine = Machine::new(Profile::named("cx7").expect("a profile of the model"));
        let options = Options { trace: Some(told::listen), ..Options::default() };
        let pool = Pool::for_frames(BUFFERS, frame);
        let device = Device::open(machine.clone(), options);
        let device = device.unwrap_or_else(|error| panic!("{error}; {:?}", machine.misuse()));
        let filter = Filter { promiscuous: true, ..Filter::default() };
        let settings = PortSettings { queues: settings, mtu: 1500, filter };
        let driver = Mlx5::new(device, settings, pool.clone(), PortId(1));
        let driver = driver.unwrap_or_else(|error| panic!("{error}; {:?}", machine.misuse()));
        assert_eq!(machine.misuse(), Vec::<String>::new());
        let card = Card::new(told::queues(machine.space()));
        machine.switch_off();
        Self { driver, card, pool }
    }
}
