//! The states of an IKE SA. Each is a type; a message or a timer consumes it and gives the next. What the table
//! forbids has no function.
//!
//! | state | IKE_SA_INIT | IKE_AUTH | CREATE_CHILD_SA | INFORMATIONAL | time |
//! |---|---|---|---|---|---|
//! | none | → ExpectAuth, or COOKIE, INVALID_KE_PAYLOAD, a refusal: without a trace | drop (*) | drop (*) | drop (*) | – |
//! | ExpectAuth | the same octets again: the same response; else a new ExpectAuth beside it | → Established, or refusal → Closing | drop | drop | → none |
//! | Established | a new ExpectAuth beside it | repeated: the cached response; else drop | child, rekeys | life, deletes, → Closing | repetition, liveness, rekey, → Closing |
//! | Closing | a new ExpectAuth beside it | repeated: the cached response; else drop | TEMPORARY_FAILURE | acknowledged | repetition, → none |
//!
//! (*) a request is told INVALID_IKE_SPI, at a bounded rate. A Closing that was never authenticated answers
//! nothing but repetitions. Forbidden: ExpectAuth → anything by an unauthentic message; Closing → Established.

use crate::closing::Closing;
use crate::cx::Cx;
use crate::established::Established;
use crate::ike_auth::ExpectAuth;
use crate::time::Instant;
use crate::window::Path;
use crate::wire::Header;

/// An IKE SA in one of its states.
pub(crate) enum Session {
    ExpectAuth(ExpectAuth),
    Established(Established),
    Closing(Closing),
}

/// A message for a session, its header parsed.
#[derive(Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) header: &'a Header,
    pub(crate) bytes: &'a [u8],
    pub(crate) path: Path,
}

/// What has become of a session.
#[derive(Default)]
pub(crate) struct Outcome {
    /// The session in its next state; `None` if it is gone.
    pub(crate) next: Option<Session>,
    /// The IKE SA that replaces it, after a rekey.
    pub(crate) born: Option<Session>,
    /// The peer says that it has no other IKE SA with us.
    pub(crate) initial_contact: bool,
}

impl From<Session> for Outcome {
    fn from(session: Session) -> Self {
        Self { next: Some(session), ..Self::default() }
    }
}

impl Session {
    /// Our SPI, by which messages find it.
    pub(crate) fn own_spi(&self) -> u64 {
        match self {
            Self::ExpectAuth(state) => state.sa.spis.own(),
            Self::Established(state) => state.sa.spis.own(),
            Self::Closing(state) => state.sa.spis.own(),
        }
    }

    /// Whether it counts against the bound on half-open IKE SAs: nobody has been authenticated.
    pub(crate) fn is_half_open(&self) -> bool {
        match self {
            Self::ExpectAuth(_) => true,
            Self::Established(_) => false,
            Self::Closing(state) => !state.authenticated,
        }
    }

    /// When [`Session::on_timer`] wants to be called.
    pub(crate) fn deadline(&self, cx: &Cx<'_>) -> Instant {
        match self {
            Self::ExpectAuth(state) => state.expires,
            Self::Established(state) => state.deadline(cx),
            Self::Closing(state) => state.deadline(),
        }
    }

    pub(crate) fn on_message(self, cx: &mut Cx<'_>, message: Message<'_>) -> Outcome {
        match self {
            Self::ExpectAuth(state) => state.on_message(cx, message),
            Self::Established(state) => state.on_message(cx, message),
            Self::Closing(state) => state.on_message(cx, message),
        }
    }

    pub(crate) fn on_timer(self, cx: &mut Cx<'_>) -> Outcome {
        match self {
            Self::ExpectAuth(state) if state.expires <= cx.now => Outcome::default(),
            Self::ExpectAuth(state) => Self::ExpectAuth(state).into(),
            Self::Established(state) => state.on_timer(cx),
            Self::Closing(state) => state.on_timer(cx),
        }
    }
}
