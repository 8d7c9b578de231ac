//! The configuration: settings, upstreams and models, read once from the environment and the file, and validated whole.
//!
//! Nothing outside this module reads the environment. What comes out are plain values for the core, the gateway and the binary's
//! own parts, which know nothing of variables.

mod assembly;
mod declaration;
mod documentation;
mod file;
mod local_model;
mod names;
mod opentelemetry;
mod problem;
mod reader;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod upstreams;
mod value;

use std::{collections::BTreeMap, env, path::Path};

use llm2api_core::config::UpstreamConfig;

pub(crate) use self::{
    assembly::{AdminKey, Role},
    documentation::{help_table, markdown},
    opentelemetry::{Batching, Export, OpenTelemetry, OtlpProtocol},
    problem::Problem,
    reader::Effective,
    settings::Settings,
    source::{Environment, Origin},
    value::{
        ClientKeys, DEFAULT_INSTANCE, GrpcListen, LogFilter, LogFormat, RuntimeKind, reachable,
    },
};
use self::{file::ConfigFile, local_model::LocalUpstream, reader::Reader, source::Source};

/// All that the operator said.
#[derive(Debug)]
pub(crate) struct Configuration {
    /// The settings.
    pub(crate) settings: Settings,
    /// The upstreams, `UPSTREAM_URL`'s first; last the local model, once it was looked for.
    pub(crate) upstreams: Vec<UpstreamConfig>,
    /// How the local model is offered, if there is one.
    local: LocalUpstream,
    /// The operator's own names for models, each with its targets.
    pub(crate) models: BTreeMap<String, Vec<String>>,
    /// The settings as they are shown.
    pub(crate) effective: Vec<Effective>,
    /// What the OpenTelemetry SDK's own variables say.
    pub(crate) opentelemetry: OpenTelemetry,
    /// What is odd, but stops nothing; one line each.
    pub(crate) warnings: Vec<String>,
}

/// The process's environment. Text that is not UTF-8 becomes text that no setting takes.
pub(crate) fn environment() -> Environment {
    env::vars_os()
        .map(|(name, value)| {
            (
                name.to_string_lossy().into_owned(),
                value.to_string_lossy().into_owned(),
            )
        })
        .collect()
}

impl Configuration {
    /// Reads the configuration from these variables and from the file that `--config`, else `CONFIG` names.
    ///
    /// # Errors
    ///
    /// All that is wrong with it.
    pub(crate) fn load(
        environment: &Environment,
        config_option: Option<&Path>,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let file = config_file(environment, config_option).map_err(|problem| vec![problem])?;

        let mut sources = vec![
            Source::PrefixedVariables(environment),
            Source::Variables(environment),
            Source::LowerCaseVariables(environment),
        ];
        let mut warnings = names::check_variables(environment, &mut problems);
        let opentelemetry = OpenTelemetry::read(environment, &mut warnings);
        if let Some(file) = &file {
            warnings.extend(names::check_top_level_keys(
                &file.path,
                &file.table,
                &mut problems,
            ));
            sources.push(Source::Table {
                file: &file.path,
                path: "",
                table: &file.table,
            });
        }

        let mut reader = Reader::new(sources);
        let settings = Settings::read(&mut reader);
        problems.append(&mut reader.problems);

        let mut upstreams: Vec<UpstreamConfig> = settings
            .iter()
            .filter_map(upstreams::single_upstream)
            .collect();
        let mut models = BTreeMap::new();
        let mut local = LocalUpstream::default();
        if let Some(file) = &file {
            let (of_file, local_of_file) = upstreams::file_upstreams(file, &mut problems);
            upstreams.extend(of_file);
            local = local_of_file.unwrap_or(local);
            upstreams::check_names(&upstreams, &local, &mut problems);
            if problems.is_empty() {
                models = upstreams::model_names(file, &upstreams, &local, &mut problems);
            }
        }
        if let (Some(cookies), Some(first)) = (
            settings
                .as_ref()
                .and_then(|settings| settings.cookies.as_ref()),
            upstreams.first_mut(),
        ) {
            first.added_cookies.clone_from(&cookies.0);
        }
        match settings {
            Some(mut settings) if problems.is_empty() => {
                if let Some(path) = config_option {
                    settings.config = Some(path.to_owned());
                    reader.replace("CONFIG", path.display().to_string(), Origin::CommandLine);
                }
                warnings.extend(apply_port(&mut settings, &reader));
                warnings.extend(upstream_without_url(&settings, &reader));
                if settings.cookies.is_some() && upstreams.is_empty() {
                    let origin = reader.origin("COOKIES");
                    warnings.push(format!("{origin} has no effect without an upstream"));
                }
                Ok(Self {
                    settings,
                    upstreams,
                    local,
                    models,
                    effective: reader.effective,
                    opentelemetry,
                    warnings,
                })
            }
            _ => Err(problems),
        }
    }
}

fn config_file(
    environment: &Environment,
    config_option: Option<&Path>,
) -> Result<Option<ConfigFile>, Problem> {
    if let Some(path) = config_option {
        return ConfigFile::read(path, "--config").map(Some);
    }
    let sources = [
        Source::PrefixedVariables(environment),
        Source::Variables(environment),
    ];
    match sources.into_iter().find_map(|source| source.find("CONFIG")) {
        Some((path, origin)) => {
            ConfigFile::read(Path::new(&path.as_text()), &origin.to_string()).map(Some)
        }
        None => Ok(None),
    }
}

/// Puts `PORT` in `LISTEN`'s place, where no variable gives a whole address; else tells that it has no effect.
fn apply_port(settings: &mut Settings, reader: &Reader<'_>) -> Option<String> {
    let port = settings.port?;
    let from_variable = |origin: &Origin| matches!(origin, Origin::Variable(_));
    let (listen, of_port) = (reader.origin("LISTEN"), reader.origin("PORT"));
    if *listen == Origin::Default || (!from_variable(listen) && from_variable(of_port)) {
        settings.listen.set_port(port);
        return None;
    }
    (settings.listen.port() != port)
        .then(|| format!("{of_port} has no effect, as {listen} gives the whole address"))
}

/// Tells which settings of `UPSTREAM_URL`'s upstream are given in vain.
fn upstream_without_url(settings: &Settings, reader: &Reader<'_>) -> Vec<String> {
    if settings.upstream_url.is_some() {
        return Vec::new();
    }
    ["UPSTREAM_KIND", "UPSTREAM_NAME", "UPSTREAM_API_KEY"]
        .into_iter()
        .map(|name| reader.origin(name))
        .filter(|origin| **origin != Origin::Default)
        .map(|origin| format!("{origin} has no effect without UPSTREAM_URL"))
        .collect()
}
