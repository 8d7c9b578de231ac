//! The models that may be asked: what upstreams list, aliases, and names of the operator's own.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use llm2api_proto::{ContractError, v1::Model};
use prost_types::Timestamp;

use crate::{
    admission::Permit,
    chat::model_not_found,
    registry::{Registry, Routing},
    router,
};

/// Who owns names that stand for several upstreams.
const OURS: &str = "llm2api";

/// The models that may be asked.
pub(crate) struct Catalog {
    registry: Arc<Registry>,
    /// When names of our own were made, and models whose upstream doesn't say: at this process's start, in Unix seconds.
    started: i64,
}

impl Catalog {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            registry,
            started: i64::try_from(since_epoch.as_secs()).unwrap_or_default(),
        }
    }

    /// Waits for the lists that nobody has seen yet, at most for a moment.
    pub(crate) async fn first_lists(&self) {
        self.registry.first_lists().await;
    }

    /// All models that may be asked, each once: by upstream in the operator's order, then aliases and the operator's own names.
    pub(crate) fn list(&self, permit: &Permit) -> Vec<Model> {
        let routing = self.registry.routing();
        let mut models = self.all(&routing);
        models.retain(|model| permit.allows_model(&routing, &model.id));
        models
    }

    fn all(&self, routing: &Routing) -> Vec<Model> {
        let mut seen = HashSet::new();
        let mut models = Vec::new();
        let mut add = |id: &str, created: Option<i64>, owned_by: &str| {
            if seen.insert(id.to_owned()) {
                models.push(self.model(id, created, owned_by));
            }
        };
        for entry in &routing.entries {
            for listed in entry.model_list.known().models().unwrap_or_default() {
                if !entry.model_list.is_lost(&listed.id) {
                    add(&listed.id, listed.created, entry.name());
                }
            }
            for alias in entry.config.aliases.keys() {
                add(alias, None, entry.name());
            }
        }
        for alias in routing.names.aliases.keys() {
            if let Some(route) = router::route(routing, alias) {
                let owner = route
                    .candidates
                    .first()
                    .map_or(OURS, |candidate| candidate.entry.name());
                add(alias, None, owner);
            }
        }
        for name in routing.names.models.keys() {
            add(name, None, OURS);
        }
        models
    }

    /// One model, by any name that a chat may ask for.
    ///
    /// # Errors
    ///
    /// `MODEL_NOT_FOUND`; so for those that may not be asked.
    pub(crate) fn get(&self, id: &str, permit: &Permit) -> Result<Model, ContractError> {
        let routing = self.registry.routing();
        if !permit.allows_model(&routing, id) {
            return Err(model_not_found(id));
        }
        let mut all = self.all(&routing).into_iter();
        if let Some(model) = all.find(|model| model.id == id) {
            return Ok(model);
        }
        // `upstream/id` is a name too, though none that is listed.
        let route = router::route(&routing, id).filter(|route| route.is_renamed);
        let candidate = route.as_ref().and_then(|route| route.candidates.first());
        candidate
            .map(|candidate| self.model(id, None, candidate.entry.name()))
            .ok_or_else(|| model_not_found(id))
    }

    fn model(&self, id: &str, created: Option<i64>, owned_by: &str) -> Model {
        Model {
            id: id.to_owned(),
            create_time: Some(Timestamp {
                seconds: created.unwrap_or(self.started),
                nanos: 0,
            }),
            owned_by: owned_by.to_owned(),
        }
    }
}
