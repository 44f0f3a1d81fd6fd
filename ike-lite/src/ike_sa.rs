//! What every IKE SA has once its keys are there: SPIs, keys, windows, addresses. What it is doing is in `session`.

use alloc::vec::Vec;

use crate::aead::{Aead, IV_LEN};
use crate::cx::Cx;
use crate::keys::IkeKeys;
use crate::nat::Nat;
use crate::output::{KeyLog, Output};
use crate::suite::IkeSuite;
use crate::window::{Inbound, Outbound, Path, Repeat};
use crate::wire::header::MAJOR_VERSION;
use crate::wire::{ChainBuilder, Exchange, Header, PayloadType, sk};

/// The two SPIs, and which of them is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spis {
    pub(crate) initiator: u64,
    pub(crate) responder: u64,
    /// We are the original initiator, which happens only by a rekey of ours.
    pub(crate) ours_is_initiator: bool,
}

impl Spis {
    pub(crate) const fn own(&self) -> u64 {
        if self.ours_is_initiator { self.initiator } else { self.responder }
    }
}

/// An IKE SA; `P` says what our own requests are for.
pub(crate) struct IkeSa<P> {
    pub(crate) spis: Spis,
    pub(crate) suite: IkeSuite,
    pub(crate) keys: IkeKeys,
    sealer: Aead,
    /// Counts up for each message that is sealed: the one rule that AES-GCM must not see broken.
    next_iv: u64,
    opener: Aead,
    pub(crate) inbound: Inbound,
    pub(crate) outbound: Outbound<P>,
    /// Where the peer was last heard.
    pub(crate) path: Path,
    pub(crate) nat: Nat,
}

impl<P> IkeSa<P> {
    /// A new IKE SA whose first protected request from the peer has the ID `next_request`. `None` only if the
    /// keys have not the lengths of the suite.
    pub(crate) fn new(
        cx: &mut Cx<'_>,
        spis: Spis,
        suite: IkeSuite,
        keys: IkeKeys,
        next_request: u32,
        path: Path,
        nat: Nat,
    ) -> Option<Self> {
        let (sealing, opening) =
            if spis.ours_is_initiator { (&keys.sk_ei, &keys.sk_er) } else { (&keys.sk_er, &keys.sk_ei) };
        let (sealer, opener) = (Aead::new(sealing)?, Aead::new(opening)?);
        if cx.config.keylog {
            cx.put(Output::KeyLog(KeyLog::Ike {
                spi_i: spis.initiator,
                spi_r: spis.responder,
                sk_ei: keys.sk_ei.clone(),
                sk_er: keys.sk_er.clone(),
            }));
        }
        let (inbound, outbound) = (Inbound::new(next_request), Outbound::new(0));
        Some(Self { spis, suite, keys, sealer, next_iv: 0, opener, inbound, outbound, path, nat })
    }

    /// Whether the header names this IKE SA from the peer's side.
    pub(crate) const fn is_from_peer(&self, header: &Header) -> bool {
        header.spi_i == self.spis.initiator
            && header.spi_r == self.spis.responder
            && header.initiator != self.spis.ours_is_initiator
    }

    /// # Errors
    /// As [`sk::open`].
    pub(crate) fn open(&self, message: &[u8], header: &Header) -> Result<sk::Opened, sk::OpenError> {
        sk::open(message, header, &self.opener)
    }

    fn seal(
        &mut self,
        exchange: Exchange,
        response: bool,
        message_id: u32,
        payloads: &ChainBuilder,
    ) -> Vec<u8> {
        let header = Header {
            spi_i: self.spis.initiator,
            spi_r: self.spis.responder,
            next_payload: PayloadType::SK,
            version: MAJOR_VERSION << 4,
            exchange,
            initiator: self.spis.ours_is_initiator,
            response,
            message_id,
        };
        let iv: [u8; IV_LEN] = self.next_iv.to_be_bytes();
        self.next_iv += 1;
        sk::seal(header, payloads.parts(), &self.sealer, iv)
    }

    /// Answers the request with the header `request` along `path`, and keeps the answer for a repetition.
    pub(crate) fn respond(&mut self, cx: &mut Cx<'_>, path: Path, request: &Header, payloads: &ChainBuilder) {
        let bytes = self.seal(request.exchange, true, request.message_id, payloads);
        self.inbound.answered(bytes.clone());
        cx.transmit(path, bytes);
    }

    /// Answers a repeated request as before.
    pub(crate) fn repeat_response(&self, cx: &mut Cx<'_>, path: Path) {
        cx.transmit(path, self.inbound.last_response().to_vec());
    }

    /// Sends a request of ours. The caller has seen that none is pending.
    pub(crate) fn request(
        &mut self,
        cx: &mut Cx<'_>,
        exchange: Exchange,
        payloads: &ChainBuilder,
        purpose: P,
    ) {
        let bytes = self.seal(exchange, false, self.outbound.next_id(), payloads);
        self.outbound.sent(cx.now, &cx.config.retransmit, bytes.clone(), purpose);
        cx.transmit(self.path, bytes);
    }

    /// Repeats a request that is due; false if that has been done often enough.
    #[must_use]
    pub(crate) fn on_timer(&mut self, cx: &mut Cx<'_>) -> bool {
        match self.outbound.on_timer(cx.now, &cx.config.retransmit) {
            Some(Repeat::Send(bytes)) => cx.transmit(self.path, bytes),
            Some(Repeat::GiveUp) => return false,
            None => {}
        }
        true
    }
}
