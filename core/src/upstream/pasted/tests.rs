use super::*;

const HOST: &str = "chat.example.org";

fn read(text: &str) -> Result<String, PasteError> {
    normalised(&text.into(), HOST).map(|header| header.expose_secret().to_owned())
}

#[test]
fn each_form_becomes_one_header_or_a_bare_value() {
    let extension = r#"[
        {"domain": ".example.org", "expirationDate": 1800000000.5, "hostOnly": false, "httpOnly": true, "name": "hf-chat",
         "path": "/", "sameSite": "lax", "secure": true, "session": false, "storeId": "0", "value": "0f9c-2d6e", "id": 1},
        {"domain": "chat.example.org", "name": "token", "value": "t=1"},
        {"domain": "chat.example.org", "name": "token", "value": "another"},
        {"domain": "chat.example.org", "name": "empty", "value": ""},
        {"domain": ".example.com", "name": "ads", "value": "track-me"}
    ]"#;
    let with_cookies = format!(r#"{{"url": "https://chat.example.org", "cookies": {extension}}}"#);
    let netscape = "# Netscape HTTP Cookie File\n\n#HttpOnly_.example.org\tTRUE\t/\tTRUE\t1800000000\thf-chat\t0f9c-2d6e\n\
                    chat.example.org\tFALSE\t/\tFALSE\t0\ttoken\tt=1\n.example.com\tTRUE\t/\tFALSE\t0\tads\ttrack-me\n";
    let both = "hf-chat=0f9c-2d6e; token=t=1";
    for (text, expected) in [
        ("0f9c-2d6e", "0f9c-2d6e"),
        (" \"0f9c-2d6e\"\n", "0f9c-2d6e"),
        ("sk-proj-abc_DEF", "sk-proj-abc_DEF"),
        ("aGVsbG8=", "aGVsbG8="),
        ("hf-chat=0f9c-2d6e", "hf-chat=0f9c-2d6e"),
        ("Cookie: hf-chat=0f9c-2d6e;token=t=1; ", both),
        (
            "GET /chat HTTP/1.1\nHost: chat.example.org\ncookie: hf-chat=0f9c-2d6e; token=t=1\nAccept: */*",
            both,
        ),
        ("hf-chat=0f9c-2d6e; empty=; flag; token=t=1", both),
        (extension, both),
        (&with_cookies, both),
        (r#"{"hf-chat": "0f9c-2d6e", "token": "t=1"}"#, both),
        (netscape, both),
        (&netscape.replace('\t', "  "), both),
    ] {
        assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_none_is_told_without_its_value() {
    let foreign = |domains: &str| PasteError::OtherHosts {
        host: HOST.to_owned(),
        domains: domains.to_owned(),
    };
    let many: Vec<String> = ["d", "c", "b", "a", "a"]
        .map(|name| format!(r#"{{"name": "n", "value": "v", "domain": "{name}.example"}}"#))
        .into();
    for (text, error) in [
        ("", PasteError::Empty),
        ("\n ", PasteError::Empty),
        ("Cookie:", PasteError::Empty),
        ("\"\"", PasteError::Empty),
        ("{\"a\": 1}", PasteError::Json),
        ("[{\"name\": \"a\"}]", PasteError::Json),
        ("[half", PasteError::Json),
        ("one\ntwo", PasteError::Lines),
        ("two words", PasteError::Characters),
        ("ключ", PasteError::Characters),
        (";;", PasteError::Characters),
        ("[]", PasteError::Empty),
        (
            "example.com\tFALSE\t/\tFALSE\t0\tads\ttrack-me",
            foreign("example.com"),
        ),
        (
            &format!("[{}]", many.join(",")),
            foreign("a.example, b.example, c.example and others"),
        ),
    ] {
        assert_eq!(read(text), Err(error), "{text}");
    }
    assert_eq!(read(&"x".repeat(MAX_SIZE + 1)), Err(PasteError::TooLong));
}
