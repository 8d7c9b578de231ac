//! From the model that a client asks for to the upstreams that may answer, in order.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use crate::registry::{Entry, Routing};

/// The names beside those that upstreams list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    /// The operator's own names, each with its targets in order.
    pub(crate) models: BTreeMap<String, Vec<String>>,
    /// Other names for models, resolved once.
    pub(crate) aliases: BTreeMap<String, String>,
}

/// One upstream that may answer, and what the model is called there.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) entry: Arc<Entry>,
    pub(crate) model: String,
}

/// The upstreams that may answer a request.
#[derive(Debug)]
pub(crate) struct Route {
    /// In the order in which they are tried.
    pub(crate) candidates: Vec<Candidate>,
    /// Whether the client used another name than the upstream's, so that the answer shows that one.
    pub(crate) is_renamed: bool,
}

impl Route {
    /// Whether an upstream is in it only because nobody has seen its list yet.
    pub(crate) fn is_guess(&self) -> bool {
        self.candidates
            .iter()
            .any(|candidate| candidate.entry.model_list.is_untried())
    }
}

/// Finds the upstreams for a model. `None`: no upstream has it, and all lists are known.
///
/// The order of names is: the operator's own, aliases, ids that an upstream lists, `upstream/id`; then, while a list is unknown or
/// empty, the upstreams that may have it all the same.
pub(crate) fn route(routing: &Routing, asked: &str) -> Option<Route> {
    let names = &routing.names;
    if let Some(targets) = names.models.get(asked) {
        let candidates: Vec<_> = targets
            .iter()
            .flat_map(|target| find_target(routing, target))
            .collect();
        return (!candidates.is_empty()).then_some(Route {
            candidates,
            is_renamed: true,
        });
    }
    if let Some(target) = names.aliases.get(asked) {
        let candidates = match names.models.get(target) {
            Some(targets) => targets
                .iter()
                .flat_map(|target| find(routing, target).candidates)
                .collect(),
            None => find(routing, target).candidates,
        };
        return (!candidates.is_empty()).then_some(Route {
            candidates,
            is_renamed: true,
        });
    }
    let route = find(routing, asked);
    (!route.candidates.is_empty()).then_some(route)
}

/// Finds a target of one of the operator's own names, which may be an alias.
fn find_target(routing: &Routing, target: &str) -> Vec<Candidate> {
    find(
        routing,
        routing
            .names
            .aliases
            .get(target)
            .map_or(target, String::as_str),
    )
    .candidates
}

/// Finds the upstreams for an id or `upstream/id`.
fn find(routing: &Routing, asked: &str) -> Route {
    let mut is_renamed = false;
    let mut listing = Vec::new();
    for entry in &routing.entries {
        if let Some(model) = entry.config.aliases.get(asked) {
            is_renamed = true;
            listing.push(Candidate {
                entry: Arc::clone(entry),
                model: model.clone(),
            });
        } else if entry.model_list.has(asked) {
            listing.push(Candidate {
                entry: Arc::clone(entry),
                model: asked.to_owned(),
            });
        }
    }
    if !listing.is_empty() {
        return Route {
            candidates: in_order(listing),
            is_renamed,
        };
    }
    if let Some((entry, model)) = addressed(routing, asked) {
        let model = entry
            .config
            .aliases
            .get(model)
            .map_or(model, String::as_str);
        let may_have = entry.model_list.has(model) || !entry.model_list.known().is_telling();
        let candidate = Candidate {
            entry: Arc::clone(entry),
            model: model.to_owned(),
        };
        let candidates = if may_have && !entry.model_list.is_lost(model) {
            vec![candidate]
        } else {
            Vec::new()
        };
        return Route {
            candidates,
            is_renamed: true,
        };
    }
    let unknown = routing
        .entries
        .iter()
        .filter(|entry| !entry.model_list.known().is_telling() && !entry.model_list.is_lost(asked))
        .map(|entry| Candidate {
            entry: Arc::clone(entry),
            model: asked.to_owned(),
        })
        .collect();
    Route {
        candidates: in_order(unknown),
        is_renamed: false,
    }
}

/// The id behind an upstream's name, where what is asked for is `upstream/id` and no name of its own.
pub(crate) fn id_at_upstream<'a>(routing: &'a Routing, asked: &'a str) -> Option<&'a str> {
    let (_, id) = addressed(routing, asked)?;
    let names = &routing.names;
    let is_listed = |entry: &Arc<Entry>| {
        entry.config.aliases.contains_key(asked) || entry.model_list.has(asked)
    };
    let is_name = names.models.contains_key(asked)
        || names.aliases.contains_key(asked)
        || routing.entries.iter().any(is_listed);
    (!is_name).then_some(id)
}

/// Reads `upstream/id`.
fn addressed<'a>(routing: &'a Routing, asked: &'a str) -> Option<(&'a Arc<Entry>, &'a str)> {
    let (name, model) = asked.split_once('/')?;
    Some((routing.named(name)?, model)).filter(|(_, model)| !model.is_empty())
}

/// Sorts by priority, and shuffles those of equal priority by weight.
fn in_order(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    if candidates.len() > 1 {
        // Efraimidis and Spirakis' weighted sampling: the order of u^(1/weight), greatest first, is a draw by weight without
        // replacement. Weight 0 gives 0: behind all others.
        candidates.sort_by_cached_key(|candidate| {
            let weight = f64::from(candidate.entry.config.weight);
            let key = if weight > 0.0 {
                fastrand::f64().powf(weight.recip())
            } else {
                -1.0
            };
            (candidate.entry.config.priority, Reverse(Draw(key)))
        });
    }
    candidates
}

/// A drawn number, ordered.
#[derive(PartialEq)]
struct Draw(f64);

impl Eq for Draw {}

impl PartialOrd for Draw {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Draw {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[cfg(test)]
mod tests;
