//! Front ends of the ConnectX model: what lets a virtual machine use it as a PCI device and put it on a wire.
//!
//! A [`Card`](card::Card) is one function of the model with everything around it: the guest's memory and interrupt
//! lines as [`server`] has them from QEMU over vfio-user, a [`wire`], captures, a clock. Any thread may act on a
//! card; what the model hands out is delivered in the order in which the model made it. `main.rs` is the program.

#![forbid(unsafe_code)]

pub mod arguments;
pub mod capture;
pub mod card;
pub mod control;
pub mod esp;
pub mod guest;
pub mod interrupts;
pub mod queue;
pub mod server;
pub mod view;
pub mod wire;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a lock. A thread that panicked while it held it has not left anything half done that matters here.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A device for tests.
#[cfg(test)]
pub(crate) fn device() -> mlx5_model::Device {
    mlx5_model::Device::new(mlx5_model::caps::Profile::named("cx7").expect("a profile"))
}
