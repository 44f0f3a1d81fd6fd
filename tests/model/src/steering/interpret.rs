//! A packet's way through the tables.
//!
//! Facts E.10, C.3, C.4. In a table the entry with the lowest flow index that matches counts; without one the table's
//! miss. The order of actions in an entry: count, decrypt or take a tunnel off, pop tags, rewrite, push tags, put a
//! tunnel on or encrypt, go on. A packet is parsed again whenever its bytes have changed.
//!
//! Inferred: counters see the packet as it came to the entry; an entry that drops does nothing else than counting; a
//! packet that a reformat does not fit is dropped.

use super::action::{
    ALLOW, CRYPTO_DECRYPT, CRYPTO_ENCRYPT, DECAP, DROP, Destination, MOD_HDR, PACKET_REFORMAT, Plan,
    VLAN_POP, VLAN_POP_2, VLAN_PUSH, VLAN_PUSH_2,
};
use super::fields::Param;
use super::table::Miss;
use super::table_type::TableType;
use super::{rewrite, tunnel};
use crate::ipsec::Crypto;
use crate::packet::{Headers, dwords, match_param, vlan};
use crate::transit::Transit;
use crate::{Check, Device, Memory, Refusal};
use mlx5_pci::prm::{CmdStatus, FteMatchParam, FteMatchSetMisc, FteMatchSetMisc2, Vlan};
use std::sync::Arc;

/// Tables that a packet and its copies may visit; a loop ends here.
const VISITS: usize = 1024;

/// A packet between two tables.
#[derive(Debug)]
struct Traveller {
    packet: Transit,
    /// The match parameters of its headers, while its bytes are the same.
    headers: Option<Box<Param>>,
}

impl Traveller {
    fn new(packet: Transit) -> Traveller {
        Traveller { packet, headers: None }
    }

    /// What entries match on: the headers, and the metadata as they are now.
    fn param(&mut self) -> Param {
        let bytes = &self.packet.bytes;
        let headers =
            self.headers.get_or_insert_with(|| Box::new(match_param(&Headers::parse(bytes), bytes)));
        let mut param = **headers;
        for (dword, metadata) in param.iter_mut().zip(metadata(&self.packet)) {
            *dword |= metadata;
        }
        param
    }
}

/// The metadata that entries match on.
fn metadata(packet: &Transit) -> Param {
    let [c_0, c_1, c_2, c_3, c_4, c_5, c_6, c_7] = packet.reg_c;
    let misc = FteMatchSetMisc::build().source_sqn(packet.source_sqn & 0xff_ffff).done();
    let misc2 = FteMatchSetMisc2::build()
        .metadata_reg_a(packet.reg_a)
        .metadata_reg_c_0(c_0)
        .metadata_reg_c_1(c_1)
        .metadata_reg_c_2(c_2)
        .metadata_reg_c_3(c_3)
        .metadata_reg_c_4(c_4)
        .metadata_reg_c_5(c_5)
        .metadata_reg_c_6(c_6)
        .metadata_reg_c_7(c_7)
        .ipsec_syndrome(packet.ipsec_syndrome)
        .done();
    dwords(&FteMatchParam::build().misc_parameters(&misc).misc_parameters_2(&misc2).done())
}

impl Device {
    /// A packet from the wire (or looped back) enters NIC_RX: delivered to TIRs or dropped and counted.
    pub(crate) fn steer_in(&mut self, memory: &dyn Memory, packet: Transit) {
        self.sniff(memory, TableType::SnifferRx, &packet);
        self.walk(memory, TableType::NicRx, packet);
    }

    /// A packet from an SQ enters NIC_TX: handed to [`Device::depart`] or dropped and counted.
    pub(crate) fn steer_out(&mut self, memory: &dyn Memory, packet: Transit) {
        self.sniff(memory, TableType::SnifferTx, &packet);
        self.walk(memory, TableType::NicTx, packet);
    }

    /// A copy goes through the tables of a sniffer, if there are any.
    fn sniff(&mut self, memory: &dyn Memory, kind: TableType, packet: &Transit) {
        if self.steering.root(kind).is_some() {
            self.walk(memory, kind, packet.clone());
        }
    }

    fn walk(&mut self, memory: &dyn Memory, kind: TableType, packet: Transit) {
        let Some(root) = self.steering.root(kind) else { return self.miss(memory, kind, packet) };
        let mut todo = vec![(root, Traveller::new(packet))];
        for _ in 0..VISITS {
            let Some((table, traveller)) = todo.pop() else { return };
            self.visit(memory, table, traveller, &mut todo);
        }
        if let Some((table, _)) = todo.pop() {
            let refusal = Refusal::new(CmdStatus::BAD_PARAM, Check::Limit, "destination", 0);
            self.misuse("flow table loop", table, refusal);
        }
    }

    /// One table: what it does with the packet, and where the packet and its copies go on (`todo`, last first).
    fn visit(
        &mut self,
        memory: &dyn Memory,
        number: u32,
        mut traveller: Traveller,
        todo: &mut Vec<(u32, Traveller)>,
    ) {
        let Some(table) = self.steering.tables.get(number) else { return };
        let kind = table.kind;
        let Some(entry) = table.find(&traveller.param()) else {
            match table.miss {
                Miss::Forward(next) => todo.push((next, traveller)),
                Miss::Default | Miss::Domain => self.miss(memory, kind, traveller.packet),
            }
            return;
        };
        entry.hits.set(entry.hits.get() + 1);
        let plan = Arc::clone(&entry.plan);
        for counter in &plan.counters {
            self.steering.counters.count(*counter, traveller.packet.bytes.len());
        }
        if plan.has(DROP) || !self.perform(memory, &plan, &mut traveller) {
            return;
        }
        if plan.flow_tag != 0 {
            traveller.packet.flow_tag = plan.flow_tag;
        }
        if plan.has(ALLOW) {
            return self.miss(memory, kind, traveller.packet);
        }
        self.forward(memory, &plan.destinations, traveller, todo);
    }

    /// What the table type does with a packet that leaves its tables.
    fn miss(&mut self, memory: &dyn Memory, kind: TableType, packet: Transit) {
        match kind {
            TableType::NicTx => self.depart(memory, packet),
            TableType::NicRx => {
                self.steering.discarded += 1;
                self.port.environment.steering_discard += 1;
            }
            // There are no queue pairs that RoCE could go to or come from; copies just end.
            TableType::RdmaRx | TableType::RdmaTx | TableType::SnifferRx | TableType::SnifferTx => {}
        }
    }

    fn forward(
        &mut self,
        memory: &dyn Memory,
        destinations: &[Destination],
        traveller: Traveller,
        todo: &mut Vec<(u32, Traveller)>,
    ) {
        let Some((last, others)) = destinations.split_last() else { return };
        let first = todo.len();
        for destination in others {
            let copy = Traveller { packet: traveller.packet.clone(), headers: traveller.headers.clone() };
            self.send_to(memory, *destination, copy, todo);
        }
        self.send_to(memory, *last, traveller, todo);
        if let Some(added) = todo.get_mut(first..) {
            added.reverse();
        }
    }

    fn send_to(
        &mut self,
        memory: &dyn Memory,
        destination: Destination,
        traveller: Traveller,
        todo: &mut Vec<(u32, Traveller)>,
    ) {
        match destination {
            Destination::Tir(number) => self.deliver(memory, number, traveller.packet),
            Destination::Table(number) | Destination::Other(_, number) => todo.push((number, traveller)),
        }
    }

    /// The actions of an entry; false when the packet ends here.
    fn perform(&mut self, memory: &dyn Memory, plan: &Plan, traveller: &mut Traveller) -> bool {
        let packet = &mut traveller.packet;
        let mut changed = false;
        let reformat = self.steering.reformats.get(plan.reformat).filter(|_| plan.has(PACKET_REFORMAT));
        let reformat = reformat.map(|reformat| (reformat.kind, Arc::clone(&reformat.data)));
        if plan.has(CRYPTO_DECRYPT) {
            let (kind, data) = reformat.clone().unwrap_or_default();
            if self.decrypt(memory, plan.crypto, (kind, &data), packet) == Crypto::Dropped {
                return false;
            }
            changed = true;
        }
        if plan.has(DECAP) {
            if !tunnel::decap(&mut packet.bytes) {
                return false;
            }
            changed = true;
        }
        for pop in [VLAN_POP, VLAN_POP_2].into_iter().filter(|pop| plan.has(*pop)) {
            let frame = &mut packet.bytes;
            let tag =
                vlan::strip(frame, vlan::CUSTOMER_TAG).or_else(|| vlan::strip(frame, vlan::SERVICE_TAG));
            changed |= tag.is_some() && pop != 0;
        }
        if let Some(rewrite) = self.steering.rewrites.get(plan.rewrite).filter(|_| plan.has(MOD_HDR)) {
            changed |= rewrite::apply(&rewrite.actions, packet);
        }
        for (push, tag) in [VLAN_PUSH, VLAN_PUSH_2].into_iter().zip(&plan.push) {
            if plan.has(push) {
                vlan::insert(&mut packet.bytes, tag.ethtype(), tci(tag));
                changed = true;
            }
        }
        if plan.has(CRYPTO_ENCRYPT) {
            let (kind, data) = reformat.clone().unwrap_or_default();
            if self.encrypt(memory, plan.crypto, (kind, &data), packet) == Crypto::Dropped {
                return false;
            }
            changed = true;
        }
        if let (Some((kind, data)), false) = (&reformat, plan.has(CRYPTO_DECRYPT | CRYPTO_ENCRYPT)) {
            if !tunnel::apply(*kind, data, &mut packet.bytes) {
                return false;
            }
            changed = true;
        }
        if changed {
            traveller.headers = None;
        }
        true
    }
}

/// A tag as on the wire.
fn tci(tag: &Vlan) -> u16 {
    u16::from(tag.prio()) << 13 | u16::from(tag.cfi()) << 12 | tag.vid()
}
