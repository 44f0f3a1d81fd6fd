//! New keys for the IKE SA (RFC 7296, sections 1.3.2 and 2.18), started by either side. Children move to the new one.
//!
//! When both sides start at once, the peer's request meets TEMPORARY_FAILURE, which section 2.25.2 allows for, and
//! ours goes on: two new IKE SAs never have to be compared.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::cx::Cx;
use crate::dh::Secret;
use crate::established::{After, Established, Purpose, RETRY, Task};
use crate::ike_sa::{IkeSa, Spis};
use crate::init::push_ke;
use crate::keys::IkeKeys;
use crate::output::Event;
use crate::proposal::Group;
use crate::refusal::Refusal;
use crate::session::Message;
use crate::suite::{choose_ike, ike_offer};
use crate::time::Duration;
use crate::wire::ke::{KeyExchange, parse_nonce};
use crate::wire::notify::NotifyType;
use crate::wire::sa::{Protocol, SaPayload, emit_proposal};
use crate::wire::{Chain, ChainBuilder, Error, Exchange, PayloadType};

/// What has to be remembered until the response comes.
pub(crate) struct IkeRekey {
    /// Our SPI of the new IKE SA.
    spi: u64,
    nonce: Vec<u8>,
    group: Group,
    secret: Secret,
}

/// Why a response makes no IKE SA.
enum Failure {
    Refused(NotifyType),
    Group(Group),
    Nonsense,
}

impl From<Error> for Failure {
    fn from(_: Error) -> Self {
        Self::Nonsense
    }
}

fn ike_spi(octets: &[u8]) -> Option<u64> {
    <[u8; 8]>::try_from(octets).ok().map(u64::from_be_bytes).filter(|spi| *spi != 0)
}

impl Established {
    /// The peer rekeys.
    pub(crate) fn on_ike_rekey(
        &mut self,
        cx: &mut Cx<'_>,
        message: Message<'_>,
        chain: &Chain<'_>,
        offer: &SaPayload<'_>,
        reply: &mut ChainBuilder,
    ) -> Result<After, Refusal> {
        //= rfc7296#2.25.2
        if self.is_ending() || !matches!(self.sa.outbound.purpose(), None | Some(Purpose::Liveness)) {
            return Err(Refusal::new(NotifyType::TEMPORARY_FAILURE));
        }
        let none = || Refusal::new(NotifyType::NO_PROPOSAL_CHOSEN);
        let nonce_i = parse_nonce(chain.require(PayloadType::NONCE)?)?;
        let ke = chain.find(PayloadType::KE).map(KeyExchange::parse).transpose()?;
        let connection = self.config(cx).ok_or_else(none)?;
        let sent = ke.map(|ke| ke.group);
        let chosen = choose_ike(&connection.proposals, offer, 8, sent).ok_or_else(none)?;
        let group = chosen.suite.group;
        //= rfc7296#1.3.2
        let ke = ke.filter(|ke| ke.group == group.number()).ok_or_else(|| Refusal::group(group))?;
        let initiator = ike_spi(chosen.proposal.spi).ok_or(Refusal::new(NotifyType::INVALID_SYNTAX))?;
        let secret = Secret::generate(group, cx.rng);
        let shared = secret.agree(ke.data).map_err(|_| none())?;
        let nonce_r = cx.nonce();
        let spis = Spis { initiator, responder: cx.ike_spi(), ours_is_initiator: false };
        let seed = self.sa.keys.rekey_seed(&self.sa.suite, &shared, nonce_i, &nonce_r);
        let nonces = (nonce_i, nonce_r.as_slice());
        let keys = IkeKeys::derive(&chosen.suite, &seed, nonces, spis.initiator, spis.responder);
        let sa = IkeSa::new(cx, spis, chosen.suite, keys, 0, message.path, self.sa.nat).ok_or_else(none)?;
        reply.push(PayloadType::SA, |out| {
            let spi = spis.responder.to_be_bytes();
            emit_proposal(chosen.proposal.number, Protocol::IKE, &spi, &chosen.transforms, true, out);
        });
        reply.push(PayloadType::NONCE, |out| out.extend_from_slice(&nonce_r));
        push_ke(reply, group, &secret);
        Ok(After::ReplacedByPeer(Box::new(sa)))
    }

    pub(crate) fn request_ike_rekey(&mut self, cx: &mut Cx<'_>) {
        self.send_ike_rekey(cx, self.sa.suite.group);
    }

    fn send_ike_rekey(&mut self, cx: &mut Cx<'_>, group: Group) {
        let Some(connection) = self.config(cx) else { return };
        let (spi, nonce) = (cx.ike_spi(), cx.nonce());
        let secret = Secret::generate(group, cx.rng);
        let mut chain = ChainBuilder::new();
        chain.push(PayloadType::SA, |out| {
            for (number, proposal) in (1..=u8::MAX).zip(&connection.proposals) {
                let last = usize::from(number) == connection.proposals.len().min(u8::MAX.into());
                emit_proposal(number, Protocol::IKE, &spi.to_be_bytes(), &ike_offer(proposal), last, out);
            }
        });
        chain.push(PayloadType::NONCE, |out| out.extend_from_slice(&nonce));
        push_ke(&mut chain, group, &secret);
        let purpose = Purpose::RekeyIke(Box::new(IkeRekey { spi, nonce, group, secret }));
        self.sa.request(cx, Exchange::CREATE_CHILD_SA, &chain, purpose);
    }

    /// Takes in the response.
    pub(crate) fn on_ike_rekeyed(&mut self, cx: &mut Cx<'_>, rekey: IkeRekey, chain: &Chain<'_>) -> After {
        match self.agree_ike(cx, &rekey, chain) {
            Ok(sa) => return After::ReplacedByUs(Box::new(sa)),
            Err(Failure::Group(group)) => self.send_ike_rekey(cx, group),
            Err(Failure::Refused(notify)) => {
                cx.event(Event::PeerRefused { ike: self.id, notify });
                if notify == NotifyType::TEMPORARY_FAILURE {
                    // Not in step with a peer that was refused for the same reason.
                    let jitter = Duration::from_millis(u64::from(cx.rng.next_u32() % 2000));
                    self.retries.push((cx.now + RETRY + jitter, Task::RekeyIke));
                }
            }
            // The peer may hold a new IKE SA that we can't use; this one is still good until it expires.
            Err(Failure::Nonsense) => {
                cx.event(Event::PeerRefused { ike: self.id, notify: NotifyType::INVALID_SYNTAX });
            }
        }
        After::Stay
    }

    fn agree_ike(
        &self,
        cx: &mut Cx<'_>,
        rekey: &IkeRekey,
        chain: &Chain<'_>,
    ) -> Result<IkeSa<Purpose>, Failure> {
        let connection = self.config(cx).ok_or(Failure::Nonsense)?;
        if let Some(error) = chain.notifies().find(|notify| notify.kind.is_error()) {
            let wanted =
                <[u8; 2]>::try_from(error.data).ok().map(u16::from_be_bytes).and_then(Group::from_number);
            let ours = |group: &Group| {
                *group != rekey.group
                    && connection.proposals.iter().any(|proposal| proposal.groups.contains(group))
            };
            return Err(match (error.kind, wanted.filter(ours)) {
                (NotifyType::INVALID_KE_PAYLOAD, Some(group)) => Failure::Group(group),
                (kind, _) => Failure::Refused(kind),
            });
        }
        let offer = SaPayload::parse(chain.require(PayloadType::SA)?)?;
        let nonce_r = parse_nonce(chain.require(PayloadType::NONCE)?)?;
        let ke = KeyExchange::parse(chain.require(PayloadType::KE)?)?;
        let chosen = choose_ike(&connection.proposals, &offer, 8, Some(rekey.group.number()))
            .ok_or(Failure::Nonsense)?;
        if chosen.suite.group != rekey.group || ke.group != rekey.group.number() {
            return Err(Failure::Nonsense);
        }
        let responder = ike_spi(chosen.proposal.spi).ok_or(Failure::Nonsense)?;
        let shared = rekey.secret.agree(ke.data).map_err(|_| Failure::Nonsense)?;
        let spis = Spis { initiator: rekey.spi, responder, ours_is_initiator: true };
        let seed = self.sa.keys.rekey_seed(&self.sa.suite, &shared, &rekey.nonce, nonce_r);
        let nonces = (rekey.nonce.as_slice(), nonce_r);
        let keys = IkeKeys::derive(&chosen.suite, &seed, nonces, spis.initiator, spis.responder);
        IkeSa::new(cx, spis, chosen.suite, keys, 0, self.sa.path, self.sa.nat).ok_or(Failure::Nonsense)
    }
}
