//! From the address that an operator writes to those that are called.

use url::Url;

/// What is called at an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoints {
    pub(super) chat_completions: Url,
    pub(super) models: Url,
}

impl Endpoints {
    /// Understands `http://host`, the same with `/v1`, or with the whole path of chat completions, each with or without a slash
    /// at its end and with other segments before it. A query is kept (Azure's `api-version`).
    pub(super) fn new(url: &Url) -> Self {
        let mut base = url.clone();
        base.set_fragment(None);
        let path = base.path().trim_end_matches('/');
        let path = path.strip_suffix("/chat/completions").unwrap_or(path);
        let path = path.trim_end_matches('/');
        let path = if is_versioned(path) {
            path.to_owned()
        } else {
            format!("{path}/v1")
        };
        let endpoint = |name: &str| {
            let mut endpoint = base.clone();
            endpoint.set_path(&format!("{path}/{name}"));
            endpoint
        };
        Self {
            chat_completions: endpoint("chat/completions"),
            models: endpoint("models"),
        }
    }
}

/// Whether an address says by itself that it is one of OpenAI's API.
pub(in crate::upstream) fn is_address_of_api(url: &Url) -> bool {
    let path = url.path().trim_end_matches('/');
    is_versioned(path) || path.ends_with("/chat/completions")
}

/// Whether a path ends in an API's version (`v1`, `v4`, `v1beta`), or in the `openai` that Google puts behind its own.
fn is_versioned(path: &str) -> bool {
    let is_version = |segment: &str| {
        segment
            .strip_prefix('v')
            .is_some_and(|rest| rest.starts_with(|character: char| character.is_ascii_digit()))
    };
    let mut segments = path.rsplit('/');
    match segments.next() {
        Some("openai") => segments.next().is_some_and(is_version),
        Some(segment) => is_version(segment),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::Endpoints;

    #[test]
    fn an_address_is_understood_however_it_is_written() {
        let table = [
            ("http://h:8000", "http://h:8000/v1/"),
            ("http://h:8000/", "http://h:8000/v1/"),
            ("http://h:8000/v1", "http://h:8000/v1/"),
            ("http://h:8000/v1/", "http://h:8000/v1/"),
            ("http://h:8000/v1//", "http://h:8000/v1/"),
            ("http://h:8000/v1/chat/completions", "http://h:8000/v1/"),
            ("http://h:8000/v1/chat/completions/", "http://h:8000/v1/"),
            (
                "https://api.x.com/openai/v1/",
                "https://api.x.com/openai/v1/",
            ),
            ("https://api.x.com/api", "https://api.x.com/api/v1/"),
            ("https://api.x.com/openai", "https://api.x.com/openai/v1/"),
            (
                "https://api.x.com/api/paas/v4",
                "https://api.x.com/api/paas/v4/",
            ),
            (
                "https://g.com/v1beta/openai/",
                "https://g.com/v1beta/openai/",
            ),
            ("https://api.x.com/vllm", "https://api.x.com/vllm/v1/"),
            ("http://[::1]:8000/#models", "http://[::1]:8000/v1/"),
        ];
        for (written, base) in table {
            let endpoints = Endpoints::new(&Url::parse(written).expect("valid"));
            let expected = Endpoints {
                chat_completions: Url::parse(&format!("{base}chat/completions")).expect("valid"),
                models: Url::parse(&format!("{base}models")).expect("valid"),
            };
            assert_eq!(endpoints, expected, "{written}");
        }
    }

    #[test]
    fn a_query_is_kept() {
        let url = Url::parse("https://h/v1?api-version=1").expect("valid");
        let endpoints = Endpoints::new(&url);
        assert_eq!(
            endpoints.models.as_str(),
            "https://h/v1/models?api-version=1"
        );
    }
}
