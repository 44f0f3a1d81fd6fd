//! What is measured: the driver as the gateway calls it, and nothing else. Valgrind knows these functions by name.

use crate::machine::Machine;
use mlx5_pci::nic::Mlx5;
use net::{Burst, Nic};

/// A burst is received, and its packets go back to where they came from.
#[inline(never)]
pub(crate) fn receive(port: &mut Mlx5<Machine>, burst: &mut Burst) -> usize {
    let count = port.rx(burst);
    burst.clear();
    count
}

/// A burst is sent, and what was sent before is taken back.
#[inline(never)]
pub(crate) fn send(port: &mut Mlx5<Machine>, burst: &mut Burst) -> usize {
    port.tx(burst)
}

/// A burst is received by one port and sent by the other, cut into segments if there is a size for them.
#[inline(never)]
pub(crate) fn forward(
    from: &mut Mlx5<Machine>,
    to: &mut Mlx5<Machine>,
    burst: &mut Burst,
    segment: Option<u16>,
) -> usize {
    from.rx(burst);
    if segment.is_some() {
        burst.iter_mut().for_each(|packet| packet.meta.segment = segment);
    }
    to.tx(burst)
}

/// Ends what was counted for a case.
#[inline(never)]
pub(crate) fn end_of_case() {
    core::hint::black_box(());
}
