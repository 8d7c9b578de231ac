//! The cheapest question to a chat-ui: to stop what a conversation generates that can't exist.
//!
//! Every version answers it, with and without a login, touching neither a model nor a limit; and a session that is let in lives two
//! more weeks. Nothing that isn't a chat-ui answers it so.

use http::{HeaderMap, StatusCode, header::SET_COOKIE};

use super::refusal::Refusal;

/// A conversation's id that none has.
pub(super) const NO_CONVERSATION: &str = "000000000000000000000000";

/// What the answer of an instance says to a session that it lets in.
const NOT_FOUND: &str = "Conversation not found";
/// And to one that it doesn't.
const LOGGED_OUT: &str = "You have to be logged in.";

/// What an answer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// A chat-ui that lets the session in.
    Accepted,
    /// A chat-ui that doesn't.
    Refused,
    /// Something in front of whatever it is refuses us.
    Barred,
    /// And wants to see a person first.
    Challenged,
    /// Something else than a chat-ui.
    Other,
    /// Nothing: it fails, or is too busy.
    Nothing,
}

/// What an answer to the question shows; `cookie_name` is the name that the instance's session cookie would have.
pub(super) fn finding(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    cookie_name: &str,
) -> Finding {
    let refusal = Refusal::new(status, headers, body);
    match status.as_u16() {
        _ if refusal.is_challenge() => Finding::Challenged,
        404 if refusal.text() == NOT_FOUND => Finding::Accepted,
        401 if refusal.text() == LOGGED_OUT => Finding::Refused,
        // To a login, for which it gives out cookies of its own.
        302 | 303 | 307 if sets_own_cookie(headers, cookie_name) => Finding::Refused,
        302 | 303 | 307 | 401 | 403 => Finding::Barred,
        408 | 425 | 429 | 500.. => Finding::Nothing,
        _ => Finding::Other,
    }
}

fn sets_own_cookie(headers: &HeaderMap, cookie_name: &str) -> bool {
    headers
        .get_all(SET_COOKIE)
        .iter()
        .filter_map(|cookie| cookie.to_str().ok()?.split_once('='))
        .any(|(name, _)| name == cookie_name || name.starts_with("hfChat"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn an_answer_tells_a_chat_ui_from_all_else() {
        let none = HeaderMap::new();
        let cookie = |text| -> HeaderMap {
            [(SET_COOKIE, HeaderValue::from_static(text))]
                .into_iter()
                .collect()
        };
        let challenge = [(
            HeaderName::from_static("cf-mitigated"),
            HeaderValue::from_static("challenge"),
        )];
        let challenge: HeaderMap = challenge.into_iter().collect();
        for (status, headers, body, expected) in [
            (
                404,
                &none,
                r#"{"message":"Conversation not found"}"#,
                Finding::Accepted,
            ),
            (
                401,
                &none,
                r#"{"error":"You have to be logged in."}"#,
                Finding::Refused,
            ),
            (302, &cookie("hf-chat=x; Path=/"), "", Finding::Refused),
            (302, &cookie("hfChat-codeVerifier=x"), "", Finding::Refused),
            (302, &cookie("sso=x"), "", Finding::Barred),
            (403, &none, "<html>", Finding::Barred),
            (403, &challenge, "<html>", Finding::Challenged),
            (503, &challenge, "<html>", Finding::Challenged),
            // vLLM, llama.cpp, Ollama, OpenAI, nginx.
            (404, &none, r#"{"detail":"Not Found"}"#, Finding::Other),
            (
                404,
                &none,
                r#"{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}"#,
                Finding::Other,
            ),
            (404, &none, "404 page not found", Finding::Other),
            (
                404,
                &none,
                r#"{"error":{"message":"Invalid URL (POST /conversation)"}}"#,
                Finding::Other,
            ),
            (405, &none, "<html>", Finding::Other),
            (200, &none, "{}", Finding::Other),
            (
                401,
                &none,
                r#"{"error":{"message":"no key"}}"#,
                Finding::Barred,
            ),
            (503, &none, "", Finding::Nothing),
            (429, &none, "", Finding::Nothing),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            let found = finding(status, headers, body.as_bytes(), "hf-chat");
            assert_eq!(found, expected, "{status} {body}");
        }
    }
}
