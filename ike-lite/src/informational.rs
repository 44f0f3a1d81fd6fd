//! INFORMATIONAL (RFC 7296, sections 1.4 and 1.4.1): liveness and deletes, both ways.

use alloc::vec::Vec;

use crate::cx::Cx;
use crate::established::{After, Established, Purpose, Task};
use crate::output::{IkeGoneReason, RemoveReason, Spi};
use crate::refusal::Refusal;
use crate::wire::delete::{Delete, emit_esp, emit_ike};
use crate::wire::sa::Protocol;
use crate::wire::{Chain, ChainBuilder, Exchange, PayloadType};

impl Established {
    /// Does what a request asks for and says so in `reply`. Notifies and what isn't known are passed over.
    pub(crate) fn on_informational(
        &mut self,
        cx: &mut Cx<'_>,
        chain: &Chain<'_>,
        reply: &mut ChainBuilder,
    ) -> Result<After, Refusal> {
        let payloads = || chain.payloads().filter(|payload| payload.kind == PayloadType::DELETE);
        let deletes = payloads().map(|payload| Delete::parse(payload.body)).collect::<Result<Vec<_>, _>>()?;
        if deletes.iter().any(|delete| delete.protocol == Protocol::IKE) {
            //= rfc7296#1.4.1
            return Ok(After::Close(IkeGoneReason::PeerDeleted));
        }
        let mut halves = Vec::new();
        for spi_out in deletes.iter().filter(|delete| delete.protocol == Protocol::ESP).flat_map(Delete::spis)
        {
            let Some(child) = self.children.iter().find(|child| child.spi_out == Spi(spi_out)) else {
                continue;
            };
            let (spi_in, ours) = (child.spi_in, child.closing);
            let why =
                if child.replaced_by.is_some() { RemoveReason::Rekeyed } else { RemoveReason::PeerDeleted };
            let asked =
                matches!(self.sa.outbound.purpose(), Some(Purpose::DeleteChild(spi, _)) if *spi == spi_in);
            //= rfc7296#1.4.1
            if !(ours && asked) {
                halves.push(spi_in.0);
            }
            self.retire(cx, spi_in, why);
        }
        if !halves.is_empty() {
            reply.push(PayloadType::DELETE, |out| emit_esp(&halves, out));
        }
        Ok(After::Stay)
    }

    /// Queues the deletion of a child. One that nothing replaces stops at once, whatever the peer says.
    pub(crate) fn delete_child(&mut self, cx: &mut Cx<'_>, spi_in: Spi, why: RemoveReason) {
        let Some(child) = self.child_mut(spi_in) else { return };
        if core::mem::replace(&mut child.closing, true) {
            return;
        }
        if !matches!(why, RemoveReason::Rekeyed | RemoveReason::Redundant) {
            self.retire(cx, spi_in, why);
        }
        self.wish(Task::DeleteChild(spi_in, why));
    }

    pub(crate) fn request_child_delete(&mut self, cx: &mut Cx<'_>, spi_in: Spi, why: RemoveReason) {
        let mut chain = ChainBuilder::new();
        chain.push(PayloadType::DELETE, |out| emit_esp(&[spi_in.0], out));
        self.sa.request(cx, Exchange::INFORMATIONAL, &chain, Purpose::DeleteChild(spi_in, why));
    }

    pub(crate) fn request_ike_delete(&mut self, cx: &mut Cx<'_>) {
        let mut chain = ChainBuilder::new();
        chain.push(PayloadType::DELETE, emit_ike);
        self.sa.request(cx, Exchange::INFORMATIONAL, &chain, Purpose::DeleteIke);
    }
}
