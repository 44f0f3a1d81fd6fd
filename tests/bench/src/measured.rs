//! What is measured: the driver as the gateway calls it, and nothing else. Valgrind knows these functions by name.

use crate::machine::Machine;
use crate::through::Lane;
use gateway::Gateway;
use mlx5_pci::nic::Mlx5;
use net::{Burst, Instant, Nic, PortId};

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
        for packet in &mut *burst {
            packet.meta.segment = segment;
        }
    }
    to.tx(burst)
}

/// The main loop's first half, as far as it costs anything: every port is asked for frames. One has them.
#[inline(never)]
pub(crate) fn gateway_in<N: Nic>(lanes: &mut [Lane<N>], burst: &mut Burst) -> usize {
    let mut count = 0;
    for lane in lanes {
        count += lane.nic.rx(burst);
    }
    count
}

/// The main loop's second half: the gateway takes a port's burst, and every port sends what it has for it.
#[inline(never)]
pub(crate) fn gateway_on<N: Nic>(
    gateway: &mut Gateway,
    lanes: &mut [Lane<N>],
    now: Instant,
    from: PortId,
    burst: &mut Burst,
) {
    gateway.handle_burst(now, from, burst);
    gateway.poll(now);
    for lane in lanes {
        gateway.take_tx(now, lane.id, &mut lane.waiting);
        while !lane.waiting.is_empty() && lane.nic.tx(&mut lane.waiting) > 0 {
            gateway.take_tx(now, lane.id, &mut lane.waiting);
        }
    }
}

/// Ends what was counted for a case.
#[inline(never)]
pub(crate) fn end_of_case() {
    core::hint::black_box(());
}
