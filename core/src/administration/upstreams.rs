//! Upstreams by hand: added, shown, changed, tried, removed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use llm2api_proto::{
    ContractError,
    v1::{AddUpstreamRequest, UpdateUpstreamRequest},
};
use secrecy::SecretString;

use super::{Administration, Shared, cookies::pasted, credentials, error, settings};
use crate::{
    config::UpstreamConfig,
    core::CoreError,
    pool::CredentialSource,
    registry::{Entry, Owner, Routing},
    router::Names,
    store::{Adding, StoredCredential},
    upstream::Credential,
};

/// The longest name that is made from an address: room is left for a number.
const MAX_MADE_NAME: usize = 28;

/// How a test of an upstream went.
#[derive(Debug)]
pub(crate) struct Tested {
    pub(crate) entry: Arc<Entry>,
    /// What went wrong.
    pub(crate) failure: Option<String>,
    pub(crate) duration: Duration,
}

impl Administration {
    /// The upstreams: those of the configuration in its order, then those added.
    pub(crate) fn list_upstreams(&self) -> Vec<Arc<Entry>> {
        self.shared.registry.snapshot().entries.clone()
    }

    /// Adds an upstream; with a credential only once that is accepted.
    ///
    /// # Errors
    ///
    /// What is wrong with the request; `COOKIE_INVALID`; why the upstream could not be asked; `STORE_ERROR`.
    pub(crate) async fn add_upstream(
        &self,
        request: AddUpstreamRequest,
    ) -> Result<Arc<Entry>, ContractError> {
        let cookie = SecretString::from(request.cookie.trim());
        let url = settings::read_url(&request.url)?;
        let name = match request.name.as_str() {
            "" => self.shared.free_name(&url),
            name => name.to_owned(),
        };
        let given = request.settings.as_ref();
        let upstream = settings::read_new(&name, &request.url, &request.kind, given)?;
        self.shared.check_is_free(&upstream.name)?;
        let credential = match request.cookie.trim() {
            "" => None,
            _ => Some(self.shared.try_at(&upstream, cookie).await?),
        };
        let shared = Arc::clone(&self.shared);
        self.do_surely(async move { shared.add_upstream(upstream, credential).await })
            .await
    }

    /// Changes an upstream that somebody added.
    ///
    /// # Errors
    ///
    /// `UPSTREAM_NOT_FOUND`, `READ_ONLY`, `INVALID_VALUE`, or `STORE_ERROR`.
    pub(crate) async fn update_upstream(
        &self,
        request: UpdateUpstreamRequest,
    ) -> Result<Arc<Entry>, ContractError> {
        let shared = Arc::clone(&self.shared);
        self.do_surely(async move { shared.update_upstream(request).await })
            .await
    }

    /// Removes an upstream that somebody added, or what is kept of one that has left the configuration.
    ///
    /// # Errors
    ///
    /// `UPSTREAM_NOT_FOUND`, `READ_ONLY`, or `STORE_ERROR`.
    pub(crate) async fn delete_upstream(&self, name: String) -> Result<(), ContractError> {
        let shared = Arc::clone(&self.shared);
        self.do_surely(async move { shared.delete_upstream(&name).await })
            .await
    }

    /// Asks an upstream for its models.
    ///
    /// # Errors
    ///
    /// `UPSTREAM_NOT_FOUND`.
    pub(crate) async fn test_upstream(&self, name: &str) -> Result<Tested, ContractError> {
        let entry = self.shared.upstream(name)?;
        let begin = Instant::now();
        entry.refresh_models(Duration::ZERO).await;
        let failure = entry.model_list.known().failure.clone();
        Ok(Tested {
            failure,
            duration: begin.elapsed(),
            entry,
        })
    }
}

impl Shared {
    fn upstream(&self, name: &str) -> Result<Arc<Entry>, ContractError> {
        let routing = self.registry.routing();
        let entry = routing.named(name).map(Arc::clone);
        entry.ok_or_else(|| error::no_upstream_named(name))
    }

    /// A name for the upstream at an address, which no other has.
    fn free_name(&self, url: &url::Url) -> String {
        let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
        let plain: String = host
            .chars()
            .map(|character| {
                if character.is_ascii_alphanumeric() {
                    character
                } else {
                    '-'
                }
            })
            .take(MAX_MADE_NAME)
            .collect();
        let plain = match plain.trim_matches('-') {
            "" => "upstream",
            plain => plain,
        };
        let numbered = (2..1000).map(|number| format!("{plain}-{number}"));
        let mut names = std::iter::once(plain.to_owned()).chain(numbered);
        names
            .find(|name| self.check_is_free(name).is_ok())
            .unwrap_or_else(|| plain.to_owned())
    }

    fn check_is_free(&self, name: &str) -> Result<(), ContractError> {
        let is_there = self.registry.routing().named(name).is_some();
        let is_added = self
            .absent()
            .added
            .iter()
            .any(|upstream| upstream.name == name);
        if is_there || is_added {
            return Err(error::invalid(
                "name",
                &format!("a name that no other upstream has; `{name}` is taken"),
            ));
        }
        Ok(())
    }

    /// Asks an upstream that isn't there yet whether it accepts a credential.
    async fn try_at(
        &self,
        upstream: &UpstreamConfig,
        cookie: SecretString,
    ) -> Result<StoredCredential, ContractError> {
        let adapter = self.connect(upstream);
        let adapter = adapter.map_err(|failure| unusable(&failure))?;
        let no_credentials = Vec::new();
        let entry = Entry::new(
            upstream,
            Owner::User,
            &self.config,
            adapter,
            no_credentials,
            None,
        );
        let cookie = pasted(&cookie, &entry)?;
        let credential = Credential::of_cookie(upstream.kind, &cookie);
        let proof = entry.try_credential(&credential).await?;
        // Whoever was asked has shown what it is.
        let credential = Credential::of_cookie(entry.adapter.kind(), &cookie);
        let stored = credentials::unknown(&upstream.name, credential, CredentialSource::User);
        Ok(credentials::checked(stored, proof))
    }

    /// Makes an upstream that somebody added or has changed.
    async fn make_by_hand(
        &self,
        upstream: &UpstreamConfig,
        before: Option<&Arc<Entry>>,
    ) -> Result<Arc<Entry>, ContractError> {
        let made = async {
            let adapter = self.connect(upstream)?;
            self.make_again(upstream, Owner::User, adapter, before)
                .await
        };
        made.await.map_err(|failure| unusable(&failure))
    }

    async fn add_upstream(
        &self,
        upstream: UpstreamConfig,
        credential: Option<StoredCredential>,
    ) -> Result<Arc<Entry>, ContractError> {
        let _changing = self.changing.write().await;
        self.check_is_free(&upstream.name)?;
        let entry = self.make_by_hand(&upstream, None).await?;
        let stored = self
            .store
            .put_upstream(settings::to_stored(&upstream))
            .await;
        stored.map_err(|error| error::not_stored(&error))?;
        if let Some(credential) = credential {
            let added = self
                .store
                .add_credential(credential.clone(), Adding::ByHand);
            if let Err(failure) = added.await {
                // An upstream without the credential is not what was asked for.
                let _ = self.store.remove_upstream(upstream.name.clone()).await;
                return Err(error::not_stored(&failure));
            }
            entry
                .pool
                .add([credentials::take_in(&self.store, credential)]);
        }
        self.absent().added.push(upstream);
        let routing = self.registry.snapshot();
        let mut entries = routing.entries.clone();
        entries.push(Arc::clone(&entry));
        self.replace(entries, names_of(&routing)).await;
        Ok(entry)
    }

    async fn update_upstream(
        &self,
        request: UpdateUpstreamRequest,
    ) -> Result<Arc<Entry>, ContractError> {
        let _changing = self.changing.write().await;
        let before = self.upstream(&request.name)?;
        if before.owner == Owner::Config {
            return Err(error::read_only(&format!("Upstream `{}`", request.name)));
        }
        let mut upstream = before.config.clone();
        if !request.url.is_empty() {
            upstream.url = settings::read_url(&request.url)?;
        }
        if !request.kind.is_empty() {
            upstream.kind = settings::read_kind(&request.kind)?;
        }
        if let Some(given) = &request.settings {
            settings::change(&mut upstream, given)?;
        }
        let entry = self.make_by_hand(&upstream, Some(&before)).await?;
        let stored = self
            .store
            .put_upstream(settings::to_stored(&upstream))
            .await;
        stored.map_err(|error| error::not_stored(&error))?;
        for added in &mut self.absent().added {
            if added.name == upstream.name {
                added.clone_from(&upstream);
            }
        }
        let routing = self.registry.snapshot();
        let replaced = routing.entries.iter().map(|other| {
            let is_it = Arc::ptr_eq(other, &before);
            Arc::clone(if is_it { &entry } else { other })
        });
        self.replace(replaced.collect(), names_of(&routing)).await;
        Ok(entry)
    }

    async fn delete_upstream(&self, name: &str) -> Result<(), ContractError> {
        let _changing = self.changing.write().await;
        let routing = self.registry.snapshot();
        match routing.named(name) {
            Some(entry) if entry.owner == Owner::Config => {
                return Err(error::read_only(&format!("Upstream `{name}`")));
            }
            Some(_) => {}
            None if self.absent().knows(name) => {}
            None => return Err(error::no_upstream_named(name)),
        }
        let removed = self.store.remove_upstream(name.to_owned()).await;
        removed.map_err(|error| error::not_stored(&error))?;
        self.absent().forget(name);
        let others = routing.entries.iter().filter(|entry| entry.name() != name);
        let others = others.map(Arc::clone).collect();
        self.replace(others, names_of(&routing)).await;
        Ok(())
    }
}

fn names_of(routing: &Routing) -> Names {
    routing.names.clone()
}

/// An upstream can't be made.
fn unusable(failure: &CoreError) -> ContractError {
    match failure {
        CoreError::Store(failure) => error::not_stored(failure),
        CoreError::Upstream { source, .. } => {
            error::invalid("url", &format!("another address or proxy: {source}"))
        }
        CoreError::Search(_)
        | CoreError::Authority(_)
        | CoreError::SigningKey(_)
        | CoreError::Reflection(_)
        | CoreError::Serve(_) => error::internal(),
    }
}
