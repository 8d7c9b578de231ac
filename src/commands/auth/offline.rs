//! What needs no instance: keys and codes in files.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use llm2api_core::authorization::{AUDIENCE, Audience, Claims, CodeLimits, PublicKey, SigningKey};
use llm2api_proto::v1::{self, AuthorizationCode, CodeModels};
use prost_types::Timestamp;
use secrecy::ExposeSecret;
use serde_json::json;

use super::{DAY, given, tell_issued, tell_verdict};
use crate::{
    cli::{AuthIssueOptions, AuthKeygenOptions, AuthVerifyOptions},
    commands::cookie::print_json,
};

/// Random bytes of an id.
const ID_SIZE_BYTES: usize = 12;

/// Makes a key.
pub(super) fn keygen(options: &AuthKeygenOptions, json: bool) -> anyhow::Result<ExitCode> {
    let file = options.file.as_path();
    let key = SigningKey::random().context("no key can be made")?;
    let written = write_new(file, key.to_pem().expose_secret());
    written.with_context(|| format!("can't write {}", file.display()))?;
    let public_key = key.public_key();
    if json {
        print_json(&json!({
            "private_key_file": file.display().to_string(),
            "public_key": public_key.to_pem(),
            "issuer": public_key.issuer(),
        }))?;
    } else {
        write!(io::stdout(), "{}", public_key.to_pem())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write_new(file: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    let mut opened: File = options.open(file)?;
    opened.write_all(text.as_bytes())?;
    opened.sync_all()
}

/// Signs a code by a private key.
pub(super) fn issue(
    options: &AuthIssueOptions,
    key: &Path,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let key = SigningKey::from_pem(&read(key)?)
        .with_context(|| format!("{} holds no private key of Ed25519", key.display()))?;
    let now = now();
    let not_before = options.not_before.unwrap_or(now);
    let claims = Claims {
        iss: key.public_key().issuer(),
        sub: options.subject.clone(),
        jti: new_id()?,
        iat: Some(now),
        nbf: Some(not_before),
        exp: Some(not_before + options.days * DAY),
        aud: Audience::One(AUDIENCE.to_owned()),
        llm2api_limits: CodeLimits {
            requests_per_minute: options.requests_per_minute,
            tokens_per_day: options.tokens_per_day.map(i64::unsigned_abs),
            models: Some(options.models.clone()).filter(|models| !models.is_empty()),
            web_search: options.no_web_search.then_some(false),
        },
    };
    tell_issued(&shown(&claims), &claims.sign(&key), json)?;
    Ok(ExitCode::SUCCESS)
}

/// Looks at a code's signature, audience and dates.
pub(super) fn verify(
    options: &AuthVerifyOptions,
    key: &Path,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let key = PublicKey::from_pem(&read(key)?)
        .with_context(|| format!("{} holds no public key of Ed25519", key.display()))?;
    let code = given(options.code.clone())?;
    let claims = Claims::read(code.expose_secret(), &key);
    let checked = claims.and_then(|claims| claims.check(now()).map(|()| claims));
    match checked {
        Ok(claims) => tell_verdict(Some(shown(&claims)), "", json),
        Err(fault) => tell_verdict(None, fault.as_str(), json),
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))
}

fn new_id() -> anyhow::Result<String> {
    let mut random = [0; ID_SIZE_BYTES];
    getrandom::fill(&mut random).context("the system has no randomness")?;
    let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("ac_{hex}"))
}

fn now() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since_1970.unwrap_or_default().as_secs();
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// What a code says, as a running instance tells it.
fn shown(claims: &Claims) -> AuthorizationCode {
    let timestamp = |seconds: i64| Timestamp { seconds, nanos: 0 };
    let limits = &claims.llm2api_limits;
    let is_limited = *limits != CodeLimits::default();
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    AuthorizationCode {
        id: claims.jti.clone(),
        issuer: claims.iss.clone(),
        subject: claims.sub.clone(),
        issued_at: claims.iat.map(timestamp),
        not_before: claims.nbf.map(timestamp),
        expires_at: claims.exp.map(timestamp),
        limits: is_limited.then(|| v1::CodeLimits {
            requests_per_minute: limits.requests_per_minute.map(i64::from),
            tokens_per_day: limits.tokens_per_day.map(signed),
            models: limits.models.clone().map(|names| CodeModels { names }),
            web_search: limits.web_search,
        }),
        revoked_at: None,
        own: false,
    }
}
