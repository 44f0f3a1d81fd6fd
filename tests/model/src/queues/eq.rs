//! Event queues (facts E.7): the commands, EQEs, arming, and the interrupt.
//!
//! An EQ raises its vector when an EQE is written while it is armed, or when it is armed while EQEs lie beyond the
//! consumer counter. Each interrupt disarms it. Left out: EQs that collapse, page faults.

use super::named::answer;
use super::ring::{Ring, Shape};
use crate::objects::Kind;
use crate::{Check, Device, Memory, Refusal};
use mlx5_pci::prm::{
    CmdStatus, CreateEqIn, CreateEqOut, DestroyEqIn, Eqc, Eqe, EqeComp, EventType, GenEqeIn, QueryEqIn,
    QueryEqOut,
};

/// log2 of the bytes of an EQE.
const LOG_EQE: u8 = 6;
/// Counters have so many bits.
pub(super) const COUNTER: u32 = 0x00ff_ffff;

/// The state of an EQ, `status` of its context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Ok = 0,
    /// An EQE could not be written: no room, or no memory.
    WriteFailure = 0xa,
}

/// An event queue.
#[derive(Debug)]
pub(crate) struct Eq {
    context: Eqc,
    ring: Ring,
    pub(super) uar: u32,
    vector: u16,
    ignore_overrun: bool,
    subscribed: [u64; 4],
    producer: u32,
    consumer: u32,
    armed: bool,
    health: Health,
}

/// An event for the event queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Event type.
    pub(crate) kind: u8,
    /// Its sub-type.
    pub(crate) sub_kind: u8,
    /// Event data as it stands at 0x20 of the EQE.
    pub(crate) data: [u8; 28],
}

impl Event {
    /// The EQE without owner and signature.
    fn entry(&self) -> Eqe {
        Eqe::build().type_(self.kind).sub_type(self.sub_kind).data(&self.data).done()
    }
}

impl Eq {
    fn wants(&self, kind: u8) -> bool {
        self.subscribed[usize::from(kind) / 64] >> (kind % 64) & 1 != 0
    }

    /// How many EQEs the driver has not taken.
    fn pending(&self) -> u32 {
        self.producer.wrapping_sub(self.consumer) & COUNTER
    }

    /// What views show of it.
    pub(super) fn snapshot(&self, number: u32) -> crate::snapshot::Queue {
        crate::snapshot::Queue {
            kind: Kind::Eq,
            number,
            state: match self.health {
                Health::WriteFailure => "overflow",
                Health::Ok if self.armed => "armed",
                Health::Ok => "ready",
            },
            size: self.ring.size(),
            counter: self.producer & COUNTER,
            pending: Some(self.pending()),
        }
    }
}

/// CREATE_EQ.
pub(super) fn create_eq(
    device: &mut Device,
    memory: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let head = CreateEqIn::copy_from(input);
    let context = head.eq_context_entry();
    let limits = device.limits();
    if context.log_eq_size() > limits.log_max_eq_sz {
        return Err(Refusal::new(CmdStatus::LIM_ERR, Check::Limit, "log_eq_size", 0x1c));
    }
    if context.intr() >= device.pci.vectors() {
        return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Limit, "intr", 0x24));
    }
    for (field, at, value) in [("status", 0x10, context.status()), ("st", 0x10, context.st())] {
        if value != 0 {
            return Err(Refusal::value(field, at));
        }
    }
    if context.ec() {
        return Err(Refusal::new(CmdStatus::BAD_PARAM, Check::Capability, "ec", 0x10));
    }
    device.named_uar(context.uar_page(), 0x1c)?;
    let shape = Shape {
        log_size: context.log_eq_size(),
        log_stride: LOG_EQE,
        log_page: context.log_page_size(),
        page_offset: context.page_offset(),
    };
    let ring = Ring::new(memory, shape, input.get(CreateEqIn::SIZE..).unwrap_or_default(), 0x110)?;
    let mut subscribed = [0; 4];
    for (word, bytes) in subscribed.iter_mut().zip(head.event_bitmask().as_chunks::<8>().0) {
        *word = u64::from_be_bytes(*bytes);
    }
    let eq = Eq {
        ring,
        uar: context.uar_page(),
        vector: context.intr(),
        ignore_overrun: context.oi(),
        subscribed,
        producer: 0,
        consumer: 0,
        armed: false,
        health: Health::Ok,
        context: context.clone(),
    };
    let number = device.queues.eqs.insert(eq)?;
    device.links.hold((Kind::Eq, number), [(Kind::Uar, context.uar_page())]);
    answer(output, CreateEqOut::build().eq_number(number as u8).done().as_bytes());
    Ok(())
}

/// DESTROY_EQ.
pub(super) fn destroy_eq(
    device: &mut Device,
    _memory: &dyn Memory,
    input: &[u8],
    _output: &mut [u8],
) -> Result<(), Refusal> {
    let number = u32::from(DestroyEqIn::copy_from(input).eq_number());
    device.queues.eqs.named(number, "eq_number", 0x8)?;
    device.links.end((Kind::Eq, number), "eq_number", 0x8)?;
    device.queues.eqs.remove(number);
    Ok(())
}

/// QUERY_EQ.
pub(super) fn query_eq(
    device: &mut Device,
    _memory: &dyn Memory,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), Refusal> {
    let number = u32::from(QueryEqIn::copy_from(input).eq_number());
    let eq = device.queues.eqs.named(number, "eq_number", 0x8)?;
    let mut context = eq.context.clone();
    context.set().status(eq.health as u8);
    // 9: armed; 0xa: fired.
    context.set().st(if eq.armed { 9 } else { 0xa });
    context.set().consumer_counter(eq.consumer & COUNTER);
    context.set().producer_counter(eq.producer & COUNTER);
    let found = QueryEqOut::build().eq_context_entry(&context).event_bitmask(eq.subscribed[0]).done();
    answer(output, found.as_bytes());
    Ok(())
}

/// GEN_EQE: the driver asks for an EQE of its own making.
pub(super) fn gen_eqe(
    device: &mut Device,
    memory: &dyn Memory,
    input: &[u8],
    _output: &mut [u8],
) -> Result<(), Refusal> {
    let head = GenEqeIn::copy_from(input);
    let number = u32::from(head.eq_number());
    device.queues.eqs.named(number, "eq_number", 0x8)?;
    device.write_eqe(memory, number, Eqe::copy_from(head.eqe()));
    Ok(())
}

impl Device {
    /// Puts an event into every EQ that has subscribed to its type; raises its vector if armed.
    pub(crate) fn post_event(&mut self, memory: &dyn Memory, event: Event) {
        let wanting: Vec<u32> =
            self.queues.eqs.iter().filter(|(_, eq)| eq.wants(event.kind)).map(|(number, _)| number).collect();
        for number in wanting {
            self.write_eqe(memory, number, event.entry());
        }
    }

    /// Whether any EQ has subscribed to `kind`.
    pub(crate) fn subscribed(&self, kind: u8) -> bool {
        self.queues.eqs.iter().any(|(_, eq)| eq.wants(kind))
    }

    /// A completion event of CQ `cqn` for EQ `number`.
    pub(super) fn post_completion_event(&mut self, memory: &dyn Memory, number: u32, cqn: u32) {
        let data = *EqeComp::build().cqn(cqn).done().as_bytes();
        let event = Event { kind: EventType::COMP.0, sub_kind: 0, data };
        self.write_eqe(memory, number, event.entry());
    }

    fn write_eqe(&mut self, memory: &dyn Memory, number: u32, mut entry: Eqe) {
        let Some(eq) = self.queues.eqs.get_mut(number) else { return };
        if eq.health != Health::Ok {
            return;
        }
        if eq.pending() >= eq.ring.size() && !eq.ignore_overrun {
            eq.health = Health::WriteFailure;
            let completions = eq.subscribed == [0; 4];
            let environment = self.port.environment();
            let count = if completions {
                &mut environment.comp_eq_overrun
            } else {
                &mut environment.async_eq_overrun
            };
            *count = count.wrapping_add(1);
            let refusal = Refusal::new(CmdStatus::BAD_SYS_STATE, Check::Full, "eq overrun", 0);
            return self.misuse("eq", number, refusal);
        }
        entry.set().owner(eq.ring.lap(eq.producer) & 1 != 0);
        if eq.ring.publish(memory, eq.producer, 0, entry.as_bytes()).is_err() {
            eq.health = Health::WriteFailure;
            let refusal = Refusal::new(CmdStatus::BAD_SYS_STATE, Check::Unmapped, "eqe", 0);
            return self.misuse("eq", number, refusal);
        }
        eq.producer = eq.producer.wrapping_add(1);
        self.raise_if_armed(number);
    }

    fn raise_if_armed(&mut self, number: u32) {
        let Some(eq) = self.queues.eqs.get_mut(number) else { return };
        if eq.armed && eq.pending() > 0 {
            eq.armed = false;
            let vector = eq.vector;
            self.raise(vector);
        }
    }

    /// The doorbell of an EQ in UAR page `uar`: `value` is EQ number and consumer counter.
    pub(super) fn ring_eq(&mut self, uar: u32, arm: bool, value: u32) {
        let number = value >> 24;
        let consumer = value & COUNTER;
        let problem = match self.queues.eqs.get(number) {
            None => Some((Check::NoObject, "eqn")),
            Some(eq) if eq.uar != uar => Some((Check::Mismatch, "uar_page")),
            Some(eq) => {
                // The counter may not go back, nor beyond what was written.
                let ahead = consumer.wrapping_sub(eq.consumer) & COUNTER;
                (ahead > eq.pending()).then_some((Check::Value, "consumer_counter"))
            }
        };
        if let Some((check, field)) = problem {
            return self.misuse("eq doorbell", number, Refusal::new(CmdStatus::BAD_PARAM, check, field, 0));
        }
        if let Some(eq) = self.queues.eqs.get_mut(number) {
            eq.consumer = consumer;
            eq.armed |= arm;
        }
        self.raise_if_armed(number);
    }
}
