//! What the tests share: a device that takes commands without a command queue, the commands that they give, packets.

use crate::caps::Profile;
use crate::command::{Command, Length};
use crate::in_process::Arena;
use crate::packet::checksum::{Fill, fill};
use crate::transit::Transit;
use crate::{Check, Device, Refusal};
use mlx5_pci::prm::{
    AllocFlowCounterIn, AllocModifyHeaderContextIn, CmdStatus, CreateFlowGroupIn, CreateFlowTableIn,
    DeleteFteIn, DestFormatStruct, DestroyFlowGroupIn, DestroyFlowTableIn, FlowContext, FlowCounterList,
    FlowTableContext, FteMatchParam, ModifyFlowTableIn, Opcode, QueryFlowCounterIn, SetFlowTableRootIn,
    SetFteIn, TrafficCounter, reserved_bit,
};

pub(super) const NIC_RX: u8 = 0;
pub(super) const NIC_TX: u8 = 1;

pub(super) struct Bench {
    pub(super) device: Device,
    pub(super) memory: Arena,
}

/// A profile with everything that the tests need.
pub(super) fn profile() -> Profile {
    Profile::named("cx7").unwrap()
}

impl Bench {
    pub(super) fn new() -> Bench {
        Bench::with(profile())
    }

    pub(super) fn with(profile: Profile) -> Bench {
        Bench { device: Device::new(profile), memory: Arena::default() }
    }

    /// Gives a command as the dispatcher does; the answer has room for `outlen` bytes.
    pub(super) fn ask(&mut self, input: &[u8], outlen: usize) -> Result<Vec<u8>, Refusal> {
        let opcode = u16::from_be_bytes([input[0], input[1]]);
        let chapters =
            [super::super::COMMANDS, crate::hca::COMMANDS, crate::ipsec::COMMANDS, crate::queues::COMMANDS];
        let command: &Command = chapters
            .into_iter()
            .flatten()
            .copied()
            .flatten()
            .find(|command| command.opcode == opcode)
            .unwrap();
        let (head, fits) = match command.input {
            Length::Exact(length) => (length, input.len() == length),
            Length::Grown { before, now } => (input.len(), input.len() == before || input.len() == now),
            Length::List { head, unit } => {
                (head, input.len() >= head && (input.len() - head).is_multiple_of(unit))
            }
        };
        if !fits {
            return Err(Refusal::new(
                CmdStatus::BAD_INP_LEN,
                Check::InputLength,
                "inlen",
                input.len() as u16,
            ));
        }
        if let Some(at) = reserved_bit(&input[..head], command.claims) {
            return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Reserved, "reserved", at as u16));
        }
        let mut output = vec![0; outlen.max(command.output)];
        (command.run)(&mut self.device, &self.memory, input, &mut output)?;
        Ok(output)
    }

    /// Gives a command whose answer is a number at 0x08.
    pub(super) fn run(&mut self, input: &[u8]) -> Result<u32, Refusal> {
        let output = self.ask(input, 0)?;
        Ok(u32::from_be_bytes(output[8..12].try_into().unwrap()))
    }

    pub(super) fn table(&mut self, kind: u8, level: u8, log_size: u8) -> u32 {
        self.run(create_table(kind, level, log_size).as_bytes()).unwrap()
    }

    pub(super) fn root(&mut self, kind: u8, table: u32) {
        self.run(set_root(kind, table).as_bytes()).unwrap();
    }

    pub(super) fn group(&mut self, kind: u8, table: u32, range: (u32, u32), criteria: &FteMatchParam) -> u32 {
        self.run(create_group(kind, table, range, criteria).as_bytes()).unwrap()
    }

    pub(super) fn counter(&mut self) -> u32 {
        let command = AllocFlowCounterIn::build().opcode(Opcode::ALLOC_FLOW_COUNTER.0).done();
        self.run(command.as_bytes()).unwrap()
    }

    /// Packets and octets of a counter.
    pub(super) fn counted(&mut self, counter: u32) -> (u64, u64) {
        let command =
            QueryFlowCounterIn::build().opcode(Opcode::QUERY_FLOW_COUNTER.0).flow_counter_id(counter).done();
        let answer = TrafficCounter::copy_from(&self.ask(command.as_bytes(), 0x20).unwrap()[0x10..]);
        (answer.packets(), answer.octets())
    }

    pub(super) fn receive(&mut self, frame: &[u8]) {
        self.receive_with(Transit::new(frame.to_vec()));
    }

    pub(super) fn receive_with(&mut self, packet: Transit) {
        self.device.steer_in(&self.memory, packet);
    }

    pub(super) fn send(&mut self, packet: Transit) {
        self.device.steer_out(&self.memory, packet);
    }
}

pub(super) fn create_table(kind: u8, level: u8, log_size: u8) -> CreateFlowTableIn {
    table_with(kind, FlowTableContext::build().level(level).log_size(log_size).done())
}

pub(super) fn table_with(kind: u8, context: FlowTableContext) -> CreateFlowTableIn {
    CreateFlowTableIn::build()
        .opcode(Opcode::CREATE_FLOW_TABLE.0)
        .table_type(kind)
        .flow_table_context(&context)
        .done()
}

pub(super) fn destroy_table(kind: u8, table: u32) -> DestroyFlowTableIn {
    DestroyFlowTableIn::build().opcode(Opcode::DESTROY_FLOW_TABLE.0).table_type(kind).table_id(table).done()
}

pub(super) fn modify_table(kind: u8, table: u32, miss: Option<u32>) -> ModifyFlowTableIn {
    let context =
        FlowTableContext::build().table_miss_action(miss.is_some().into()).table_miss_id(miss.unwrap_or(0));
    ModifyFlowTableIn::build()
        .opcode(Opcode::MODIFY_FLOW_TABLE.0)
        .modify_field_select(1)
        .table_type(kind)
        .table_id(table)
        .flow_table_context(&context.done())
        .done()
}

pub(super) fn set_root(kind: u8, table: u32) -> SetFlowTableRootIn {
    SetFlowTableRootIn::build().opcode(Opcode::SET_FLOW_TABLE_ROOT.0).table_type(kind).table_id(table).done()
}

/// A group; every section in which the criteria have a bit is enabled.
pub(super) fn create_group(
    kind: u8,
    table: u32,
    (start, end): (u32, u32),
    criteria: &FteMatchParam,
) -> CreateFlowGroupIn {
    let sections = criteria.as_bytes().chunks(0x40).enumerate();
    let used = sections.filter(|(_, section)| section.iter().any(|byte| *byte != 0));
    CreateFlowGroupIn::build()
        .opcode(Opcode::CREATE_FLOW_GROUP.0)
        .table_type(kind)
        .table_id(table)
        .start_flow_index(start)
        .end_flow_index(end)
        .match_criteria_enable(used.fold(0, |enable, (bit, _)| enable | 1 << bit))
        .match_criteria(criteria)
        .done()
}

pub(super) fn destroy_group(kind: u8, table: u32, group: u32) -> DestroyFlowGroupIn {
    DestroyFlowGroupIn::build()
        .opcode(Opcode::DESTROY_FLOW_GROUP.0)
        .table_type(kind)
        .table_id(table)
        .group_id(group)
        .done()
}

pub(super) fn delete_entry(kind: u8, table: u32, index: u32) -> DeleteFteIn {
    DeleteFteIn::build()
        .opcode(Opcode::DELETE_FLOW_TABLE_ENTRY.0)
        .table_type(kind)
        .table_id(table)
        .flow_index(index)
        .done()
}

pub(super) fn modify_header(kind: u8, actions: &[[u8; 8]]) -> Vec<u8> {
    let head = AllocModifyHeaderContextIn::build()
        .opcode(Opcode::ALLOC_MODIFY_HEADER_CONTEXT.0)
        .table_type(kind)
        .num_of_actions(actions.len() as u8)
        .done();
    [head.as_bytes(), actions.as_flattened()].concat()
}

/// ALLOC_PACKET_REFORMAT_CONTEXT.
pub(super) fn reformat(kind: u8, param_0: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 0x22];
    bytes[..2].copy_from_slice(&Opcode::ALLOC_PACKET_REFORMAT_CONTEXT.0.to_be_bytes());
    bytes[0x1c] = kind;
    bytes[0x1d] = param_0;
    bytes[0x1e..0x20].copy_from_slice(&(data.len() as u16).to_be_bytes());
    bytes.extend_from_slice(data);
    bytes
}

/// A SET_FLOW_TABLE_ENTRY being written.
#[derive(Clone)]
pub(super) struct SetEntry {
    pub(super) head: SetFteIn,
    pub(super) context: FlowContext,
    pub(super) to: Vec<DestFormatStruct>,
    pub(super) counters: Vec<u32>,
    pub(super) behind: Vec<u8>,
}

pub(super) fn entry(kind: u8, table: u32, group: u32, index: u32) -> SetEntry {
    SetEntry {
        head: SetFteIn::build()
            .opcode(Opcode::SET_FLOW_TABLE_ENTRY.0)
            .table_type(kind)
            .table_id(table)
            .flow_index(index)
            .done(),
        context: FlowContext::build().group_id(group).done(),
        to: Vec::new(),
        counters: Vec::new(),
        behind: Vec::new(),
    }
}

impl SetEntry {
    pub(super) fn value(mut self, value: &FteMatchParam) -> SetEntry {
        self.context.set().match_value(value);
        self
    }

    pub(super) fn action(mut self, action: u16) -> SetEntry {
        let before = self.context.action();
        self.context.set().action(before | action);
        self
    }

    pub(super) fn count(mut self, counter: u32) -> SetEntry {
        self.counters.push(counter);
        self.action(8)
    }

    pub(super) fn destination(mut self, kind: u8, number: u32) -> SetEntry {
        self.to.push(DestFormatStruct::build().destination_type(kind).destination_id(number).done());
        self.action(4)
    }

    pub(super) fn forward(self, table: u32) -> SetEntry {
        self.destination(1, table)
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut SetEntry)) -> SetEntry {
        change(&mut self);
        self
    }

    /// A change of what `mask` names.
    pub(super) fn modify(mut self, mask: u8) -> SetEntry {
        self.head.set().op_mod(1).modify_enable_mask(mask);
        self
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut context = self.context.clone();
        context
            .set()
            .destination_list_size(self.to.len() as u32)
            .flow_counter_list_size(self.counters.len() as u32);
        let mut head = self.head.clone();
        head.set().flow_context(&context);
        let mut bytes = head.as_bytes().to_vec();
        for destination in &self.to {
            bytes.extend_from_slice(destination.as_bytes());
        }
        for counter in &self.counters {
            bytes.extend_from_slice(FlowCounterList::build().flow_counter_id(*counter).done().as_bytes());
        }
        bytes.extend_from_slice(&self.behind);
        bytes
    }

    pub(super) fn set(&self, bench: &mut Bench) -> Result<(), Refusal> {
        bench.run(&self.bytes()).map(drop)
    }
}

/// Why a command was refused.
pub(super) fn refusal<T: core::fmt::Debug>(result: Result<T, Refusal>) -> (CmdStatus, Check, &'static str) {
    let refusal = result.expect_err("a refusal");
    (refusal.status, refusal.check, refusal.field)
}

/// A match parameter by its setters.
macro_rules! param {
    ($($section:ident: $layout:ident { $($field:ident: $value:expr),* $(,)? }),* $(,)?) => {
        mlx5_pci::prm::FteMatchParam::build()
            $(.$section(&mlx5_pci::prm::$layout::build()$(.$field($value))*.done()))*
            .done()
    };
}
pub(super) use param;

/// Where a test packet comes from and goes to.
#[derive(Clone, Copy)]
pub(super) struct Ends {
    pub(super) source: [u8; 4],
    pub(super) destination: [u8; 4],
    pub(super) ports: (u16, u16),
}

pub(super) const ENDS: Ends =
    Ends { source: [192, 0, 2, 1], destination: [192, 0, 2, 2], ports: (1000, 2000) };

/// IPv4 in Ethernet with right checksums; `transport` is the header and what follows.
pub(super) fn ipv4(ends: Ends, protocol: u8, transport: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    let length = (20 + transport.len()) as u16;
    frame.extend([0x45, 0]);
    frame.extend(length.to_be_bytes());
    frame.extend([0x12, 0x34, 0x40, 0, 64, protocol, 0, 0]);
    frame.extend(ends.source);
    frame.extend(ends.destination);
    frame.extend(transport);
    fill(&mut frame, Fill { l3: true, l4: true, ..Fill::default() });
    frame
}

pub(super) fn udp(ends: Ends, payload: &[u8]) -> Vec<u8> {
    let mut transport = [ends.ports.0.to_be_bytes(), ends.ports.1.to_be_bytes()].concat();
    transport.extend((8 + payload.len() as u16).to_be_bytes());
    transport.extend([0, 0]);
    transport.extend(payload);
    ipv4(ends, 17, &transport)
}

pub(super) fn tcp(ends: Ends, payload: &[u8]) -> Vec<u8> {
    let mut transport = [ends.ports.0.to_be_bytes(), ends.ports.1.to_be_bytes()].concat();
    transport.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
    transport.extend(payload);
    ipv4(ends, 6, &transport)
}
