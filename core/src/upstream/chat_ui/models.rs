//! The list of models.

use serde_json::Value;

/// A model as a chat-ui lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SiteModel {
    /// Any text, mostly with one `/`.
    pub(super) id: String,
    /// Whether it sees images; without this they are dropped in silence.
    pub(super) takes_images: bool,
}

/// Reads a list, plain (`/api/models`) or wrapped by superjson (`/api/v2/models`). `None`: it is no list. Unlisted models are left
/// out: no conversation can be begun with them.
pub(super) fn read(body: &[u8]) -> Option<Vec<SiteModel>> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let list = match &body {
        Value::Array(list) => list,
        Value::Object(members) => members.get("json")?.as_array()?,
        _ => return None,
    };
    let models = list.iter().filter_map(|entry| {
        let id = entry.get("id")?.as_str().filter(|id| !id.is_empty())?;
        let is = |name: &str| entry.get(name).and_then(Value::as_bool).unwrap_or(false);
        (!is("unlisted")).then(|| SiteModel {
            id: id.to_owned(),
            takes_images: is("multimodal"),
        })
    });
    Some(models.collect())
}

#[cfg(test)]
mod tests {
    use super::{SiteModel, read};

    fn model(id: &str, takes_images: bool) -> SiteModel {
        SiteModel {
            id: id.to_owned(),
            takes_images,
        }
    }

    #[test]
    fn both_forms_of_the_list_are_read() {
        let plain = r#"[{"id":"org/name","name":"org/name","displayName":"org/name","websiteUrl":"…","modelUrl":"…","description":"",
  "promptExamples":[],"preprompt":"","multimodal":false,"unlisted":false,"hasInferenceAPI":false,
  "supportsTools":false,"supportsReasoning":false,"supportsArtifacts":false},{"id":"omni","multimodal":true,"isRouter":true},{"id":"hidden","unlisted":true}]"#;
        let models = vec![model("org/name", false), model("omni", true)];
        assert_eq!(read(plain.as_bytes()), Some(models.clone()));
        let wrapped = format!(r#"{{"json":{plain},"meta":{{"values":{{}}}}}}"#);
        assert_eq!(read(wrapped.as_bytes()), Some(models));
    }

    #[test]
    fn what_is_no_list_is_none() {
        for body in ["<!doctype html>", r#"{"message":"API is disabled"}"#, "3"] {
            assert_eq!(read(body.as_bytes()), None, "{body}");
        }
    }
}
