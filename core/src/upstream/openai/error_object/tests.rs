use proptest::prelude::*;

use super::{
    super::super::{ANONYMOUS, Credential, failure::UpstreamError},
    from_body,
};

fn error(
    message: &str,
    error_type: Option<&str>,
    param: Option<&str>,
    code: Option<&str>,
) -> Option<UpstreamError> {
    Some(UpstreamError {
        message: message.to_owned(),
        error_type: error_type.map(str::to_owned),
        param: param.map(str::to_owned),
        code: code.map(str::to_owned),
    })
}

#[test]
fn errors_are_read_in_every_shape() {
    let table = [
        (
            r#"{"error":{"message":"m","type":"t","param":"p","code":"c"}}"#,
            error("m", Some("t"), Some("p"), Some("c")),
        ),
        (
            r#"{"error":{"message":"m","type":null,"param":null,"code":400}}"#,
            error("m", None, None, Some("400")),
        ),
        (
            r#"[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}]"#,
            error("m", Some("INVALID_ARGUMENT"), None, Some("400")),
        ),
        (
            r#"{"error":"model 'x' not found"}"#,
            error("model 'x' not found", None, None, None),
        ),
        (
            r#"{"error":"m","error_type":"validation","code":"c"}"#,
            error("m", None, None, Some("c")),
        ),
        (
            r#"{"object":"error","message":"m","type":"NotFoundError","param":null,"code":404}"#,
            error("m", Some("NotFoundError"), None, Some("404")),
        ),
        (r#"{"message":"m"}"#, error("m", None, None, None)),
        (
            r#"{"code":1113,"msg":"m"}"#,
            error("m", None, None, Some("1113")),
        ),
        (
            r#"{"detail":"Not Found"}"#,
            error("Not Found", None, None, None),
        ),
        (
            r#"{"detail":{"message":"m"}}"#,
            error("m", None, None, None),
        ),
        (
            r#"{"detail":[{"type":"missing","loc":["body","messages",0,"content"],"msg":"Field required"},{"loc":["body"],"msg":"bad"}]}"#,
            error(
                "messages.0.content: Field required; : bad",
                None,
                None,
                None,
            ),
        ),
        (r#""just text""#, error("just text", None, None, None)),
        (
            r#"{"error":{"message":"cut \ud83d"}}"#,
            error("cut \u{FFFD}", None, None, None),
        ),
        ("{}", None),
        (r#"{"error":null}"#, None),
        ("[]", None),
        ("7", None),
        ("<html>", None),
        ("", None),
    ];
    for (body, expected) in table {
        assert_eq!(from_body(body.as_bytes(), &ANONYMOUS), expected, "{body}");
    }
}

#[test]
fn a_message_is_short_and_without_secrets() {
    let body = format!(
        r#"{{"error":{{"message":"my-own-key sk-0123456789 {}","code":"{}"}}}}"#,
        "好".repeat(2000),
        "c".repeat(500)
    );
    let credential = Credential::api_key("my-own-key".to_owned().into());
    let error = from_body(body.as_bytes(), &credential).expect("an error");
    assert!(error.message.starts_with("[redacted] [redacted] 好"));
    assert!(error.message.ends_with("好…"));
    assert!(error.message.len() <= 2048 + '…'.len_utf8());
    assert_eq!(error.code, Some(format!("{}…", "c".repeat(256))));
}

proptest! {
    #[test]
    fn no_body_causes_a_panic(body in "[\\[\\]{}\":,a-z0-9 ]{0,40}") {
        from_body(body.as_bytes(), &ANONYMOUS);
    }
}
