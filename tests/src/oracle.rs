//! Stock Linux as a witness: Debian's kernels with their own `mlx5_core` in a QEMU that hands them our model of the
//! card by vfio-user.
//!
//! What that takes is no part of a Debian 12 machine and is fetched once, outside of the checkout (`paths::cache`):
//! a newer QEMU, two kernels, the guest's tools, and `mlx5_core` rebuilt with IPsec. [`install`] fetches, [`missing`]
//! says what is not there, [`guest::Guest`] boots, [`model::Model`] is the other side of the socket.

mod archive;
mod cache;
pub(crate) mod fetch;
pub mod guest;
pub mod kernel_log;
pub mod model;
pub mod pair;
mod rebuild;
pub mod transfer;
pub mod visit;

pub(crate) use archive::KEYRING;

use crate::error::Result;
use cache::Component;
use std::path::PathBuf;

/// A kernel of Debian's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Bookworm's.
    V6_1,
    /// Trixie's.
    V6_12,
}

impl Kernel {
    /// All of them.
    pub const ALL: &'static [Kernel] = &[Kernel::V6_1, Kernel::V6_12];

    /// The version that every release of it starts with.
    pub fn series(self) -> &'static str {
        match self {
            Kernel::V6_1 => "6.1",
            Kernel::V6_12 => "6.12",
        }
    }

    /// Debian's name of the release it comes from.
    fn suite(self) -> &'static str {
        match self {
            Kernel::V6_1 => "bookworm",
            Kernel::V6_12 => "trixie",
        }
    }

    /// The directory with `vmlinuz`, `release` and `modules.cpio`.
    ///
    /// # Errors
    /// When there is no place for a cache.
    pub fn dir(self) -> Result<PathBuf> {
        fetch::kernel(self).dir()
    }
}

/// Fetches and builds what is not in the cache yet. The second line of work is the compiler's and takes minutes.
///
/// # Errors
/// When a package cannot be fetched, or the module does not compile.
pub fn install() -> Result<()> {
    let _lock = cache::lock()?;
    fetch::qemu().make(fetch::make_qemu)?;
    for &kernel in Kernel::ALL {
        fetch::kernel(kernel).make(|dir| fetch::make_kernel(kernel, dir))?;
    }
    fetch::tools().make(fetch::make_tools)?;
    rebuild::make()
}

/// What the oracle's suites need and the cache does not have, in words. `rebuilt` asks for the rebuilt module as well.
///
/// # Errors
/// When there is no place for a cache.
pub fn missing(rebuilt: bool) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    let mut look = |component: Component, what: String| -> Result<()> {
        if !component.is_ready()? {
            missing.push(format!("{what} in {}", component.dir()?.display()));
        }
        Ok(())
    };
    look(fetch::qemu(), "a QEMU with vfio-user-pci".into())?;
    for &kernel in Kernel::ALL {
        look(fetch::kernel(kernel), format!("Debian's Linux {}", kernel.series()))?;
    }
    look(fetch::tools(), "the tools of a Linux guest".into())?;
    if rebuilt {
        match rebuild::module()? {
            Some(component) => look(component, "mlx5_core with IPsec".into())?,
            None => missing.push("mlx5_core with IPsec".into()),
        }
    }
    Ok(missing)
}
