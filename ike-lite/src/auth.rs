//! Authentication with a pre-shared key (RFC 7296, section 2.15), and which identity is which.

use subtle::ConstantTimeEq;

use crate::config::{Identity, IdentityMatch, Psk};
use crate::keys::Key;
use crate::proposal::Prf;

const KEY_PAD: &[u8] = b"Key Pad for IKEv2";

/// What one side signs: its first message, the other's nonce, and its identity under its SK_p.
pub(crate) struct Signed<'a> {
    /// The whole first message as it was on the wire.
    pub(crate) message: &'a [u8],
    /// The other side's nonce.
    pub(crate) nonce: &'a [u8],
    /// Contents of the ID payload as they were on the wire.
    pub(crate) id: &'a [u8],
    /// SK_pi or SK_pr.
    pub(crate) sk_p: &'a [u8],
}

impl Signed<'_> {
    /// The AUTH data for this key.
    pub(crate) fn compute(&self, prf: Prf, psk: &Psk) -> Key {
        //= rfc7296#2.15
        let key = prf.compute(psk.octets(), &[KEY_PAD]);
        let id = prf.compute(self.sk_p, &[self.id]);
        prf.compute(&key, &[self.message, self.nonce, &id])
    }

    /// Whether `data` is the AUTH data for this key; takes the same time whatever is wrong.
    #[must_use]
    pub(crate) fn verify(&self, prf: Prf, psk: &Psk, data: &[u8]) -> bool {
        self.compute(prf, psk).as_slice().ct_eq(data).into()
    }
}

impl Identity {
    /// Whether both name the same; names are compared without regard to the case of ASCII letters.
    pub fn matches(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Fqdn(a), Self::Fqdn(b)) | (Self::Rfc822(a), Self::Rfc822(b)) => a.eq_ignore_ascii_case(b),
            (a, b) => a == b,
        }
    }
}

impl IdentityMatch {
    /// Whether this identity is accepted.
    pub fn accepts(&self, identity: &Identity) -> bool {
        match self {
            Self::Any => true,
            Self::Is(expected) => expected.matches(identity),
        }
    }
}
