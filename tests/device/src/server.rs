//! A card as a vfio-user server: QEMU's `vfio-user-pci` (10.1 and newer) connects and has the card on its PCI bus.
//!
//! The protocol is the crate `vfio_user`'s; what it lacks is worked around here. It answers errors without saying
//! which, so accesses never fail: what is not there reads as ones and takes writes without effect, as on a bus. It
//! refuses a socket whose path exists, so a path that nobody listens on is removed first. Its connection cannot be
//! ended from outside, so a guest that is connected keeps its thread until it leaves or the process ends.
//!
//! There is no mapped BAR: doorbells of all queues share a register, so every write has to be seen.

use crate::card::Card;
use core::sync::atomic::{AtomicBool, Ordering};
use mlx5_model::{BAR_SIZE, CONFIG_SIZE};
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, io};
use vfio_bindings::bindings::vfio::{
    VFIO_IRQ_INFO_EVENTFD, VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_IRQ_SET_DATA_EVENTFD, VFIO_IRQ_SET_DATA_NONE,
    VFIO_PCI_BAR0_REGION_INDEX, VFIO_PCI_CONFIG_REGION_INDEX, VFIO_PCI_MSIX_IRQ_INDEX, VFIO_PCI_NUM_IRQS,
    VFIO_PCI_NUM_REGIONS, VFIO_REGION_INFO_FLAG_READ, VFIO_REGION_INFO_FLAG_WRITE, vfio_region_info,
};
use vfio_user::{DmaMapFlags, DmaUnmapFlags, IrqInfo, Server, ServerBackend, ServerRegion};

/// Why a card cannot be served.
#[derive(Debug)]
pub enum Error {
    /// The socket cannot be made.
    Socket(PathBuf, io::Error),
    /// Somebody listens there already.
    InUse(PathBuf),
    /// Guests can no longer be accepted.
    Accept(vfio_user::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Socket(path, error) => write!(f, "socket {}: {error}", path.display()),
            Error::InUse(path) => write!(f, "socket {}: another server listens there", path.display()),
            Error::Accept(error) => write!(f, "{error}"),
        }
    }
}

impl core::error::Error for Error {}

/// A unix socket that listens at `path`; one that is left from a server that has died is replaced.
///
/// # Errors
/// When somebody listens there, or the path cannot be used.
pub fn listen(path: &Path) -> Result<UnixListener, Error> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            if UnixStream::connect(path).is_ok() {
                return Err(Error::InUse(path.to_path_buf()));
            }
            fs::remove_file(path)
                .and_then(|()| UnixListener::bind(path))
                .map_err(|error| Error::Socket(path.to_path_buf(), error))
        }
        bound => bound.map_err(|error| Error::Socket(path.to_path_buf(), error)),
    }
}

/// Serves one card to one guest after the other.
pub struct CardServer {
    card: Arc<Card>,
    server: Server,
    path: PathBuf,
    ended: AtomicBool,
}

impl CardServer {
    /// Listens at `path`. Guests can connect from now on; they are answered in [`CardServer::run`].
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn new(card: Arc<Card>, path: &Path) -> Result<CardServer, Error> {
        let listener = listen(path)?;
        let server = Server::from_owned_fd(OwnedFd::from(listener), true, irqs(&card), regions());
        Ok(CardServer { card, server, path: path.to_path_buf(), ended: AtomicBool::new(false) })
    }

    /// Serves guests until [`CardServer::end`]. When one leaves, whatever the reason, the device is reset.
    ///
    /// # Errors
    /// When no more can be accepted.
    pub fn run(&self) -> Result<(), Error> {
        let mut backend = Backend { card: self.card.clone() };
        while !self.ended.load(Ordering::Acquire) {
            let left = self.server.run(&mut backend);
            self.card.disconnect();
            match left {
                Ok(()) => log::info!("{}: the guest has left", self.card.name()),
                Err(error @ vfio_user::Error::SocketAccept(_)) => return Err(Error::Accept(error)),
                Err(error) => log::warn!("{}: the guest is gone: {error}", self.card.name()),
            }
        }
        Ok(())
    }

    /// Takes no more guests. One that is connected is served until it leaves.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
        // Wakes a thread that waits for a guest.
        drop(UnixStream::connect(&self.path));
    }
}

impl Drop for CardServer {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Bytes of a region; 0 where there is none.
const fn size_of_region(region: u32) -> u64 {
    match region {
        VFIO_PCI_BAR0_REGION_INDEX => BAR_SIZE,
        VFIO_PCI_CONFIG_REGION_INDEX => CONFIG_SIZE as u64,
        _ => 0,
    }
}

/// Whether an access stays in its region.
fn within(region: u32, offset: u64, length: usize) -> bool {
    offset.checked_add(length as u64).is_some_and(|end| end <= size_of_region(region))
}

/// The regions of a PCI device in vfio's order; only BAR 0 and configuration space have a size.
fn regions() -> Vec<ServerRegion> {
    (0..VFIO_PCI_NUM_REGIONS)
        .map(|index| {
            let size = size_of_region(index);
            let flags = if size == 0 { 0 } else { VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE };
            let argsz = size_of::<vfio_region_info>() as u32;
            let region_info = vfio_region_info { argsz, flags, index, cap_offset: 0, size, offset: 0 };
            ServerRegion { region_info, sparse_areas: Vec::new(), mmap_fd: None }
        })
        .collect()
}

/// The interrupts of a PCI device in vfio's order: only MSI-X. Its vectors may come one at a time.
fn irqs(card: &Card) -> Vec<IrqInfo> {
    (0..VFIO_PCI_NUM_IRQS)
        .map(|index| {
            let count = if index == VFIO_PCI_MSIX_IRQ_INDEX { card.interrupts().count() as u32 } else { 0 };
            IrqInfo { index, flags: VFIO_IRQ_INFO_EVENTFD, count }
        })
        .collect()
}

struct Backend {
    card: Arc<Card>,
}

impl ServerBackend for Backend {
    fn region_read(&mut self, region: u32, offset: u64, data: &mut [u8]) -> io::Result<()> {
        match (region, within(region, offset, data.len())) {
            (VFIO_PCI_BAR0_REGION_INDEX, true) => self.card.with(|device, _| device.bar_read(offset, data)),
            (VFIO_PCI_CONFIG_REGION_INDEX, true) => {
                self.card.with(|device, _| device.config_read(offset as usize, data));
            }
            _ => data.fill(0xff),
        }
        Ok(())
    }

    fn region_write(&mut self, region: u32, offset: u64, data: &[u8]) -> io::Result<()> {
        match (region, within(region, offset, data.len())) {
            (VFIO_PCI_BAR0_REGION_INDEX, true) => {
                self.card.with(|device, memory| device.bar_write(memory, offset, data));
                self.card.outgoing().settle();
            }
            (VFIO_PCI_CONFIG_REGION_INDEX, true) => {
                self.card.with(|device, _| device.config_write(offset as usize, data));
            }
            _ => {}
        }
        Ok(())
    }

    fn dma_map(
        &mut self,
        flags: DmaMapFlags,
        offset: u64,
        address: u64,
        size: u64,
        fd: Option<File>,
    ) -> io::Result<()> {
        let file = fd.map(|file| (file, offset));
        let mapped = self.card.memory().map(address, size, file, flags.contains(DmaMapFlags::WRITE));
        mapped.map_err(|error| {
            log::warn!("{}: {size:#x} bytes at {address:#x}: {error}", self.card.name());
            io::Error::new(io::ErrorKind::InvalidInput, error)
        })
    }

    fn dma_unmap(&mut self, flags: DmaUnmapFlags, address: u64, size: u64) -> io::Result<()> {
        if flags.contains(DmaUnmapFlags::UNMAP_ALL) {
            self.card.memory().clear();
        } else {
            self.card.memory().unmap(address, size);
        }
        Ok(())
    }

    fn reset(&mut self) -> io::Result<()> {
        self.card.with(|device, _| device.reset());
        Ok(())
    }

    fn set_irqs(&mut self, index: u32, flags: u32, start: u32, count: u32, fds: Vec<File>) -> io::Result<()> {
        // Masks (the other actions) are the client's: it has the MSI-X table.
        if index != VFIO_PCI_MSIX_IRQ_INDEX || flags & VFIO_IRQ_SET_ACTION_TRIGGER == 0 {
            return Ok(());
        }
        let interrupts = self.card.interrupts();
        let vectors = start as usize..(start as usize).saturating_add(count as usize).min(interrupts.count());
        if flags & VFIO_IRQ_SET_DATA_EVENTFD != 0 {
            // A vector without a descriptor is given up.
            let mut fds = fds.into_iter();
            for vector in vectors {
                interrupts.listen(vector, fds.next());
            }
        } else if flags & VFIO_IRQ_SET_DATA_NONE != 0 {
            if count == 0 {
                interrupts.clear();
            }
            for vector in vectors {
                interrupts.raise(vector as u16);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
