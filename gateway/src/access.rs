//! Who is let in: the core decides, before a body is read.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::extract::{FromRequestParts, MatchedPath};
use http::{HeaderMap, HeaderValue, Method, header, request::Parts};
use llm2api_proto::{
    ContractError,
    v1::{CheckAccessRequest, ErrorReason},
};
use moka::sync::Cache;

use crate::{
    calls::Caller,
    client_address::ClientAddress,
    error::{self, ApiError},
    facade::Facade,
    telemetry::RequestTrace,
};

/// For how long an answer of the core holds, as its contract allows.
const ANSWER_TTL: Duration = Duration::from_secs(1);
/// Answers held at a time; each is some 100 bytes.
const MAX_ANSWERS: u64 = 10_000;

/// What the server knows of a request beside its message.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    /// The request's id.
    pub(crate) request_id: HeaderValue,
    /// Where the client is.
    pub(crate) address: ClientAddress,
    /// Its place in its trace.
    pub(crate) trace: RequestTrace,
}

/// The core's answers of the last second, by a hash of what was asked: no key is held. Refusals are not kept, so that the core sees
/// each wrong key.
pub(crate) struct Answers(Cache<[u8; blake3::OUT_LEN], HeaderValue>);

impl Answers {
    pub(crate) fn new() -> Self {
        Self(
            Cache::builder()
                .max_capacity(MAX_ANSWERS)
                .time_to_live(ANSWER_TTL)
                .build(),
        )
    }
}

/// A request that was let in, by whom it is made: routes that are not open take this, before they take the body.
pub(crate) struct Admitted(pub(crate) Caller);

impl FromRequestParts<Arc<Facade>> for Admitted {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        facade: &Arc<Facade>,
    ) -> Result<Self, Self::Rejection> {
        let arrival = parts.extensions.get::<Arrival>().cloned();
        let (Some(arrival), Some(path)) = (arrival, parts.extensions.get::<MatchedPath>()) else {
            tracing::error!("a request came without its arrival or its route");
            return Err(error::internal().into());
        };
        let caller = admit(
            facade,
            &parts.method,
            path.as_str(),
            &parts.headers,
            &arrival,
        );
        Ok(Self(caller.await?))
    }
}

/// Asks the core whether a request is let in; `path` is the route's template.
///
/// # Errors
///
/// The core's refusal.
pub(crate) async fn admit(
    facade: &Facade,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    arrival: &Arrival,
) -> Result<Caller, ContractError> {
    let question = Question {
        key: client_key(headers)?.unwrap_or_default(),
        address: arrival.address,
        method: if method == Method::HEAD {
            &Method::GET
        } else {
            method
        },
        path,
    };
    let hash = question.hash();
    let client_id = match facade.access_answers.0.get(&hash) {
        Some(client_id) => client_id,
        None => {
            let response = facade.core.check_access(question.to_request()).await?;
            let client_id = HeaderValue::try_from(response.client_id).map_err(|_| {
                tracing::error!("the core sent a client id that can't stand in a header");
                error::internal()
            })?;
            facade.access_answers.0.insert(hash, client_id.clone());
            client_id
        }
    };
    Ok(Caller {
        client_id,
        request_id: arrival.request_id.clone(),
        trace: None,
    })
}

/// What the core is asked, in the request's own words: most questions have just been answered, and cost no copy.
struct Question<'a> {
    key: &'a [u8],
    address: ClientAddress,
    method: &'a Method,
    /// The router's template.
    path: &'a str,
}

impl Question<'_> {
    fn hash(&self) -> [u8; blake3::OUT_LEN] {
        let mut hasher = blake3::Hasher::new();
        for text in [
            self.key,
            self.method.as_str().as_bytes(),
            self.path.as_bytes(),
        ] {
            hasher.update(&text.len().to_le_bytes());
            hasher.update(text);
        }
        hasher.update(&[u8::from(self.address.is_untrusted)]);
        match self.address.ip {
            IpAddr::V4(ip) => hasher.update(&ip.octets()),
            IpAddr::V6(ip) => hasher.update(&ip.octets()),
        };
        *hasher.finalize().as_bytes()
    }

    /// The question in the contract's words; the route as the core knows it: `GET /v1/models/{id}`.
    fn to_request(&self) -> CheckAccessRequest {
        CheckAccessRequest {
            key: String::from_utf8_lossy(self.key).into_owned(),
            client_address: self.address.ip.to_string(),
            address_untrusted: self.address.is_untrusted,
            route: format!("{} {}", self.method, self.path.replace("{*", "{")),
        }
    }
}

/// The key that a client sends: as a bearer token, or in `X-Api-Key`.
fn client_key(headers: &HeaderMap) -> Result<Option<&[u8]>, ContractError> {
    let bearers = headers
        .get_all(header::AUTHORIZATION)
        .iter()
        .filter_map(bearer);
    let plain = headers
        .get_all("x-api-key")
        .iter()
        .map(HeaderValue::as_bytes);
    let mut keys = bearers.chain(plain);
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    if keys.any(|other| other != key) {
        return Err(ContractError::new(
            ErrorReason::InvalidApiKey,
            "Two different API keys were sent; send one, as `Authorization: Bearer KEY` or as `X-Api-Key: KEY`.",
        ));
    }
    Ok(Some(key))
}

fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked("bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(headers: &[(&'static str, &'static str)]) -> Result<Option<String>, ErrorReason> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        client_key(&map)
            .map(|key| key.map(|key| String::from_utf8(key.to_vec()).unwrap()))
            .map_err(|error| error.reason)
    }

    #[test]
    fn a_key_comes_as_bearer_or_in_its_own_header() {
        assert_eq!(key(&[]), Ok(None));
        assert_eq!(
            key(&[("authorization", "Bearer a")]),
            Ok(Some("a".to_owned()))
        );
        assert_eq!(
            key(&[("authorization", "bEARER  a ")]),
            Ok(Some("a".to_owned()))
        );
        assert_eq!(key(&[("x-api-key", "a")]), Ok(Some("a".to_owned())));
        assert_eq!(
            key(&[("authorization", "Basic a"), ("x-api-key", "b")]),
            Ok(Some("b".to_owned()))
        );
        assert_eq!(
            key(&[("authorization", "Bearer a"), ("x-api-key", "a")]),
            Ok(Some("a".to_owned()))
        );
    }

    #[test]
    fn two_different_keys_are_refused() {
        for headers in [
            [("authorization", "Bearer a"), ("x-api-key", "b")],
            [("authorization", "Bearer a"), ("authorization", "Bearer b")],
        ] {
            assert_eq!(key(&headers), Err(ErrorReason::InvalidApiKey));
        }
    }
}
