//! Asking an authority about a code (RFC 7662), and believing of what comes only what such an answer may be.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{Claims, Fault, standing::Finding};
use crate::{
    config::{Config, IntrospectionConfig},
    upstream::{
        AddressError,
        bounded_body::{Bounded, Incomplete, read_bounded},
        http_client::{HttpClients, Target},
        media_type::MediaType,
    },
};

/// For how long the authority may take, in all.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes that an answer may have; one with many models is some KiB.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The way to an authority.
#[derive(Debug)]
pub(super) struct Introspection {
    clients: HttpClients,
    target: Target,
    authorization: Option<HeaderValue>,
}

/// What an authority answers: claims only where the code is good.
#[derive(Debug, Deserialize)]
struct Answer {
    active: bool,
    #[serde(flatten)]
    claims: serde_json::Map<String, serde_json::Value>,
}

impl Introspection {
    /// The way to this authority.
    ///
    /// # Errors
    ///
    /// [`AddressError`].
    pub(super) fn new(
        config: &IntrospectionConfig,
        general: &Config,
    ) -> Result<Self, AddressError> {
        let clients = HttpClients::for_address(&config.url, None, general)?;
        let target = clients.target(config.url.clone())?;
        Ok(Self {
            clients,
            target,
            authorization: config.key.as_ref().and_then(bearer),
        })
    }

    /// Asks about a code. Redirects are not followed: code and key would go where nobody said.
    pub(super) async fn ask(&self, code: &SecretString) -> Finding {
        match tokio::time::timeout(TIMEOUT, self.answer(code)).await {
            Ok(Ok(finding)) => finding,
            Ok(Err(why)) => self.no_answer(&why),
            Err(_) => self.no_answer("gave no answer in time"),
        }
    }

    async fn answer(&self, code: &SecretString) -> Result<Finding, String> {
        let form: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("token", code.expose_secret())
            .finish();
        let asked = self
            .clients
            .post(&self.target, self.headers(), Bytes::from(form));
        let response = asked
            .await
            .map_err(|failure| format!("can't be reached: {}", failure.message))?;
        let status = response.status();
        if status.is_redirection() {
            return Err(format!(
                "redirects ({}), which is never followed: AUTH_INTROSPECTION_URL must be its own address",
                status.as_u16()
            ));
        }
        if matches!(status.as_u16(), 401 | 403) {
            return Err(format!(
                "refuses us ({}): check AUTH_INTROSPECTION_KEY",
                status.as_u16()
            ));
        }
        if status != http::StatusCode::OK {
            return Err(format!("failed ({})", status.as_u16()));
        }
        if MediaType::of(response.headers()) != MediaType::Json {
            return Err("gave an answer that is not said to be JSON".to_owned());
        }
        let Bounded { bytes, incomplete } =
            read_bounded(response.into_body(), MAX_ANSWER_BYTES, TIMEOUT).await;
        match incomplete {
            None => {
                read(&bytes).ok_or_else(|| "gave an answer that is none of RFC 7662".to_owned())
            }
            Some(Incomplete::TooLarge) => Err("gave an answer of more than 64 KiB".to_owned()),
            Some(Incomplete::TimedOut) => Err("gave no answer in time".to_owned()),
            Some(Incomplete::Broken(_)) => Err("broke off its answer".to_owned()),
        }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        headers
    }

    fn no_answer(&self, why: &str) -> Finding {
        Finding::NoAnswer(format!("the authority at {} {why}", self.clients.address()))
    }
}

fn bearer(key: &SecretString) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose_secret())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What an answer says. `None`: it is none.
fn read(bytes: &[u8]) -> Option<Finding> {
    let answer: Answer = serde_json::from_slice(bytes).ok()?;
    if !answer.active {
        return Some(Finding::Bad(Fault::Inactive, None));
    }
    let claims = serde_json::Value::Object(answer.claims);
    Some(Finding::Good(
        serde_json::from_value::<Claims>(claims).ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorization::code::{Audience, CodeLimits};

    #[test]
    fn an_answer_is_read_as_what_it_says() {
        let inactive = Finding::Bad(Fault::Inactive, None);
        assert_eq!(read(br#"{"active":false,"exp":1}"#), Some(inactive));
        let good =
            br#"{"active":true,"sub":"me","exp":1790000000.5,"aud":["a","llm2api"],"scope":"x",
            "llm2api_limits":{"web_search":false}}"#;
        let claims = Claims {
            sub: "me".to_owned(),
            exp: Some(1_790_000_000),
            aud: Audience::Many(vec!["a".to_owned(), "llm2api".to_owned()]),
            llm2api_limits: CodeLimits {
                web_search: Some(false),
                ..CodeLimits::default()
            },
            ..Claims::default()
        };
        assert_eq!(read(good), Some(Finding::Good(claims)));
    }

    #[test]
    fn what_is_no_answer_is_not_believed() {
        for answer in [
            &b""[..],
            b"true",
            b"{}",
            br#"{"active":"true"}"#,
            br#"{"active":1}"#,
            br#"{"active":true,"active":true,"aud":"llm2api"}"#,
            br#"{"active":true,"exp":"tomorrow"}"#,
            br#"{"active":true,"llm2api_limits":{"unheard_of":1}}"#,
            b"<html></html>",
        ] {
            assert_eq!(read(answer), None, "{}", String::from_utf8_lossy(answer));
        }
    }
}
