use super::*;

#[test]
fn reads_strongswan_words() {
    let proposal: IkeProposal = "aes256gcm16-aes128gcm16-prfsha384-ecp256-curve25519".parse().unwrap();
    assert_eq!(proposal.encryption, [IkeEncryption::AesGcm256, IkeEncryption::AesGcm128]);
    assert_eq!(proposal.prf, [Prf::HmacSha384]);
    assert_eq!(proposal.groups, [Group::Ecp256, Group::X25519]);
    let proposal: EspProposal = "chacha20poly1305-x25519-esn-noesn".parse().unwrap();
    assert_eq!(proposal.encryption, [EspAlgorithm::ChaCha20Poly1305]);
    assert_eq!(proposal.groups, [Group::X25519]);
    assert_eq!(proposal.esn, [true, false]);
    assert_eq!("aes128gcm16".parse::<EspProposal>().unwrap().esn, [false]);
}

#[test]
fn names_the_word_that_is_wrong() {
    let error = parse_list::<EspProposal>("aes128gcm16, aes128-sha256").unwrap_err();
    assert_eq!(error, ProposalError::UnknownWord { word: "aes128".into(), offset: 13, accepted: ESP_WORDS });
    let error = "aes128gcm16-ecp256".parse::<IkeProposal>().unwrap_err();
    assert!(matches!(error, ProposalError::Missing { what: "PRF", .. }));
    let error = "aes128gcm16-prfsha256".parse::<IkeProposal>().unwrap_err();
    assert!(matches!(error, ProposalError::Missing { what: "key exchange group", .. }));
    let error = "".parse::<IkeProposal>().unwrap_err();
    assert!(matches!(error, ProposalError::UnknownWord { offset: 0, .. }));
}
