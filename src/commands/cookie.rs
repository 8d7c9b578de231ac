//! `llm2api cookie`: the cookies and keys of a running instance.

mod add;
mod list;
mod pasted;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Context;
use llm2api_gateway::objects::{CookieObject, Deleted};
use llm2api_proto::v1::{
    CheckCookieRequest, ClearCookieRequest, Cookie, DeleteCookieRequest, ListCookiesRequest,
    UpdateCookieRequest,
};
use serde::Serialize;
use tonic::Status;

pub(super) use self::pasted::read;

use super::{
    ids::COOKIE_IDS,
    instance::{Instance, explain},
    question::confirmed,
    talk,
};
use crate::{
    cli::{CookieCommand, CookieIds, CookieLabelOptions, CookieRemoveOptions},
    config::Configuration,
};

/// Runs a subcommand.
pub(super) fn run(command: CookieCommand, configuration: &Configuration, json: bool) -> ExitCode {
    talk(async move {
        let connect = || Instance::connect(configuration);
        match command {
            CookieCommand::Add(options) => {
                // What is wrong with the input is told before the instance is asked for.
                let pieces = add::pieces(&options)?;
                add::run(&options, pieces, &connect().await?, json).await
            }
            CookieCommand::List(options) => list::run(&options, &connect().await?, json).await,
            CookieCommand::Check(ids) => each(&ids, &connect().await?, json, Deed::Check).await,
            CookieCommand::Clear(ids) => each(&ids, &connect().await?, json, Deed::Clear).await,
            CookieCommand::Disable(ids) => each(&ids, &connect().await?, json, Deed::Disable).await,
            CookieCommand::Enable(ids) => each(&ids, &connect().await?, json, Deed::Enable).await,
            CookieCommand::Label(options) => label(options, &connect().await?, json).await,
            CookieCommand::Remove(options) => remove(&options, &connect().await?, json).await,
        }
    })
}

/// What is done to a cookie.
#[derive(Debug, Clone)]
enum Deed {
    Check,
    Clear,
    Disable,
    Enable,
    Label(String),
}

/// Does something to each of these, and shows what each is then.
async fn each(
    ids: &CookieIds,
    instance: &Instance,
    json: bool,
    deed: Deed,
) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for id in whole_ids(&ids.ids, instance).await? {
        match do_to(id.clone(), instance, deed.clone()).await {
            Ok(cookie) => show(cookie, json)?,
            Err(status) => {
                eprintln!("llm2api: {id}: {:#}", explain(status));
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

async fn do_to(id: String, instance: &Instance, deed: Deed) -> Result<Cookie, Status> {
    let mut cookies = instance.cookies();
    let update = UpdateCookieRequest {
        id: id.clone(),
        ..UpdateCookieRequest::default()
    };
    let update = match deed {
        Deed::Check => {
            let response = cookies.check_cookie(CheckCookieRequest { id }).await?;
            return Ok(response.into_inner().cookie.unwrap_or_default());
        }
        Deed::Clear => {
            let response = cookies.clear_cookie(ClearCookieRequest { id }).await?;
            return Ok(response.into_inner().cookie.unwrap_or_default());
        }
        Deed::Disable => UpdateCookieRequest {
            disabled: Some(true),
            ..update
        },
        Deed::Enable => UpdateCookieRequest {
            disabled: Some(false),
            ..update
        },
        Deed::Label(label) => UpdateCookieRequest {
            label: Some(label),
            ..update
        },
    };
    let response = cookies.update_cookie(update).await?;
    Ok(response.into_inner().cookie.unwrap_or_default())
}

async fn label(
    options: CookieLabelOptions,
    instance: &Instance,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let ids = CookieIds {
        ids: vec![options.id],
    };
    each(&ids, instance, json, Deed::Label(options.label)).await
}

async fn remove(
    options: &CookieRemoveOptions,
    instance: &Instance,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let ids = whole_ids(&options.ids.ids, instance).await?;
    if !confirmed(&format!("Remove {}?", ids.join(", ")), options.yes)? {
        return Ok(ExitCode::FAILURE);
    }
    let mut code = ExitCode::SUCCESS;
    for id in ids {
        let request = DeleteCookieRequest { id: id.clone() };
        match instance.cookies().delete_cookie(request).await {
            Ok(_) if json => print_json(&Deleted::cookie(id))?,
            Ok(_) => writeln!(io::stdout(), "{id} removed")?,
            Err(status) => {
                eprintln!("llm2api: {id}: {:#}", explain(status));
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

/// The whole ids of cookies.
async fn whole_ids(wanted: &[String], instance: &Instance) -> anyhow::Result<Vec<String>> {
    let all = async || {
        let cookies = list::all(&ListCookiesRequest::default(), instance).await?;
        Ok(cookies.into_iter().map(|cookie| cookie.id).collect())
    };
    COOKIE_IDS.resolve(wanted, all).await
}

fn show(cookie: Cookie, json: bool) -> anyhow::Result<()> {
    if json {
        return print_json(&CookieObject::from(cookie));
    }
    writeln!(io::stdout(), "{}", line(&cookie))?;
    Ok(())
}

/// A cookie in a line: `ck_…  chat  hf-chat=…9f2c  valid`.
fn line(cookie: &Cookie) -> String {
    let parts = [
        &cookie.id,
        &cookie.upstream,
        &cookie.preview,
        &list::state(cookie),
    ];
    let parts: Vec<_> = parts
        .into_iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    parts.join("  ")
}

/// Writes a line of JSON.
pub(super) fn print_json(object: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string(object).context("can't write JSON")?;
    writeln!(io::stdout(), "{text}")?;
    Ok(())
}
