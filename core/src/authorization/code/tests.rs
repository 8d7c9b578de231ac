//! Codes as an honest authority writes them, and as an attacker would.

use ring::hmac;

use super::*;

/// When the tests are.
const NOW: i64 = 1_790_000_000;

fn claims() -> Claims {
    Claims {
        iss: "authority".to_owned(),
        sub: "me".to_owned(),
        jti: "ac_1".to_owned(),
        iat: Some(NOW),
        nbf: Some(NOW),
        exp: Some(NOW + 3600),
        aud: Audience::One(AUDIENCE.to_owned()),
        llm2api_limits: CodeLimits {
            requests_per_minute: Some(60),
            models: Some(vec!["gpt-4o".to_owned()]),
            ..CodeLimits::default()
        },
    }
}

fn key() -> SigningKey {
    SigningKey::random().unwrap()
}

/// A code of any header and any claims, signed as they stand.
fn sign(header: &str, claims: &str, key: &SigningKey) -> String {
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()));
    format!("{message}.{signature}")
}

#[test]
fn a_code_says_what_was_signed() {
    let key = key();
    let code = claims().sign(&key);
    assert_eq!(Claims::read(&code, &key.public_key()), Ok(claims()));
    let unlimited = Claims {
        llm2api_limits: CodeLimits::default(),
        ..claims()
    };
    let code = unlimited.sign(&key);
    assert_eq!(Claims::read(&code, &key.public_key()), Ok(unlimited));
}

#[test]
fn a_code_of_another_key_is_refused() {
    let code = claims().sign(&key());
    assert_eq!(
        Claims::read(&code, &key().public_key()),
        Err(Fault::WrongSignature)
    );
}

#[test]
fn a_code_that_was_changed_anywhere_is_refused() {
    let key = key();
    let code = claims().sign(&key);
    for at in 0..code.len() {
        let mut changed = code.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        let read = Claims::read(&changed, &key.public_key());
        assert!(read.is_err(), "{at}: {changed}");
    }
}

#[test]
fn no_other_algorithm_is_taken_whatever_it_is_signed_with() {
    let key = key();
    let text = serde_json::to_string(&claims()).unwrap();
    let header = |alg: &str| format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#);
    for alg in [
        "none", "None", "", "HS256", "RS256", "ES256", "eddsa", "Ed25519",
    ] {
        let code = sign(&header(alg), &text, &key);
        let read = Claims::read(&code, &key.public_key());
        assert_eq!(read, Err(Fault::WrongAlgorithm), "{alg}");
    }

    // Unsigned.
    let unsigned = sign(&header("none"), &text, &key);
    let unsigned = format!("{}.", unsigned.rsplit_once('.').unwrap().0);
    let read = Claims::read(&unsigned, &key.public_key());
    assert_eq!(read, Err(Fault::WrongAlgorithm));

    // With the public key as the secret of a MAC: anybody has it.
    for secret in [
        key.public_key().to_pem().into_bytes(),
        key.public_key().bytes().to_vec(),
    ] {
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header("HS256")),
            URL_SAFE_NO_PAD.encode(&text)
        );
        let tag = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, &secret),
            message.as_bytes(),
        );
        let code = format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag));
        let read = Claims::read(&code, &key.public_key());
        assert_eq!(read, Err(Fault::WrongAlgorithm));
    }
}

#[test]
fn what_is_no_code_is_refused_as_that() {
    let key = key();
    let text = serde_json::to_string(&claims()).unwrap();
    let good = claims().sign(&key);
    let eddsa = r#"{"alg":"EdDSA"}"#;
    for code in [
        String::new(),
        "opaque".to_owned(),
        "a.b".to_owned(),
        format!("{good}."),
        format!(" {good}"),
        format!("{good}="),
        good.replace('.', ".."),
        "a".repeat(MAX_CODE_BYTES + 1),
        sign("[]", &text, &key),
        sign(r#"{"typ":"JWT"}"#, &text, &key),
        sign(r#"{"alg":"EdDSA","alg":"none"}"#, &text, &key),
        sign(r#"{"alg":"EdDSA","crit":["b64"],"b64":false}"#, &text, &key),
        sign(eddsa, "[]", &key),
        sign(eddsa, r#"{"exp":"tomorrow","aud":"llm2api"}"#, &key),
        sign(eddsa, r#"{"exp":1,"exp":9999999999,"aud":"llm2api"}"#, &key),
        sign(
            eddsa,
            r#"{"exp":9999999999,"llm2api_limits":{"unheard_of":1}}"#,
            &key,
        ),
        sign(
            eddsa,
            r#"{"exp":9999999999,"llm2api_limits":{"tokens_per_day":-1}}"#,
            &key,
        ),
    ] {
        let read = Claims::read(&code, &key.public_key());
        assert_eq!(read, Err(Fault::Malformed), "{code}");
    }
    let endless = sign(eddsa, r#"{"aud":"llm2api"}"#, &key);
    let read = Claims::read(&endless, &key.public_key());
    assert_eq!(read, Err(Fault::NoExpiry));
}

#[test]
fn a_minute_of_difference_between_clocks_is_borne() {
    let (begin, end) = (NOW, NOW + 3600);
    for (now, verdict) in [
        (begin - 61, Err(Fault::NotYetValid)),
        (begin - 60, Ok(())),
        (begin, Ok(())),
        (end, Ok(())),
        (end + 59, Ok(())),
        (end + 60, Err(Fault::Expired)),
    ] {
        assert_eq!(claims().check(now), verdict, "{}", now - begin);
    }
    let forever = Claims {
        nbf: Some(i64::MIN),
        exp: Some(i64::MAX),
        ..claims()
    };
    assert_eq!(forever.check(i64::MAX - 1), Ok(()));
    assert_eq!(forever.check(i64::MIN), Ok(()));
}

#[test]
fn a_code_for_something_else_is_refused() {
    let of = |aud: Audience| Claims { aud, ..claims() }.check(NOW);
    let many = |names: &[&str]| Audience::Many(names.iter().map(|&name| name.to_owned()).collect());
    assert_eq!(of(many(&["other", AUDIENCE])), Ok(()));
    for aud in [
        Audience::default(),
        Audience::One("LLM2API".to_owned()),
        Audience::One("llm2api-other".to_owned()),
        many(&["other"]),
    ] {
        assert_eq!(of(aud.clone()), Err(Fault::WrongAudience), "{aud:?}");
    }
}

#[test]
fn dates_may_have_fractions() {
    let key = key();
    let code = sign(
        r#"{"alg":"EdDSA"}"#,
        r#"{"exp":1790000000.9,"nbf":1e9}"#,
        &key,
    );
    let read = Claims::read(&code, &key.public_key()).unwrap();
    assert_eq!(
        (read.nbf, read.exp),
        (Some(1_000_000_000), Some(1_790_000_000))
    );
}
