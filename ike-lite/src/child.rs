//! A child asked for by the peer, in IKE_AUTH or CREATE_CHILD_SA (RFC 7296, sections 1.2, 1.3.1, 1.3.3): proposal,
//! mode, selectors, keys. Whether it may be asked for at all has been decided before.
//!
//! Transport mode through a real NAT (section 2.23.1) is left out: there the selectors name the peer's untranslated
//! address, which `dynamic` doesn't match, so that it ends with TS_UNACCEPTABLE.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::config::{Child, Connection};
use crate::cx::Cx;
use crate::dh::Secret;
use crate::established::Purpose;
use crate::ike_sa::IkeSa;
use crate::init::push_ke;
use crate::keys::Key;
use crate::narrow::{self, Ends, Selectors};
use crate::output::{ChildSa, Encap, Event, IkeId, KeyLog, Mode, Output, Spi};
use crate::refusal::Refusal;
use crate::suite::{ChildExchange, EspSuite, choose_esp};
use crate::wire::ke::{KeyExchange, parse_nonce};
use crate::wire::notify::{Notify, NotifyType};
use crate::wire::sa::{Protocol, SaPayload, emit_proposal};
use crate::wire::{Chain, ChainBuilder, PayloadType, ts};

/// A child of an IKE SA.
#[derive(Debug, Clone)]
pub(crate) struct ChildState {
    pub(crate) spi_in: Spi,
    pub(crate) spi_out: Spi,
    /// Index among the connection's children.
    pub(crate) config: usize,
    pub(crate) selectors: Selectors,
    pub(crate) mode: Mode,
    /// The child that this one replaces.
    pub(crate) replaces: Option<Spi>,
    /// The child that replaces this one.
    pub(crate) replaced_by: Option<Spi>,
    /// Outbound traffic goes here.
    pub(crate) active: bool,
    /// We have asked, or are going to ask, the peer to delete it.
    pub(crate) closing: bool,
    /// The lower of the nonces of the exchange that made it, for RFC 7296, section 2.8.1.
    pub(crate) lowest_nonce: Vec<u8>,
}

/// The circumstances of a request for a child.
pub(crate) struct Terms<'a> {
    pub(crate) ike: IkeId,
    pub(crate) connection: &'a Connection,
    pub(crate) exchange: ChildExchange,
    /// Of IKE_SA_INIT, for a child in IKE_AUTH. Otherwise the request brings its own, and so does the response.
    pub(crate) nonces: Option<(&'a [u8], &'a [u8])>,
    pub(crate) replaces: Option<&'a ChildState>,
}

/// What has been agreed on a child, by either side's exchange.
pub(crate) struct Agreed {
    pub(crate) spi_in: Spi,
    pub(crate) spi_out: Spi,
    pub(crate) key_in: Key,
    pub(crate) key_out: Key,
    pub(crate) suite: EspSuite,
    pub(crate) mode: Mode,
    pub(crate) config: usize,
    pub(crate) selectors: Selectors,
    pub(crate) replaces: Option<Spi>,
    pub(crate) lowest_nonce: Vec<u8>,
}

/// Children that fit the mode, with the transforms taken from the offer; and the one that fits the selectors best.
pub(crate) fn accept(
    cx: &mut Cx<'_>,
    sa: &IkeSa<Purpose>,
    terms: &Terms<'_>,
    chain: &Chain<'_>,
    reply: &mut ChainBuilder,
) -> Result<ChildState, Refusal> {
    let offer = SaPayload::parse(chain.require(PayloadType::SA)?)?;
    // The peer started the exchange, so its side is the initiator's.
    let wish = Selectors {
        remote: ts::parse(PayloadType::TS_I, chain.require(PayloadType::TS_I)?)?,
        local: ts::parse(PayloadType::TS_R, chain.require(PayloadType::TS_R)?)?,
    };
    let fresh = match terms.nonces {
        Some(_) => None,
        None => Some(parse_nonce(chain.require(PayloadType::NONCE)?)?),
    };
    let ke = match terms.exchange {
        ChildExchange::None => None,
        ChildExchange::Sent(_) => chain.find(PayloadType::KE).map(KeyExchange::parse).transpose()?,
    };
    let exchange = match terms.exchange {
        ChildExchange::None => ChildExchange::None,
        ChildExchange::Sent(_) => ChildExchange::Sent(ke.map(|ke| ke.group)),
    };
    let wanted =
        if chain.notify(NotifyType::USE_TRANSPORT_MODE).is_some() { Mode::Transport } else { Mode::Tunnel };
    let configs = &terms.connection.children;
    let takes = |child: &&Child| {
        (child.mode == Mode::Tunnel || wanted == Mode::Transport)
            && choose_esp(&child.esp_proposals, &offer, exchange).is_some()
    };
    // A rekey stays with the child that it replaces.
    let rekeyed = terms.replaces.and_then(|old| configs.get(old.config));
    let fitting: Vec<&Child> = match rekeyed {
        Some(child) => core::iter::once(child).filter(takes).collect(),
        None => configs.iter().filter(takes).collect(),
    };
    if fitting.is_empty() {
        return Err(Refusal::new(NotifyType::NO_PROPOSAL_CHOSEN));
    }
    let ends = Ends { local: sa.path.local.ip(), remote: sa.path.remote.ip() };
    //= rfc7296#2.9
    let (child, selectors) = narrow::choose(fitting, ends, &wish, wanted)
        .ok_or_else(|| Refusal::new(NotifyType::TS_UNACCEPTABLE))?;
    let none = || Refusal::new(NotifyType::NO_PROPOSAL_CHOSEN);
    let chosen = choose_esp(&child.esp_proposals, &offer, exchange).ok_or_else(none)?;
    let config = configs.iter().position(|other| other.name == child.name).ok_or_else(none)?;
    let mode = if child.mode == Mode::Transport && wanted == Mode::Transport { wanted } else { Mode::Tunnel };
    let mut shared = Key::default();
    let mut our_half = None;
    if let Some(group) = chosen.suite.group {
        let ke = ke.filter(|ke| ke.group == group.number()).ok_or_else(|| Refusal::group(group))?;
        let secret = Secret::generate(group, cx.rng);
        shared = secret.agree(ke.data).map_err(|_| none())?;
        our_half = Some((group, secret));
    }
    let spi_out = <[u8; 4]>::try_from(chosen.proposal.spi).map(u32::from_be_bytes).map_err(|_| none())?;
    let spi_in = cx.child_spi(sa.spis.own());
    let new_nonce = cx.nonce();
    let nonces = match (terms.nonces, fresh) {
        (Some(nonces), _) => nonces,
        (None, fresh) => (fresh.unwrap_or_default(), new_nonce.as_slice()),
    };
    let (key_in, key_out) = sa.keys.child(&sa.suite, &shared, nonces, chosen.suite.encryption);

    if mode == Mode::Transport {
        //= rfc7296#1.3.1
        reply.push_notify(Notify::new(NotifyType::USE_TRANSPORT_MODE, &[]));
    }
    reply.push(PayloadType::SA, |out| {
        let spi = spi_in.0.to_be_bytes();
        emit_proposal(chosen.proposal.number, Protocol::ESP, &spi, &chosen.transforms, true, out);
    });
    if fresh.is_some() {
        reply.push(PayloadType::NONCE, |out| out.extend_from_slice(nonces.1));
    }
    if let Some((group, secret)) = &our_half {
        push_ke(reply, *group, secret);
    }
    reply.push(PayloadType::TS_I, |out| ts::emit(&selectors.remote, out));
    reply.push(PayloadType::TS_R, |out| ts::emit(&selectors.local, out));

    let agreed = Agreed {
        spi_in,
        spi_out: Spi(spi_out),
        key_in,
        key_out,
        suite: chosen.suite,
        mode,
        config,
        selectors,
        replaces: terms.replaces.map(|old| old.spi_in),
        lowest_nonce: nonces.0.min(nonces.1).to_vec(),
    };
    Ok(install(cx, sa, terms.ike, terms.connection, agreed))
}

/// Hands an agreed child to the data path.
pub(crate) fn install(
    cx: &mut Cx<'_>,
    sa: &IkeSa<Purpose>,
    ike: IkeId,
    connection: &Connection,
    agreed: Agreed,
) -> ChildState {
    let Agreed { spi_in, spi_out, key_in, key_out, suite, mode, config, selectors, replaces, lowest_nonce } =
        agreed;
    if cx.config.keylog {
        let (key_in, key_out) = (key_in.clone(), key_out.clone());
        cx.put(Output::KeyLog(KeyLog::Child { spi_in, spi_out, key_in, key_out }));
    }
    let child = connection.children.get(config);
    cx.put(Output::InstallChild(Box::new(ChildSa {
        ike,
        connection: connection.name.clone(),
        child: child.map(|child| child.name.clone()).unwrap_or_default(),
        spi_in,
        spi_out,
        key_in,
        key_out,
        algorithm: suite.encryption,
        esn: suite.esn,
        mode,
        encap: encap(sa, connection),
        local: sa.path.local.ip(),
        remote: sa.path.remote.ip(),
        local_ts: selectors.local.clone(),
        remote_ts: selectors.remote.clone(),
        replaces,
        lifetimes: child.map(|child| child.lifetimes).unwrap_or_default(),
    })));
    cx.event(Event::ChildUp { ike, spi: spi_in, replaces });
    ChildState {
        spi_in,
        spi_out,
        config,
        selectors,
        mode,
        replaces,
        replaced_by: None,
        active: false,
        closing: false,
        lowest_nonce,
    }
}

/// UDP encapsulation, where a NAT was found or the operator insists.
pub(crate) fn encap(sa: &IkeSa<Purpose>, connection: &Connection) -> Option<Encap> {
    const NAT_T: u16 = 4500;
    let wanted = sa.nat.supported && (sa.nat.peer || sa.nat.local || connection.encap);
    let (mut local, mut remote) = (sa.path.local, sa.path.remote);
    if local.port() != NAT_T {
        // The peer ought to have moved; ESP never travels on the IKE port.
        local.set_port(NAT_T);
        remote.set_port(NAT_T);
    }
    wanted.then_some(Encap { local, remote, keepalive: sa.nat.local })
}
