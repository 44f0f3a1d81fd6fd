//! The one place where the kernel and the drivers meet (design, section 1): device memory and registers
//! for virtio-drivers and mlx5-pci, entropy, ports, and the loop that drives the gateway with them.

pub(crate) mod dma;
pub(crate) mod drive;
pub(crate) mod entropy;
pub(crate) mod mlx5;
pub(crate) mod ports;
pub(crate) mod start;
pub(crate) mod transport;
