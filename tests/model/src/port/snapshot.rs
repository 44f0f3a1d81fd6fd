//! The port's counters as a [`Snapshot`](crate::snapshot::Snapshot) shows them.

use super::Port;
use super::counters::ByCast;

impl Port {
    /// What was counted, by name.
    pub(crate) fn snapshot(&self) -> Vec<(&'static str, u64)> {
        let (wire, vport, around) = (&self.counters, &self.vport_counters, &self.environment);
        let (received, sent) = (wire.rx.good.total(), wire.tx.good.total());
        let total = |by: &ByCast| (by.total().packets, by.total().octets);
        let ((vport_rx, vport_rx_octets), (vport_tx, vport_tx_octets)) = (total(&vport.rx), total(&vport.tx));
        vec![
            ("wire_rx_frames", received.packets),
            ("wire_rx_octets", received.octets),
            ("wire_tx_frames", sent.packets),
            ("wire_tx_octets", sent.octets),
            ("wire_rx_discards", wire.rx.discards),
            ("wire_rx_too_long", wire.rx.too_long),
            ("wire_rx_undersize", wire.rx.undersize),
            ("wire_tx_discards", wire.tx.discards),
            ("link_down", wire.link_down.into()),
            ("vport_rx_frames", vport_rx),
            ("vport_rx_octets", vport_rx_octets),
            ("vport_tx_frames", vport_tx),
            ("vport_tx_octets", vport_tx_octets),
            ("vport_loopback_frames", vport.loopback.packets),
            ("steering_discard", around.steering_discard),
            ("receive_down", around.receive_down),
            ("transmit_down", around.transmit_down),
            ("invalid_commands", around.invalid_commands.into()),
            ("wqe_too_small", around.wqe_too_small.into()),
            ("cq_overrun", around.cq_overrun.into()),
            ("eq_overrun", u64::from(around.comp_eq_overrun) + u64::from(around.async_eq_overrun)),
        ]
    }
}
