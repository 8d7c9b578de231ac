//! The local model: which file it is, and how the upstream that answers with it is offered.

use std::{collections::BTreeMap, fs, io, path::Path, time::Duration};

use llm2api_core::config::{UpstreamConfig, UpstreamKind, WebSearch};
use url::Url;

use super::{Configuration, problem::Problem, settings::UpstreamSettings};
use crate::model_folder;

/// The upstream's name where the file gives it none, and another name for its model.
const LOCAL: &str = "local";

/// The last resort: behind all upstreams that the operator gave no such place.
const LAST: i32 = i32::MAX;

/// What stops the start where the program can't compute a model.
const NOT_BUILT_IN: &str = "this program was built without local models (cargo feature `local`)";

/// How the local model is offered.
#[derive(Debug)]
pub(crate) struct LocalUpstream {
    /// The file's entry for it, if there is one.
    declared_at: Option<String>,
    name: String,
    aliases: Vec<String>,
    priority: i32,
    weight: u32,
    first_token_timeout: Option<Duration>,
    idle_timeout: Option<Duration>,
}

impl Default for LocalUpstream {
    fn default() -> Self {
        Self {
            declared_at: None,
            name: LOCAL.to_owned(),
            aliases: Vec::new(),
            priority: LAST,
            weight: 1,
            first_token_timeout: None,
            idle_timeout: None,
        }
    }
}

impl LocalUpstream {
    /// What an entry of the file says; `subject` is its path, up to a key.
    pub(crate) fn new(
        settings: UpstreamSettings,
        subject: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let in_vain = [
            ("url", settings.url.is_some()),
            ("api_key", settings.api_key.is_some()),
            ("cookies", settings.cookies.is_some()),
            ("models", settings.models.is_some()),
            ("cooldown", settings.cooldown.is_some()),
            ("proxy", settings.proxy.is_some()),
            ("web_search", settings.web_search == WebSearch::Upstream),
            ("propagate_trace", settings.propagate_trace.is_some()),
        ];
        let before = problems.len();
        problems.extend(
            in_vain
                .into_iter()
                .filter(|(_, is_given)| *is_given)
                .map(|(key, _)| {
                    let message =
                        "means nothing to a local model; its file is named by LOCAL_MODEL";
                    Problem::new(format!("{subject}{key}"), message)
                }),
        );
        (problems.len() == before).then(|| Self {
            declared_at: Some(format!("{subject}kind")),
            name: settings
                .name
                .map_or_else(|| LOCAL.to_owned(), |name| name.0),
            aliases: settings.aliases.0.into_keys().collect(),
            priority: settings.priority.unwrap_or(LAST),
            weight: settings.weight,
            first_token_timeout: settings.first_token_timeout.map(|timeout| timeout.0),
            idle_timeout: settings.idle_timeout.map(|timeout| timeout.0),
        })
    }

    /// The upstream's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The upstream's name, where the file has an entry for it.
    pub(crate) fn declared_name(&self) -> Option<&String> {
        self.declared_at.as_ref().map(|_| &self.name)
    }

    /// The upstream with the model of this file.
    fn with_file(&self, file: &Path) -> io::Result<UpstreamConfig> {
        let file = std::path::absolute(file)?;
        let url = Url::from_file_path(&file)
            .map_err(|()| io::Error::new(io::ErrorKind::InvalidInput, "no path of a file"))?;
        let id = model_folder::id(&file);
        // There is one model for all names.
        let names = self.aliases.iter().cloned().chain([LOCAL.to_owned()]);
        let aliases: BTreeMap<String, String> = names
            .filter(|name| *name != id)
            .map(|name| (name, id.clone()))
            .collect();
        Ok(UpstreamConfig {
            models: Some(vec![id]),
            aliases,
            priority: self.priority,
            weight: self.weight,
            first_token_timeout: self.first_token_timeout,
            idle_timeout: self.idle_timeout,
            ..UpstreamConfig::new(&self.name, UpstreamKind::Local, url)
        })
    }
}

impl Configuration {
    /// Looks for the local model's file and, where there is one, adds the upstream that answers with it.
    ///
    /// # Errors
    ///
    /// Where the operator asked for a local model, and there is none.
    pub(crate) fn add_local_model(&mut self) -> Result<(), Problem> {
        let origin = self
            .effective
            .iter()
            .find(|effective| effective.name == "LOCAL_MODEL")
            .map_or_else(String::new, |effective| effective.origin.to_string());
        let given = self.settings.local_model.as_deref();
        if !cfg!(feature = "local") {
            let asked_at = given.map(|_| &origin).or(self.local.declared_at.as_ref());
            return asked_at.map_or(Ok(()), |at| Err(Problem::new(at, NOT_BUILT_IN)));
        }
        let data_dir = &self.settings.data_dir;
        // A folder that can't be read has no model that could be.
        let files = model_folder::files(data_dir).unwrap_or_default();
        let newest = model_folder::newest(&files).map(|file| file.path.clone());
        let file = match (given, newest, &self.local.declared_at) {
            (Some(file), _, _) => check_file(file)
                .map(|()| file.to_owned())
                .map_err(|error| Problem::new(&origin, format!("{}: {error}", file.display())))?,
            (None, Some(file), _) => file,
            (None, None, Some(declared_at)) => {
                let message = format!(
                    "there is no model file: set LOCAL_MODEL, or put a .gguf file into {}",
                    model_folder::path(data_dir).display()
                );
                return Err(Problem::new(declared_at, message));
            }
            (None, None, None) => return Ok(()),
        };
        if self
            .upstreams
            .iter()
            .any(|upstream| upstream.name == self.local.name)
        {
            self.warnings.push(format!(
                "the local model {} is not used: another upstream is called {}",
                file.display(),
                self.local.name
            ));
            return Ok(());
        }
        let upstream = self
            .local
            .with_file(&file)
            .map_err(|error| Problem::new(&origin, format!("{}: {error}", file.display())))?;
        self.upstreams.push(upstream);
        Ok(())
    }
}

/// Fails where this is no file that can be read.
fn check_file(file: &Path) -> io::Result<()> {
    // Opening what is no file, such as a pipe, might wait for ever.
    if !fs::metadata(file)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    fs::File::open(file).map(drop)
}
