//! Key exchange: groups 19 and 20 (RFC 5903) and 31 (RFC 8031). Public values are checked: wrong length, not on
//! the curve, or without effect on the shared secret, and there is no secret.

use alloc::vec::Vec;

use p256::elliptic_curve::Generate;
use p256::elliptic_curve::sec1::ToSec1Point;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::proposal::Group;

/// SEC1's mark of an uncompressed point, which IKE leaves out.
const UNCOMPRESSED: u8 = 4;

/// Our half of one key exchange; wiped on drop.
pub enum Secret {
    /// P-256.
    Ecp256(p256::SecretKey),
    /// P-384.
    Ecp384(p384::SecretKey),
    /// Curve25519.
    X25519(x25519_dalek::StaticSecret),
}

/// The peer's public value is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidPublicValue;

impl Secret {
    /// A new secret.
    pub fn generate(group: Group, rng: &mut dyn CryptoRng) -> Self {
        match group {
            Group::Ecp256 => Self::Ecp256(p256::SecretKey::generate_from_rng(rng)),
            Group::Ecp384 => Self::Ecp384(p384::SecretKey::generate_from_rng(rng)),
            Group::X25519 => Self::X25519(x25519_dalek::StaticSecret::random_from_rng(rng)),
        }
    }

    /// Our public value, as the KE payload carries it.
    pub fn public(&self) -> Vec<u8> {
        let without_mark = |point: &[u8]| point.get(1..).unwrap_or_default().to_vec();
        match self {
            Self::Ecp256(secret) => without_mark(secret.public_key().to_sec1_point(false).as_bytes()),
            Self::Ecp384(secret) => without_mark(secret.public_key().to_sec1_point(false).as_bytes()),
            Self::X25519(secret) => x25519_dalek::PublicKey::from(secret).as_bytes().to_vec(),
        }
    }

    /// g^ir: the x coordinate (RFC 5903, section 7), or Curve25519's result.
    ///
    /// # Errors
    /// [`InvalidPublicValue`].
    pub fn agree(&self, peer: &[u8]) -> Result<Zeroizing<Vec<u8>>, InvalidPublicValue> {
        let point = |width: usize| {
            let mut marked = Vec::with_capacity(1 + 2 * width);
            marked.push(UNCOMPRESSED);
            marked.extend_from_slice(peer);
            if peer.len() == 2 * width { Ok(marked) } else { Err(InvalidPublicValue) }
        };
        let secret = match self {
            Self::Ecp256(secret) => {
                let peer = p256::PublicKey::from_sec1_bytes(&point(32)?).map_err(|_| InvalidPublicValue)?;
                secret.diffie_hellman(&peer).raw_secret_bytes().to_vec()
            }
            Self::Ecp384(secret) => {
                let peer = p384::PublicKey::from_sec1_bytes(&point(48)?).map_err(|_| InvalidPublicValue)?;
                secret.diffie_hellman(&peer).raw_secret_bytes().to_vec()
            }
            Self::X25519(secret) => {
                let peer = <[u8; 32]>::try_from(peer).map_err(|_| InvalidPublicValue)?;
                let shared = secret.diffie_hellman(&peer.into());
                if !shared.was_contributory() {
                    return Err(InvalidPublicValue);
                }
                shared.as_bytes().to_vec()
            }
        };
        Ok(Zeroizing::new(secret))
    }
}
