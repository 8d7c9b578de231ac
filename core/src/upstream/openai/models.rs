//! The list of an upstream's models, in the shapes that are found.

use std::collections::HashSet;

use serde_json::Value;

use super::super::ListedModel;

/// Reads OpenAI's `{"data":[{"id"}]}`; a bare array; `{"models":[…]}` (llama.cpp, Ollama), whose entries say `id`, `name` or `model`
/// or are texts. `None`: it is no list.
pub(super) fn read(body: &[u8]) -> Option<Vec<ListedModel>> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let list = match &body {
        Value::Object(members) => match (members.get("data"), members.get("models")) {
            (Some(Value::Array(list)), _) | (_, Some(Value::Array(list))) => list.as_slice(),
            // Ollama without a model.
            (Some(Value::Null), None) => &[],
            _ => return None,
        },
        Value::Array(list) => list.as_slice(),
        _ => return None,
    };
    let mut seen = HashSet::new();
    Some(
        list.iter()
            .filter_map(model)
            .filter(|model| seen.insert(model.id.clone()))
            .collect(),
    )
}

fn model(entry: &Value) -> Option<ListedModel> {
    let id = match entry {
        Value::String(id) => id,
        Value::Object(members) => ["id", "name", "model"]
            .iter()
            .find_map(|name| members.get(*name)?.as_str())?,
        _ => return None,
    };
    if id.is_empty() {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cast from float saturates, and a fraction of a second says nothing"
    )]
    let created = entry
        .get("created")
        .and_then(|created| {
            created
                .as_i64()
                .or_else(|| created.as_f64().map(|seconds| seconds as i64))
        })
        .filter(|created| *created > 0);
    Some(ListedModel {
        id: id.to_owned(),
        created,
    })
}

#[cfg(test)]
mod tests {
    use super::{super::super::ListedModel, read};

    fn listed(models: &[(&str, Option<i64>)]) -> Vec<ListedModel> {
        models
            .iter()
            .map(|(id, created)| ListedModel {
                id: (*id).to_owned(),
                created: *created,
            })
            .collect()
    }

    #[test]
    fn lists_are_read_in_every_shape() {
        let table: &[(&str, Option<Vec<ListedModel>>)] = &[
            (
                r#"{"object":"list","data":[{"id":"a/b:c@d","object":"model","created":7,"owned_by":"x"},{"id":"e"}]}"#,
                Some(listed(&[("a/b:c@d", Some(7)), ("e", None)])),
            ),
            (
                r#"[{"id":"a","created":7.5},{"id":"a"},{"id":""},{},3]"#,
                Some(listed(&[("a", Some(7))])),
            ),
            (
                r#"{"models":[{"name":"a"},{"model":"b"},"c"]}"#,
                Some(listed(&[("a", None), ("b", None), ("c", None)])),
            ),
            (
                r#"{"models":[{"name":"a.gguf"}],"data":[{"id":"a"}]}"#,
                Some(listed(&[("a", None)])),
            ),
            (r#"{"object":"list","data":null}"#, Some(Vec::new())),
            (r#"{"data":{}}"#, None),
            (r#"{"error":"no"}"#, None),
            ("<html>", None),
        ];
        for (body, models) in table {
            assert_eq!(read(body.as_bytes()), *models, "{body}");
        }
    }
}
