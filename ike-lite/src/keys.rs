//! Keys of an IKE SA and of its children (RFC 7296, sections 2.14, 2.17 and 2.18). All of them are wiped on drop.

use alloc::vec::Vec;

use zeroize::Zeroizing;

use crate::proposal::EspAlgorithm;
use crate::suite::IkeSuite;

/// Octets of key that are wiped on drop.
pub(crate) type Key = Zeroizing<Vec<u8>>;

/// SKEYSEED of a new IKE SA.
pub(crate) fn skeyseed(suite: &IkeSuite, nonce_i: &[u8], nonce_r: &[u8], shared: &[u8]) -> Key {
    //= rfc7296#2.14
    let key = Zeroizing::new([nonce_i, nonce_r].concat());
    suite.prf.compute(&key, &[shared])
}

/// Keys of an IKE SA. With an AEAD, SK_ai and SK_ar have no octets.
pub(crate) struct IkeKeys {
    pub(crate) sk_d: Key,
    pub(crate) sk_ei: Key,
    pub(crate) sk_er: Key,
    pub(crate) sk_pi: Key,
    pub(crate) sk_pr: Key,
}

impl IkeKeys {
    /// From SKEYSEED.
    pub(crate) fn derive(
        suite: &IkeSuite,
        skeyseed: &[u8],
        nonces: (&[u8], &[u8]),
        spi_i: u64,
        spi_r: u64,
    ) -> Self {
        //= rfc7296#2.14
        let (prf_len, key_len) = (suite.prf.output_len(), suite.encryption.key_len());
        let seed = [nonces.0, nonces.1, &spi_i.to_be_bytes(), &spi_r.to_be_bytes()];
        let stream = suite.prf.expand(skeyseed, &seed, 3 * prf_len + 2 * key_len);
        let mut rest = stream.as_slice();
        let mut cut = |length: usize| {
            let (key, after) = rest.split_at_checked(length).unwrap_or_default();
            rest = after;
            Zeroizing::new(key.to_vec())
        };
        Self {
            sk_d: cut(prf_len),
            sk_ei: cut(key_len),
            sk_er: cut(key_len),
            sk_pi: cut(prf_len),
            sk_pr: cut(prf_len),
        }
    }

    /// SKEYSEED of the IKE SA that replaces this one, computed with this one's PRF.
    pub(crate) fn rekey_seed(&self, suite: &IkeSuite, shared: &[u8], nonce_i: &[u8], nonce_r: &[u8]) -> Key {
        //= rfc7296#2.18
        suite.prf.compute(&self.sk_d, &[shared, nonce_i, nonce_r])
    }

    /// Keys of a child: of packets from the exchange's initiator, then of those from its responder.
    pub(crate) fn child(
        &self,
        suite: &IkeSuite,
        shared: &[u8],
        nonces: (&[u8], &[u8]),
        algorithm: EspAlgorithm,
    ) -> (Key, Key) {
        //= rfc7296#2.17
        let length = algorithm.key_len();
        let stream = suite.prf.expand(&self.sk_d, &[shared, nonces.0, nonces.1], 2 * length);
        let (initiator, responder) = stream.split_at_checked(length).unwrap_or_default();
        (Zeroizing::new(initiator.to_vec()), Zeroizing::new(responder.to_vec()))
    }
}

#[cfg(test)]
mod tests;
