//! Compression of answers in one piece, for clients that take it. A stream's events must not wait for a full block.

use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use axum::{body::Body, response::Response};
use http::{HeaderValue, Request, header};
use http_body::Body as _;
use tower::{Service, service_fn};
use tower_http::compression::Compression;

/// Bytes above which an answer is compressed; below, the gain is less than a packet.
const MIN_SIZE: u64 = 1024;

/// Compresses a response where that helps, for a client that accepts these encodings.
pub(crate) async fn compress(accepted: Option<HeaderValue>, response: Response) -> Response {
    if response.body().size_hint().lower() <= MIN_SIZE {
        // A stream's size is not known: 0 at least.
        return response;
    }
    let mut request = Request::new(());
    if let Some(accepted) = accepted {
        request
            .headers_mut()
            .insert(header::ACCEPT_ENCODING, accepted);
    }
    let mut response = Some(response);
    let inner = service_fn(|_: Request<()>| -> Ready<Result<Response, Infallible>> {
        ready(Ok(response.take().unwrap_or_default()))
    });
    let Ok(compressed) = Compression::new(inner).call(request).await;
    compressed.map(Body::new)
}
