//! Credentials by hand: added, shown, changed, checked, removed.

use std::sync::Arc;

use http::HeaderValue;
use llm2api_proto::{
    ContractError,
    v1::{AddCookieRequest, ErrorReason},
};
use secrecy::SecretString;

use super::{Administration, Shared, credentials, error};
use crate::{
    config::{UpstreamKind, notation},
    pool::{CredentialId, CredentialSource, Proof, Shown, ShownState, Verdict},
    registry::{Entry, Routing},
    store::{Added, Adding, StoredCredential},
    upstream::{self, Credential},
};

/// The longest label.
const MAX_LABEL: usize = 200;

/// Which credentials to show.
#[derive(Debug, Clone, Default)]
pub(crate) struct CookieFilter {
    /// Only those of this upstream.
    pub(crate) upstream: Option<String>,
    /// Only those in this state.
    pub(crate) state: Option<ShownState>,
    /// Only those after this one.
    pub(crate) after: Option<CredentialId>,
    /// At most so many.
    pub(crate) limit: usize,
}

/// A credential with the upstream that it is for.
pub(crate) type OfUpstream = (Arc<Entry>, Shown);

impl Administration {
    /// Adds a credential, once its upstream has accepted it. Whether it was added: not where it was there already.
    ///
    /// # Errors
    ///
    /// What is wrong with the request; `COOKIE_INVALID` where the upstream refuses it; why the upstream could not be asked.
    pub(crate) async fn add_cookie(
        &self,
        request: AddCookieRequest,
    ) -> Result<(OfUpstream, bool), ContractError> {
        let entry = target(&self.shared.registry.routing(), &request.upstream)?;
        let credential = read(&request, &entry)?;
        let there = entry
            .pool
            .find(&self.shared.fingerprint(&entry, &credential));
        if let Some(shown) = there.and_then(|id| entry.pool.show(id)) {
            let shown = match shown.state {
                ShownState::Invalid => self.check_cookie(shown.member.id).await?.1,
                ShownState::Valid
                | ShownState::Unchecked
                | ShownState::Cooling
                | ShownState::Disabled => shown,
            };
            return Ok(((entry, shown), false));
        }
        let proof = entry.try_credential(&credential).await?;
        // Whoever was asked has shown what it is.
        let credential = read(&request, &entry)?;
        let stored = StoredCredential {
            label: label(request.label)?,
            ..credentials::unknown(entry.name(), credential, CredentialSource::User)
        };
        let shared = Arc::clone(&self.shared);
        self.do_surely(async move { shared.add(credentials::checked(stored, proof)).await })
            .await
    }

    /// Credentials as they are shown, the oldest first.
    ///
    /// # Errors
    ///
    /// Where the filter names an upstream that isn't there.
    pub(crate) fn list_cookies(
        &self,
        filter: &CookieFilter,
    ) -> Result<Vec<OfUpstream>, ContractError> {
        let routing = self.shared.registry.snapshot();
        let entries: Vec<&Arc<Entry>> = match &filter.upstream {
            Some(name) => vec![routing.named(name).ok_or_else(|| unknown_upstream(name))?],
            None => routing.entries.iter().collect(),
        };
        let mut all: Vec<OfUpstream> = entries
            .into_iter()
            .filter(|entry| entry.adapter.kind() != UpstreamKind::Local)
            .flat_map(|entry| {
                let page = entry.pool.page(filter.after, filter.state, filter.limit);
                page.into_iter().map(|shown| (Arc::clone(entry), shown))
            })
            .collect();
        all.sort_unstable_by_key(|(_, shown)| shown.member.id);
        all.truncate(filter.limit);
        Ok(all)
    }

    /// Checks a credential now.
    ///
    /// # Errors
    ///
    /// `COOKIE_NOT_FOUND`.
    pub(crate) async fn check_cookie(&self, id: CredentialId) -> Result<OfUpstream, ContractError> {
        let shared = Arc::clone(&self.shared);
        // A check that is begun and not ended would be waited for.
        self.do_surely(async move {
            let (entry, _) = shared.find(id)?;
            entry.check_now(id).await;
            shared.find(id)
        })
        .await
    }

    /// Ends a credential's cool-down.
    ///
    /// # Errors
    ///
    /// `COOKIE_NOT_FOUND`.
    pub(crate) fn clear_cookie(&self, id: CredentialId) -> Result<OfUpstream, ContractError> {
        let (entry, _) = self.shared.find(id)?;
        entry.pool.clear(id);
        self.shared.find(id)
    }

    /// Disables or enables a credential, or changes its label.
    ///
    /// # Errors
    ///
    /// `COOKIE_NOT_FOUND`, `INVALID_VALUE`, `READ_ONLY`, or `STORE_ERROR`.
    pub(crate) async fn update_cookie(
        &self,
        id: CredentialId,
        disabled: Option<bool>,
        new_label: Option<String>,
    ) -> Result<OfUpstream, ContractError> {
        let new_label = new_label.map(label).transpose()?;
        let shared = Arc::clone(&self.shared);
        self.do_surely(async move { shared.update(id, disabled, new_label).await })
            .await
    }

    /// Removes a credential that somebody added.
    ///
    /// # Errors
    ///
    /// `COOKIE_NOT_FOUND`, `READ_ONLY`, or `STORE_ERROR`.
    pub(crate) async fn delete_cookie(&self, id: CredentialId) -> Result<(), ContractError> {
        let shared = Arc::clone(&self.shared);
        self.do_surely(async move { shared.remove(id).await }).await
    }
}

impl Shared {
    fn fingerprint(&self, entry: &Entry, credential: &Credential) -> crate::store::Fingerprint {
        self.store.fingerprint(entry.name(), credential)
    }

    pub(super) fn find(&self, id: CredentialId) -> Result<OfUpstream, ContractError> {
        let routing = self.registry.routing();
        let mut entries = routing.entries.iter();
        entries
            .find_map(|entry| Some((Arc::clone(entry), entry.pool.show(id)?)))
            .ok_or_else(|| error::no_cookie(&id.to_string()))
    }

    /// Stores a credential and takes it in.
    async fn add(&self, mut stored: StoredCredential) -> Result<(OfUpstream, bool), ContractError> {
        let _unchanged = self.changing.read().await;
        let upstream = stored.upstream.clone();
        let routing = self.registry.snapshot();
        // It may have been replaced while its answer was waited for.
        let entry = routing
            .named(&upstream)
            .ok_or_else(|| unknown_upstream(&upstream))?;
        let added = self
            .store
            .add_credential(stored.clone(), Adding::ByHand)
            .await;
        let is_new = match added.map_err(|error| error::not_stored(&error))? {
            Added::There(id) => {
                stored.id = id;
                false
            }
            Added::New | Added::WasRemoved => true,
        };
        let id = stored.id;
        entry.pool.add([credentials::take_in(&self.store, stored)]);
        Ok((self.find(id)?, is_new))
    }

    async fn update(
        &self,
        id: CredentialId,
        disabled: Option<bool>,
        label: Option<String>,
    ) -> Result<OfUpstream, ContractError> {
        let _unchanged = self.changing.read().await;
        let (entry, shown) = self.find(id)?;
        if shown.member.credential.is_anonymous() {
            return Err(error::read_only(
                "That an upstream is asked without a cookie",
            ));
        }
        let is_disabled = disabled.unwrap_or(shown.state == ShownState::Disabled);
        let label = label.unwrap_or(shown.label);
        let stored = self.store.change_credential(id, is_disabled, label.clone());
        stored.await.map_err(|error| error::not_stored(&error))?;
        entry.pool.change(id, is_disabled, label);
        self.find(id)
    }

    async fn remove(&self, id: CredentialId) -> Result<(), ContractError> {
        let _unchanged = self.changing.read().await;
        let (entry, shown) = self.find(id)?;
        if shown.member.source == CredentialSource::Config {
            return Err(error::read_only(&format!("Cookie `{id}`")));
        }
        let removed = self.store.remove_credential(id, true).await;
        removed.map_err(|error| error::not_stored(&error))?;
        entry.pool.remove(id);
        Ok(())
    }
}

impl Entry {
    /// Asks the upstream whether it accepts a credential; what has shown it.
    pub(super) async fn try_credential(
        &self,
        credential: &Credential,
    ) -> Result<Proof, ContractError> {
        let (verdict, failure) = self.ask_about(credential).await;
        match (verdict, failure) {
            // Whoever gives a key that is not known should hear so, though nobody else was let in before.
            (Verdict::ProvesNothing, Some(failure)) if failure.status == Some(401) => {
                Err(error::refused(self, &failure))
            }
            (Verdict::Accepted, _) => Ok(Proof::Check),
            (Verdict::ProvesNothing, _) => Ok(Proof::NotVerifiable),
            (Verdict::Refused(_), Some(failure)) => Err(error::refused(self, &failure)),
            (Verdict::OutOfReach, Some(failure)) => Err(error::out_of_reach(self, &failure)),
            (Verdict::Refused(_) | Verdict::OutOfReach, None) => Err(error::internal()),
        }
    }
}

/// The upstream that a credential is for: the named one, or the first that is asked by network.
fn target(routing: &Routing, name: &str) -> Result<Arc<Entry>, ContractError> {
    let is_remote = |entry: &&Arc<Entry>| entry.adapter.kind() != UpstreamKind::Local;
    let entry = match name {
        "" => routing.entries.iter().find(is_remote).ok_or_else(|| {
            ContractError::new(
                ErrorReason::NoUpstream,
                "There is no upstream to add it to. Set UPSTREAM_URL, or connect a service on the page /cookie.",
            )
        })?,
        name => routing
            .named(name)
            .filter(is_remote)
            .ok_or_else(|| unknown_upstream(name))?,
    };
    Ok(Arc::clone(entry))
}

fn unknown_upstream(name: &str) -> ContractError {
    error::invalid(
        "upstream",
        &format!("the name of an upstream that is asked by network; there is no `{name}`"),
    )
}

/// The credential that a request gives, for an upstream as it has shown itself to be.
fn read(request: &AddCookieRequest, entry: &Entry) -> Result<Credential, ContractError> {
    if request.cookie.trim().is_empty() {
        return Err(error::missing("cookie"));
    }
    let text = SecretString::from(request.cookie.as_str());
    let mut credential = match request.kind.as_str() {
        "" => Credential::of_cookie(entry.adapter.kind(), &pasted(&text, entry)?),
        "cookie" => Credential::of_cookie(UpstreamKind::ChatUi, &pasted(&text, entry)?),
        "api_key" => Credential::api_key(api_key(&request.cookie)?),
        _ => return Err(error::invalid("kind", "`cookie` or `api_key`")),
    };
    if !request.user_agent.is_empty() {
        let user_agent = HeaderValue::try_from(&request.user_agent)
            .map_err(|_| error::invalid("user_agent", "what a header can have"))?;
        credential.user_agent = Some(user_agent);
    }
    if !request.proxy.is_empty() {
        let proxy = notation::proxy_url(&request.proxy).ok_or_else(|| {
            error::invalid(
                "proxy",
                "the address of an http, https, socks5 or socks5h proxy",
            )
        })?;
        credential.proxy = Some(proxy);
    }
    Ok(credential)
}

/// A key, as it is sent: in a header.
fn api_key(text: &str) -> Result<SecretString, ContractError> {
    let key = text.trim();
    let is_fit = key.bytes().all(|byte| byte.is_ascii_graphic());
    is_fit
        .then(|| key.into())
        .ok_or_else(|| error::invalid("cookie", "a key of visible ASCII characters, on one line"))
}

/// What was pasted, as it is sent.
pub(super) fn pasted(text: &SecretString, entry: &Entry) -> Result<SecretString, ContractError> {
    let host = entry.config.url.host_str().unwrap_or_default();
    upstream::normalised(text, host).map_err(|fault| {
        ContractError::new(
            ErrorReason::InvalidValue,
            format!("`cookie` can't be used: {fault}."),
        )
        .with_param("cookie")
    })
}

fn label(label: String) -> Result<String, ContractError> {
    let is_fit = label.chars().count() <= MAX_LABEL && !label.chars().any(char::is_control);
    is_fit.then_some(label).ok_or_else(|| {
        error::invalid(
            "label",
            "at most 200 characters, none of which is a control character",
        )
    })
}
