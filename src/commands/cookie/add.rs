//! `llm2api cookie add`: many at once, each told as it happens.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::bail;
use llm2api_gateway::objects::AddedCookie;
use llm2api_proto::{
    ContractError,
    v1::{AddCookieRequest, AddCookieResponse, ErrorReason},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tokio::task::JoinSet;
use tonic::Status;

use super::{line, pasted, print_json};
use crate::{
    cli::CookieAddOptions,
    commands::instance::{Instance, code, describe, explain},
};

/// Checks under way at once: upstreams count what comes from one address.
const AT_ONCE: usize = 4;

/// The credentials that were given, in whichever way.
pub(super) fn pieces(options: &CookieAddOptions) -> anyhow::Result<Vec<SecretString>> {
    let pieces: Vec<SecretString> = if options.values.is_empty() {
        pasted::split(&pasted::read(options.file.as_deref())?)
    } else {
        let values = options.values.iter();
        values.flat_map(pasted::split).collect()
    };
    if pieces.is_empty() {
        bail!("nothing to add: give cookies or keys on standard input, or by --file");
    }
    Ok(pieces)
}

/// Adds them.
pub(super) async fn run(
    options: &CookieAddOptions,
    pieces: Vec<SecretString>,
    instance: &Instance,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let count = pieces.len();
    let mut waiting = pieces.into_iter().enumerate();
    let mut running = JoinSet::new();
    let mut tally = Tally::default();
    loop {
        while running.len() < AT_ONCE
            && let Some((index, piece)) = waiting.next()
        {
            let request = AddCookieRequest {
                cookie: piece.expose_secret().to_owned(),
                upstream: options.upstream.clone(),
                kind: options.kind.clone().unwrap_or_default(),
                label: options.label.clone(),
                user_agent: options.user_agent.clone(),
                proxy: options.proxy.clone(),
            };
            let mut client = instance.cookies();
            // Waited for below; dropped with the set where the command ends before.
            running.spawn(async move { (index + 1, client.add_cookie(request).await) });
        }
        let Some(done) = running.join_next().await else {
            break;
        };
        let (index, result) = done?;
        tell(
            &Place { index, count },
            result.map(tonic::Response::into_inner),
            &mut tally,
            json,
        )?;
    }
    if count > 1 && !json {
        let Tally { accepted, rejected } = tally;
        eprintln!("{accepted} accepted, {rejected} rejected");
    }
    Ok(match tally.rejected {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

#[derive(Default)]
struct Tally {
    accepted: usize,
    rejected: usize,
}

/// Which of how many.
struct Place {
    index: usize,
    count: usize,
}

/// Tells what became of one. What is wrong with more than this one ends the command.
fn tell(
    place: &Place,
    result: Result<AddCookieResponse, Status>,
    tally: &mut Tally,
    json: bool,
) -> anyhow::Result<()> {
    let Place { index, count } = place;
    let status = match result {
        Ok(added) => {
            tally.accepted += 1;
            let cookie = added.cookie.unwrap_or_default();
            if json {
                let created = added.created;
                let cookie = cookie.into();
                return print_json(&AddedCookie { cookie, created });
            }
            let what = if added.created {
                "added"
            } else {
                "there already"
            };
            writeln!(io::stdout(), "{index}/{count} {what}: {}", line(&cookie))?;
            return Ok(());
        }
        Err(status) => status,
    };
    let Some(error) = ContractError::from_status(&status).filter(is_of_one) else {
        return Err(explain(status));
    };
    tally.rejected += 1;
    if json {
        return print_json(&json!({
            "index": index,
            "error": {"message": error.message, "param": error.param, "code": code(&error)},
        }));
    }
    eprintln!("{index}/{count} rejected: {}", describe(&error));
    Ok(())
}

/// Whether an error is about one credential, so that others may fare better.
fn is_of_one(error: &ContractError) -> bool {
    match error.param.as_deref() {
        Some(param) => param == "cookie",
        None => matches!(
            error.reason,
            ErrorReason::CookieInvalid
                | ErrorReason::UpstreamError
                | ErrorReason::UpstreamUnavailable
                | ErrorReason::UpstreamMisconfigured
                | ErrorReason::RateLimitExceeded
                | ErrorReason::ConnectTimeout
                | ErrorReason::RequestTimeout
        ),
    }
}
