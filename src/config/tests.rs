//! Tests of the configuration as a whole: what operators give, and what comes out.

mod file;
mod local_model;
mod values;
mod variables;

use std::{fs, path::PathBuf};

use super::{Configuration, Environment, documentation::markdown, settings::SETTINGS};

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn load(variables: &[(&str, &str)]) -> Configuration {
    Configuration::load(&environment(variables), None).unwrap()
}

/// The lines that stop the start.
fn problems(variables: &[(&str, &str)]) -> Vec<String> {
    lines(Configuration::load(&environment(variables), None))
}

fn lines(loaded: Result<Configuration, Vec<super::Problem>>) -> Vec<String> {
    loaded
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// A configuration file, in a folder that is removed with it.
struct TestFile {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl TestFile {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("llm2api.toml");
        fs::write(&path, text).unwrap();
        Self {
            _folder: folder,
            path,
        }
    }

    fn load(&self, variables: &[(&str, &str)]) -> Configuration {
        Configuration::load(&environment(variables), Some(&self.path)).unwrap()
    }

    /// The lines that stop the start, the file's path left out.
    fn problems(&self, variables: &[(&str, &str)]) -> Vec<String> {
        let folder = format!("{}/", self._folder.path().display());
        lines(Configuration::load(
            &environment(variables),
            Some(&self.path),
        ))
        .into_iter()
        .map(|line| line.replace(&folder, ""))
        .collect()
    }
}

/// What `llm2api config` shows of a setting: its value and where it was given.
fn shown(configuration: &Configuration, name: &str) -> (String, String) {
    let effective = configuration
        .effective
        .iter()
        .find(|effective| effective.name == name)
        .unwrap();
    (effective.value.clone(), effective.origin.to_string())
}

#[test]
fn an_empty_environment_gives_every_default() {
    let configuration = load(&[]);
    assert_eq!(configuration.warnings, Vec::<String>::new());
    let shown: Vec<_> = configuration
        .effective
        .iter()
        .map(|effective| (effective.name, effective.origin.to_string()))
        .collect();
    let declared: Vec<_> = SETTINGS
        .iter()
        .map(|setting| (setting.name, "default".to_owned()))
        .collect();
    assert_eq!(shown, declared);
}

#[test]
fn the_documentation_has_the_declared_settings() {
    let documentation = include_str!("../../docs/configuration.md");
    let (_, tables) = documentation
        .split_once("## All settings\n\n")
        .expect("the heading is there");
    assert_eq!(
        tables,
        markdown(),
        "replace what follows the heading by the output of `llm2api config --markdown`"
    );
}
