//! A port that does ESP.

use core::time::Duration;
use mlx5_driver_tests::{InProcess, Machine, open};
use mlx5_model::caps::Profile;
use mlx5_pci::ipsec::{self, Event, Handle, Install};
use mlx5_pci::nic::{Mlx5, PortSettings};
use mlx5_pci::queues;
use mlx5_pci::steering::receive::Filter;
use net::{Burst, Meta, Nic, Packet, Pool, PortId};

/// The largest IP packet that goes in a frame.
const MTU: u16 = 9000;
pub(crate) const BUFFERS: usize = 256;
/// Room for SAs.
pub(crate) const LOG_SAS: u8 = 10;

pub(crate) struct Rig {
    pub(crate) machine: InProcess,
    pub(crate) nic: Mlx5<InProcess>,
    pub(crate) pool: Pool,
}

/// Small queues of the plain kind.
pub(crate) fn plain_queues() -> queues::Settings {
    queues::Settings {
        log_send: 7,
        log_receive: 6,
        striding: false,
        compression: false,
        ..queues::Settings::default()
    }
}

fn port(queues: queues::Settings) -> PortSettings {
    PortSettings { queues, mtu: MTU, filter: Filter { promiscuous: true, ..Filter::default() } }
}

impl Rig {
    /// A ConnectX-7 that does ESP.
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// The same with other capabilities.
    pub(crate) fn with(capabilities: &[(&str, u64)]) -> Self {
        let mut rig = Self::plain(capabilities);
        rig.enable().unwrap_or_else(|error| panic!("{error}; {:?}", rig.machine.misuse()));
        rig
    }

    /// One that could and does not.
    pub(crate) fn plain(capabilities: &[(&str, u64)]) -> Self {
        Self::with_queues(capabilities, plain_queues())
    }

    /// The same with other queues.
    pub(crate) fn with_queues(capabilities: &[(&str, u64)], queues: queues::Settings) -> Self {
        let mut profile = Profile::named("cx7").unwrap();
        // Counters by the block, as cards have them since the ConnectX-5.
        for (name, value) in [("general.flow_counter_bulk_alloc", 0x0f)].iter().chain(capabilities) {
            profile.set(name, *value).unwrap();
        }
        let machine = InProcess::with_profile(profile);
        let pool = Pool::for_frames(BUFFERS, usize::from(MTU) + 18);
        let nic = Mlx5::new(open(&machine), port(queues), pool.clone(), PortId(2)).unwrap();
        Self { machine, nic, pool }
    }

    pub(crate) fn enable(&mut self) -> Result<(), ipsec::InstallError> {
        self.nic.enable_ipsec(ipsec::Settings { log_sas: LOG_SAS, ..ipsec::Settings::default() })
    }

    pub(crate) fn install(&mut self, sa: &Install) -> Handle {
        let made = self.nic.install(sa);
        made.unwrap_or_else(|error| panic!("{error}; {:?}", self.machine.misuse()))
    }

    pub(crate) fn packet(&self, bytes: &[u8]) -> Packet {
        let mut packet = self.pool.take().expect("a buffer");
        packet.append(bytes.len()).expect("room").copy_from_slice(bytes);
        packet
    }

    /// Sends frames with this metadata; what leaves the card.
    pub(crate) fn send_as(&mut self, meta: Meta, frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
        for part in frames.chunks(32) {
            let with = |frame: &Vec<u8>| {
                let mut packet = self.packet(frame);
                packet.meta = meta;
                packet
            };
            let mut burst: Burst = part.iter().map(with).collect();
            assert_eq!(self.nic.tx(&mut burst), part.len());
            self.nic.arm();
        }
        self.machine.sent()
    }

    /// Sends frames under an SA; what leaves the card.
    pub(crate) fn seal(&mut self, handle: Handle, frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
        self.send_as(Meta { sa_out: Some(handle.bits()), ..Meta::default() }, frames)
    }

    /// The same for one frame that leaves as one.
    pub(crate) fn seal_one(&mut self, handle: Handle, frame: &[u8]) -> Vec<u8> {
        let sent = self.seal(handle, &[frame.to_vec()]);
        let [one] = sent.as_slice() else { panic!("{} frames; {:?}", sent.len(), self.machine.misuse()) };
        one.clone()
    }

    /// A frame comes from the wire; what the port says has come.
    pub(crate) fn arrive(&mut self, frame: &[u8]) -> Vec<Packet> {
        self.machine.receive(frame);
        self.take()
    }

    /// What the port says has come.
    pub(crate) fn take(&mut self) -> Vec<Packet> {
        let mut burst = Burst::new();
        self.nic.rx(&mut burst);
        burst.into_iter().collect()
    }

    /// The same, when one has come: its bytes and the SA.
    pub(crate) fn open(&mut self, frame: &[u8]) -> (Vec<u8>, Option<u32>) {
        let packets = self.arrive(frame);
        let [packet] = packets.as_slice() else {
            panic!("{} packets; {:?}", packets.len(), self.machine.misuse())
        };
        (packet.bytes().to_vec(), packet.meta.sa_in)
    }

    /// Looks after the port; what has happened to SAs.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        self.nic.poll().unwrap_or_else(|error| panic!("{error}; {:?}", self.machine.misuse()));
        core::iter::from_fn(|| self.nic.ipsec_event()).collect()
    }

    /// The same after a time.
    pub(crate) fn events_after(&mut self, time: Duration) -> Vec<Event> {
        self.machine.pass(time);
        self.events()
    }

    /// Takes everything down: it all is back, and the model found no fault.
    pub(crate) fn close(self) {
        let misuse = self.machine.misuse();
        self.close_after_misuse();
        assert_eq!(misuse, Vec::<String>::new());
    }

    /// As [`Rig::close`], but the model may have found faults.
    pub(crate) fn close_after_misuse(self) {
        let Self { machine, nic, pool } = self;
        nic.close().unwrap_or_else(|error| panic!("{error}; {:?}", machine.misuse()));
        assert_eq!((pool.available(), machine.pages_held(), machine.space().live()), (BUFFERS, 0, 0));
    }
}
