//! Who says whether the authorization code is good.

use std::fs;

use llm2api_core::config::PublicKey;
use url::{Host, Url};

use super::{SettingValue, url::without_userinfo};

/// What begins a key in PEM; anything else is a path.
const PEM_BEGIN: &str = "-----BEGIN";

/// A key that checks codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AuthorityKey(pub(crate) PublicKey);

impl SettingValue for AuthorityKey {
    const TAKES: &'static str = "an Ed25519 public key in PEM, or the path of a file with one, as `llm2api auth keygen` writes it";

    fn from_text(text: &str) -> Option<Self> {
        let pem = match text.starts_with(PEM_BEGIN) {
            // Where variables can't have line ends, they are written so.
            true => text.replace("\\n", "\n"),
            false => fs::read_to_string(text).ok()?,
        };
        PublicKey::from_pem(&pem).map(Self)
    }

    /// A key has several lines, where others have one.
    fn shown(text: &str) -> String {
        match text.starts_with(PEM_BEGIN) {
            true => "PEM".to_owned(),
            false => text.to_owned(),
        }
    }
}

/// The address of a service that is told the code: nobody on the way may read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuthorityUrl(pub(crate) Url);

impl SettingValue for AuthorityUrl {
    const TAKES: &'static str = "an https:// address, or an http:// address of this machine, without a login: https://auth.example.org/auth/introspect";

    fn from_text(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let is_private = match url.scheme() {
            "https" => url.has_host(),
            "http" => is_loopback(&url),
            _ => false,
        };
        let has_login = !url.username().is_empty() || url.password().is_some();
        (is_private && !has_login).then_some(Self(url))
    }

    fn shown(text: &str) -> String {
        without_userinfo(text)
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use llm2api_core::authorization::SigningKey;

    use super::*;

    #[test]
    fn a_code_is_told_to_nobody_in_clear() {
        let is_taken = |text| AuthorityUrl::from_text(text).is_some();
        for taken in [
            "https://auth.example.org/introspect",
            "http://127.0.0.1:9999/auth/introspect",
            "http://[::1]/x",
            "http://localhost:8080/x",
        ] {
            assert!(is_taken(taken), "{taken}");
        }
        for refused in [
            "http://auth.example.org/introspect",
            "http://10.0.0.5/x",
            "http://localhost.example.org/x",
            "https://user:word@auth.example.org/x",
            "ftp://127.0.0.1/x",
            "auth.example.org",
        ] {
            assert!(!is_taken(refused), "{refused}");
        }
    }

    #[test]
    fn a_key_comes_in_pem_in_one_line_or_several_or_as_a_path() {
        let key = SigningKey::random().unwrap().public_key();
        let pem = key.to_pem();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("public.pem");
        fs::write(&path, &pem).unwrap();
        let in_one_line = pem.replace('\n', "\\n");
        for text in [&pem, pem.trim(), &in_one_line, path.to_str().unwrap()] {
            assert_eq!(
                AuthorityKey::from_text(text),
                Some(AuthorityKey(key)),
                "{text}"
            );
        }
        assert_eq!(AuthorityKey::from_text("/nowhere/public.pem"), None);
        assert_eq!(AuthorityKey::shown(&pem), "PEM");
    }
}
