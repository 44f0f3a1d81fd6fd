//! Receive-side scaling (facts E.9): which queue a packet goes to.
//!
//! ```text
//!   steering ─ by protocol ─► TIR ─ hash of its fields ─► RQT ─► RQ of a channel
//! ```
//!
//! One TIR for each protocol combination, since a TIR hashes the same fields of every packet: addresses and ports of TCP and
//! UDP, addresses and SPI of ESP, so that the SAs between two gateways spread, and addresses of all other IP. What is not
//! IP goes to the first queue. Left out: inner headers of tunnels.

use crate::cmd::{CmdError, Commands};
use crate::device::Domain;
use crate::hal::Function;
use crate::prm::{
    CreateRqtIn, CreateTirIn, DestroyRqtIn, DestroyTirIn, ModifyTirBitmask, ModifyTirIn, RqNum, Rqtc,
    RxHashFieldSelect, Tirc,
};
use alloc::vec::Vec;

/// Toeplitz.
const TOEPLITZ: u8 = 2;
/// `disp_type`.
const DIRECT: u8 = 0;
const INDIRECT: u8 = 1;
/// `selected_fields`.
const ADDRESSES: u32 = 0b0_0011;
const PORTS: u32 = 0b0_1100;
const SPI: u32 = 0b1_0000;
/// `self_lb_block`: nothing that a port sends comes back to it. Whatever the field's name says, its bits let unicast and
/// multicast back, as Linux's loopback test and DPDK's loopback mode have it.
const NO_LOOPBACK: u8 = 0;
const UNICAST_LOOPBACK: u8 = 1;
/// Entries of the table for each queue: with more of them, queues share evenly whatever their number.
const SPREAD: usize = 8;
/// `lro_max_ip_payload_size` counts in these bytes.
const LRO_UNIT: usize = 256;
/// How long a flow may wait for more, in microseconds: the shortest that devices offer is 8.
const LRO_TIMEOUT: u16 = 32;

/// The key of Microsoft's RSS specification, with published test vectors.
pub const KEY: [u8; 40] = [
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0,
    0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42,
    0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
];

/// What a TIR is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// Everything that no other kind is.
    Other,
    /// TCP over IPv4 or IPv6.
    Tcp {
        /// Whether over IPv6.
        v6: bool,
    },
    /// UDP over IPv4 or IPv6.
    Udp {
        /// Whether over IPv6.
        v6: bool,
    },
    /// ESP over IPv4 or IPv6.
    Esp {
        /// Whether over IPv6.
        v6: bool,
    },
    /// All other IPv4 or IPv6, and fragments.
    Ip {
        /// Whether IPv6.
        v6: bool,
    },
}

impl Traffic {
    /// All kinds.
    pub const ALL: [Traffic; 9] = [
        Traffic::Other,
        Traffic::Tcp { v6: false },
        Traffic::Udp { v6: false },
        Traffic::Esp { v6: false },
        Traffic::Ip { v6: false },
        Traffic::Tcp { v6: true },
        Traffic::Udp { v6: true },
        Traffic::Esp { v6: true },
        Traffic::Ip { v6: true },
    ];

    /// What is hashed; `None` for what goes to the first queue.
    fn fields(self) -> Option<RxHashFieldSelect> {
        let (v6, udp, fields) = match self {
            Self::Other => return None,
            Self::Tcp { v6 } => (v6, false, ADDRESSES | PORTS),
            Self::Udp { v6 } => (v6, true, ADDRESSES | PORTS),
            Self::Esp { v6 } => (v6, false, ADDRESSES | SPI),
            Self::Ip { v6 } => (v6, false, ADDRESSES),
        };
        Some(RxHashFieldSelect::build().l3_prot_type(v6).l4_prot_type(udp).selected_fields(fields).done())
    }
}

/// How packets are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spreading<'a> {
    /// The key of the hash.
    pub(crate) key: &'a [u8; 40],
    /// IP payload of TCP packets that LRO merges, at most, in bytes; 0: it merges none.
    pub(crate) lro: usize,
    /// log2 of the largest table.
    pub(crate) log_max_table: u8,
}

/// The table and its TIRs.
#[derive(Debug)]
pub(crate) struct Rss {
    rqtn: u32,
    tirs: Vec<(Traffic, u32)>,
}

impl Rss {
    /// Spreads over the queues `rqns`.
    ///
    /// # Errors
    /// When a command fails.
    pub(crate) fn create<F: Function>(
        commands: &mut Commands<F>,
        domain: &Domain,
        rqns: &[u32],
        spreading: Spreading<'_>,
    ) -> Result<Self, CmdError> {
        let most = 1 << spreading.log_max_table.min(15);
        let entries = (rqns.len().max(1) * SPREAD).next_power_of_two().min(most);
        let (context, list) = table(rqns, entries);
        let input = CreateRqtIn::build().rqt_context(&context).done();
        let rqtn = commands.exec_with(&input, &list)?.rqtn();
        let mut rss = Self { rqtn, tirs: Vec::new() };
        for traffic in Traffic::ALL {
            let context = rss.context(domain, rqns, traffic, spreading);
            let tirn = commands.exec(&CreateTirIn::build().ctx(&context).done())?.tirn();
            rss.tirs.push((traffic, tirn));
        }
        Ok(rss)
    }

    fn context(&self, domain: &Domain, rqns: &[u32], traffic: Traffic, spreading: Spreading<'_>) -> Tirc {
        let mut context =
            Tirc::build().transport_domain(domain.transport_domain).self_lb_block(NO_LOOPBACK).done();
        let Some(fields) = traffic.fields() else {
            context.set().disp_type(DIRECT).inline_rqn(rqns.first().copied().unwrap_or(0));
            return context;
        };
        context
            .set()
            .disp_type(INDIRECT)
            .indirect_table(self.rqtn)
            .rx_hash_fn(TOEPLITZ)
            .rx_hash_toeplitz_key(spreading.key)
            .rx_hash_field_selector_outer(&fields);
        if let (Traffic::Tcp { v6 }, true) = (traffic, spreading.lro >= LRO_UNIT) {
            context
                .set()
                .packet_merge_mask(if v6 { 2 } else { 1 })
                .lro_max_ip_payload_size((spreading.lro / LRO_UNIT).min(0xff) as u8)
                .lro_timeout_period_usecs(LRO_TIMEOUT);
        }
        context
    }

    /// From now on unicast comes back that the port sends to itself, as far as the vport lets it.
    ///
    /// # Errors
    /// When a command fails.
    pub(crate) fn hear_itself<F: Function>(&self, commands: &mut Commands<F>) -> Result<(), CmdError> {
        let bitmask = ModifyTirBitmask::build().self_lb_en(true).done();
        let context = Tirc::build().self_lb_block(UNICAST_LOOPBACK).done();
        for (_, tirn) in &self.tirs {
            let input = ModifyTirIn::build().tirn(*tirn).bitmask(&bitmask).ctx(&context).done();
            commands.exec(&input)?;
        }
        Ok(())
    }

    /// The TIRs, for steering.
    pub(crate) fn tirs(&self) -> &[(Traffic, u32)] {
        &self.tirs
    }

    /// Makes the device forget it, after steering does not lead to it any more.
    ///
    /// # Errors
    /// When a command fails.
    pub(crate) fn destroy<F: Function>(&self, commands: &mut Commands<F>) -> Result<(), CmdError> {
        for (_, tirn) in &self.tirs {
            commands.exec(&DestroyTirIn::build().tirn(*tirn).done())?;
        }
        commands.exec(&DestroyRqtIn::build().rqtn(self.rqtn).done()).map(|_| ())
    }
}

/// A table of `entries` entries over the queues in turn, and its list.
fn table(rqns: &[u32], entries: usize) -> (Rqtc, Vec<u8>) {
    let size = entries as u16;
    let list =
        rqns.iter().cycle().take(entries).flat_map(|rqn| *RqNum::build().rq_num(*rqn).done().as_bytes());
    (Rqtc::build().rqt_max_size(size).rqt_actual_size(size).done(), list.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_share_the_table_in_turn() {
        let (context, list) = table(&[7, 8, 9], 8);
        assert_eq!((context.rqt_max_size(), context.rqt_actual_size()), (8, 8));
        let numbers: Vec<u8> = list.chunks(4).map(|entry| entry[3]).collect();
        assert_eq!(numbers, [7, 8, 9, 7, 8, 9, 7, 8]);
    }

    #[test]
    fn each_kind_of_traffic_hashes_what_tells_its_flows_apart() {
        let bits = |traffic: Traffic| traffic.fields().map(|fields| u32::from_be_bytes(*fields.as_bytes()));
        let found: Vec<_> = Traffic::ALL.into_iter().map(bits).collect();
        let v4 = [Some(0xf), Some(0x4000_000f), Some(0x13), Some(3)];
        let v6 = v4.map(|bits| bits.map(|bits| bits | 0x8000_0000));
        assert_eq!(found, [&[None][..], &v4, &v6].concat());
    }
}
