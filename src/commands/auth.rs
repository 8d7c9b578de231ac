//! `llm2api auth`: authorization codes, by a running instance or by key files.

mod object;
mod offline;

use std::{
    io::{self, IsTerminal, Read, Write},
    process::ExitCode,
};

use anyhow::Context;
use llm2api_proto::v1::{
    Authorization, AuthorizationCode, CodeLimits, CodeModels, GetAuthorizationRequest,
    IntrospectCodeRequest, IssueCodeRequest, ListCodesRequest, RevokeCodeRequest,
};
use prost_types::{Duration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use self::object::{AuthorizationObject, CodeObject, date};
use super::{
    cookie::print_json,
    failure,
    instance::{Instance, explain},
    table::table,
    talk,
};
use crate::{
    cli::{AuthCommand, AuthIssueOptions, AuthRevokeOptions, AuthVerifyOptions},
    config::Configuration,
};

/// Codes that are asked for at once: as many as there may be on a page.
const PAGE_SIZE: i32 = 1000;
/// Seconds of a day.
const DAY: i64 = 24 * 3600;

/// Runs a subcommand.
pub(super) fn run(command: AuthCommand, configuration: &Configuration, json: bool) -> ExitCode {
    let done = match &command {
        AuthCommand::Keygen(options) => Some(offline::keygen(options, json)),
        AuthCommand::Issue(options) => {
            let key = options.key.as_deref();
            key.map(|key| offline::issue(options, key, json))
        }
        AuthCommand::Verify(options) => {
            let key = options.public_key.as_deref();
            key.map(|key| offline::verify(options, key, json))
        }
        AuthCommand::Show | AuthCommand::Revoke(_) | AuthCommand::List => None,
    };
    match done {
        Some(Ok(code)) => return code,
        Some(Err(error)) => return failure(&error),
        None => {}
    }
    talk(async move {
        let instance = Instance::connect(configuration).await?;
        match command {
            AuthCommand::Show => show(&instance, json).await,
            AuthCommand::Issue(options) => issue(options, &instance, json).await,
            AuthCommand::Verify(options) => verify(options, &instance, json).await,
            AuthCommand::Revoke(options) => revoke(options, &instance, json).await,
            AuthCommand::List => list(&instance, json).await,
            AuthCommand::Keygen(_) => Ok(ExitCode::SUCCESS),
        }
    })
}

async fn show(instance: &Instance, json: bool) -> anyhow::Result<ExitCode> {
    let asked = instance.authorization();
    let shown = asked
        .clone()
        .get_authorization(GetAuthorizationRequest {})
        .await;
    let authorization = shown.map_err(explain)?.into_inner().authorization;
    let authorization = authorization.unwrap_or_default();
    let admits = matches!(authorization.state.as_str(), "valid" | "grace");
    if json {
        print_json(&AuthorizationObject::from(authorization))?;
    } else {
        write!(io::stdout(), "{}", described(&authorization))?;
    }
    Ok(exit(admits))
}

fn described(authorization: &Authorization) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("{name:<11}{value}\n"));
        }
    };
    line("state", &authorization.state);
    line("reason", &authorization.reason);
    line("message", &authorization.message);
    line("authority", &authorization.authority);
    if let Some(code) = &authorization.code {
        line("code", &code.id);
        line("issuer", &code.issuer);
        line("subject", &code.subject);
        line("expires", &date(code.expires_at));
    }
    line("checked", &date(authorization.last_checked_at));
    line("next check", &date(authorization.next_check_at));
    text.push_str(&authorization.own_public_key);
    text
}

async fn issue(
    options: AuthIssueOptions,
    instance: &Instance,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let AuthIssueOptions {
        subject,
        days,
        not_before,
        requests_per_minute,
        tokens_per_day,
        models,
        no_web_search,
        key: _,
    } = options;
    let timestamp = |seconds| Timestamp { seconds, nanos: 0 };
    let request = IssueCodeRequest {
        subject,
        lifetime: Some(Duration {
            seconds: days * DAY,
            nanos: 0,
        }),
        not_before: not_before.map(timestamp),
        limits: Some(CodeLimits {
            requests_per_minute: requests_per_minute.map(i64::from),
            tokens_per_day,
            models: (!models.is_empty()).then_some(CodeModels { names: models }),
            web_search: no_web_search.then_some(false),
        }),
    };
    let issued = instance.authorization().issue_code(request).await;
    let issued = issued.map_err(explain)?.into_inner();
    let code = issued.issued.unwrap_or_default();
    tell_issued(&code, &issued.code, json)?;
    Ok(ExitCode::SUCCESS)
}

/// The code to the output, for a file or a pipe; what it says to people.
fn tell_issued(code: &AuthorizationCode, text: &str, json: bool) -> anyhow::Result<()> {
    if json {
        return print_json(&CodeObject::new(code.clone(), Some(text.to_owned())));
    }
    writeln!(io::stdout(), "{text}")?;
    let (id, subject, end) = (&code.id, &code.subject, date(code.expires_at));
    eprintln!("llm2api: issued {id} to {subject}, good until {end}");
    Ok(())
}

async fn verify(
    options: AuthVerifyOptions,
    instance: &Instance,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let code = given(options.code)?.expose_secret().to_owned();
    let asked = instance
        .authorization()
        .introspect_code(IntrospectCodeRequest { code })
        .await;
    let answer = asked.map_err(explain)?.into_inner();
    let known = answer.code.unwrap_or_default();
    tell_verdict(answer.active.then_some(known), "not_active", json)
}

/// What a code is worth; without one, why that is nothing.
fn tell_verdict(
    good: Option<AuthorizationCode>,
    reason: &str,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let is_good = good.is_some();
    match good {
        Some(code) if json => print_json(&CodeObject::new(code, None))?,
        Some(code) => {
            let (id, subject, end) = (&code.id, &code.subject, date(code.expires_at));
            writeln!(io::stdout(), "good: {id}, to {subject}, until {end}")?;
        }
        None if json => print_json(&serde_json::json!({"active": false, "reason": reason}))?,
        None => writeln!(io::stdout(), "not good: {reason}")?,
    }
    Ok(exit(is_good))
}

/// The code that was given, or that standard input has.
fn given(code: Option<SecretString>) -> anyhow::Result<SecretString> {
    if let Some(code) = code {
        return Ok(code);
    }
    if io::stdin().is_terminal() {
        eprintln!("Paste the code, then press Ctrl-D on a line of its own:");
    }
    let mut text = String::new();
    let read = io::stdin().read_to_string(&mut text);
    read.context("can't read standard input")?;
    Ok(text.trim().into())
}

async fn revoke(
    options: AuthRevokeOptions,
    instance: &Instance,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let AuthRevokeOptions { id, undo } = options;
    let request = RevokeCodeRequest { id, undo };
    let revoked = instance.authorization().revoke_code(request).await;
    let code = revoked.map_err(explain)?.into_inner().code;
    let code = code.unwrap_or_default();
    if json {
        print_json(&CodeObject::new(code, None))?;
    } else {
        let what = if undo { "good again" } else { "revoked" };
        writeln!(io::stdout(), "{} {what}", code.id)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(instance: &Instance, json: bool) -> anyhow::Result<ExitCode> {
    let mut client = instance.authorization();
    let mut codes = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListCodesRequest {
            page_size: PAGE_SIZE,
            page_token,
        };
        let page = client.list_codes(request).await.map_err(explain)?;
        let page = page.into_inner();
        codes.extend(page.codes);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    if json {
        print_json(&object::list(codes))?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<_> = codes.iter().map(row).collect();
    let headings = ["ID", "SUBJECT", "FROM", "UNTIL", "REVOKED", "LIMITS"];
    write!(io::stdout(), "{}", table(headings, &rows))?;
    Ok(ExitCode::SUCCESS)
}

fn row(code: &AuthorizationCode) -> [String; 6] {
    [
        code.id.clone(),
        code.subject.clone(),
        date(code.not_before),
        date(code.expires_at),
        date(code.revoked_at),
        code.limits.as_ref().map(limits).unwrap_or_default(),
    ]
}

/// Limits in a few words.
fn limits(limits: &CodeLimits) -> String {
    let requests = limits.requests_per_minute;
    let tokens = limits.tokens_per_day;
    let models = limits.models.as_ref();
    let parts = [
        requests.map(|count| format!("{count} requests a minute")),
        tokens.map(|count| format!("{count} tokens a day")),
        models.map(|models| match models.names.as_slice() {
            [] => "no model".to_owned(),
            names => names.join("|"),
        }),
        (limits.web_search == Some(false)).then(|| "no web search".to_owned()),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    parts.join(", ")
}

fn exit(is_well: bool) -> ExitCode {
    match is_well {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
