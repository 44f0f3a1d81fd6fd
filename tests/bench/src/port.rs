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

/// Capabilities of a card with room for a hundred thousand SAs.
const ROOM: [(&str, u64); 5] = [
    ("general.log_max_dek", 18),
    ("general.max_flow_counter_31_16", 8),
    ("ipsec.log_max_ipsec_offload", 18),
    ("flow_table.log_max_packet_reformat_context", 18),
    ("flow_table.nic_receive.log_max_modify_header_context", 18),
];

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
        let profile = Profile::named("cx7").expect("a profile of the model");
        let (port, machine) = Self::on(profile, settings, frame, PortId(1));
        machine.switch_off();
        port
    }

    /// The same, with room for more SAs than a ConnectX-7 is on record with, and the model listening still.
    ///
    /// # Panics
    /// As [`Port::new`].
    pub(crate) fn listening(frame: usize, id: PortId) -> (Self, Machine) {
        let mut profile = Profile::named("cx7").expect("a profile of the model");
        for (name, value) in ROOM {
            profile.set(name, value).unwrap_or_else(|error| panic!("{error:?}"));
        }
        Self::on(profile, Settings::default(), frame, id)
    }

    fn on(profile: Profile, settings: Settings, frame: usize, id: PortId) -> (Self, Machine) {
        told::forget();
        let machine = Machine::new(profile);
        let options = Options { trace: Some(told::listen), ..Options::default() };
        let pool = Pool::for_frames(BUFFERS, frame);
        let device = Device::open(machine.clone(), options);
        let device = device.unwrap_or_else(|error| panic!("{error}; {:?}", machine.misuse()));
        let filter = Filter { promiscuous: true, ..Filter::default() };
        let settings = PortSettings { queues: settings, mtu: 1600, filter };
        let driver = Mlx5::new(device, settings, pool.clone(), id);
        let driver = driver.unwrap_or_else(|error| panic!("{error}; {:?}", machine.misuse()));
        assert_eq!(machine.misuse(), Vec::<String>::new());
        let card = Card::new(told::queues(machine.space()));
        (Self { driver, card, pool }, machine)
    }
}
