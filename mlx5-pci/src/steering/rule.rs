//! What an entry does with a packet (facts E.10): where it goes, and what happens to it before. Builders of the flow
//! context and of the list behind it, which has the destination first and then the counter.

use super::{Action, Destination};
use crate::prm::{DestFormatStruct, DestinationType, FlowContext, FlowCounterList};
use alloc::vec::Vec;

const ALLOW: u16 = 1 << 0;
const DROP: u16 = 1 << 1;
const FORWARD: u16 = 1 << 2;
const COUNT: u16 = 1 << 3;
const REFORMAT: u16 = 1 << 4;
const REWRITE: u16 = 1 << 6;
const DECRYPT: u16 = 1 << 12;
const ENCRYPT: u16 = 1 << 13;

/// What an entry does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    action: u16,
    to: Option<Destination>,
    mark: u32,
    counter: Option<u32>,
    reformat: u32,
    rewrite: u32,
    object: u32,
}

impl Rule {
    const fn new(action: u16, to: Option<Destination>) -> Self {
        Self { action, to, mark: 0, counter: None, reformat: 0, rewrite: 0, object: 0 }
    }

    /// The packet goes on to there.
    pub const fn forward(to: Destination) -> Self {
        Self::new(FORWARD, Some(to))
    }

    /// The packet ends here.
    pub const fn drop() -> Self {
        Self::new(DROP, None)
    }

    /// The packet leaves the tables; on send, for the wire.
    pub const fn allow() -> Self {
        Self::new(ALLOW, None)
    }

    /// Flow counter `counter` counts the packet as it came.
    pub const fn count(self, counter: u32) -> Self {
        Self { action: self.action | COUNT, counter: Some(counter), ..self }
    }

    /// Packet reformat `reformat` is applied.
    pub const fn reformat(self, reformat: u32) -> Self {
        Self { action: self.action | REFORMAT, reformat, ..self }
    }

    /// Modify-header context `rewrite` is applied.
    pub const fn rewrite(self, rewrite: u32) -> Self {
        Self { action: self.action | REWRITE, rewrite, ..self }
    }

    /// IPSEC object `object` decrypts.
    pub const fn decrypt(self, object: u32) -> Self {
        Self { action: self.action | DECRYPT, object, ..self }
    }

    /// IPSEC object `object` encrypts.
    pub const fn encrypt(self, object: u32) -> Self {
        Self { action: self.action | ENCRYPT, object, ..self }
    }

    /// The flow context, without group and value.
    pub(super) fn context(&self) -> FlowContext {
        FlowContext::build()
            .flow_tag(self.mark)
            .action(self.action)
            .destination_list_size(self.to.is_some().into())
            .flow_counter_list_size(self.counter.is_some().into())
            .packet_reformat_id(self.reformat)
            .modify_header_id(self.rewrite)
            .encrypt_decrypt_obj_id(self.object)
            .done()
    }

    /// What stands behind the context.
    pub(super) fn list(&self) -> Vec<u8> {
        let mut list = Vec::new();
        if let Some(to) = self.to {
            let (kind, number) = match to {
                Destination::Tir(number) => (DestinationType::TIR, number),
                Destination::Table(number) => (DestinationType::FLOW_TABLE, number),
            };
            let item = DestFormatStruct::build().destination_type(kind.0).destination_id(number).done();
            list.extend_from_slice(item.as_bytes());
        }
        if let Some(counter) = self.counter {
            list.extend_from_slice(FlowCounterList::build().flow_counter_id(counter).done().as_bytes());
        }
        list
    }
}

impl From<Action> for Rule {
    fn from(action: Action) -> Self {
        Self { mark: action.mark, ..Self::forward(action.to) }
    }
}
