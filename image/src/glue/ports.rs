//! The network ports of this machine: every virtio network function in PCI order, and their start with an
//! interrupt for the receive queue.

use alloc::vec::Vec;

use gateway::devices::Device;
use kernel::irq::Vector;
use kernel::pci::{self, BarError, Function};
use net::virtio::{StartError, VirtioNet};
use net::wire::EthernetAddress;
use net::{Pool, PortId};
use virtio_drivers::transport::{DeviceType, Transport};

use super::dma::KernelHal;
use super::transport::{self, PciTransport};

/// Buffers in each ring of a port; QEMU offers no more unless told.
pub(crate) const RING: usize = 256;
/// MSI-X table entry of the receive queue. Completed transmissions are never waited for.
const RX_ENTRY: u16 = 0;

/// Queue number of the receive queue (virtio 1.2, 5.1.2).
const RX_QUEUE: usize = 0;

/// A started port.
pub(crate) struct Port {
    /// Its driver.
    pub(crate) nic: VirtioNet<KernelHal, PciTransport, RING>,
    /// What wakes the CPU when a frame arrives; `None` if the device has no MSI-X and must be polled.
    pub(crate) vector: Option<Vector>,
}

/// Why a port could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenError {
    /// The device did not start.
    Start(StartError),
    /// Its MSI-X table is unusable.
    Interrupts(BarError),
}

impl core::fmt::Display for OpenError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Start(error) => write!(f, "{error}"),
            Self::Interrupts(error) => write!(f, "MSI-X: {error}"),
        }
    }
}

/// A network device that has been found and not started.
pub(crate) struct Found {
    /// Where it is.
    pub(crate) function: Function,
    transport: PciTransport,
}

/// The network devices of the machine, in PCI order. Unusable ones are logged and left out.
pub(crate) fn find() -> Vec<Found> {
    let network = |it: &Function| transport::kind(it.ids) == Some(DeviceType::Network);
    let mut all: Vec<_> = pci::enumerate().filter(network).collect();
    all.sort_by_key(|function| function.address);
    let usable = |function: Function| match PciTransport::new(&function) {
        Ok(transport) => Some(Found { function, transport }),
        Err(error) => {
            log::warn!("{}: virtio-net: {error}", function.address);
            None
        }
    };
    all.into_iter().filter_map(usable).collect()
}

impl Found {
    /// What a configured port may be bound by.
    pub(crate) fn identity(&self) -> Device {
        /// Offset of the address in the configuration space (virtio 1.2, 5.1.4).
        const MAC: usize = 0;
        let mac = EthernetAddress(self.transport.read_config_space(MAC).unwrap_or_default());
        let pci::Address { bus, device, function } = self.function.address;
        Device { pci: (0, bus, device, function), mac }
    }

    /// Starts it with buffers from `pool`.
    pub(crate) fn open(mut self, pool: Pool, id: PortId) -> Result<Port, OpenError> {
        let msix = self.function.msix().map_err(OpenError::Interrupts)?;
        let vector = msix.as_ref().and_then(|_| kernel::irq::allocate().ok());
        if let (Some(msix), Some(vector)) = (&msix, vector) {
            msix.set(RX_ENTRY, vector);
            msix.enable();
            self.transport.set_vector(RX_QUEUE, RX_ENTRY);
        }
        let nic = VirtioNet::new(self.transport, pool, id).map_err(OpenError::Start)?;
        Ok(Port { nic, vector })
    }
}
