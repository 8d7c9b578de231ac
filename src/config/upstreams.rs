//! The upstreams and the operator's own names for models.

use std::collections::{BTreeMap, BTreeSet};

use llm2api_core::config::{ChatUiConfig, UpstreamConfig};

use super::{
    file::ConfigFile,
    local_model::LocalUpstream,
    names,
    problem::Problem,
    reader::Reader,
    settings::{MODEL_SETTINGS, ModelSettings, Settings, UPSTREAM_SETTINGS, UpstreamSettings},
    source::Source,
    value::EntryKind,
};

/// The upstream of `UPSTREAM_URL`, if any.
pub(crate) fn single_upstream(settings: &Settings) -> Option<UpstreamConfig> {
    let url = settings.upstream_url.as_ref()?;
    let kind = settings.upstream_kind.kind();
    Some(UpstreamConfig {
        api_key: settings.upstream_api_key.clone(),
        ..UpstreamConfig::new(&settings.upstream_name.0, kind, url.0.clone())
    })
}

/// What an entry of the file is.
enum Entry {
    Remote(Box<UpstreamConfig>),
    Local(LocalUpstream),
}

/// The upstreams of the file, in its order, and the local one.
pub(crate) fn file_upstreams(
    file: &ConfigFile,
    problems: &mut Vec<Problem>,
) -> (Vec<UpstreamConfig>, Option<LocalUpstream>) {
    let (mut upstreams, mut local) = (Vec::new(), None);
    let Some(value) = file.table.get("upstreams") else {
        return (upstreams, local);
    };
    let entries = value.as_array().map(|entries| {
        entries
            .iter()
            .map(toml::Value::as_table)
            .collect::<Option<Vec<_>>>()
    });
    let Some(Some(entries)) = entries else {
        problems.push(Problem::new(
            format!("{}: upstreams", file.path),
            "takes tables, each under a line [[upstreams]]",
        ));
        return (upstreams, local);
    };
    for (index, table) in entries.into_iter().enumerate() {
        let path = format!("upstreams[{index}].");
        match entry(file, &path, table, problems) {
            Some(Entry::Remote(upstream)) => upstreams.push(*upstream),
            Some(Entry::Local(_)) if local.is_some() => problems.push(Problem::new(
                format!("{}: {path}kind", file.path),
                "there is one local model, and another entry is for it already",
            )),
            Some(Entry::Local(entry)) => local = Some(entry),
            None => {}
        }
    }
    (upstreams, local)
}

fn entry(
    file: &ConfigFile,
    path: &str,
    table: &toml::Table,
    problems: &mut Vec<Problem>,
) -> Option<Entry> {
    names::check_keys(&file.path, path, table, UPSTREAM_SETTINGS, problems);
    let mut reader = Reader::new(vec![Source::Table {
        file: &file.path,
        path,
        table,
    }]);
    let settings = UpstreamSettings::read(&mut reader);
    problems.append(&mut reader.problems);
    let settings = settings?;
    let kind = match settings.kind {
        EntryKind::Local => {
            let subject = format!("{}: {path}", file.path);
            return LocalUpstream::new(settings, &subject, problems).map(Entry::Local);
        }
        EntryKind::Remote(choice) => choice.kind(),
    };
    let mut required = |key: &str| {
        let subject = format!("{}: {path}{key}", file.path);
        problems.push(Problem::new(subject, "missing; every upstream needs it"));
    };
    if settings.name.is_none() {
        required("name");
    }
    if settings.url.is_none() {
        required("url");
    }
    Some(Entry::Remote(Box::new(UpstreamConfig {
        name: settings.name?.0,
        kind,
        url: settings.url?.0,
        api_key: settings.api_key,
        cookies: settings
            .cookies
            .map(|cookies| cookies.0)
            .unwrap_or_default(),
        added_cookies: Vec::new(),
        models: settings.models.map(|models| models.0),
        aliases: settings.aliases.0,
        priority: settings.priority.unwrap_or(0),
        weight: settings.weight,
        cooldown: settings.cooldown,
        has_breaker: settings.breaker.0,
        proxy: settings.proxy.map(|proxy| proxy.0),
        first_token_timeout: settings.first_token_timeout.map(|timeout| timeout.0),
        idle_timeout: settings.idle_timeout.map(|timeout| timeout.0),
        web_search: settings.web_search,
        propagate_trace: settings.propagate_trace.map(|switch| switch.0),
        chat_ui: ChatUiConfig {
            cookie_name: settings.cookie_name.0,
            origin: settings.origin.map(|origin| origin.0),
            headers: settings.headers.0,
        },
    })))
}

/// Checks that no two upstreams have the same name.
pub(crate) fn check_names(
    upstreams: &[UpstreamConfig],
    local: &LocalUpstream,
    problems: &mut Vec<Problem>,
) {
    let mut seen = BTreeSet::new();
    let names = upstreams.iter().map(|upstream| &upstream.name);
    for name in names.chain(local.declared_name()) {
        if !seen.insert(name) {
            problems.push(Problem::new(
                format!("upstream {name}"),
                "two upstreams have this name (UPSTREAM_URL's is called by UPSTREAM_NAME); rename one",
            ));
        }
    }
}

/// The operator's own names for models, each with its targets.
pub(crate) fn model_names(
    file: &ConfigFile,
    upstreams: &[UpstreamConfig],
    local: &LocalUpstream,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Vec<String>> {
    let Some(value) = file.table.get("models") else {
        return BTreeMap::new();
    };
    let Some(tables) = value.as_table() else {
        problems.push(Problem::new(
            format!("{}: models", file.path),
            "takes tables, each under a line [models.NAME]",
        ));
        return BTreeMap::new();
    };
    let mut models = BTreeMap::new();
    for (name, value) in tables {
        let subject = format!("{}: models.{name}", file.path);
        let Some(table) = value.as_table() else {
            problems.push(Problem::new(subject, "takes a table with the key targets"));
            continue;
        };
        let path = format!("models.{name}.");
        names::check_keys(&file.path, &path, table, MODEL_SETTINGS, problems);
        let mut reader = Reader::new(vec![Source::Table {
            file: &file.path,
            path: &path,
            table,
        }]);
        let settings = ModelSettings::read(&mut reader);
        problems.append(&mut reader.problems);
        let Some(settings) = settings else { continue };
        let Some(targets) = settings.targets else {
            problems.push(Problem::new(
                format!("{subject}.targets"),
                "missing; takes names such as [\"vllm/qwen3\"]",
            ));
            continue;
        };
        for target in &targets.0 {
            let is_known = target.split_once('/').is_some_and(|(upstream, model)| {
                // Whether there is a local model is known later, and may change: it needs no other file.
                let is_local = local.name() == upstream;
                !model.is_empty()
                    && (is_local || upstreams.iter().any(|known| known.name == upstream))
            });
            if !is_known {
                problems.push(Problem::new(
                    format!("{subject}.targets"),
                    format!(
                        "“{target}” does not begin with the name of an upstream, as in vllm/qwen3"
                    ),
                ));
            }
        }
        models.insert(name.clone(), targets.0);
    }
    models
}
