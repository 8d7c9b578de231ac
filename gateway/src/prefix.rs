//! `API_PATH`: the prefix under which everything but the probes lives.

use http::{Uri, uri::PathAndQuery};

/// The prefix, if there is one.
#[derive(Debug, Clone)]
pub(crate) struct Prefix(Option<String>);

/// Where a path lies.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// There is no prefix.
    Unprefixed,
    /// Under the prefix; the address without it.
    Inside(Uri),
    /// The prefix itself, without its last slash; where to go instead.
    Root(String),
    /// Elsewhere.
    Outside,
}

impl Prefix {
    /// Takes the setting: without slashes at its ends.
    pub(crate) fn new(api_path: Option<&str>) -> Self {
        Self(api_path.map(|path| format!("/{path}")))
    }

    /// Whether there is a prefix, of which no answer may tell.
    pub(crate) fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// Finds where an address lies. The bytes are compared as they came: nothing is decoded, and no dots are resolved.
    pub(crate) fn place(&self, uri: &Uri) -> Place {
        let Some(prefix) = &self.0 else {
            return Place::Unprefixed;
        };
        let Some(rest) = uri.path().strip_prefix(prefix.as_str()) else {
            return Place::Outside;
        };
        let query = uri
            .query()
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        if rest.is_empty() {
            return Place::Root(format!("{prefix}/{query}"));
        }
        if !rest.starts_with('/') {
            return Place::Outside;
        }
        match PathAndQuery::from_maybe_shared(format!("{rest}{query}")) {
            Ok(path) => Place::Inside(Uri::from(path)),
            Err(_) => Place::Outside,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_under_the_prefix_is_inside() {
        let prefix = Prefix::new(Some("a/b"));
        let place = |path: &'static str| prefix.place(&Uri::from_static(path));
        assert_eq!(
            place("/a/b/v1/models?x=1"),
            Place::Inside(Uri::from_static("/v1/models?x=1"))
        );
        assert_eq!(place("/a/b/"), Place::Inside(Uri::from_static("/")));
        assert_eq!(place("/a/b"), Place::Root("/a/b/".to_owned()));
        assert_eq!(place("/a/b?x=1"), Place::Root("/a/b/?x=1".to_owned()));
        for outside in [
            "/",
            "/a",
            "/a/bc/v1/models",
            "/A/b/",
            "/a%2Fb/",
            "/a//b/",
            "/x/../a/b/",
            "/v1/models",
        ] {
            assert_eq!(place(outside), Place::Outside, "{outside}");
        }
    }

    #[test]
    fn without_a_prefix_every_path_stands_as_it_is() {
        assert_eq!(
            Prefix::new(None).place(&Uri::from_static("/a")),
            Place::Unprefixed
        );
    }
}
