//! The form in which a credential is sealed.

use std::borrow::Cow;

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};
use serde::{Deserialize, Serialize};

use crate::upstream::{Credential, Secret};

/// What is sealed of a credential: whatever goes out to its upstream.
#[derive(Serialize, Deserialize)]
struct Form<'a> {
    kind: Kind,
    #[serde(borrow)]
    secret: Cow<'a, str>,
    /// A header's value may be text in no encoding that is known.
    user_agent: Option<Vec<u8>>,
    proxy: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Anonymous,
    ApiKey,
    Cookie,
}

/// Writes a credential.
pub(super) fn write(credential: &Credential) -> Zeroizing<Vec<u8>> {
    let user_agent = credential.user_agent.as_ref();
    let secret = credential.secret().unwrap_or_default();
    let form = Form {
        kind: match credential.secret {
            Secret::Anonymous => Kind::Anonymous,
            Secret::ApiKey(_) => Kind::ApiKey,
            Secret::Cookie(_) => Kind::Cookie,
        },
        secret: secret.expose_secret().into(),
        user_agent: user_agent.map(|value| value.as_bytes().to_vec()),
        proxy: credential.proxy.as_ref().map(|url| url.as_str().into()),
    };
    let mut text = Zeroizing::new(Vec::new());
    serde_json::to_writer(&mut *text, &form).expect("text and numbers, into memory");
    text
}

/// Reads what was written; `None` where it is something else.
pub(super) fn read(text: &[u8]) -> Option<Credential> {
    let form: Form<'_> = serde_json::from_slice(text).ok()?;
    let secret = || SecretString::from(&*form.secret);
    Some(Credential {
        secret: match form.kind {
            Kind::Anonymous => Secret::Anonymous,
            Kind::ApiKey => Secret::ApiKey(secret()),
            Kind::Cookie => Secret::Cookie(secret().into()),
        },
        user_agent: match &form.user_agent {
            None => None,
            Some(value) => Some(HeaderValue::from_bytes(value).ok()?),
        },
        proxy: match &form.proxy {
            None => None,
            Some(url) => Some(url.parse().ok()?),
        },
    })
}
