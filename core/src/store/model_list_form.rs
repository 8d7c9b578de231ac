//! The form in which a list of models is stored.

use serde::{Deserialize, Serialize};

use crate::upstream::ListedModel;

#[derive(Serialize, Deserialize)]
struct Form {
    id: String,
    created: Option<i64>,
}

/// Writes a list.
pub(super) fn write(models: &[ListedModel]) -> String {
    let forms: Vec<_> = models
        .iter()
        .map(|model| Form {
            id: model.id.clone(),
            created: model.created,
        })
        .collect();
    serde_json::to_string(&forms).expect("text and numbers, into memory")
}

/// Reads what was written; `None` where it is something else.
pub(super) fn read(text: &str) -> Option<Vec<ListedModel>> {
    let forms: Vec<Form> = serde_json::from_str(text).ok()?;
    let models = forms.into_iter().map(|form| ListedModel {
        id: form.id,
        created: form.created,
    });
    Some(models.collect())
}
