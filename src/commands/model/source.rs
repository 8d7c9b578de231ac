//! Where a model comes from: a file or a URL, and what it is called here.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use url::Url;

use crate::model_folder;

/// Bytes that a name may have: file systems take 255, and an unfinished file's name is longer than the finished one's.
const MAX_NAME_LENGTH: usize = 200;

/// What every model file's name ends with.
const SUFFIX: &str = ".gguf";

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file on this machine.
    File(PathBuf),
    /// A file that is downloaded. May hold secrets: use [`shown`].
    Url(Url),
}

/// The name of a model's file: a plain one, which ends with `.gguf`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileName(String);

impl FromStr for Source {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once("://") {
            None => Ok(Self::File(text.into())),
            Some(("http" | "https", _)) => match Url::parse(text) {
                Ok(url) => Ok(Self::Url(url)),
                Err(_) => Err("not a URL"),
            },
            Some(_) => Err("takes the path of a file, or an http:// or https:// URL"),
        }
    }
}

impl Source {
    /// What its own file is called, where that is a name that a model's file may have here.
    pub(super) fn file_name(&self) -> Option<FileName> {
        let name = match self {
            Self::File(path) => path.file_name()?.to_str()?.to_owned(),
            Self::Url(url) => decoded(url.path_segments()?.next_back()?)?,
        };
        // A name of another kind of file needs the operator's word.
        model_folder::model_id(&name)?;
        name.parse().ok()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(formatter),
            Self::Url(url) => formatter.write_str(&shown(url)),
        }
    }
}

impl FromStr for FileName {
    type Err = &'static str;

    /// Reads a name with or without `.gguf`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+'));
        let name = match model_folder::model_id(text) {
            Some(_) => text.to_owned(),
            None => format!("{text}{SUFFIX}"),
        };
        if !is_plain || name.len() > MAX_NAME_LENGTH || model_folder::model_id(&name).is_none() {
            return Err(
                "a name has letters, digits and . _ - +, does not begin with a dot, and is not longer than 200",
            );
        }
        Ok(Self(name))
    }
}

impl FileName {
    /// The name.
    pub(super) fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A URL without what may be a secret in it: user, password, query and fragment.
pub(super) fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    // Fails only for addresses that have no user info.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.set_fragment(None);
    let more = if url.query().is_some() { "?…" } else { "" };
    format!("{shown}{more}")
}

/// A segment of a path without its percent signs.
fn decoded(segment: &str) -> Option<String> {
    let decoded = percent_encoding::percent_decode_str(segment).decode_utf8();
    decoded.ok().map(|name| name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        text.parse().unwrap()
    }

    #[test]
    fn a_model_is_called_as_its_file_is() {
        for (text, name) in [
            ("/a/Qwen3-0.6B.Q4_1.gguf", Some("Qwen3-0.6B.Q4_1.gguf")),
            ("model.GGUF", Some("model.GGUF")),
            ("https://example.org/a/b.gguf?download=true", Some("b.gguf")),
            ("https://example.org/a%2Db.gguf", Some("a-b.gguf")),
            ("https://example.org/a%2Fb.gguf", None),
            ("https://example.org/", None),
            ("https://example.org/a.bin", None),
            ("..", None),
            (".gguf", None),
        ] {
            let found = source(text).file_name().map(|name| name.to_string());
            assert_eq!(found.as_deref(), name, "{text}");
        }
    }

    #[test]
    fn a_name_may_be_given_with_or_without_its_end() {
        for (text, name) in [
            ("tiny", Some("tiny.gguf")),
            ("tiny.gguf", Some("tiny.gguf")),
            ("tiny.q4", Some("tiny.q4.gguf")),
            ("a/b", None),
            ("..", None),
            ("", None),
            ("a b", None),
        ] {
            let read = text.parse::<FileName>().ok().map(|name| name.to_string());
            assert_eq!(read.as_deref(), name, "{text:?}");
        }
        assert!("a".repeat(MAX_NAME_LENGTH).parse::<FileName>().is_err());
    }

    #[test]
    fn a_url_is_shown_without_its_secrets() {
        assert_eq!(
            source("https://user:pass@example.org:8443/a/b.gguf?token=t#f").to_string(),
            "https://example.org:8443/a/b.gguf?…"
        );
        assert_eq!(
            source("https://example.org/b.gguf").to_string(),
            "https://example.org/b.gguf"
        );
    }

    #[test]
    fn other_schemes_are_refused() {
        for text in ["ftp://example.org/a.gguf", "https://"] {
            assert!(text.parse::<Source>().is_err(), "{text}");
        }
    }
}
