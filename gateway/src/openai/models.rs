//! Models, as JSON.

use llm2api_proto::v1::Model;
use serde::Serialize;

/// A model, as OpenAI's clients read it.
#[derive(Serialize)]
pub(crate) struct ModelObject {
    id: String,
    object: &'static str,
    created: i64,
    owned_by: String,
}

/// The list of models, which has no pages.
#[derive(Serialize)]
pub(crate) struct ModelList {
    object: &'static str,
    data: Vec<ModelObject>,
}

impl From<Model> for ModelObject {
    fn from(model: Model) -> Self {
        Self {
            id: model.id,
            object: "model",
            created: model.create_time.map_or(0, |time| time.seconds),
            owned_by: model.owned_by,
        }
    }
}

impl FromIterator<Model> for ModelList {
    fn from_iter<I: IntoIterator<Item = Model>>(models: I) -> Self {
        Self {
            object: "list",
            data: models.into_iter().map(ModelObject::from).collect(),
        }
    }
}
