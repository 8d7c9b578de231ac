//! Which models an upstream has, as far as is known.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::time::Instant;

use crate::upstream::{Failure, ListedModel};

/// How long an upstream is taken not to have a model after it said so.
const LOST_FOR: Duration = Duration::from_secs(60);

/// Models of one upstream that are remembered as lost at a time: clients choose the names.
const MAX_LOST: usize = 1024;

/// What is known of the models of one upstream.
pub(crate) struct ModelList {
    known: ArcSwap<Known>,
    /// Models that the upstream said it has not, until when.
    lost: Mutex<HashMap<String, Instant>>,
    /// Held while the upstream is asked, so that many who miss a model ask once.
    asking: tokio::sync::Mutex<()>,
    /// Whether the operator gave the list; then the upstream is never asked.
    given: bool,
}

/// A list as of one moment.
#[derive(Debug, Default)]
pub(crate) struct Known {
    models: Option<Models>,
    /// Why the last try to learn the list failed, if it did.
    pub(crate) failure: Option<String>,
    /// When the last try ended.
    tried_at: Option<Instant>,
}

/// The models of a list: in the upstream's order, and by id.
#[derive(Debug, Clone)]
struct Models {
    listed: Arc<[ListedModel]>,
    by_id: Arc<HashMap<String, usize>>,
}

impl Models {
    fn new(listed: impl IntoIterator<Item = ListedModel>) -> Self {
        let listed: Arc<[ListedModel]> = listed.into_iter().collect();
        let by_id = listed
            .iter()
            .enumerate()
            .map(|(at, model)| (model.id.clone(), at))
            .collect();
        Self {
            listed,
            by_id: Arc::new(by_id),
        }
    }
}

impl Known {
    /// The models in the upstream's order. `None`: never learnt.
    pub(crate) fn models(&self) -> Option<&[ListedModel]> {
        self.models.as_ref().map(|models| &*models.listed)
    }

    /// Whether the list is known and has something in it, so that what it lacks is known to be missing.
    pub(crate) fn is_telling(&self) -> bool {
        self.models().is_some_and(|models| !models.is_empty())
    }
}

impl ModelList {
    /// A list that the operator gave, or the one that the upstream gave last, or one that is not known yet.
    pub(crate) fn new(given: Option<&[String]>, last: Option<Vec<ListedModel>>) -> Self {
        let of_operator = given.map(|ids| {
            Models::new(ids.iter().map(|id| ListedModel {
                id: id.clone(),
                created: None,
            }))
        });
        let is_given = of_operator.is_some();
        let models = of_operator.or_else(|| last.map(Models::new));
        Self {
            given: is_given,
            known: ArcSwap::from_pointee(Known {
                models,
                ..Known::default()
            }),
            lost: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        }
    }

    /// What is known now.
    pub(crate) fn known(&self) -> arc_swap::Guard<Arc<Known>> {
        self.known.load()
    }

    /// Whether nobody has ever asked the upstream to the end, so that nothing can be said of its models.
    pub(crate) fn is_untried(&self) -> bool {
        let known = self.known.load();
        known.models.is_none() && known.tried_at.is_none()
    }

    /// Whether the upstream was asked since the start.
    pub(crate) fn is_fresh(&self) -> bool {
        self.given || self.known.load().tried_at.is_some()
    }

    /// The models, where the upstream gave them and they are others than `before`.
    pub(crate) fn news(&self, before: Option<&[ListedModel]>) -> Option<Vec<ListedModel>> {
        let known = self.known.load();
        let listed = known.models().filter(|_| !self.given)?;
        (before != Some(listed)).then(|| listed.to_vec())
    }

    /// Whether the upstream lists this model and has not just said that it lacks it.
    pub(crate) fn has(&self, model: &str) -> bool {
        let listed = self
            .known
            .load()
            .models
            .as_ref()
            .is_some_and(|models| models.by_id.contains_key(model));
        listed && !self.is_lost(model)
    }

    /// Whether the upstream said within the last minute that it lacks this model.
    pub(crate) fn is_lost(&self, model: &str) -> bool {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        // Empty nearly always: one look at the length.
        !lost.is_empty() && lost.get(model).is_some_and(|until| Instant::now() < *until)
    }

    /// Takes note that the upstream says it lacks this model.
    pub(crate) fn lose(&self, model: &str) {
        let now = Instant::now();
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.retain(|_, until| now < *until);
        if lost.len() < MAX_LOST {
            lost.insert(model.to_owned(), now + LOST_FOR);
        }
    }

    /// Asks the upstream by `ask`, unless the last try is younger than `max_age`. A list once learnt outlives failures.
    pub(crate) async fn refresh<'a, F>(&self, max_age: Duration, ask: impl FnOnce() -> F)
    where
        F: Future<Output = Result<Vec<ListedModel>, Failure>> + 'a,
    {
        if self.given {
            return;
        }
        let _asking = self.asking.lock().await;
        let before = self.known.load_full();
        if before
            .tried_at
            .is_some_and(|tried_at| tried_at.elapsed() < max_age)
        {
            return;
        }
        let answer = ask().await;
        let tried_at = Some(Instant::now());
        let known = match answer {
            Ok(listed) => Known {
                models: Some(Models::new(listed)),
                failure: None,
                tried_at,
            },
            Err(failure) => Known {
                models: before.models.clone(),
                failure: Some(failure.message),
                tried_at,
            },
        };
        self.known.store(Arc::new(known));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::FailureKind;

    fn listed(ids: &[&str]) -> Vec<ListedModel> {
        ids.iter()
            .map(|id| ListedModel {
                id: (*id).to_owned(),
                created: None,
            })
            .collect()
    }

    #[tokio::test]
    async fn a_list_once_learnt_outlives_a_failure() {
        let list = ModelList::new(None, None);
        assert!(!list.known().is_telling());
        list.refresh(Duration::ZERO, async || Ok(listed(&["a"])))
            .await;
        assert!(list.has("a"));
        list.refresh(Duration::ZERO, async || {
            Err(Failure::new(FailureKind::Unavailable, "gone"))
        })
        .await;
        assert!(list.has("a"));
        assert_eq!(list.known().failure.as_deref(), Some("gone"));
    }

    #[tokio::test]
    async fn a_young_list_is_not_asked_for_again() {
        let list = ModelList::new(None, None);
        list.refresh(Duration::from_secs(9), async || Ok(listed(&["a"])))
            .await;
        list.refresh(Duration::from_secs(9), async || {
            unreachable!("the list is young")
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_model_comes_back_after_a_minute() {
        let list = ModelList::new(Some(&["a".to_owned()]), None);
        list.lose("a");
        assert!(!list.has("a"));
        tokio::time::advance(LOST_FOR).await;
        assert!(list.has("a"));
    }
}
