//! `[secrets.NAME]`: pre-shared keys and whom they belong to.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use ike_lite::Identity;
use zeroize::Zeroizing;

use super::document::{Item, Table};
use super::error::{Error, Mistake};
use super::{SecretFiles, units};

pub(super) const SECRET_KEYS: &[&str] = &["id", "secret", "secret_file"];

const IDENTITY: &str = "name such as \"a.test\", address, \"user@host\", or \"keyid:\" and hexadecimal";
const SECRET: &str = "text, \"0x\" and hexadecimal, or \"0s\" and base 64";

/// A key, with the identities that may use it: all of them if there are none.
pub(super) struct Psk {
    ids: Vec<Identity>,
    pub(super) octets: Zeroizing<Vec<u8>>,
}

/// An identity as swanctl writes it.
pub(super) fn identity(text: &str) -> Option<Identity> {
    let (kind, rest) = text.split_once(':').unwrap_or(("", text));
    match kind {
        "fqdn" | "dns" => return name(rest).map(Identity::Fqdn),
        "email" | "rfc822" => return name(rest).map(Identity::Rfc822),
        "keyid" => {
            let octets = units::hex(rest.trim_start_matches("0x"))?;
            return (!octets.is_empty()).then(|| Identity::KeyId(octets.to_vec()));
        }
        _ => {}
    }
    if let Ok(address) = text.parse() {
        return Some(Identity::Ipv4(address));
    }
    if let Ok(address) = text.parse() {
        return Some(Identity::Ipv6(address));
    }
    if let Some(rest) = text.strip_prefix("@#") {
        return units::hex(rest).filter(|octets| !octets.is_empty()).map(|o| Identity::KeyId(o.to_vec()));
    }
    match text.strip_prefix('@') {
        Some(rest) => name(rest).map(Identity::Fqdn),
        None if text.contains('@') => name(text).map(Identity::Rfc822),
        None => name(text).map(Identity::Fqdn),
    }
}

fn name(text: &str) -> Option<String> {
    let sound = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '%' | ',' | '"' | '=');
    (!text.is_empty() && text.len() <= 255 && text.chars().all(sound)).then(|| text.to_owned())
}

pub(super) fn identity_of(text: &str, item: &Item<'_>) -> Result<Identity, Error> {
    identity(text).ok_or_else(|| item.mistake(Mistake::Value(format!("\"{text}\"")), IDENTITY))
}

/// Octets given in `key`, or in the file that `file_key` names. Exactly one of the two.
pub(super) fn octets<'a>(
    table: &Table<'a>,
    (key, file_key): (&str, &str),
    accepted: &str,
    files: SecretFiles<'_>,
    read: impl Fn(&str) -> Option<Zeroizing<Vec<u8>>>,
) -> Result<(Zeroizing<Vec<u8>>, Item<'a>), Error> {
    let either = format!("{key} or {file_key}, not both");
    match (table.optional(key), table.optional(file_key)) {
        (Some(_), Some(item)) => {
            let why = "the secret is given twice";
            Err(item.mistake(Mistake::Conflict { found: item.shown(), why }, &either))
        }
        (None, None) => {
            table.required(key, &format!("{key} or {file_key}")).map(|item| (Zeroizing::default(), item))
        }
        (Some(item), None) => {
            let octets = read(item.text(accepted)?)
                .ok_or_else(|| item.mistake(Mistake::BadSecret("not readable"), accepted))?;
            Ok((octets, item))
        }
        (None, Some(item)) => {
            let name = item.text("name of a file given to the gateway")?;
            let content = Zeroizing::new(files(name).ok_or_else(|| {
                item.mistake(
                    Mistake::NoSecretFile(name.to_owned()),
                    "fw_cfg opt/ravelin/NAME or a boot module NAME",
                )
            })?);
            // An editor's newline at the end is not part of the secret.
            let text = core::str::from_utf8(&content)
                .ok()
                .map(|text| text.trim_end_matches(['\r', '\n']))
                .and_then(&read);
            let octets = text.ok_or_else(|| item.mistake(Mistake::BadSecret("not readable"), accepted))?;
            Ok((octets, item))
        }
    }
}

pub(super) fn secrets(item: Option<Item<'_>>, files: SecretFiles<'_>) -> Result<Vec<Psk>, Error> {
    let Some(item) = item else { return Ok(Vec::new()) };
    let mut secrets = Vec::new();
    for (_, item) in item.names()?.named() {
        let table = item.table(SECRET_KEYS)?;
        let mut ids = Vec::new();
        if let Some(item) = table.optional("id") {
            for (text, item) in item.strings(IDENTITY)? {
                ids.push(identity_of(text, &item)?);
            }
        }
        let (octets, item) = octets(&table, ("secret", "secret_file"), SECRET, files, units::secret)?;
        if octets.is_empty() {
            return Err(item.mistake(Mistake::BadSecret("empty"), SECRET));
        }
        secrets.push(Psk { ids, octets });
    }
    Ok(secrets)
}

/// The secret for a pair of identities, as strongSwan chooses: one that names the peer goes before one
/// that names only us, and that before one that names nobody.
pub(super) fn choose<'s>(
    secrets: &'s [Psk],
    local: Option<&Identity>,
    remote: Option<&Identity>,
) -> Option<&'s Psk> {
    let rank = |secret: &Psk| {
        let has = |id: Option<&Identity>| id.is_some_and(|id| secret.ids.contains(id));
        match (has(remote), has(local), secret.ids.is_empty()) {
            (true, true, _) => Some(3),
            // A secret between this peer and somebody else is not ours.
            (true, false, _) if secret.ids.len() == 1 => Some(2),
            (false, true, _) if secret.ids.len() == 1 || remote.is_none() => Some(1),
            (false, false, true) => Some(0),
            _ => None,
        }
    };
    let ranked = secrets.iter().filter_map(|secret| Some((rank(secret)?, secret)));
    // The first of the best.
    ranked.rev().max_by_key(|(rank, _)| *rank).map(|(_, secret)| secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities() {
        for (text, expected) in [
            ("a.test", Some(Identity::Fqdn("a.test".to_owned()))),
            ("@a.test", Some(Identity::Fqdn("a.test".to_owned()))),
            ("fqdn:10.0.0.1", Some(Identity::Fqdn("10.0.0.1".to_owned()))),
            ("u@a.test", Some(Identity::Rfc822("u@a.test".to_owned()))),
            ("10.0.0.1", Some(Identity::Ipv4([10, 0, 0, 1].into()))),
            ("fd00::1", Some(Identity::Ipv6("fd00::1".parse().unwrap()))),
            ("keyid:01ff", Some(Identity::KeyId([1, 255].to_vec()))),
            ("@#01ff", Some(Identity::KeyId([1, 255].to_vec()))),
            ("", None),
            ("%any", None),
            ("a b", None),
            ("keyid:", None),
            ("keyid:1", None),
            ("C=CH, O=x", None),
        ] {
            assert_eq!(identity(text), expected, "{text}");
        }
    }

    #[test]
    fn the_most_specific_secret_is_chosen() {
        let id = |text: &str| identity(text).unwrap();
        let psk = |ids: &[&str], octets: &[u8]| Psk {
            ids: ids.iter().map(|text| id(text)).collect(),
            octets: Zeroizing::new(octets.to_vec()),
        };
        let secrets = [psk(&[], b"any"), psk(&["b"], b"b"), psk(&["a", "b"], b"ab"), psk(&["b", "c"], b"bc")];
        let chosen = |local: &str, remote: Option<&str>| {
            let remote = remote.map(id);
            choose(&secrets, Some(&id(local)), remote.as_ref()).map(|psk| psk.octets.to_vec())
        };
        assert_eq!(chosen("a", Some("b")).unwrap(), b"ab");
        assert_eq!(chosen("x", Some("b")).unwrap(), b"b");
        assert_eq!(chosen("x", Some("y")).unwrap(), b"any");
        assert_eq!(chosen("c", None).unwrap(), b"bc");
        assert!(choose(&secrets[2..], Some(&id("x")), Some(&id("b"))).is_none());
    }
}
