//! `POST /auth/introspect`: what a code is worth that this instance issued, as RFC 7662 answers.

use std::sync::Arc;

use axum::{Json, body::Body, extract::State, response::IntoResponse};
use http::{HeaderValue, Request, header};
use llm2api_proto::{ContractError, v1::ErrorReason};
use utoipa::ToSchema;

use crate::{
    access::Admitted, body, error::ApiError, facade::Facade, json_body::fault::missing,
    objects::Introspection,
};

/// The form that is sent (RFC 7662, 2.1): what the document says of it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form is read by hand")]
pub(super) struct IntrospectionForm {
    /// The code.
    token: String,
    /// What the sender takes it for. Not looked at.
    #[schema(nullable = false)]
    token_type_hint: Option<String>,
}

/// Tells what a code is worth. Whatever is not good here is only that: not active.
pub(super) async fn introspect(
    State(facade): State<Arc<Facade>>,
    Admitted(caller): Admitted,
    request: Request<Body>,
) -> Result<impl IntoResponse, ApiError> {
    let form = body::read_form(request, facade.max_body_bytes).await?;
    let code = token(&form)?;
    let answer = facade.core.introspect_code(code, &caller).await?;
    let headers = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((headers, Json(Introspection::from(answer))))
}

/// The token of a form, which has one.
fn token(form: &[u8]) -> Result<String, ContractError> {
    let mut tokens = form_urlencoded::parse(form).filter(|(name, _)| name == "token");
    let token = tokens.next().map(|(_, token)| token.into_owned());
    if tokens.next().is_some() {
        let message = "The form has `token` more than once.";
        return Err(ContractError::new(ErrorReason::InvalidValue, message).with_param("token"));
    }
    token
        .filter(|token| !token.is_empty())
        .ok_or_else(|| missing("token"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_one_token() {
        assert_eq!(token(b"token_type_hint=x&token=a.b%2Bc").unwrap(), "a.b+c");
        for (form, reason) in [
            (&b""[..], ErrorReason::MissingRequiredParameter),
            (b"token=", ErrorReason::MissingRequiredParameter),
            (b"Token=a", ErrorReason::MissingRequiredParameter),
            (b"token=a&token=b", ErrorReason::InvalidValue),
        ] {
            let error = token(form).unwrap_err();
            assert_eq!(
                (error.reason, error.param.as_deref()),
                (reason, Some("token"))
            );
        }
    }
}
