//! Proposals as the operator writes them, in strongSwan's notation: `aes256gcm16-prfsha384-ecp256` for IKE,
//! `aes128gcm16-esn` for ESP. Only AEADs exist here; a word of strongSwan's that names something else is
//! refused with the words that are accepted. Choosing among a peer's proposals is in `suite`.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Encryption of the SK payload (RFC 5282), with a 16-octet ICV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IkeEncryption {
    /// AES-GCM with a 128-bit key.
    AesGcm128,
    /// AES-GCM with a 256-bit key.
    AesGcm256,
}

/// Pseudorandom function (RFC 4868).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Prf {
    /// PRF_HMAC_SHA2_256.
    HmacSha256,
    /// PRF_HMAC_SHA2_384.
    HmacSha384,
    /// PRF_HMAC_SHA2_512.
    HmacSha512,
}

/// Key exchange method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// Group 19, NIST P-256 (RFC 5903).
    Ecp256,
    /// Group 20, NIST P-384 (RFC 5903).
    Ecp384,
    /// Group 31, Curve25519 (RFC 8031).
    X25519,
}

/// AEAD of a child's ESP SAs, with a 16-octet ICV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EspAlgorithm {
    /// AES-GCM with a 128-bit key (RFC 4106).
    AesGcm128,
    /// AES-GCM with a 256-bit key (RFC 4106).
    AesGcm256,
    /// ChaCha20-Poly1305 (RFC 7634).
    ChaCha20Poly1305,
}

impl EspAlgorithm {
    /// Octets of keying material: the key and 4 octets of salt.
    pub const fn key_len(self) -> usize {
        match self {
            Self::AesGcm128 => 16 + 4,
            Self::AesGcm256 | Self::ChaCha20Poly1305 => 32 + 4,
        }
    }
}

/// Acceptable transforms of an IKE SA, each list best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IkeProposal {
    /// At least one.
    pub encryption: Vec<IkeEncryption>,
    /// At least one.
    pub prf: Vec<Prf>,
    /// At least one.
    pub groups: Vec<Group>,
}

/// Acceptable transforms of a child, each list best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EspProposal {
    /// At least one.
    pub encryption: Vec<EspAlgorithm>,
    /// Groups for a key exchange of its own; empty means none.
    pub groups: Vec<Group>,
    /// Extended sequence numbers: at least one of the two answers.
    pub esn: Vec<bool>,
}

impl Default for IkeProposal {
    /// Everything there is, the cheaper algorithms first.
    fn default() -> Self {
        Self {
            encryption: alloc::vec![IkeEncryption::AesGcm128, IkeEncryption::AesGcm256],
            prf: alloc::vec![Prf::HmacSha256, Prf::HmacSha384, Prf::HmacSha512],
            groups: alloc::vec![Group::X25519, Group::Ecp256, Group::Ecp384],
        }
    }
}

impl Default for EspProposal {
    /// Every AEAD, ESN where the peer has it, no key exchange of its own.
    fn default() -> Self {
        Self {
            encryption: alloc::vec![
                EspAlgorithm::AesGcm128,
                EspAlgorithm::AesGcm256,
                EspAlgorithm::ChaCha20Poly1305
            ],
            groups: Vec::new(),
            esn: alloc::vec![true, false],
        }
    }
}

/// Why a proposal string was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProposalError {
    /// A word that isn't known, or names something that this gateway hasn't got.
    UnknownWord {
        /// The word.
        word: String,
        /// Its octet offset in the string.
        offset: usize,
        /// The words that are accepted at all, in this kind of proposal.
        accepted: &'static [&'static str],
    },
    /// The string has no word of a kind that is required.
    Missing {
        /// What is missing.
        what: &'static str,
        /// The words of that kind.
        accepted: &'static [&'static str],
    },
}

impl fmt::Display for ProposalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let accepted = match self {
            Self::UnknownWord { word, accepted, .. } => {
                write!(f, "unknown algorithm \"{word}\"")?;
                accepted
            }
            Self::Missing { what, accepted } => {
                write!(f, "no {what} in the proposal")?;
                accepted
            }
        };
        f.write_str("; accepted:")?;
        accepted.iter().try_for_each(|word| write!(f, " {word}"))
    }
}

impl core::error::Error for ProposalError {}

/// Words of an IKE proposal.
pub const IKE_WORDS: &[&str] = &[
    "aes128gcm16",
    "aes256gcm16",
    "prfsha256",
    "prfsha384",
    "prfsha512",
    "x25519",
    "curve25519",
    "ecp256",
    "ecp384",
    "default",
];
/// Words of an ESP proposal.
pub const ESP_WORDS: &[&str] = &[
    "aes128gcm16",
    "aes256gcm16",
    "chacha20poly1305",
    "x25519",
    "curve25519",
    "ecp256",
    "ecp384",
    "esn",
    "noesn",
    "default",
];

fn group(word: &str) -> Option<Group> {
    match word {
        "x25519" | "curve25519" => Some(Group::X25519),
        "ecp256" => Some(Group::Ecp256),
        "ecp384" => Some(Group::Ecp384),
        _ => None,
    }
}

/// The words of a proposal, each with its offset.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let base = text.as_ptr() as usize;
    text.split('-').map(move |word| {
        let word = word.trim();
        (word.as_ptr() as usize - base, word)
    })
}

fn push<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

impl core::str::FromStr for IkeProposal {
    type Err = ProposalError;

    /// Reads one proposal, such as `aes256gcm16-prfsha384-ecp256`, or `default`.
    fn from_str(text: &str) -> Result<Self, ProposalError> {
        if text.trim() == "default" {
            return Ok(Self::default());
        }
        let mut proposal = Self { encryption: Vec::new(), prf: Vec::new(), groups: Vec::new() };
        for (offset, word) in words(text) {
            match word {
                "aes128gcm16" | "aes128gcm128" => push(&mut proposal.encryption, IkeEncryption::AesGcm128),
                "aes256gcm16" | "aes256gcm128" => push(&mut proposal.encryption, IkeEncryption::AesGcm256),
                "prfsha256" => push(&mut proposal.prf, Prf::HmacSha256),
                "prfsha384" => push(&mut proposal.prf, Prf::HmacSha384),
                "prfsha512" => push(&mut proposal.prf, Prf::HmacSha512),
                _ => match group(word) {
                    Some(group) => push(&mut proposal.groups, group),
                    None => {
                        return Err(ProposalError::UnknownWord {
                            word: word.into(),
                            offset,
                            accepted: IKE_WORDS,
                        });
                    }
                },
            }
        }
        let missing = |what, accepted| Err(ProposalError::Missing { what, accepted });
        if proposal.encryption.is_empty() {
            return missing("encryption", &["aes128gcm16", "aes256gcm16"]);
        }
        if proposal.prf.is_empty() {
            return missing("PRF", &["prfsha256", "prfsha384", "prfsha512"]);
        }
        if proposal.groups.is_empty() {
            return missing("key exchange group", &["x25519", "ecp256", "ecp384"]);
        }
        Ok(proposal)
    }
}

impl core::str::FromStr for EspProposal {
    type Err = ProposalError;

    /// Reads one proposal, such as `aes128gcm16-esn-noesn`, or `default`. As in strongSwan, neither
    /// `esn` nor `noesn` means `noesn`.
    fn from_str(text: &str) -> Result<Self, ProposalError> {
        if text.trim() == "default" {
            return Ok(Self::default());
        }
        let mut proposal = Self { encryption: Vec::new(), groups: Vec::new(), esn: Vec::new() };
        for (offset, word) in words(text) {
            match word {
                "aes128gcm16" | "aes128gcm128" => push(&mut proposal.encryption, EspAlgorithm::AesGcm128),
                "aes256gcm16" | "aes256gcm128" => push(&mut proposal.encryption, EspAlgorithm::AesGcm256),
                "chacha20poly1305" => push(&mut proposal.encryption, EspAlgorithm::ChaCha20Poly1305),
                "esn" => push(&mut proposal.esn, true),
                "noesn" => push(&mut proposal.esn, false),
                _ => match group(word) {
                    Some(group) => push(&mut proposal.groups, group),
                    None => {
                        return Err(ProposalError::UnknownWord {
                            word: word.into(),
                            offset,
                            accepted: ESP_WORDS,
                        });
                    }
                },
            }
        }
        if proposal.encryption.is_empty() {
            let accepted = &["aes128gcm16", "aes256gcm16", "chacha20poly1305"];
            return Err(ProposalError::Missing { what: "encryption", accepted });
        }
        if proposal.esn.is_empty() {
            proposal.esn.push(false);
        }
        Ok(proposal)
    }
}

/// Reads a comma-separated list of proposals, as swanctl's `proposals` and `esp_proposals` are.
///
/// # Errors
/// That of the first proposal that is refused; offsets count from the start of the list.
pub fn parse_list<P: core::str::FromStr<Err = ProposalError>>(text: &str) -> Result<Vec<P>, ProposalError> {
    let mut start = 0;
    let mut proposals = Vec::new();
    for item in text.split(',') {
        proposals.push(item.parse().map_err(|error| match error {
            ProposalError::UnknownWord { word, offset, accepted } => {
                ProposalError::UnknownWord { word, offset: start + offset, accepted }
            }
            other => other,
        })?);
        start += item.len() + 1;
    }
    Ok(proposals)
}

#[cfg(test)]
mod tests;
