//! `llm2api upstream`: the upstreams of a running instance.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use llm2api_gateway::objects::{Deleted, ListObject, UpstreamObject, UpstreamTest};
use llm2api_proto::v1::{
    AddUpstreamRequest, CookieCounts, DeleteUpstreamRequest, ListUpstreamsRequest,
    TestUpstreamRequest, Upstream, UpstreamSettings,
};
use secrecy::ExposeSecret;

use super::{
    cookie::{print_json, read},
    instance::{Instance, explain},
    question::confirmed,
    table::table,
    talk,
};
use crate::{
    cli::{UpstreamAddOptions, UpstreamCommand, UpstreamRemoveOptions},
    config::Configuration,
};

/// Runs a subcommand.
pub(super) fn run(command: UpstreamCommand, configuration: &Configuration, json: bool) -> ExitCode {
    talk(async move {
        let instance = Instance::connect(configuration).await?;
        match command {
            UpstreamCommand::Add(options) => add(*options, &instance, json).await,
            UpstreamCommand::List => list(&instance, json).await,
            UpstreamCommand::Test(upstream) => test(upstream.name, &instance, json).await,
            UpstreamCommand::Remove(options) => remove(options, &instance, json).await,
        }
    })
}

async fn add(
    options: UpstreamAddOptions,
    instance: &Instance,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let cookie = match &options.cookie_file {
        Some(file) => read(Some(file))?.expose_secret().trim().to_owned(),
        None => String::new(),
    };
    let request = AddUpstreamRequest {
        name: options.name,
        url: options.url,
        kind: options.kind,
        cookie,
        settings: Some(UpstreamSettings {
            models: options.models,
            aliases: options.aliases.into_iter().collect(),
            priority: options.priority,
            weight: options.weight,
            cooldown: options.cooldown,
            breaker: options.breaker,
            proxy: options.proxy,
            first_token_timeout: options.first_token_timeout,
            idle_timeout: options.idle_timeout,
            web_search: options.web_search,
            propagate_trace: options.propagate_trace,
            cookie_name: options.cookie_name,
            origin: options.origin,
            headers: options.headers.into_iter().collect(),
        }),
    };
    let added = instance.upstreams().add_upstream(request).await;
    let upstream = added.map_err(explain)?.into_inner().upstream;
    let upstream = upstream.unwrap_or_default();
    if json {
        print_json(&UpstreamObject::from(upstream))?;
    } else {
        let name = upstream.name;
        writeln!(
            io::stdout(),
            "added {name}; `llm2api upstream test {name}` tries it"
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(instance: &Instance, json: bool) -> anyhow::Result<ExitCode> {
    let listed = instance
        .upstreams()
        .list_upstreams(ListUpstreamsRequest::default())
        .await;
    let upstreams = listed.map_err(explain)?.into_inner().upstreams;
    if json {
        let objects = upstreams.into_iter().map(UpstreamObject::from).collect();
        print_json(&ListObject::new(
            objects,
            false,
            |upstream: &UpstreamObject| &upstream.name,
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    if upstreams.is_empty() {
        eprintln!("llm2api: there are none; `llm2api upstream add URL` adds one");
    }
    let rows: Vec<_> = upstreams.iter().map(row).collect();
    let headings = [
        "NAME", "KIND", "STATE", "MODELS", "COOKIES", "SOURCE", "URL", "REASON",
    ];
    write!(io::stdout(), "{}", table(headings, &rows))?;
    Ok(ExitCode::SUCCESS)
}

fn row(upstream: &Upstream) -> [String; 8] {
    [
        upstream.name.clone(),
        upstream.kind.clone(),
        upstream.state.clone(),
        upstream.models.len().to_string(),
        upstream
            .cookies
            .as_ref()
            .map(cookies)
            .filter(|cookies| !cookies.is_empty())
            .unwrap_or_else(|| "none".to_owned()),
        upstream.source.clone(),
        upstream.url.clone(),
        upstream.reason.clone(),
    ]
}

/// How many cookies are in each state: `3 valid, 1 cooling`.
fn cookies(counts: &CookieCounts) -> String {
    let counts = [
        (counts.valid, "valid"),
        (counts.unchecked, "unchecked"),
        (counts.cooling, "cooling"),
        (counts.invalid, "invalid"),
        (counts.disabled, "disabled"),
    ];
    let counts: Vec<_> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, state)| format!("{count} {state}"))
        .collect();
    counts.join(", ")
}

async fn test(name: String, instance: &Instance, json: bool) -> anyhow::Result<ExitCode> {
    let request = TestUpstreamRequest { name };
    let tested = instance.upstreams().test_upstream(request).await;
    let test = UpstreamTest::from(tested.map_err(explain)?.into_inner());
    let code = match test.ok {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    };
    if json {
        print_json(&test)?;
        return Ok(code);
    }
    let seconds = test.duration_seconds;
    match &test.error {
        None => {
            let models = &test.upstream.models;
            writeln!(
                io::stdout(),
                "ok: {} models in {seconds:.2} s",
                models.len()
            )?;
            for model in models {
                writeln!(io::stdout(), "  {model}")?;
            }
        }
        Some(error) => eprintln!("llm2api: {}: {error}", test.upstream.name),
    }
    Ok(code)
}

async fn remove(
    options: UpstreamRemoveOptions,
    instance: &Instance,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let name = options.upstream.name;
    if !confirmed(&format!("Remove {name} and its cookies?"), options.yes)? {
        return Ok(ExitCode::FAILURE);
    }
    let request = DeleteUpstreamRequest { name: name.clone() };
    let removed = instance.upstreams().delete_upstream(request).await;
    removed.map_err(explain)?;
    if json {
        print_json(&Deleted::upstream(name))?;
    } else {
        writeln!(io::stdout(), "{name} removed")?;
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_without_a_cookie_are_not_told() {
        let counts = CookieCounts {
            valid: 3,
            cooling: 1,
            ..CookieCounts::default()
        };
        assert_eq!(cookies(&counts), "3 valid, 1 cooling");
        assert_eq!(cookies(&CookieCounts::default()), "");
    }
}
