//! The upstreams and the operator's own names for models.

use std::collections::{BTreeMap, BTreeSet};

use llm2api_core::config::{ChatUiConfig, UpstreamConfig};

use super::{
    file::ConfigFile,
    names,
    problem::Problem,
    reader::Reader,
    settings::{MODEL_SETTINGS, ModelSettings, Settings, UPSTREAM_SETTINGS, UpstreamSettings},
    source::Source,
};

/// The upstream of `UPSTREAM_URL`, if any.
pub(crate) fn single_upstream(settings: &Settings) -> Option<UpstreamConfig> {
    let url = settings.upstream_url.as_ref()?;
    Some(UpstreamConfig {
        name: settings.upstream_name.0.clone(),
        kind: settings.upstream_kind.kind(),
        url: url.0.clone(),
        api_key: settings.upstream_api_key.clone(),
        cookies: Vec::new(),
        models: None,
        aliases: BTreeMap::new(),
        priority: 0,
        weight: 1,
        cooldown: None,
        proxy: None,
        first_token_timeout: None,
        idle_timeout: None,
        chat_ui: ChatUiConfig::default(),
    })
}

/// The upstreams of the file, in its order.
pub(crate) fn file_upstreams(
    file: &ConfigFile,
    problems: &mut Vec<Problem>,
) -> Vec<UpstreamConfig> {
    let Some(value) = file.table.get("upstreams") else {
        return Vec::new();
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
        return Vec::new();
    };
    entries
        .into_iter()
        .enumerate()
        .filter_map(|(index, table)| {
            let path = format!("upstreams[{index}].");
            upstream(file, &path, table, problems)
        })
        .collect()
}

fn upstream(
    file: &ConfigFile,
    path: &str,
    table: &toml::Table,
    problems: &mut Vec<Problem>,
) -> Option<UpstreamConfig> {
    names::check_keys(&file.path, path, table, UPSTREAM_SETTINGS, problems);
    let mut reader = Reader::new(vec![Source::Table {
        file: &file.path,
        path,
        table,
    }]);
    let settings = UpstreamSettings::read(&mut reader);
    problems.append(&mut reader.problems);
    let settings = settings?;
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
    Some(UpstreamConfig {
        name: settings.name?.0,
        kind: settings.kind.kind(),
        url: settings.url?.0,
        api_key: settings.api_key,
        cookies: settings
            .cookies
            .map(|cookies| cookies.0)
            .unwrap_or_default(),
        models: settings.models.map(|models| models.0),
        aliases: settings.aliases.0,
        priority: settings.priority,
        weight: settings.weight,
        cooldown: settings.cooldown,
        proxy: settings.proxy.map(|proxy| proxy.0),
        first_token_timeout: settings.first_token_timeout.map(|timeout| timeout.0),
        idle_timeout: settings.idle_timeout.map(|timeout| timeout.0),
        chat_ui: ChatUiConfig {
            cookie_name: settings.cookie_name.0,
            origin: settings.origin.map(|origin| origin.0),
            headers: settings.headers.0,
        },
    })
}

/// Checks that no two upstreams have the same name.
pub(crate) fn check_names(upstreams: &[UpstreamConfig], problems: &mut Vec<Problem>) {
    let mut seen = BTreeSet::new();
    for upstream in upstreams {
        if !seen.insert(&upstream.name) {
            problems.push(Problem::new(
                format!("upstream {}", upstream.name),
                "two upstreams have this name (UPSTREAM_URL's is called by UPSTREAM_NAME); rename one",
            ));
        }
    }
}

/// The operator's own names for models, each with its targets.
pub(crate) fn model_names(
    file: &ConfigFile,
    upstreams: &[UpstreamConfig],
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
                !model.is_empty() && upstreams.iter().any(|known| known.name == upstream)
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
