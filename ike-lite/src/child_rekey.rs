//! A child rekey that we start (RFC 7296, sections 1.3.3 and 2.8), and what happens when the peer has started one of
//! the same child at the same time (section 2.8.1).

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::child::{self, Agreed};
use crate::cx::Cx;
use crate::dh::Secret;
use crate::established::{Established, Purpose, RETRY, Task};
use crate::init::push_ke;
use crate::keys::Key;
use crate::narrow::{self, Ends, Selectors};
use crate::output::{Event, Mode, RemoveReason, Spi};
use crate::proposal::Group;
use crate::suite::{ChildExchange, choose_esp, esp_offer};
use crate::wire::ke::{KeyExchange, parse_nonce};
use crate::wire::notify::{Notify, NotifyType};
use crate::wire::sa::{Protocol, SaPayload, emit_proposal};
use crate::wire::{Chain, ChainBuilder, Error, Exchange, PayloadType, ts};

/// What has to be remembered until the response comes.
pub(crate) struct ChildRekey {
    /// Inbound SPI of the child that is replaced.
    pub(crate) old: Spi,
    /// Inbound SPI of the new one.
    pub(crate) spi_in: Spi,
    nonce: Vec<u8>,
    exchange: Option<(Group, Secret)>,
    /// The child that the peer has put in the same one's place meanwhile, and the lower nonce of that exchange.
    pub(crate) rival: Option<(Spi, Vec<u8>)>,
}

/// Why a response makes no child.
enum Failure {
    /// The peer said so.
    Refused(NotifyType),
    /// Another group is wanted.
    Group(Group),
    /// It answers something else than was asked. The peer may have installed it.
    Nonsense,
}

impl From<Error> for Failure {
    fn from(_: Error) -> Self {
        Self::Nonsense
    }
}

impl Established {
    pub(crate) fn request_child_rekey(&mut self, cx: &mut Cx<'_>, old: Spi) {
        self.send_child_rekey(cx, old, None);
    }

    fn send_child_rekey(&mut self, cx: &mut Cx<'_>, old: Spi, group: Option<Group>) {
        let Some(child) =
            self.child(old).filter(|child| !child.closing && child.replaced_by.is_none()).cloned()
        else {
            return;
        };
        let Some(config) = self.config(cx).and_then(|connection| connection.children.get(child.config))
        else {
            return;
        };
        let spi_in = cx.child_spi(self.sa.spis.own());
        let nonce = cx.nonce();
        let groups = || config.esp_proposals.iter().flat_map(|proposal| proposal.groups.iter().copied());
        let group = group.filter(|wanted| groups().any(|ours| ours == *wanted)).or_else(|| groups().next());
        let exchange = group.map(|group| (group, Secret::generate(group, cx.rng)));

        let mut chain = ChainBuilder::new();
        let old_spi = old.0.to_be_bytes();
        chain.push_notify(Notify {
            protocol: Protocol::ESP,
            spi: &old_spi,
            kind: NotifyType::REKEY_SA,
            data: &[],
        });
        if child.mode == Mode::Transport {
            chain.push_notify(Notify::new(NotifyType::USE_TRANSPORT_MODE, &[]));
        }
        chain.push(PayloadType::SA, |out| {
            let spi = spi_in.0.to_be_bytes();
            for (number, proposal) in (1..=u8::MAX).zip(&config.esp_proposals) {
                let last = usize::from(number) == config.esp_proposals.len().min(u8::MAX.into());
                emit_proposal(number, Protocol::ESP, &spi, &esp_offer(proposal), last, out);
            }
        });
        chain.push(PayloadType::NONCE, |out| out.extend_from_slice(&nonce));
        if let Some((group, secret)) = &exchange {
            push_ke(&mut chain, *group, secret);
        }
        // We start this exchange, so our side is the initiator's.
        chain.push(PayloadType::TS_I, |out| ts::emit(&child.selectors.local, out));
        chain.push(PayloadType::TS_R, |out| ts::emit(&child.selectors.remote, out));
        let purpose = Purpose::RekeyChild(Box::new(ChildRekey { old, spi_in, nonce, exchange, rival: None }));
        self.sa.request(cx, Exchange::CREATE_CHILD_SA, &chain, purpose);
    }

    /// Takes in the response.
    pub(crate) fn on_child_rekeyed(&mut self, cx: &mut Cx<'_>, rekey: ChildRekey, chain: &Chain<'_>) {
        match self.agree(cx, &rekey, chain) {
            Ok(agreed) => self.settle(cx, rekey, agreed),
            Err(failure) => {
                cx.children.remove(&rekey.spi_in);
                match failure {
                    Failure::Group(group) => self.send_child_rekey(cx, rekey.old, Some(group)),
                    Failure::Nonsense => {
                        self.wish(Task::DeleteChild(rekey.spi_in, RemoveReason::Redundant));
                    }
                    Failure::Refused(notify) => {
                        cx.event(Event::PeerRefused { ike: self.id, notify });
                        if notify == NotifyType::CHILD_SA_NOT_FOUND && rekey.rival.is_none() {
                            //= rfc7296#2.25.1
                            self.retire(cx, rekey.old, RemoveReason::PeerDeleted);
                        } else if notify == NotifyType::TEMPORARY_FAILURE {
                            //= rfc7296#2.25
                            self.retries.push((cx.now + RETRY, Task::RekeyChild(rekey.old)));
                        }
                    }
                }
            }
        }
    }

    fn agree(&self, cx: &Cx<'_>, rekey: &ChildRekey, chain: &Chain<'_>) -> Result<Agreed, Failure> {
        if let Some(error) = chain.notifies().find(|notify| notify.kind.is_error()) {
            let wanted =
                <[u8; 2]>::try_from(error.data).ok().map(u16::from_be_bytes).and_then(Group::from_number);
            let tried = rekey.exchange.as_ref().map(|(group, _)| *group);
            return Err(match (error.kind, wanted) {
                (NotifyType::INVALID_KE_PAYLOAD, Some(group))
                    if tried.is_some_and(|tried| tried != group) =>
                {
                    Failure::Group(group)
                }
                (kind, _) => Failure::Refused(kind),
            });
        }
        let connection = self.config(cx).ok_or(Failure::Nonsense)?;
        // The child may have been deleted since; its replacement is then made all the same, and stands alone.
        let rival = rekey.rival.as_ref().and_then(|(spi, _)| self.child(*spi));
        let old = self.child(rekey.old).or(rival).ok_or(Failure::Nonsense)?;
        let child = connection.children.get(old.config).ok_or(Failure::Nonsense)?;
        let offer = SaPayload::parse(chain.require(PayloadType::SA)?)?;
        let nonce_r = parse_nonce(chain.require(PayloadType::NONCE)?)?;
        let sent = rekey.exchange.as_ref().map(|(group, _)| group.number());
        let chosen =
            choose_esp(&child.esp_proposals, &offer, ChildExchange::Sent(sent)).ok_or(Failure::Nonsense)?;
        let shared = match (chosen.suite.group, &rekey.exchange) {
            (None, _) => Key::default(),
            (Some(group), Some((sent, secret))) if group == *sent => {
                let ke = KeyExchange::parse(chain.require(PayloadType::KE)?)?;
                secret.agree(ke.data).map_err(|_| Failure::Nonsense)?
            }
            (Some(_), _) => return Err(Failure::Nonsense),
        };
        let mode = if chain.notify(NotifyType::USE_TRANSPORT_MODE).is_some() {
            Mode::Transport
        } else {
            Mode::Tunnel
        };
        if mode != old.mode {
            return Err(Failure::Nonsense);
        }
        let answer = Selectors {
            local: ts::parse(PayloadType::TS_I, chain.require(PayloadType::TS_I)?)?,
            remote: ts::parse(PayloadType::TS_R, chain.require(PayloadType::TS_R)?)?,
        };
        let ends = Ends { local: self.sa.path.local.ip(), remote: self.sa.path.remote.ip() };
        let selectors = narrow::narrow(child, ends, &answer).ok_or(Failure::Nonsense)?;
        let spi_out = <[u8; 4]>::try_from(chosen.proposal.spi)
            .map(u32::from_be_bytes)
            .map_err(|_| Failure::Nonsense)?;
        let nonces = (rekey.nonce.as_slice(), nonce_r);
        let (key_out, key_in) = self.sa.keys.child(&self.sa.suite, &shared, nonces, chosen.suite.encryption);
        Ok(Agreed {
            spi_in: rekey.spi_in,
            spi_out: Spi(spi_out),
            key_in,
            key_out,
            suite: chosen.suite,
            mode,
            config: old.config,
            selectors,
            replaces: Some(rekey.old),
            lowest_nonce: nonces.0.min(nonces.1).to_vec(),
        })
    }

    /// Puts the new child in the old one's place, or sees that the peer's own replacement stays.
    fn settle(&mut self, cx: &mut Cx<'_>, rekey: ChildRekey, agreed: Agreed) {
        let Some(connection) = self.config(cx) else { return };
        let spi_in = agreed.spi_in;
        let ours = child::install(cx, &self.sa, self.id, connection, agreed);
        // A rival that the peer has deleted since is no rival.
        let rival = rekey.rival.filter(|(spi, _)| self.child(*spi).is_some());
        //= rfc7296#2.8.1
        let redundant = rival.as_ref().is_some_and(|(_, lowest)| ours.lowest_nonce < *lowest);
        self.children.push(ours);
        if redundant {
            self.delete_child(cx, spi_in, RemoveReason::Redundant);
            return;
        }
        if let Some(old) = self.child_mut(rekey.old) {
            old.replaced_by = Some(spi_in);
        }
        self.activate(cx, spi_in);
        self.delete_child(cx, rekey.old, RemoveReason::Rekeyed);
    }
}
