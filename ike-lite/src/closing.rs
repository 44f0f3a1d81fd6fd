//! An IKE SA that has ended (RFC 7296, sections 1.4.1 and 2.25.2): it repeats its last response, acknowledges what
//! is still under way, and awaits the response to its own Delete if it sent one.

use crate::cx::Cx;
use crate::error::Cause;
use crate::established::Purpose;
use crate::ike_sa::IkeSa;
use crate::refusal::Refusal;
use crate::session::{Message, Outcome, Session};
use crate::time::{Duration, Instant};
use crate::window::Arrival;
use crate::wire::notify::NotifyType;
use crate::wire::sk::OpenError;
use crate::wire::{ChainBuilder, Exchange};

/// How long repetitions of the last request are still answered: longer than the peer repeats it at first.
pub(crate) const LINGER: Duration = Duration::from_secs(10);

pub(crate) struct Closing {
    pub(crate) sa: IkeSa<Purpose>,
    /// Whether the peer was ever authenticated. If not, nothing new is answered.
    pub(crate) authenticated: bool,
    pub(crate) until: Instant,
}

impl Closing {
    pub(crate) fn deadline(&self) -> Instant {
        self.until.min(self.sa.outbound.due())
    }

    pub(crate) fn on_message(mut self, cx: &mut Cx<'_>, message: Message<'_>) -> Outcome {
        match self.accept(cx, message) {
            Ok(true) => Outcome::default(),
            Ok(false) => Session::Closing(self).into(),
            Err(cause) => {
                cx.dropped(message.path.remote, cause);
                Session::Closing(self).into()
            }
        }
    }

    /// True if this was the response to our Delete, and with it the end.
    fn accept(&mut self, cx: &mut Cx<'_>, message: Message<'_>) -> Result<bool, Cause> {
        let Message { header, bytes, path } = message;
        let authentic = |sa: &IkeSa<Purpose>| match sa.open(bytes, header) {
            Ok(_) | Err(OpenError::Padding) => Ok(()),
            Err(OpenError::Integrity) => Err(Cause::Integrity),
            Err(OpenError::Outer(_)) => Err(Cause::Payloads),
        };
        if header.response {
            if !self.sa.outbound.awaits(header.message_id) {
                return Err(Cause::UnexpectedResponse);
            }
            authentic(&self.sa)?;
            return Ok(true);
        }
        match self.sa.inbound.judge(header.message_id) {
            Arrival::Repeated => {
                authentic(&self.sa)?;
                self.sa.repeat_response(cx, path);
            }
            Arrival::New if self.authenticated => {
                authentic(&self.sa)?;
                let payloads = match header.exchange {
                    Exchange::INFORMATIONAL => ChainBuilder::new(),
                    //= rfc7296#2.25.2
                    Exchange::CREATE_CHILD_SA => Refusal::new(NotifyType::TEMPORARY_FAILURE).chain(),
                    _ => return Err(Cause::State),
                };
                self.sa.respond(cx, path, header, &payloads);
            }
            Arrival::New => return Err(Cause::Closing),
            Arrival::Outside => return Err(Cause::MessageId),
        }
        Ok(false)
    }

    pub(crate) fn on_timer(mut self, cx: &mut Cx<'_>) -> Outcome {
        if self.until <= cx.now || !self.sa.on_timer(cx) {
            return Outcome::default();
        }
        Session::Closing(self).into()
    }
}
