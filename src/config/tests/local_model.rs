//! The local model: its file, and how it is offered.

use std::{fs, path::Path, time::SystemTime};

use llm2api_core::config::UpstreamKind;

use super::{TestFile, load};
use crate::config::Configuration;

/// Adds the local model, and gives back what was wrong.
fn added(mut configuration: Configuration) -> Result<Configuration, String> {
    match configuration.add_local_model() {
        Ok(()) => Ok(configuration),
        Err(problem) => Err(problem.to_string()),
    }
}

/// A `DATA_DIR` with these files among its models, oldest first.
fn data_dir(files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models");
    fs::create_dir(&models).unwrap();
    for (age, name) in (0_u64..).zip(files.iter().rev()) {
        let file = fs::File::create(models.join(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(900 - age))
            .unwrap();
    }
    folder
}

fn with_data_dir(folder: &Path) -> Configuration {
    load(&[("DATA_DIR", folder.to_str().unwrap())])
}

#[test]
fn without_a_file_there_is_no_local_upstream() {
    for folder in [
        tempfile::tempdir().unwrap(),
        data_dir(&["model.txt", "gguf"]),
    ] {
        let configuration = added(with_data_dir(folder.path())).unwrap();
        assert!(configuration.upstreams.is_empty());
        assert_eq!(configuration.warnings, Vec::<String>::new());
    }
}

#[test]
fn the_newest_file_is_the_last_resort_under_its_name_and_as_local() {
    let folder = data_dir(&["z.gguf", "A-Model.Q4_1.GGUF", "newer.gguf.part"]);
    fs::create_dir(folder.path().join("models/folder.gguf")).unwrap();
    let configuration = added(load(&[
        ("DATA_DIR", folder.path().to_str().unwrap()),
        ("UPSTREAM_URL", "http://a.example"),
    ]))
    .unwrap();
    let [_, local] = configuration.upstreams.as_slice() else {
        panic!("{:?}", configuration.upstreams)
    };
    assert_eq!(
        (local.name.as_str(), local.kind),
        ("local", UpstreamKind::Local)
    );
    assert_eq!(
        local.models.as_deref(),
        Some(&["a-model.q4_1".to_owned()][..])
    );
    assert_eq!(
        local.aliases,
        [("local".to_owned(), "a-model.q4_1".to_owned())].into()
    );
    assert_eq!(local.priority, i32::MAX);
    assert_eq!(
        local.shown_address(),
        folder
            .path()
            .join("models/A-Model.Q4_1.GGUF")
            .display()
            .to_string()
    );
}

#[test]
fn a_setting_names_another_file_which_must_be_there() {
    let folder = data_dir(&["a.gguf", "b.gguf"]);
    let models = folder.path().join("models");
    let named = |path: &Path| {
        added(load(&[
            ("DATA_DIR", folder.path().to_str().unwrap()),
            ("LOCAL_MODEL", path.to_str().unwrap()),
        ]))
    };
    let configuration = named(&models.join("a.gguf")).unwrap();
    assert_eq!(
        configuration.upstreams[0].models,
        Some(vec!["a".to_owned()])
    );
    assert_eq!(
        named(Path::new("/nowhere/c.gguf")).unwrap_err(),
        "LOCAL_MODEL: /nowhere/c.gguf: No such file or directory (os error 2)"
    );
    assert_eq!(
        named(&models).unwrap_err(),
        format!("LOCAL_MODEL: {}: not a file", models.display())
    );
}

#[test]
fn an_entry_of_the_file_says_how_it_is_offered() {
    let folder = data_dir(&["a.gguf"]);
    let file = TestFile::new(
        r#"
        [[upstreams]]
        kind = "local"
        name = "inside"
        priority = 3
        aliases = { "gpt-4o" = "whatever the file is called" }

        [[upstreams]]
        name = "afar"
        url = "http://a.example"

        [models.fast]
        targets = ["inside/a", "afar/b"]
        "#,
    );
    let configuration = added(file.load(&[("DATA_DIR", folder.path().to_str().unwrap())])).unwrap();
    let [afar, inside] = configuration.upstreams.as_slice() else {
        panic!("{:?}", configuration.upstreams)
    };
    assert_eq!((afar.name.as_str(), afar.priority), ("afar", 0));
    assert_eq!((inside.name.as_str(), inside.priority), ("inside", 3));
    let to_a = |alias: &str| (alias.to_owned(), "a".to_owned());
    assert_eq!(inside.aliases, [to_a("gpt-4o"), to_a("local")].into());

    // Who asks for one must have one.
    let empty = tempfile::tempdir().unwrap();
    let problem = added(file.load(&[("DATA_DIR", empty.path().to_str().unwrap())])).unwrap_err();
    assert!(
        problem.ends_with(&format!(
            "llm2api.toml: upstreams[0].kind: there is no model file: set LOCAL_MODEL, or put a .gguf file into {}",
            empty.path().join("models").display()
        )),
        "{problem}"
    );
}

#[test]
fn an_entry_takes_nothing_that_only_a_service_has() {
    let file = TestFile::new(
        r#"
        [[upstreams]]
        kind = "local"
        url = "http://a.example"
        api_key = "sk-a"

        [[upstreams]]
        kind = "local"

        [[upstreams]]
        kind = "local"

        [[upstreams]]
        name = "local"
        url = "http://a.example"
        "#,
    );
    let means_nothing = "means nothing to a local model; its file is named by LOCAL_MODEL";
    assert_eq!(
        file.problems(&[]),
        [
            format!("llm2api.toml: upstreams[0].url: {means_nothing}"),
            format!("llm2api.toml: upstreams[0].api_key: {means_nothing}"),
            "llm2api.toml: upstreams[2].kind: there is one local model, and another entry is for it already".to_owned(),
            "upstream local: two upstreams have this name (UPSTREAM_URL's is called by UPSTREAM_NAME); rename one".to_owned(),
        ]
    );
}

#[test]
fn a_file_that_lies_there_takes_no_other_upstreams_name() {
    let folder = data_dir(&["a.gguf"]);
    let data_dir = folder.path().to_str().unwrap();
    let configuration = added(load(&[
        ("DATA_DIR", data_dir),
        ("UPSTREAM_URL", "http://a.example"),
        ("UPSTREAM_NAME", "local"),
    ]))
    .unwrap();
    assert_eq!(configuration.upstreams.len(), 1);
    assert_eq!(
        configuration.warnings,
        [format!(
            "the local model {data_dir}/models/a.gguf is not used: another upstream is called local"
        )]
    );
}
