//! CREATE_CHILD_SA from the peer (RFC 7296, sections 1.3 and 2.25): a new child, a child in place of another, or a
//! new IKE SA; and when not.

use crate::child::{self, Terms};
use crate::cx::Cx;
use crate::error::Cause;
use crate::established::{After, Established, Purpose, Task};
use crate::output::Spi;
use crate::refusal::Refusal;
use crate::session::Message;
use crate::suite::ChildExchange;
use crate::wire::notify::NotifyType;
use crate::wire::sa::{Protocol, SaPayload};
use crate::wire::{Chain, ChainBuilder, PayloadType};

impl Established {
    pub(crate) fn on_create_child(
        &mut self,
        cx: &mut Cx<'_>,
        message: Message<'_>,
        chain: &Chain<'_>,
    ) -> Result<After, Cause> {
        let offer = match chain.require(PayloadType::SA).and_then(SaPayload::parse) {
            Ok(offer) => offer,
            Err(error) => return self.finish(cx, message, ChainBuilder::new(), Err(error.into())),
        };
        let mut reply = ChainBuilder::new();
        if offer.proposals().any(|proposal| proposal.protocol == Protocol::IKE) {
            let result = self.on_ike_rekey(cx, message, chain, &offer, &mut reply);
            return self.finish(cx, message, reply, result);
        }
        match self.child_of_peer(cx, chain, &mut reply) {
            Ok(made) => {
                let after = self.finish(cx, message, reply, Ok(After::Stay));
                if let Some(Purpose::RekeyChild(ours)) = self.sa.outbound.purpose_mut()
                    && made.replaces == Some(ours.old)
                {
                    ours.rival = Some((made.spi_in, made.lowest_nonce.clone()));
                }
                self.adopt(cx, made);
                after
            }
            Err(refusal) => self.finish(cx, message, ChainBuilder::new(), Err(refusal)),
        }
    }

    /// Makes the child, new or in place of another.
    fn child_of_peer(
        &self,
        cx: &mut Cx<'_>,
        chain: &Chain<'_>,
        reply: &mut ChainBuilder,
    ) -> Result<child::ChildState, Refusal> {
        let later = Refusal::new(NotifyType::TEMPORARY_FAILURE);
        //= rfc7296#2.25.2
        if self.is_ending() || matches!(self.sa.outbound.purpose(), Some(Purpose::RekeyIke(_))) {
            return Err(later);
        }
        let replaces = match chain.notify(NotifyType::REKEY_SA) {
            None => None,
            Some(notify) => {
                // The peer names it by the SPI that it receives on.
                let spi_out = <[u8; 4]>::try_from(notify.spi).map(u32::from_be_bytes).ok();
                let child = spi_out
                    .filter(|_| notify.protocol == Protocol::ESP)
                    .and_then(|spi_out| self.children.iter().find(|child| child.spi_out == Spi(spi_out)))
                    .ok_or_else(|| Refusal::no_child(notify.spi))?;
                //= rfc7296#2.25.1
                if child.closing
                    || self.tasks.contains(&Task::DeleteChild(child.spi_in, crate::RemoveReason::Rekeyed))
                {
                    return Err(later);
                }
                Some(child)
            }
        };
        if self.children.len() >= cx.config.limits.children {
            //= rfc7296#1.3
            return Err(Refusal::new(NotifyType::NO_ADDITIONAL_SAS));
        }
        let connection =
            cx.config.connections.get(self.connection).ok_or(Refusal::new(NotifyType::NO_ADDITIONAL_SAS))?;
        let exchange = ChildExchange::Sent(None);
        let terms = Terms { ike: self.id, connection, exchange, nonces: None, replaces };
        child::accept(cx, &self.sa, &terms, chain, reply)
    }
}
