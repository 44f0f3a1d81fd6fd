//! Negotiation (RFC 7296, sections 2.7 and 3.3): what our words mean as transforms, and which of a peer's proposals
//! we take. Ours decide the order; a group that the peer has already sent a public value for goes first.

use alloc::vec::Vec;

use crate::proposal::{EspAlgorithm, EspProposal, Group, IkeEncryption, IkeProposal, Prf};
use crate::wire::sa::{KeyLength, Proposal, Protocol, SaPayload, Transform, TransformType};

/// Transform IDs (RFC 7296, section 3.3.2, and the documents that define the algorithms).
mod id {
    pub(super) const ENCR_AES_GCM_16: u16 = 20;
    pub(super) const ENCR_CHACHA20_POLY1305: u16 = 28;
    pub(super) const PRF_HMAC_SHA2_256: u16 = 5;
    pub(super) const PRF_HMAC_SHA2_384: u16 = 6;
    pub(super) const PRF_HMAC_SHA2_512: u16 = 7;
    pub(super) const GROUP_ECP256: u16 = 19;
    pub(super) const GROUP_ECP384: u16 = 20;
    pub(super) const GROUP_X25519: u16 = 31;
    /// Of integrity algorithms and groups.
    pub(super) const NONE: u16 = 0;
}

/// Something that is negotiated by a transform.
trait Negotiable: Copy {
    fn transform(self) -> Transform;
}

const fn transform(kind: TransformType, id: u16) -> Transform {
    Transform { kind, id, key_length: KeyLength::None }
}

const fn aes_gcm(bits: u16) -> Transform {
    Transform { kind: TransformType::ENCR, id: id::ENCR_AES_GCM_16, key_length: KeyLength::Bits(bits) }
}

impl Negotiable for IkeEncryption {
    fn transform(self) -> Transform {
        match self {
            Self::AesGcm128 => aes_gcm(128),
            Self::AesGcm256 => aes_gcm(256),
        }
    }
}

impl Negotiable for EspAlgorithm {
    fn transform(self) -> Transform {
        match self {
            Self::AesGcm128 => aes_gcm(128),
            Self::AesGcm256 => aes_gcm(256),
            Self::ChaCha20Poly1305 => transform(TransformType::ENCR, id::ENCR_CHACHA20_POLY1305),
        }
    }
}

impl Negotiable for Prf {
    fn transform(self) -> Transform {
        transform(
            TransformType::PRF,
            match self {
                Self::HmacSha256 => id::PRF_HMAC_SHA2_256,
                Self::HmacSha384 => id::PRF_HMAC_SHA2_384,
                Self::HmacSha512 => id::PRF_HMAC_SHA2_512,
            },
        )
    }
}

impl Group {
    /// Its number.
    pub const fn number(self) -> u16 {
        match self {
            Self::Ecp256 => id::GROUP_ECP256,
            Self::Ecp384 => id::GROUP_ECP384,
            Self::X25519 => id::GROUP_X25519,
        }
    }

    /// The group with this number, if it is one of ours.
    pub fn from_number(number: u16) -> Option<Self> {
        [Self::Ecp256, Self::Ecp384, Self::X25519].into_iter().find(|group| group.number() == number)
    }
}

impl Negotiable for Group {
    fn transform(self) -> Transform {
        transform(TransformType::DH, self.number())
    }
}

#[derive(Clone, Copy)]
struct Esn(bool);

impl Negotiable for Esn {
    fn transform(self) -> Transform {
        transform(TransformType::ESN, self.0.into())
    }
}

impl IkeEncryption {
    /// Octets of keying material: the key and 4 octets of salt (RFC 5282, section 7.1).
    pub(crate) const fn key_len(self) -> usize {
        match self {
            Self::AesGcm128 => 16 + 4,
            Self::AesGcm256 => 32 + 4,
        }
    }
}

/// The algorithms of an IKE SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IkeSuite {
    pub(crate) encryption: IkeEncryption,
    pub(crate) prf: Prf,
    pub(crate) group: Group,
}

/// The algorithms of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EspSuite {
    pub(crate) encryption: EspAlgorithm,
    pub(crate) group: Option<Group>,
    pub(crate) esn: bool,
}

/// A peer's proposal that was taken, and what was taken of it.
#[derive(Debug, Clone)]
pub(crate) struct Chosen<'a, S> {
    pub(crate) suite: S,
    pub(crate) proposal: Proposal<'a>,
    /// For the response.
    pub(crate) transforms: Vec<Transform>,
}

/// The first of `ours` that the proposal offers.
fn pick<T: Negotiable>(proposal: &Proposal<'_>, ours: impl IntoIterator<Item = T>) -> Option<T> {
    ours.into_iter().find(|item| offers(proposal, item.transform()))
}

fn offers(proposal: &Proposal<'_>, wanted: Transform) -> bool {
    proposal.transforms().any(|transform| transform == wanted)
}

/// Whether the proposal mentions this transform type.
fn mentions(proposal: &Proposal<'_>, kind: TransformType) -> bool {
    proposal.transforms().any(|transform| transform.kind == kind)
}

/// Whether the proposal has no transform type but these: one that isn't understood can't be accepted.
fn only(proposal: &Proposal<'_>, kinds: &[TransformType]) -> bool {
    //= rfc7296#3.3.6
    proposal.transforms().all(|transform| kinds.contains(&transform.kind))
}

/// With an AEAD, integrity is either not mentioned or may be NONE, which is then said in the response.
fn no_integrity(proposal: &Proposal<'_>) -> Option<Option<Transform>> {
    //= rfc7296#3.3
    let none = transform(TransformType::INTEG, id::NONE);
    match (mentions(proposal, TransformType::INTEG), offers(proposal, none)) {
        (false, _) => Some(None),
        (true, true) => Some(Some(none)),
        (true, false) => None,
    }
}

/// Our groups in order, but the one that the peer has already used first: that saves a round trip.
fn groups_in_order(groups: &[Group], sent: Option<u16>) -> impl Iterator<Item = Group> {
    let sent = groups.iter().copied().find(|group| Some(group.number()) == sent);
    sent.into_iter().chain(groups.iter().copied())
}

/// Chooses for an IKE SA whose SPI has `spi_len` octets in the SA payload (0 in IKE_SA_INIT, 8 at a rekey);
/// `sent` is the group of the KE payload.
pub(crate) fn choose_ike<'a>(
    ours: &[IkeProposal],
    offer: &SaPayload<'a>,
    spi_len: usize,
    sent: Option<u16>,
) -> Option<Chosen<'a, IkeSuite>> {
    const KINDS: &[TransformType] =
        &[TransformType::ENCR, TransformType::PRF, TransformType::INTEG, TransformType::DH];
    let fitting = |proposal: &Proposal<'_>| {
        proposal.protocol == Protocol::IKE && proposal.spi.len() == spi_len && only(proposal, KINDS)
    };
    ours.iter().find_map(|our| {
        offer.proposals().filter(fitting).find_map(|proposal| {
            let encryption = pick(&proposal, our.encryption.iter().copied())?;
            let prf = pick(&proposal, our.prf.iter().copied())?;
            let group = pick(&proposal, groups_in_order(&our.groups, sent))?;
            let integrity = no_integrity(&proposal)?;
            let mut transforms = alloc::vec![encryption.transform(), prf.transform(), group.transform()];
            transforms.extend(integrity);
            Some(Chosen { suite: IkeSuite { encryption, prf, group }, proposal, transforms })
        })
    })
}

/// Whether one of `ours` allows this suite: a connection is settled only when the identities are known.
pub(crate) fn allows(ours: &[IkeProposal], suite: &IkeSuite) -> bool {
    ours.iter().any(|our| {
        our.encryption.contains(&suite.encryption)
            && our.prf.contains(&suite.prf)
            && our.groups.contains(&suite.group)
    })
}

/// How a child's key exchange is negotiated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChildExchange {
    /// In IKE_AUTH: there can't be one, and configured groups count only from the first rekey on.
    None,
    /// In CREATE_CHILD_SA, with the group of the KE payload.
    Sent(Option<u16>),
}

/// Chooses for a child.
pub(crate) fn choose_esp<'a>(
    ours: &[EspProposal],
    offer: &SaPayload<'a>,
    exchange: ChildExchange,
) -> Option<Chosen<'a, EspSuite>> {
    const KINDS: &[TransformType] =
        &[TransformType::ENCR, TransformType::INTEG, TransformType::DH, TransformType::ESN];
    let fitting = |proposal: &Proposal<'_>| {
        // SPIs 0 to 255 are reserved (RFC 4303, section 2.1).
        let spi = <[u8; 4]>::try_from(proposal.spi).map(u32::from_be_bytes).unwrap_or(0);
        proposal.protocol == Protocol::ESP && spi > 255 && only(proposal, KINDS)
    };
    ours.iter().find_map(|our| {
        offer.proposals().filter(fitting).find_map(|proposal| {
            let encryption = pick(&proposal, our.encryption.iter().copied())?;
            let esn = pick(&proposal, our.esn.iter().copied().map(Esn))?;
            let (group, group_transform) = child_group(&proposal, &our.groups, exchange)?;
            let integrity = no_integrity(&proposal)?;
            let mut transforms = alloc::vec![encryption.transform(), esn.transform()];
            transforms.extend(group_transform);
            transforms.extend(integrity);
            Some(Chosen { suite: EspSuite { encryption, group, esn: esn.0 }, proposal, transforms })
        })
    })
}

fn child_group(
    proposal: &Proposal<'_>,
    ours: &[Group],
    exchange: ChildExchange,
) -> Option<(Option<Group>, Option<Transform>)> {
    let none = transform(TransformType::DH, id::NONE);
    let without = || match (mentions(proposal, TransformType::DH), offers(proposal, none)) {
        (false, _) => Some((None, None)),
        (true, true) => Some((None, Some(none))),
        (true, false) => None,
    };
    match exchange {
        // A group in IKE_AUTH has no meaning; it is passed over, not refused.
        ChildExchange::None => Some((None, None)),
        ChildExchange::Sent(_) if ours.is_empty() => without(),
        ChildExchange::Sent(sent) => {
            let group = pick(proposal, groups_in_order(ours, sent))?;
            Some((Some(group), Some(group.transform())))
        }
    }
}

/// The transforms of our own proposal for an IKE SA, all choices in it.
pub(crate) fn ike_offer(our: &IkeProposal) -> Vec<Transform> {
    let mut transforms: Vec<_> = our.encryption.iter().map(|item| item.transform()).collect();
    transforms.extend(our.prf.iter().map(|item| item.transform()));
    transforms.extend(our.groups.iter().map(|item| item.transform()));
    transforms
}

/// The transforms of our own proposal for a child, all choices in it.
pub(crate) fn esp_offer(our: &EspProposal) -> Vec<Transform> {
    let mut transforms: Vec<_> = our.encryption.iter().map(|item| item.transform()).collect();
    transforms.extend(our.groups.iter().map(|item| item.transform()));
    transforms.extend(our.esn.iter().map(|esn| Esn(*esn).transform()));
    transforms
}

#[cfg(test)]
mod tests;
