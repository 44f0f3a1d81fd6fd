//! The state between IKE_SA_INIT and IKE_AUTH, and IKE_AUTH itself (RFC 7296, sections 1.2 and 2.15): who the peer
//! is, whether it knows the key, and its first child. Whatever is wrong with who it is reads the same from outside:
//! AUTHENTICATION_FAILED.

use alloc::vec::Vec;

use crate::auth::Signed;
use crate::child::{self, Terms};
use crate::closing::Closing;
use crate::config::{Connection, Identity, IdentityMatch};
use crate::cx::Cx;
use crate::error::Cause;
use crate::established::{Established, Purpose};
use crate::ike_sa::IkeSa;
use crate::init::connections;
use crate::output::{Event, IkeId, Output};
use crate::refusal::Refusal;
use crate::session::{Message, Outcome, Session};
use crate::suite::{ChildExchange, allows};
use crate::time::Instant;
use crate::window::{Arrival, Path};
use crate::wire::auth::{Auth, SHARED_KEY};
use crate::wire::notify::NotifyType;
use crate::wire::sk::OpenError;
use crate::wire::{Chain, ChainBuilder, Exchange, PayloadType, id};

pub(crate) struct ExpectAuth {
    pub(crate) sa: IkeSa<Purpose>,
    pub(crate) nonce_i: Vec<u8>,
    pub(crate) nonce_r: Vec<u8>,
    /// The IKE_SA_INIT request as it came: AUTH covers it, and its repetition is recognised by it.
    pub(crate) request: Vec<u8>,
    /// Our response to it.
    pub(crate) response: Vec<u8>,
    pub(crate) expires: Instant,
}

/// Who the peer has proven to be.
struct Authenticated {
    connection: usize,
    peer: Identity,
    local: Identity,
}

fn address_identity(path: Path) -> Identity {
    match path.local.ip() {
        core::net::IpAddr::V4(address) => Identity::Ipv4(address),
        core::net::IpAddr::V6(address) => Identity::Ipv6(address),
    }
}

impl ExpectAuth {
    pub(crate) fn on_message(mut self, cx: &mut Cx<'_>, message: Message<'_>) -> Outcome {
        let Message { header, bytes, path } = message;
        let opened = if header.response {
            Err(Cause::UnexpectedResponse)
        } else if header.exchange != Exchange::IKE_AUTH {
            Err(Cause::State)
        } else if self.sa.inbound.judge(header.message_id) != Arrival::New {
            Err(Cause::MessageId)
        } else {
            match self.sa.open(bytes, header) {
                Ok(opened) => Ok(Some(opened)),
                Err(OpenError::Padding) => Ok(None),
                Err(OpenError::Integrity) => Err(Cause::Integrity),
                Err(OpenError::Outer(_)) => Err(Cause::Payloads),
            }
        };
        let opened = match opened {
            Ok(opened) => opened,
            Err(cause) => {
                cx.dropped(path.remote, cause);
                return Session::ExpectAuth(self).into();
            }
        };
        // The first message that only the holder of the keys can have sent: from here the peer may have moved to
        // port 4500.
        self.sa.path = path;
        let syntax = Refusal::new(NotifyType::INVALID_SYNTAX);
        let chain = opened.as_ref().ok_or(syntax).and_then(|opened| opened.chain().map_err(Refusal::from));
        let accepted = chain.and_then(|chain| Ok((self.authenticate(cx, &chain)?, chain)));
        match accepted {
            Ok((who, chain)) => self.establish(cx, message, who, &chain),
            Err(refusal) => self.refuse(cx, message, &refusal),
        }
    }

    /// Says why there is no IKE SA, and remembers no more than that.
    fn refuse(mut self, cx: &mut Cx<'_>, message: Message<'_>, refusal: &Refusal) -> Outcome {
        //= rfc7296#2.21.2
        cx.refused(message.path.remote, refusal.kind);
        self.sa.respond(cx, message.path, message.header, &refusal.chain());
        Session::Closing(Closing { sa: self.sa, authenticated: false, until: self.expires }).into()
    }

    /// Finds the connection whose peer this is, by identities and then by the key.
    fn authenticate(&self, cx: &Cx<'_>, chain: &Chain<'_>) -> Result<Authenticated, Refusal> {
        let failed = || Refusal::new(NotifyType::AUTHENTICATION_FAILED);
        let id_i = chain.require(PayloadType::ID_I)?;
        // A kind of identity that isn't known here can't be one that is expected.
        let peer = id::parse(PayloadType::ID_I, id_i).map_err(|error| match error {
            crate::wire::Error::Field { .. } => failed(),
            other => other.into(),
        })?;
        let wanted = chain.find(PayloadType::ID_R).map(|body| id::parse(PayloadType::ID_R, body).ok());
        // Without AUTH the peer wants EAP.
        let auth = chain.find(PayloadType::AUTH).ok_or_else(failed)?;
        let auth = Auth::parse(auth)?;
        if auth.method != SHARED_KEY {
            return Err(failed());
        }
        let signed =
            Signed { message: &self.request, nonce: &self.nonce_r, id: id_i, sk_p: &self.sa.keys.sk_pi };
        let own = |connection: &Connection| {
            connection.local_id.clone().unwrap_or_else(|| address_identity(self.sa.path))
        };
        let fits = |connection: &Connection| {
            let named = match &wanted {
                None => true,
                Some(named) => named.as_ref().is_some_and(|named| own(connection).matches(named)),
            };
            named && connection.remote_id.accepts(&peer) && allows(&connection.proposals, &self.sa.suite)
        };
        // A connection for exactly this peer goes before one for anybody.
        let by_name = |any: bool| {
            connections(cx.config, self.sa.path)
                .filter(move |(_, connection)| (connection.remote_id == IdentityMatch::Any) == any)
        };
        by_name(false)
            .chain(by_name(true))
            .filter(|(_, connection)| fits(connection))
            .find(|(_, connection)| signed.verify(self.sa.suite.prf, &connection.psk, auth.data))
            .map(|(index, connection)| Authenticated {
                connection: index,
                peer: peer.clone(),
                local: own(connection),
            })
            .ok_or_else(failed)
    }

    /// Answers with our own proof and the first child, if the peer wants one.
    fn establish(
        mut self,
        cx: &mut Cx<'_>,
        message: Message<'_>,
        who: Authenticated,
        chain: &Chain<'_>,
    ) -> Outcome {
        let Some(connection) = cx.config.connections.get(who.connection) else { return Outcome::default() };
        let ike = IkeId(self.sa.spis.own());
        let mut id_r = Vec::new();
        id::emit(&who.local, &mut id_r);
        let signed =
            Signed { message: &self.response, nonce: &self.nonce_i, id: &id_r, sk_p: &self.sa.keys.sk_pr };
        let data = signed.compute(self.sa.suite.prf, &connection.psk);
        let mut reply = ChainBuilder::new();
        reply.push(PayloadType::ID_R, |out| out.extend_from_slice(&id_r));
        reply.push(PayloadType::AUTH, |out| Auth { method: SHARED_KEY, data: &data }.emit(out));

        let remote = message.path.remote;
        let up = cx.outputs.len();
        let mut made = None;
        // RFC 6023: without SA and selectors, no child is wanted.
        if chain.find(PayloadType::SA).is_some() {
            let terms = Terms {
                ike,
                connection,
                exchange: ChildExchange::None,
                nonces: Some((&self.nonce_i, &self.nonce_r)),
                replaces: None,
            };
            match child::accept(cx, &self.sa, &terms, chain, &mut reply) {
                Ok(child) => made = Some(child),
                //= rfc7296#2.21.2
                Err(refusal) if refusal.is_fatal() => return self.refuse(cx, message, &refusal),
                Err(refusal) => {
                    //= rfc7296#1.2
                    cx.refused(remote, refusal.kind);
                    refusal.push(&mut reply);
                }
            }
        }
        // The peer is up before its child is.
        let event = Event::IkeUp { ike, connection: connection.name.clone(), peer: who.peer.clone(), remote };
        cx.outputs.insert(up, Output::Event(event));
        self.sa.respond(cx, message.path, message.header, &reply);
        let mut state = Established::new(cx, ike, self.sa, who.connection, who.peer);
        if let Some(child) = made {
            state.adopt(cx, child);
        }
        let initial_contact = chain.notify(NotifyType::INITIAL_CONTACT).is_some();
        Outcome { next: Some(Session::Established(state)), born: None, initial_contact }
    }
}
