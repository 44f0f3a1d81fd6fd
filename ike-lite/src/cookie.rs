//! Stateless cookies (RFC 7296, section 2.6): a peer proves that it receives at the address that it sends from
//! before anything is remembered or computed for it.
//!
//! Cookie = number of the secret (4 octets) | HMAC-SHA2-256(secret, Ni | address | port | SPIi)

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::proposal::Prf;
use crate::time::{Duration, Instant};

/// A secret makes cookies for this long, and is honoured for as long again.
const SECRET_LIFE: Duration = Duration::from_secs(60);
const NUMBER_LEN: usize = 4;

struct Secret {
    number: u32,
    key: Zeroizing<[u8; 32]>,
}

impl Secret {
    fn cookie(&self, remote: SocketAddr, spi_i: u64, nonce: &[u8]) -> Vec<u8> {
        let address = match remote.ip() {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        };
        let (port, spi_i) = (remote.port().to_be_bytes(), spi_i.to_be_bytes());
        let code = Prf::HmacSha256.compute(&*self.key, &[nonce, &address, &port, &spi_i]);
        let mut cookie = self.number.to_be_bytes().to_vec();
        cookie.extend_from_slice(&code);
        cookie
    }
}

/// The secret in use and the one before it.
pub(crate) struct CookieJar {
    current: Secret,
    previous: Option<Secret>,
    /// When the current secret began to be used; `None` before the first cookie.
    since: Option<Instant>,
}

impl CookieJar {
    pub(crate) fn new(rng: &mut dyn CryptoRng) -> Self {
        Self { current: Self::secret(rng.next_u32(), rng), previous: None, since: None }
    }

    fn secret(number: u32, rng: &mut dyn CryptoRng) -> Secret {
        let mut key = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *key);
        Secret { number, key }
    }

    fn rotate(&mut self, now: Instant, rng: &mut dyn CryptoRng) {
        let age = now.since(*self.since.get_or_insert(now));
        if age >= SECRET_LIFE {
            let next = Self::secret(self.current.number.wrapping_add(1), rng);
            let old = core::mem::replace(&mut self.current, next);
            self.previous = (age < SECRET_LIFE * 2).then_some(old);
            self.since = Some(now);
        }
    }

    /// The cookie to demand from this peer.
    pub(crate) fn make(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        remote: SocketAddr,
        spi_i: u64,
        nonce: &[u8],
    ) -> Vec<u8> {
        self.rotate(now, rng);
        self.current.cookie(remote, spi_i, nonce)
    }

    /// Whether `cookie` was made for this peer, not too long ago.
    pub(crate) fn verify(
        &mut self,
        now: Instant,
        rng: &mut dyn CryptoRng,
        remote: SocketAddr,
        spi_i: u64,
        nonce: &[u8],
        cookie: &[u8],
    ) -> bool {
        self.rotate(now, rng);
        let Some((number, _)) = cookie.split_first_chunk::<NUMBER_LEN>() else { return false };
        let number = u32::from_be_bytes(*number);
        let secret =
            core::iter::once(&self.current).chain(&self.previous).find(|secret| secret.number == number);
        secret.is_some_and(|secret| secret.cookie(remote, spi_i, nonce).ct_eq(cookie).into())
    }
}

#[cfg(test)]
mod tests;
