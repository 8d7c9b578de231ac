use http::{HeaderValue, header::CONTENT_TYPE};

use super::*;

fn failure(call: Call, status: u16, content_type: &'static str, body: &str) -> Failure {
    let headers: HeaderMap = [(CONTENT_TYPE, HeaderValue::from_static(content_type))]
        .into_iter()
        .collect();
    let status = StatusCode::from_u16(status).expect("a status");
    Refusal::new(status, &headers, body.as_bytes()).into_failure(
        call,
        "h:80",
        &["0f9c-2d6e".into()],
    )
}

#[test]
fn each_documented_answer_is_a_row_of_the_failure_table() {
    use FailureKind::{
        Misconfigured, ModelGone, QuotaSpent, RateLimited, Rejected, Unauthorized, Unavailable,
    };
    let json = "application/json";
    for (call, status, body, kind) in [
        (Call::Create, 302, "", Unauthorized),
        (Call::Create, 303, "", Unauthorized),
        (Call::Send, 307, "", Unauthorized),
        (Call::Create, 301, "", Misconfigured),
        (Call::Create, 308, "", Misconfigured),
        (
            Call::Send,
            401,
            r#"{"error":"You have to be logged in."}"#,
            Unauthorized,
        ),
        (Call::Send, 401, "You have to be logged in.", Unauthorized),
        (Call::Send, 402, "{}", QuotaSpent),
        (
            Call::Send,
            403,
            r#"{"error":"Invalid referer for POST request"}"#,
            Misconfigured,
        ),
        (
            Call::Send,
            403,
            "Non-JSON form requests need to have an origin",
            Misconfigured,
        ),
        (Call::Send, 403, r#"{"message":"no"}"#, Unauthorized),
        (
            Call::Send,
            404,
            r#"{"message":"Conversation not found"}"#,
            Unavailable,
        ),
        (
            Call::Create,
            404,
            r#"{"message":"Not Found"}"#,
            Misconfigured,
        ),
        (Call::List, 404, r#"{"message":"Not Found"}"#, Misconfigured),
        (
            Call::Create,
            400,
            r#"{"message":"Invalid request"}"#,
            ModelGone,
        ),
        (
            Call::Send,
            410,
            r#"{"message":"Model not available anymore"}"#,
            ModelGone,
        ),
        (
            Call::Send,
            400,
            r#"{"message":"Message too long."}"#,
            Rejected,
        ),
        (
            Call::Send,
            413,
            r#"{"message":"File too large, should be <10MB"}"#,
            Rejected,
        ),
        (
            Call::Send,
            429,
            r#"{"message":"You are sending too many messages. Try again later."}"#,
            RateLimited,
        ),
        (
            Call::Create,
            429,
            r#"{"message":"You have reached the maximum number of conversations. Delete some to continue."}"#,
            RateLimited,
        ),
        (
            Call::Create,
            429,
            r#"{"message":"Exceeded number of messages before login"}"#,
            Unauthorized,
        ),
        (
            Call::Send,
            500,
            r#"{"message":"An error occurred","errorId":"e"}"#,
            Unavailable,
        ),
        (Call::Send, 503, "<html>", Unavailable),
    ] {
        assert_eq!(
            failure(call, status, json, body).kind,
            kind,
            "{call:?} {status} {body}"
        );
    }
}

#[test]
fn a_wrong_origin_says_what_to_set() {
    let failure = failure(
        Call::Send,
        403,
        "text/plain",
        "Invalid referer for POST request",
    );
    assert_eq!(
        failure.message,
        "h:80 refuses our Origin (403 Forbidden); set the upstream's `origin` to the public address of that chat-ui"
    );
}

#[test]
fn a_prompt_too_long_has_the_code_for_it() {
    let failure = failure(
        Call::Send,
        400,
        "application/json",
        r#"{"message":"Message too long."}"#,
    );
    let error = failure.upstream_error.expect("told");
    assert_eq!(
        (error.message.as_str(), error.code.as_deref()),
        ("Message too long.", Some("context_length_exceeded"))
    );
}

#[test]
fn no_page_and_no_secret_is_passed_on() {
    let page = failure(Call::Send, 503, "text/html", "<html>0f9c-2d6e</html>");
    assert_eq!(
        (page.message.as_str(), page.upstream_error),
        (
            "h:80 answered with a web page (503 Service Unavailable)",
            None
        )
    );
    let text = failure(Call::Send, 500, "text/plain", "session 0f9c-2d6e failed");
    assert_eq!(
        text.upstream_error.expect("told").message,
        "session [redacted] failed"
    );
}

#[test]
fn a_disclaimer_is_told_from_a_wrong_method() {
    let wants = |status: u16, body: &str| {
        let status = StatusCode::from_u16(status).expect("a status");
        Refusal::new(status, &HeaderMap::new(), body.as_bytes()).wants_disclaimer()
    };
    assert!(wants(
        405,
        r#"{"message":"You need to accept the welcome modal first"}"#
    ));
    assert!(!wants(405, r#"{"message":"POST method not allowed"}"#));
}

#[test]
fn a_limit_tells_whom_it_is_for() {
    for (text, limited_by) in [
        (
            "You are sending too many messages. Try again later.",
            LimitedBy::Address,
        ),
        ("slow down", LimitedBy::Address),
        (
            "You have reached the maximum number of conversations. Delete some to continue.",
            LimitedBy::Credential,
        ),
        (
            "This conversation has more than 5 messages. Start a new one to continue",
            LimitedBy::Credential,
        ),
    ] {
        let failure = failure(Call::Send, 429, "text/plain", text);
        let told = (failure.kind, failure.limited_by);
        assert_eq!(told, (FailureKind::RateLimited, limited_by), "{text}");
    }
}

#[test]
fn a_session_that_is_not_let_in_says_why() {
    let page = "<html><head><title>Just a moment...</title></head></html>";
    for (status, content_type, body, reason) in [
        (302, "text/plain", "", InvalidReason::Expired),
        (
            401,
            "text/plain",
            "You have to be logged in.",
            InvalidReason::Expired,
        ),
        (429, "text/plain", GUEST_LIMIT, InvalidReason::Expired),
        (403, "text/plain", "no", InvalidReason::Blocked),
        (403, "text/html", "<html>", InvalidReason::Blocked),
        (403, "text/html", page, InvalidReason::Challenge),
        (503, "text/html", page, InvalidReason::Challenge),
    ] {
        let failure = failure(Call::Create, status, content_type, body);
        let told = (failure.kind, failure.invalid_reason);
        let expected = (FailureKind::Unauthorized, reason);
        assert_eq!(told, expected, "{status} {body}");
    }
}
