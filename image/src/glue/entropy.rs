//! Entropy from virtio-rng (virtio 1.2 section 5.4) into the kernel's generator.

use kernel::pci;
use virtio_drivers::device::rng::VirtIORng;
use virtio_drivers::transport::DeviceType;

use super::dma::KernelHal;
use super::transport::{self, PciTransport};

/// Bytes asked of each device: twice the strength of the generator's key.
const SEED: usize = 64;

/// Mixes what every entropy device of the machine gives into the generator. Returns the bytes mixed in.
pub(crate) fn gather() -> usize {
    let devices = pci::enumerate().filter(|it| transport::kind(it.ids) == Some(DeviceType::EntropySource));
    devices.map(|device| read(&device)).sum()
}

fn read(function: &pci::Function) -> usize {
    let transport = match PciTransport::new(function) {
        Ok(transport) => transport,
        Err(error) => {
            log::warn!("{}: virtio-rng: {error}", function.address);
            return 0;
        }
    };
    let mut seed = [0; SEED];
    let read =
        VirtIORng::<KernelHal, _>::new(transport).and_then(|mut device| device.request_entropy(&mut seed));
    match read {
        // The length is the device's claim.
        Ok(bytes) => {
            let bytes = seed.get(..bytes).unwrap_or(&seed);
            kernel::rng::seed_from(bytes);
            bytes.len()
        }
        Err(error) => {
            log::warn!("{}: virtio-rng: {error}", function.address);
            0
        }
    }
}
