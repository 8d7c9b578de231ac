//! Reading a request's body: bounded in size, and in how long it may stand still.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, header};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use llm2api_proto::{ContractError, v1::ErrorReason};

/// Time without a byte after which a body is given up.
const SILENCE: Duration = Duration::from_secs(30);

/// Reads the body of a request that says it is JSON.
///
/// # Errors
///
/// `UNSUPPORTED_MEDIA_TYPE`, `REQUEST_TOO_LARGE`, `BODY_TIMEOUT`, or `INVALID_REQUEST` where the connection broke.
pub(crate) async fn read_json<B>(
    request: Request<B>,
    max_bytes: usize,
) -> Result<Bytes, ContractError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (parts, body) = request.into_parts();
    let unsupported = |message| {
        Err(ContractError::new(
            ErrorReason::UnsupportedMediaType,
            message,
        ))
    };
    if !is_json(&parts.headers) {
        return unsupported("The body must be JSON, sent with `Content-Type: application/json`.");
    }
    if parts
        .headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|encoding| encoding != "identity")
    {
        return unsupported("The body must be sent as it is, without `Content-Encoding`.");
    }
    read(body, max_bytes).await
}

/// Reads the body of a request that says it is a form.
///
/// # Errors
///
/// As of [`read_json`].
pub(crate) async fn read_form<B>(
    request: Request<B>,
    max_bytes: usize,
) -> Result<Bytes, ContractError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (parts, body) = request.into_parts();
    if essence(&parts.headers).as_deref() != Some("application/x-www-form-urlencoded") {
        return Err(ContractError::new(
            ErrorReason::UnsupportedMediaType,
            "The body must be a form, sent with `Content-Type: application/x-www-form-urlencoded`.",
        ));
    }
    read(body, max_bytes).await
}

async fn read<B>(mut body: B, max_bytes: usize) -> Result<Bytes, ContractError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let too_large = || {
        ContractError::new(
            ErrorReason::RequestTooLarge,
            format!("The body is larger than the {max_bytes} bytes that MAX_BODY allows."),
        )
    };
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > max_bytes {
        return Err(too_large());
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = next_frame(&mut body).await? {
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if first.len() + rest.len() + data.len() > max_bytes {
            return Err(too_large());
        }
        if first.is_empty() && rest.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.reserve(announced.max(first.len() + data.len()));
                rest.extend_from_slice(&std::mem::take(&mut first));
            }
            rest.extend_from_slice(&data);
        }
    }
    Ok(if rest.is_empty() {
        first
    } else {
        rest.freeze()
    })
}

async fn next_frame<B>(body: &mut B) -> Result<Option<Frame<Bytes>>, ContractError>
where
    B: Body<Data = Bytes> + Unpin,
{
    match tokio::time::timeout(SILENCE, body.frame()).await {
        Ok(None) => Ok(None),
        Ok(Some(Ok(frame))) => Ok(Some(frame)),
        Ok(Some(Err(_))) => Err(ContractError::new(
            ErrorReason::InvalidRequest,
            "The body broke off.",
        )),
        Err(_) => Err(ContractError::new(
            ErrorReason::BodyTimeout,
            format!(
                "No byte of the body came for {} seconds.",
                SILENCE.as_secs()
            ),
        )),
    }
}

/// Whether the content type is `application/json`, whatever its parameters, or a kind of it (`application/x+json`).
fn is_json(headers: &HeaderMap) -> bool {
    essence(headers).is_some_and(|essence| {
        essence == "application/json"
            || (essence.starts_with("application/") && essence.ends_with("+json"))
    })
}

/// The content type without its parameters, in lower case.
fn essence(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = value.split(';').next().unwrap_or_default();
    Some(essence.trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use futures_util::stream;

    use super::*;

    fn body(pieces: &[&'static str]) -> Body {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece.as_bytes())))
            .collect();
        Body::from_stream(stream::iter(pieces))
    }

    #[tokio::test]
    async fn a_body_arrives_whole_however_it_is_cut() {
        assert_eq!(read(body(&[]), 5).await, Ok(Bytes::new()));
        assert_eq!(read(body(&["abc"]), 5).await, Ok(Bytes::from("abc")));
        assert_eq!(
            read(body(&["", "a", "b", "", "cde"]), 5).await,
            Ok(Bytes::from("abcde"))
        );
    }

    #[tokio::test]
    async fn a_body_above_the_bound_is_refused_announced_or_not() {
        for large in [body(&["abc", "def"]), Body::from("abcdef")] {
            let error = read(large, 5).await.unwrap_err();
            assert_eq!(error.reason, ErrorReason::RequestTooLarge);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stands_still_is_given_up() {
        let error = read(
            Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()),
            5,
        )
        .await
        .unwrap_err();
        assert_eq!(error.reason, ErrorReason::BodyTimeout);
    }

    #[test]
    fn json_goes_by_several_names() {
        let of = |value: &'static str| {
            is_json(&HeaderMap::from_iter([(
                header::CONTENT_TYPE,
                http::HeaderValue::from_static(value),
            )]))
        };
        assert!(of("application/json"));
        assert!(of("Application/JSON; charset=utf-8"));
        assert!(of("application/vnd.x+json"));
        assert!(!of("text/plain"));
        assert!(!of("application/x-www-form-urlencoded"));
        assert!(!is_json(&HeaderMap::new()));
    }
}
