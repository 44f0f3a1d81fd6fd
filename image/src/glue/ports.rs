//! The network ports of this machine: every virtio network function and every ConnectX in PCI order, and their start with
//! an interrupt for what is received.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use gateway::card::Shared;
use gateway::devices::Device;
use ipsec::offload::Card as EspCard;
use kernel::irq::Vector;
use kernel::pci::{self, BarError, Function};
use mlx5_pci::device::{Device as Card, Options};
use mlx5_pci::error::Error as CardError;
use mlx5_pci::ids;
use mlx5_pci::nic::{Mlx5, PortSettings};
use mlx5_pci::queues::Settings;
use mlx5_pci::steering::receive::Filter;
use net::software::Complete;
use net::virtio::{StartError, VirtioNet};
use net::wire::EthernetAddress;
use net::{Burst, Link, Nic, NicStats, Offloads, Pool, PortId};
use virtio_drivers::transport::{DeviceType, Transport};

use super::dma::KernelHal;
use super::mlx5::Pci;
use super::transport::{self, PciTransport};

/// Buffers in each ring of a virtio port; QEMU offers no more unless told.
pub(crate) const RING: usize = 256;
/// MSI-X table entry of the receive queue. Completed transmissions are never waited for.
const RX_ENTRY: u16 = 0;
/// Queue number of the receive queue (virtio 1.2, 5.1.2).
const RX_QUEUE: usize = 0;
/// The MTU of a port that is told none and whose device takes any.
const MTU: u16 = 1500;
/// The longest that the gateway, all ports of it, waits for the answer to a command. Firmware answers in milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);

type Virtio = VirtioNet<KernelHal, PciTransport, RING>;

/// A device of any kind.
#[expect(clippy::large_enum_variant, reason = "there are a few of them, and they are never moved")]
pub(crate) enum AnyNic {
    Virtio(Virtio),
    Mlx5(Shared<Pci>),
}

/// A started port.
pub(crate) struct Port {
    /// Its driver, with what the device lacks done in software.
    pub(crate) nic: Complete<AnyNic>,
    /// What wakes the CPU when a frame arrives; `None` if the device has no MSI-X and must be polled.
    pub(crate) vector: Option<Vector>,
}

impl AnyNic {
    /// The driver's name.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Virtio(_) => "virtio-net",
            Self::Mlx5(_) => "mlx5",
        }
    }

    /// The card, if it is one that may do ESP.
    pub(crate) fn card(&self) -> Option<Box<dyn EspCard>> {
        match self {
            Self::Virtio(_) => None,
            Self::Mlx5(nic) => Some(Box::new(nic.clone())),
        }
    }

    /// Looks after all that is not a packet; the state of the wire. A device that is ill is reset and made anew, for which
    /// the caller waits; until that has succeeded the port is down.
    pub(crate) fn look_after(&mut self, id: PortId) -> Link {
        match self {
            Self::Virtio(nic) => nic.refresh_link(),
            Self::Mlx5(nic) => {
                if let Err(illness) = nic.look_after() {
                    log::error!("port {}: {illness}; reset", id.0);
                    let begun = kernel::time::now();
                    match nic.recover() {
                        Ok(()) => {
                            log::warn!(
                                "port {}: works again after {} ms",
                                id.0,
                                (kernel::time::now() - begun) / 1000
                            );
                        }
                        Err(error) => log::error!("port {}: still down: {error}", id.0),
                    }
                }
                nic.link()
            }
        }
    }
}

macro_rules! either {
    ($self:ident, $nic:ident => $do:expr) => {
        match $self {
            AnyNic::Virtio($nic) => $do,
            AnyNic::Mlx5($nic) => $do,
        }
    };
}

impl Nic for AnyNic {
    fn mac(&self) -> EthernetAddress {
        either!(self, nic => nic.mac())
    }

    fn link(&self) -> Link {
        either!(self, nic => nic.link())
    }

    #[inline]
    fn rx(&mut self, out: &mut Burst) -> usize {
        either!(self, nic => nic.rx(out))
    }

    #[inline]
    fn tx(&mut self, from: &mut Burst) -> usize {
        either!(self, nic => nic.tx(from))
    }

    #[inline]
    fn arm(&mut self) -> bool {
        either!(self, nic => nic.arm())
    }

    fn stats(&self) -> NicStats {
        either!(self, nic => nic.stats())
    }

    fn offloads(&self) -> Offloads {
        either!(self, nic => nic.offloads())
    }
}

/// Why a port could not be opened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum OpenError {
    /// The virtio device did not start.
    Start(StartError),
    /// The ConnectX did not start.
    Card(CardError),
    /// Its MSI-X table is unusable.
    Interrupts(BarError),
}

impl core::fmt::Display for OpenError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Start(error) => write!(f, "{error}"),
            Self::Card(error) => write!(f, "mlx5: {error}"),
            Self::Interrupts(error) => write!(f, "MSI-X: {error}"),
        }
    }
}

/// A network device that has been found and not started.
pub(crate) struct Found {
    /// Where it is.
    pub(crate) function: Function,
    device: Unopened,
}

enum Unopened {
    Virtio(PciTransport),
    /// Not touched yet.
    ConnectX,
    /// Brought up to learn its address, without queues.
    Card(Box<Card<Pci>>, Option<Vector>),
}

/// The network devices of the machine, in PCI order. Unusable ones are logged and left out.
pub(crate) fn find() -> Vec<Found> {
    let mut all: Vec<_> = pci::enumerate().collect();
    all.sort_by_key(|function| function.address);
    all.into_iter().filter_map(Found::new).collect()
}

/// Resets a ConnectX and brings it up.
fn bring_up(function: Function) -> Result<(Card<Pci>, Option<Vector>), OpenError> {
    let function = Pci::new(function).map_err(OpenError::Interrupts)?;
    let vector = function.vector();
    let options = Options { patience: PATIENCE, ..Options::default() };
    let card = Card::open(function, options).map_err(OpenError::Card)?;
    Ok((card, vector))
}

impl Found {
    fn new(function: Function) -> Option<Self> {
        if ids::find(function.ids.vendor, function.ids.device).is_some() {
            return Some(Self { function, device: Unopened::ConnectX });
        }
        if transport::kind(function.ids) != Some(DeviceType::Network) {
            return None;
        }
        match PciTransport::new(&function) {
            Ok(transport) => Some(Self { function, device: Unopened::Virtio(transport) }),
            Err(error) => {
                log::warn!("{}: virtio-net: {error}", function.address);
                None
            }
        }
    }

    /// What a configured port may be bound by. A ConnectX has to be brought up before it tells its address, so that is only
    /// done if some port is bound `by_mac`.
    pub(crate) fn identity(&mut self, by_mac: bool) -> Device {
        /// Offset of the address in the configuration space (virtio 1.2, 5.1.4).
        const MAC: usize = 0;
        let pci::Address { bus, device, function } = self.function.address;
        if by_mac && matches!(self.device, Unopened::ConnectX) {
            match bring_up(self.function) {
                Ok((card, vector)) => self.device = Unopened::Card(Box::new(card), vector),
                Err(error) => log::warn!("{}: {error}", self.function.address),
            }
        }
        let mac = match &mut self.device {
            Unopened::Virtio(transport) => {
                Some(EthernetAddress(transport.read_config_space(MAC).unwrap_or_default()))
            }
            Unopened::ConnectX => None,
            Unopened::Card(card, _) => card.mac().ok().map(EthernetAddress),
        };
        Device { pci: (0, bus, device, function), mac }
    }

    /// Starts it with buffers from `pool`, for IP packets of up to `mtu` bytes where the device lets one choose.
    pub(crate) fn open(self, pool: Pool, id: PortId, mtu: Option<u16>) -> Result<Port, OpenError> {
        let (nic, vector) = match self.device {
            Unopened::Virtio(transport) => open_virtio(&self.function, transport, pool.clone(), id)?,
            Unopened::ConnectX => {
                let (card, vector) = bring_up(self.function)?;
                (open_card(card, pool.clone(), id, mtu)?, vector)
            }
            Unopened::Card(card, vector) => (open_card(*card, pool.clone(), id, mtu)?, vector),
        };
        Ok(Port { nic: Complete::new(nic, pool), vector })
    }

    /// Ends what [`Found::identity`] has begun, for a device that no port is bound to.
    pub(crate) fn leave(self) {
        if let Unopened::Card(card, _) = self.device
            && let Err(error) = card.close()
        {
            log::warn!("{}: mlx5: {error}", self.function.address);
        }
    }
}

fn open_virtio(
    function: &Function,
    mut transport: PciTransport,
    pool: Pool,
    id: PortId,
) -> Result<(AnyNic, Option<Vector>), OpenError> {
    let msix = function.msix().map_err(OpenError::Interrupts)?;
    let vector = msix.as_ref().and_then(|_| kernel::irq::allocate().ok());
    if let (Some(msix), Some(vector)) = (&msix, vector) {
        msix.set(RX_ENTRY, vector);
        msix.enable();
        transport.set_vector(RX_QUEUE, RX_ENTRY);
    }
    let nic = VirtioNet::new(transport, pool, id).map_err(OpenError::Start)?;
    Ok((AnyNic::Virtio(nic), vector))
}

fn open_card(mut card: Card<Pci>, pool: Pool, id: PortId, mtu: Option<u16>) -> Result<AnyNic, OpenError> {
    let mac = card.mac().map_err(|error| OpenError::Card(error.into()))?;
    let settings = PortSettings {
        queues: Settings::default(),
        mtu: mtu.unwrap_or(MTU),
        // Groups of neighbour discovery are many, and there may be more than a filter holds.
        filter: Filter { unicast: [mac].into(), all_multicast: true, ..Filter::default() },
    };
    let nic = Mlx5::new(card, settings, pool, id).map_err(OpenError::Card)?;
    let nic = Shared::new(nic, id);
    if let Some(reason) = nic.lacks() {
        log::info!("port {}: no ESP by the card: {reason}", id.0);
    }
    Ok(AnyNic::Mlx5(nic))
}
