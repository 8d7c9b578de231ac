//! What a client says of the search that it wants: OpenAI's `web_search_options`.

use serde_json::Value;

use super::{country::Country, extent::ContextSize};

/// What was said; nothing by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) size: ContextSize,
    /// Where the user is.
    pub(super) country: Option<Country>,
}

impl Options {
    /// Reads them, as far as they are what they should be: no option is a reason not to answer.
    pub(super) fn read(json: &str) -> Self {
        let options: Value = serde_json::from_str(json).unwrap_or_default();
        let size = options["search_context_size"].as_str();
        let country = options["user_location"]["approximate"]["country"].as_str();
        Self {
            size: size.and_then(ContextSize::named).unwrap_or_default(),
            country: country.and_then(Country::named),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_or_not_understood_is_the_default() {
        let said = r#"{"search_context_size":"high","user_location":{"type":"approximate","approximate":{"country":"de","city":"Bonn"}}}"#;
        let expected = Options {
            size: ContextSize::High,
            country: Country::named("DE"),
        };
        assert!(expected.country.is_some());
        assert_eq!(Options::read(said), expected);
        for nothing in [
            "",
            "{}",
            "[]",
            "null",
            r#"{"search_context_size":"huge"}"#,
            r#"{"search_context_size":3,"user_location":"Bonn"}"#,
            r#"{"user_location":{"approximate":{"country":"Germany"}}}"#,
            r#"{"user_location":{"approximate":{"city":"Bonn"}}}"#,
        ] {
            assert_eq!(Options::read(nothing), Options::default(), "{nothing}");
        }
    }
}
