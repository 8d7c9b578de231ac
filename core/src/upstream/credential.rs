//! What lets us in at an upstream.

use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{cookie_header, cookie_secret::CookieSecret};
use crate::config::UpstreamKind;

/// What one request needs to be let in at an upstream, with what goes along: upstreams bind sessions to the browser and the address
/// that they were made with.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    /// What lets us in.
    pub(crate) secret: Secret,
    /// The `User-Agent` to send. `None`: our own.
    pub(crate) user_agent: Option<HeaderValue>,
    /// The proxy to go by. `None`: the upstream's.
    pub(crate) proxy: Option<Url>,
}

/// What lets us in.
#[derive(Debug, Clone)]
pub(crate) enum Secret {
    /// Nothing is needed.
    Anonymous,
    /// A bearer key.
    ApiKey(SecretString),
    /// A session: a whole `Cookie` header, or the value of the upstream's session cookie alone.
    Cookie(CookieSecret),
}

/// That of an upstream which lets everybody in.
pub(crate) static ANONYMOUS: Credential = Credential {
    secret: Secret::Anonymous,
    user_agent: None,
    proxy: None,
};

impl Credential {
    /// A bearer key.
    pub(crate) fn api_key(key: SecretString) -> Self {
        Secret::ApiKey(key).into()
    }

    /// The credential in what an operator gave as a cookie. Services that keep no sessions of their own take a bare value as a key.
    pub(crate) fn of_cookie(kind: UpstreamKind, cookie: &SecretString) -> Self {
        let text = cookie_header::without_name(cookie.expose_secret());
        match kind {
            UpstreamKind::OpenAi if cookie_header::pairs(text).is_none() => {
                Self::api_key(text.into())
            }
            UpstreamKind::Auto
            | UpstreamKind::OpenAi
            | UpstreamKind::ChatUi
            | UpstreamKind::Local => Secret::Cookie(text.into()).into(),
        }
    }

    /// Whether nothing is needed.
    pub(crate) fn is_anonymous(&self) -> bool {
        matches!(self.secret, Secret::Anonymous)
    }

    /// What it is recognised by: of a lone cookie the value, which is the same with the cookie's name and without.
    pub(crate) fn identity(&self) -> Option<SecretString> {
        let secret = self.secret()?;
        let value = match cookie_header::pairs(secret.expose_secret()).as_deref() {
            Some([(_, value)]) if matches!(self.secret, Secret::Cookie(_)) => {
                Some(SecretString::from(*value))
            }
            _ => None,
        };
        Some(value.unwrap_or(secret))
    }

    /// What lets us in, as it is at this moment. `None`: nothing is needed.
    pub(crate) fn secret(&self) -> Option<SecretString> {
        match &self.secret {
            Secret::Anonymous => None,
            Secret::ApiKey(key) => Some(key.clone()),
            Secret::Cookie(cookie) => Some(cookie.text()),
        }
    }

    /// Whether the upstream has changed the secret since this was last asked, so that it must be kept anew.
    pub(crate) fn take_change(&self) -> bool {
        match &self.secret {
            Secret::Anonymous | Secret::ApiKey(_) => false,
            Secret::Cookie(cookie) => cookie.take_change(),
        }
    }

    /// Takes over the cookies that an answer of this host sets.
    pub(super) fn merge_cookies(&self, answer: &HeaderMap, host: &str) {
        if let Secret::Cookie(cookie) = &self.secret {
            cookie.merge(answer, host);
        }
    }

    /// What must be seen nowhere, however an upstream says it back.
    pub(super) fn texts_to_hide(&self) -> Vec<SecretString> {
        match &self.secret {
            Secret::Anonymous => Vec::new(),
            Secret::ApiKey(key) => vec![key.clone()],
            Secret::Cookie(cookie) => cookie.texts_to_hide(),
        }
    }
}

impl From<Secret> for Credential {
    fn from(secret: Secret) -> Self {
        Self {
            secret,
            user_agent: None,
            proxy: None,
        }
    }
}
