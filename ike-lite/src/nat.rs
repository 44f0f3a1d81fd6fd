//! NAT detection (RFC 7296, section 2.23): hashes of the addresses as each side sees them.

use core::net::{IpAddr, SocketAddr};

use sha1::{Digest, Sha1};

use crate::wire::Chain;
use crate::wire::notify::NotifyType;

/// Octets of a detection hash.
pub(crate) const HASH_LEN: usize = 20;

/// SHA-1(SPIi | SPIr | address | port).
pub(crate) fn hash(spi_i: u64, spi_r: u64, at: SocketAddr) -> [u8; HASH_LEN] {
    //= rfc7296#2.23
    let mut sha1 = Sha1::new();
    sha1.update(spi_i.to_be_bytes());
    sha1.update(spi_r.to_be_bytes());
    match at.ip() {
        IpAddr::V4(address) => sha1.update(address.octets()),
        IpAddr::V6(address) => sha1.update(address.octets()),
    }
    sha1.update(at.port().to_be_bytes());
    sha1.finalize().into()
}

/// Where the NATs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Nat {
    /// The peer does its part: it sent the notifies.
    pub(crate) supported: bool,
    /// The peer's address is translated, or it says so to force encapsulation.
    pub(crate) peer: bool,
    /// Our address is translated.
    pub(crate) local: bool,
}

impl Nat {
    /// From the notifies of the first request.
    pub(crate) fn detect(chain: &Chain<'_>, spi_i: u64, local: SocketAddr, remote: SocketAddr) -> Self {
        let (mut source, mut source_match, mut destination, mut destination_match) =
            (false, false, false, false);
        let (ours, theirs) = (hash(spi_i, 0, local), hash(spi_i, 0, remote));
        for notify in chain.notifies() {
            match notify.kind {
                // There may be several, one for each address that the sender could be using.
                NotifyType::NAT_DETECTION_SOURCE_IP => {
                    source = true;
                    source_match |= notify.data == theirs;
                }
                NotifyType::NAT_DETECTION_DESTINATION_IP => {
                    destination = true;
                    destination_match |= notify.data == ours;
                }
                _ => {}
            }
        }
        let supported = source && destination;
        Self { supported, peer: supported && !source_match, local: supported && !destination_match }
    }
}
