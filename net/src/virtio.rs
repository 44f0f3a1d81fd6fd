//! virtio-net as a [`Nic`]: virtio 1.2 section 5.1 over the crate's transports, without copies.
//!
//! ```text
//!   pool buffer   | headroom    | virtio header 12 | Ethernet frame ...                |
//!   lent to rx                  |<------------------------- all ---------------------->|
//!   lent to tx                  |<----- header, frame ------->|
//! ```
//!
//! The receive ring is kept full: a frame is only handed on against a fresh buffer, and dropped if the
//! pool has none. Completed transmissions are collected when the next burst is sent or the port is armed,
//! each ring is notified at most once per burst, and interrupts are off except between
//! [`Nic::arm`] and the next poll.
//!
//! Left out: checksum and segmentation offloads, merged receive buffers, multiqueue and the control
//! queue. None of these features is accepted, so every frame has its own buffer and a complete checksum.

mod queue;
#[cfg(test)]
mod tests;

use smoltcp::wire::EthernetAddress;
use virtio_drivers::Hal;
use virtio_drivers::transport::{DeviceStatus, DeviceType, Transport};

use crate::nic::{Burst, Link, Nic, NicStats, PortId};
use crate::packet::{HEADROOM, Packet, Pool};
use queue::Device;
pub use queue::Fault;

/// Bytes of `struct virtio_net_hdr` under VERSION_1 (5.1.6): flags, GSO type, four 16-bit fields and
/// the buffer count. All zero asks for nothing.
const HEADER: usize = 12;
/// Ethernet destination, source and type: no shorter frame is handed on.
const ETHERNET: usize = 14;

/// Queue numbers of the first pair (5.1.2).
mod queues {
    pub(super) const RECEIVE: u16 = 0;
    pub(super) const TRANSMIT: u16 = 1;
}

/// Feature bits (5.1.3 and section 6).
mod features {
    pub(super) const MTU: u64 = 1 << 3;
    pub(super) const MAC: u64 = 1 << 5;
    pub(super) const STATUS: u64 = 1 << 16;
    pub(super) const VERSION_1: u64 = 1 << 32;
}

/// Fields of `struct virtio_net_config` (5.1.4), as byte offsets.
mod config {
    pub(super) const MAC: usize = 0;
    pub(super) const STATUS: usize = 6;
    pub(super) const MTU: usize = 10;
    /// Bit of the status field.
    pub(super) const LINK_UP: u16 = 1;
}

/// Why a port did not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartError {
    /// The device is of this kind, not a network card.
    NotNetwork(DeviceType),
    /// The device did not confirm its reset.
    Reset,
    /// The device offers these features only: VERSION_1 or MAC is missing.
    Features(u64),
    /// The device refused the features that we chose from its offer.
    FeaturesRefused(u64),
    /// A ring or the configuration space could not be used.
    Device(virtio_drivers::Error),
    /// The pool could fill this many receive buffers only.
    Pool(usize),
}

impl core::fmt::Display for StartError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NotNetwork(kind) => write!(f, "a virtio device of type {kind:?}, not a network card"),
            Self::Reset => write!(f, "the device does not reset"),
            Self::Features(offered) => {
                write!(f, "the device offers features {offered:#x}: VERSION_1 or MAC is missing")
            }
            Self::FeaturesRefused(accepted) => write!(f, "the device refuses features {accepted:#x}"),
            Self::Device(error) => write!(f, "{error}"),
            Self::Pool(filled) => write!(f, "buffers for {filled} receive descriptors only"),
        }
    }
}

impl core::error::Error for StartError {}

/// A virtio network port with `N` buffers in each ring.
pub struct VirtioNet<H: Hal, T: Transport, const N: usize> {
    device: Device<H, T, N>,
    pool: Pool,
    port: PortId,
    mac: EthernetAddress,
    link: Link,
    has_status: bool,
    armed: bool,
    fault: Option<Fault>,
    stats: NicStats,
}

impl<H: Hal, T: Transport, const N: usize> VirtioNet<H, T, N> {
    /// Starts the device (3.1.1) and gives it `N` receive buffers from `pool`. Frames will carry `port`.
    pub fn new(mut transport: T, pool: Pool, port: PortId) -> Result<Self, StartError> {
        if transport.device_type() != DeviceType::Network {
            return Err(StartError::NotNetwork(transport.device_type()));
        }
        if !queue::reset(&mut transport) {
            return Err(StartError::Reset);
        }
        let mut status = DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER;
        transport.set_status(status);
        let offered = transport.read_device_features();
        let required = features::VERSION_1 | features::MAC;
        if offered & required != required {
            return Err(StartError::Features(offered));
        }
        let accepted = offered & (required | features::STATUS | features::MTU);
        transport.write_driver_features(accepted);
        status |= DeviceStatus::FEATURES_OK;
        transport.set_status(status);
        if !transport.get_status().contains(DeviceStatus::FEATURES_OK) {
            return Err(StartError::FeaturesRefused(accepted));
        }

        let mac = transport
            .read_consistent(|| transport.read_config_space::<[u8; 6]>(config::MAC))
            .map_err(StartError::Device)?;
        let has_mtu = accepted & features::MTU != 0;
        let mtu = if has_mtu { transport.read_config_space::<u16>(config::MTU) } else { Ok(1500) };
        let mtu = mtu.map_err(StartError::Device)?;

        let device = Device::new(transport, queues::RECEIVE, queues::TRANSMIT).map_err(StartError::Device)?;
        let mut this = Self {
            device,
            pool,
            port,
            mac: EthernetAddress(mac),
            link: Link { up: true, mtu },
            has_status: accepted & features::STATUS != 0,
            armed: false,
            fault: None,
            stats: NicStats::default(),
        };
        this.fill()?;
        this.device.rx.interrupts(false);
        this.device.tx.interrupts(false);
        this.device.transport.set_status(status | DeviceStatus::DRIVER_OK);
        this.device.transport.notify(queues::RECEIVE);
        this.refresh_link();
        Ok(this)
    }

    /// Fills the receive ring and caps the MTU at what its buffers hold.
    fn fill(&mut self) -> Result<(), StartError> {
        for filled in 0..N {
            let blank = self.pool.take().and_then(blank).ok_or(StartError::Pool(filled))?;
            let frame = blank.len() - HEADER - ETHERNET;
            self.link.mtu = self.link.mtu.min(u16::try_from(frame).unwrap_or(u16::MAX));
            self.device.rx.lend(blank).map_err(|_| StartError::Pool(filled))?;
        }
        Ok(())
    }

    /// Reads the state of the wire from the device: a slow register access, for once in a while.
    pub fn refresh_link(&mut self) -> Link {
        if self.has_status && self.fault.is_none() {
            let status = self.device.transport.read_config_space::<u16>(config::STATUS);
            self.link.up = status.is_ok_and(|status| status & config::LINK_UP != 0);
        }
        self.link
    }

    /// What the device did wrong, if it did: then the port is down for good.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Ends the port: a device that breaks the ring's rules gets no more memory to write to.
    fn fail(&mut self, fault: Fault) {
        log::error!("port {}: virtio-net device broke its ring ({fault:?}); port is down", self.port.0);
        self.fault = Some(fault);
        self.link.up = false;
        self.device.reset();
    }

    /// Collects what the device has sent.
    fn reclaim_tx(&mut self) {
        while self.fault.is_none() {
            match self.device.tx.reclaim() {
                Ok(Some(_sent)) => {}
                Ok(None) => return,
                Err(fault) => self.fail(fault),
            }
        }
    }

    /// One received buffer: the frame in it, or the buffer itself to lend again.
    fn frame(&mut self, mut packet: Packet, written: usize) -> Result<Packet, Packet> {
        let sound = written >= HEADER + ETHERNET && written <= packet.len();
        if !sound || self.pool.available() == 0 {
            self.stats.rx_drops += 1;
            return Err(packet);
        }
        // Both hold by the check above.
        let _ = packet.truncate(written) && packet.pull(HEADER);
        packet.meta.port = self.port;
        self.stats.rx_frames += 1;
        self.stats.rx_bytes += packet.len() as u64;
        Ok(packet)
    }
}

/// A packet made ready for the device to fill: the virtio header ends where the headroom used to.
fn blank(mut packet: Packet) -> Option<Packet> {
    packet.reset(HEADROOM - HEADER);
    let room = packet.tailroom();
    (room > HEADER + ETHERNET && packet.append(room).is_some()).then_some(packet)
}

impl<H: Hal, T: Transport, const N: usize> Nic for VirtioNet<H, T, N> {
    fn mac(&self) -> EthernetAddress {
        self.mac
    }

    fn link(&self) -> Link {
        self.link
    }

    fn rx(&mut self, out: &mut Burst) -> usize {
        if self.armed {
            self.armed = false;
            self.device.rx.interrupts(false);
        }
        let before = out.len();
        let mut lent = false;
        while !out.is_full() && self.fault.is_none() {
            let (packet, written) = match self.device.rx.reclaim() {
                Ok(Some(used)) => used,
                Ok(None) => break,
                Err(fault) => {
                    self.fail(fault);
                    break;
                }
            };
            let next = match self.frame(packet, written) {
                Ok(frame) => {
                    // Not full, by the loop's condition; in stock, by `frame`.
                    let _ = out.push(frame);
                    self.pool.take().and_then(blank)
                }
                Err(same) => Some(same),
            };
            if let Some(next) = next {
                lent |= self.device.rx.lend(next).is_ok();
            }
        }
        if lent && self.fault.is_none() && self.device.rx.wants_notify() {
            self.device.transport.notify(queues::RECEIVE);
        }
        out.len() - before
    }

    fn tx(&mut self, from: &mut Burst) -> usize {
        self.reclaim_tx();
        if self.fault.is_some() {
            // Nothing leaves by a dead port, and nothing waits for it.
            self.stats.tx_drops += from.len() as u64;
            let taken = from.len();
            from.clear();
            return taken;
        }
        let taken = self.device.tx.free().min(from.len());
        for mut packet in from.drain(..taken) {
            let bytes = packet.len() as u64;
            let lent = match packet.push(HEADER) {
                Some(header) => {
                    header.fill(0);
                    self.device.tx.lend(packet).is_ok()
                }
                None => false,
            };
            if lent {
                self.stats.tx_frames += 1;
                self.stats.tx_bytes += bytes;
            } else {
                self.stats.tx_drops += 1;
            }
        }
        if taken > 0 && self.device.tx.wants_notify() {
            self.device.transport.notify(queues::TRANSMIT);
        }
        taken
    }

    fn arm(&mut self) -> bool {
        self.reclaim_tx();
        if self.fault.is_some() {
            return true;
        }
        self.armed = true;
        self.device.rx.interrupts(true);
        // A frame that came before the flag was seen raises no interrupt.
        !self.device.rx.has_used()
    }

    fn stats(&self) -> NicStats {
        self.stats
    }
}
