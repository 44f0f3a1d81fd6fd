//! The pseudorandom functions HMAC-SHA2 (RFC 4868) and prf+ (RFC 7296, section 2.13).

use alloc::vec::Vec;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use crate::proposal::Prf;

fn hmac<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    Zeroizing::new(mac.finalize().into_bytes().to_vec())
}

impl Prf {
    /// Octets of its output, which is also its preferred key length.
    pub const fn output_len(self) -> usize {
        match self {
            Self::HmacSha256 => 32,
            Self::HmacSha384 => 48,
            Self::HmacSha512 => 64,
        }
    }

    /// prf(key, all parts one after the other).
    pub fn compute(self, key: &[u8], parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
        match self {
            Self::HmacSha256 => hmac::<Hmac<Sha256>>(key, parts),
            Self::HmacSha384 => hmac::<Hmac<Sha384>>(key, parts),
            Self::HmacSha512 => hmac::<Hmac<Sha512>>(key, parts),
        }
    }

    /// The first `length` octets of prf+(key, all parts of the seed one after the other), at most 255 outputs.
    pub fn expand(self, key: &[u8], seed: &[&[u8]], length: usize) -> Zeroizing<Vec<u8>> {
        //= rfc7296#2.13
        let mut stream = Zeroizing::new(Vec::with_capacity(length + self.output_len()));
        let mut block = Zeroizing::new(Vec::new());
        for counter in 1..=u8::MAX {
            if stream.len() >= length {
                break;
            }
            let mut parts: Vec<&[u8]> = Vec::with_capacity(seed.len() + 2);
            parts.push(&block);
            parts.extend_from_slice(seed);
            let counter = [counter];
            parts.push(&counter);
            let next = self.compute(key, &parts);
            stream.extend_from_slice(&next);
            block = next;
        }
        stream.truncate(length);
        stream
    }
}
