//! A function with queues, and steering that leads to them by protocol.

use mlx5_driver_tests::{InProcess, Machine};
use mlx5_model::caps::Profile;
use mlx5_pci::device::{Device, Options};
use mlx5_pci::hal::Function;
use mlx5_pci::queues::{Queues, Settings};
use mlx5_pci::steering::receive::{Filter, Receive};
use net::{Burst, Packet, Pool, PortId};

pub(crate) const PORT: PortId = PortId(3);
/// The largest IP packet that goes in a frame.
const MTU: u16 = 9000;
/// Buffers of the pool that packets to send come from, and that cyclic queues receive into.
pub(crate) const BUFFERS: usize = 1536;
/// Capabilities of a card that has all that these stories are about.
pub(crate) const ALL: &[(&str, u64)] = &[
    ("general.striding_rq", 1),
    ("general.cqe_compression", 1),
    ("general.mini_cqe_resp_stride_index", 1),
    ("ethernet.enhanced_multi_pkt_send_wqe", 1),
    ("ethernet.lro_cap", 1),
];

pub(crate) struct Rig<F: Function = InProcess> {
    pub(crate) machine: InProcess,
    pub(crate) device: Device<F>,
    pub(crate) queues: Queues<F>,
    pub(crate) pool: Pool,
    pub(crate) receive: Receive,
}

/// A machine whose card has these capabilities beside those of a ConnectX-6 Dx.
pub(crate) fn machine(capabilities: &[(&str, u64)]) -> InProcess {
    let mut profile = Profile::named("cx6dx").unwrap();
    for (name, value) in capabilities {
        profile.set(name, *value).unwrap();
    }
    InProcess::with_profile(profile)
}

/// Small queues of the plain kind.
pub(crate) fn plain() -> Settings {
    Settings { log_send: 6, log_receive: 6, striding: false, compression: false, ..Settings::default() }
}

impl Rig {
    pub(crate) fn new(capabilities: &[(&str, u64)], settings: &Settings) -> Rig {
        let machine = machine(capabilities);
        Rig::on(machine.clone(), machine, settings)
    }
}

impl<F: Function> Rig<F> {
    /// On `machine`, whose driver's side is `function`.
    pub(crate) fn on(machine: InProcess, function: F, settings: &Settings) -> Rig<F> {
        let opened = Device::open(function, Options::default());
        let mut device = opened.unwrap_or_else(|error| panic!("{error}; {:?}", machine.misuse()));
        let (domain, caps) = (device.domain().unwrap(), device.caps().clone());
        let pool = Pool::for_frames(BUFFERS, usize::from(MTU) + 18);
        let queues = Queues::create(device.commands(), &domain, &caps, settings, &pool);
        let queues = queues.unwrap_or_else(|error| panic!("{error}; {:?}", machine.misuse()));
        device.set_mtu(MTU).unwrap();
        let mut receive = Receive::create(&mut device, queues.tirs()).unwrap();
        receive.set_filter(&mut device, &Filter { promiscuous: true, ..Filter::default() }).unwrap();
        machine.sent();
        Rig { machine, device, queues, pool, receive }
    }

    pub(crate) fn packet(&self, bytes: &[u8]) -> Packet {
        let mut packet = self.pool.take().expect("a buffer");
        packet.append(bytes.len()).expect("room").copy_from_slice(bytes);
        packet
    }

    /// Sends packets on channel 0; how many were taken.
    pub(crate) fn send(&mut self, packets: impl IntoIterator<Item = Packet>) -> usize {
        let mut burst: Burst = packets.into_iter().collect();
        let commands = self.device.commands();
        let channel = &mut self.queues.channels()[0];
        let taken = channel.tx(commands.function(), commands.bar(), &mut burst);
        channel.reap();
        taken
    }

    /// Sends frames as they are, and says what left the card.
    pub(crate) fn send_frames(&mut self, frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let packets: Vec<_> = frames.iter().map(|frame| self.packet(frame)).collect();
        assert_eq!(self.send(packets), frames.len());
        self.machine.sent()
    }

    /// Frames come from the wire.
    pub(crate) fn arrive(&self, frames: &[Vec<u8>]) {
        frames.iter().for_each(|frame| self.machine.receive(frame));
    }

    /// What channel `index` has received.
    pub(crate) fn received_on(&mut self, index: usize) -> Vec<Packet> {
        let mut all = Vec::new();
        loop {
            let mut burst = Burst::new();
            let commands = self.device.commands();
            if self.queues.channels()[index].rx(commands.function(), PORT, &mut burst) == 0 {
                return all;
            }
            all.extend(burst);
        }
    }

    pub(crate) fn received(&mut self) -> Vec<Packet> {
        self.received_on(0)
    }

    /// Puts queues in error back into order.
    pub(crate) fn repair(&mut self) {
        while let Some(event) = self.device.commands().event().unwrap() {
            self.queues.note(&event);
        }
        self.queues.repair(self.device.commands()).unwrap();
    }

    /// Takes everything down: every buffer is back, and the model found no fault.
    pub(crate) fn close(self) {
        let machine = self.machine.clone();
        let pool = self.tear_down();
        assert_eq!(machine.misuse(), Vec::<String>::new());
        assert_eq!(pool.available(), BUFFERS);
        assert_eq!(machine.space().live(), 0);
    }

    /// As [`Rig::close`], but the model may have found faults. All buffers are in the pool.
    pub(crate) fn tear_down(self) -> Pool {
        let Rig { mut device, mut queues, pool, receive, .. } = self;
        receive.destroy(&mut device).unwrap();
        queues.destroy(device.commands()).unwrap();
        device.close().unwrap();
        drop(queues);
        pool
    }
}
