//! IKE_SA_INIT (RFC 7296, section 1.2), as far as it leaves no trace: COOKIE, INVALID_KE_PAYLOAD and refusals are
//! answered and forgotten. Only a request that passes all of it makes an [`ExpectAuth`].

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use crate::config::{Config, Connection};
use crate::cookie::CookieJar;
use crate::cx::Cx;
use crate::dh::Secret;
use crate::error::Cause;
use crate::ike_auth::ExpectAuth;
use crate::ike_sa::{IkeSa, Spis};
use crate::keys::{IkeKeys, skeyseed};
use crate::nat::{self, Nat};
use crate::proposal::Group;
use crate::refusal::Refusal;
use crate::session::Message;
use crate::suite::choose_ike;
use crate::window::Path;
use crate::wire::ke::{KeyExchange, parse_nonce};
use crate::wire::notify::{Notify, NotifyType};
use crate::wire::sa::{Protocol, SaPayload, emit_proposal};
use crate::wire::{Chain, ChainBuilder, Error, Header, PayloadType};

/// The request is kept until IKE_AUTH, so its length is bounded.
const MAX_REQUEST: usize = 4096;

/// Half-open IKE SAs at this moment.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) half_open: usize,
    /// Of the sender's address.
    pub(crate) of_peer: usize,
    /// All IKE SAs.
    pub(crate) ike_sas: usize,
}

/// Why there is no new IKE SA.
enum Stop {
    Drop(Cause),
    Refuse(Refusal),
    Cookie(Vec<u8>),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(refusal)
    }
}

/// Without keys, a broken message is dropped: INVALID_SYNTAX belongs into an SK payload.
fn broken(error: Error) -> Stop {
    //= rfc7296#2.21.1
    match error {
        Error::UnsupportedCritical { .. } => Stop::Refuse(error.into()),
        _ => Stop::Drop(Cause::Payloads),
    }
}

/// Connections for these addresses, in the operator's order, each with its index.
pub(crate) fn connections(config: &Config, path: Path) -> impl Iterator<Item = (usize, &Connection)> {
    let fits = |prefixes: &[crate::config::Prefix], address: IpAddr| {
        prefixes.is_empty() || prefixes.iter().any(|prefix| prefix.contains(address))
    };
    config.connections.iter().enumerate().filter(move |(_, connection)| {
        fits(&connection.local_addrs, path.local.ip()) && fits(&connection.remote_addrs, path.remote.ip())
    })
}

/// Answers an IKE_SA_INIT request, and makes an IKE SA of it if all is well.
pub(crate) fn on_request(
    cx: &mut Cx<'_>,
    jar: &mut CookieJar,
    load: Load,
    message: Message<'_>,
) -> Option<ExpectAuth> {
    let remote = message.path.remote;
    let refusal = match accept(cx, jar, load, message) {
        Ok(state) => return Some(state),
        Err(Stop::Drop(cause)) => {
            cx.dropped(remote, cause);
            return None;
        }
        Err(Stop::Refuse(refusal)) => {
            cx.refused(remote, refusal.kind);
            refusal.chain()
        }
        Err(Stop::Cookie(cookie)) => {
            cx.refused(remote, NotifyType::COOKIE);
            let mut chain = ChainBuilder::new();
            chain.push_notify(Notify::new(NotifyType::COOKIE, &cookie));
            chain
        }
    };
    cx.transmit(message.path, message.header.reply().message(refusal.parts()));
    None
}

fn accept(
    cx: &mut Cx<'_>,
    jar: &mut CookieJar,
    load: Load,
    message: Message<'_>,
) -> Result<ExpectAuth, Stop> {
    let Message { header, bytes, path } = message;
    if bytes.len() > MAX_REQUEST {
        return Err(Stop::Drop(Cause::TooLong));
    }
    let payloads = bytes.get(Header::LEN..).unwrap_or_default();
    let chain = Chain::check(header.next_payload, payloads).map_err(broken)?;
    let nonce_i = chain.require(PayloadType::NONCE).and_then(parse_nonce).map_err(broken)?;
    let limits = &cx.config.limits;
    if load.half_open >= limits.cookie_threshold {
        //= rfc7296#2.6
        let shown = chain.notify(NotifyType::COOKIE).map(|notify| notify.data);
        let valid = shown
            .is_some_and(|cookie| jar.verify(cx.now, cx.rng, path.remote, header.spi_i, nonce_i, cookie));
        if !valid {
            return Err(Stop::Cookie(jar.make(cx.now, cx.rng, path.remote, header.spi_i, nonce_i)));
        }
    }
    if load.half_open >= limits.half_open || load.of_peer >= limits.half_open_per_peer {
        return Err(Stop::Drop(Cause::HalfOpenLimit));
    }
    if load.ike_sas >= limits.ike_sas.saturating_add(load.half_open) {
        return Err(Stop::Drop(Cause::SaLimit));
    }
    let offer = chain.require(PayloadType::SA).and_then(SaPayload::parse).map_err(broken)?;
    let ke = chain.require(PayloadType::KE).and_then(KeyExchange::parse).map_err(broken)?;
    let chosen = connections(cx.config, path).find_map(|(index, connection)| {
        Some((index, choose_ike(&connection.proposals, &offer, 0, Some(ke.group))?))
    });
    let none = Refusal::new(NotifyType::NO_PROPOSAL_CHOSEN);
    let Some((connection, chosen)) = chosen else { return Err(none.into()) };
    let group = chosen.suite.group;
    if group.number() != ke.group {
        //= rfc7296#1.2
        return Err(Refusal::group(group).into());
    }
    let secret = Secret::generate(group, cx.rng);
    // A public value that isn't one: the peer's word for its group was worth nothing.
    let shared = secret.agree(ke.data).map_err(|_| none)?;
    let nonce_r = cx.nonce();
    let spis = Spis { initiator: header.spi_i, responder: cx.ike_spi(), ours_is_initiator: false };
    let seed = skeyseed(&chosen.suite, nonce_i, &nonce_r, &shared);
    let nonces = (nonce_i, nonce_r.as_slice());
    let keys = IkeKeys::derive(&chosen.suite, &seed, nonces, spis.initiator, spis.responder);
    let nat = Nat::detect(&chain, header.spi_i, path.local, path.remote);

    let mut reply = ChainBuilder::new();
    reply.push(PayloadType::SA, |out| {
        emit_proposal(chosen.proposal.number, Protocol::IKE, &[], &chosen.transforms, true, out);
    });
    push_ke(&mut reply, group, &secret);
    reply.push(PayloadType::NONCE, |out| out.extend_from_slice(&nonce_r));
    if nat.supported {
        let force = cx.config.connections.get(connection).is_some_and(|connection| connection.encap);
        push_nat_detection(cx, &mut reply, spis, path, force);
    }
    reply.push_notify(Notify::new(NotifyType::CHILDLESS_IKEV2_SUPPORTED, &[]));
    let response = Header { spi_r: spis.responder, ..header.reply() }.message(reply.parts());

    let dropped = Stop::Drop(Cause::State);
    let sa = IkeSa::new(cx, spis, chosen.suite, keys, 1, path, nat).ok_or(dropped)?;
    cx.transmit(path, response.clone());
    Ok(ExpectAuth {
        sa,
        nonce_i: nonce_i.to_vec(),
        nonce_r,
        request: bytes.to_vec(),
        response,
        expires: cx.now + limits.half_open_timeout,
    })
}

/// Appends our public value.
pub(crate) fn push_ke(chain: &mut ChainBuilder, group: Group, secret: &Secret) {
    let data = secret.public();
    chain.push(PayloadType::KE, |out| KeyExchange { group: group.number(), data: &data }.emit(out));
}

fn push_nat_detection(cx: &mut Cx<'_>, chain: &mut ChainBuilder, spis: Spis, path: Path, force: bool) {
    let hash = |at: SocketAddr| nat::hash(spis.initiator, spis.responder, at);
    let mut source = hash(path.local);
    if force {
        // A hash of no address at all: the peer takes us for translated, and encapsulates.
        cx.rng.fill_bytes(&mut source);
    }
    chain.push_notify(Notify::new(NotifyType::NAT_DETECTION_SOURCE_IP, &source));
    let destination = hash(path.remote);
    chain.push_notify(Notify::new(NotifyType::NAT_DETECTION_DESTINATION_IP, &destination));
}
