//! `UpstreamService`.

use llm2api_proto::{
    ContractError,
    v1::{
        AddUpstreamRequest, AddUpstreamResponse, CookieCounts, DeleteUpstreamRequest,
        DeleteUpstreamResponse, ErrorReason, ListUpstreamsRequest, ListUpstreamsResponse,
        TestUpstreamRequest, TestUpstreamResponse, UpdateUpstreamRequest, UpdateUpstreamResponse,
        Upstream, upstream_service_server::UpstreamService,
    },
};
use tonic::{Request, Response, Status, async_trait};

use crate::{
    administration::{Administration, shown_settings},
    pool::ShownState,
    registry::{Entry, Owner},
};

/// The service.
#[derive(Clone)]
pub(crate) struct UpstreamRpc {
    pub(crate) administration: Administration,
}

#[async_trait]
impl UpstreamService for UpstreamRpc {
    async fn add_upstream(
        &self,
        request: Request<AddUpstreamRequest>,
    ) -> Result<Response<AddUpstreamResponse>, Status> {
        let entry = self
            .administration
            .add_upstream(request.into_inner())
            .await?;
        Ok(Response::new(AddUpstreamResponse {
            upstream: Some(upstream(&entry)),
        }))
    }

    async fn delete_upstream(
        &self,
        request: Request<DeleteUpstreamRequest>,
    ) -> Result<Response<DeleteUpstreamResponse>, Status> {
        let name = request.into_inner().name;
        self.administration.delete_upstream(name).await?;
        Ok(Response::new(DeleteUpstreamResponse {}))
    }

    async fn list_upstreams(
        &self,
        request: Request<ListUpstreamsRequest>,
    ) -> Result<Response<ListUpstreamsResponse>, Status> {
        let ListUpstreamsRequest {
            page_size,
            page_token,
        } = request.into_inner();
        let invalid = |param: &str, takes: &str| {
            let message = format!("`{param}` takes {takes}.");
            ContractError::new(ErrorReason::InvalidValue, message).with_param(param)
        };
        let page_size = usize::try_from(page_size)
            .map_err(|_| invalid("page_size", "a whole number, 0 or more"))?;
        let begin: usize = match page_token.as_str() {
            "" => 0,
            token => token
                .parse()
                .map_err(|_| invalid("page_token", "the `next_page_token` of the page before"))?,
        };
        let all = self.administration.list_upstreams();
        let page_size = if page_size == 0 { all.len() } else { page_size };
        let next = begin.saturating_add(page_size);
        let page = all.iter().skip(begin).take(page_size);
        Ok(Response::new(ListUpstreamsResponse {
            upstreams: page.map(|entry| upstream(entry)).collect(),
            next_page_token: match next < all.len() {
                true => next.to_string(),
                false => String::new(),
            },
        }))
    }

    async fn test_upstream(
        &self,
        request: Request<TestUpstreamRequest>,
    ) -> Result<Response<TestUpstreamResponse>, Status> {
        let name = request.into_inner().name;
        let tested = self.administration.test_upstream(&name).await?;
        Ok(Response::new(TestUpstreamResponse {
            ok: tested.failure.is_none(),
            error: tested.failure.unwrap_or_default(),
            duration: tested.duration.try_into().ok(),
            upstream: Some(upstream(&tested.entry)),
        }))
    }

    async fn update_upstream(
        &self,
        request: Request<UpdateUpstreamRequest>,
    ) -> Result<Response<UpdateUpstreamResponse>, Status> {
        let changed = self.administration.update_upstream(request.into_inner());
        Ok(Response::new(UpdateUpstreamResponse {
            upstream: Some(upstream(&*changed.await?)),
        }))
    }
}

/// An upstream as the contract shows it.
fn upstream(entry: &Entry) -> Upstream {
    let known = entry.model_list.known();
    let cookies = counts(entry);
    let (state, reason) = condition_with(entry, &cookies);
    let models = known.models().unwrap_or_default();
    Upstream {
        name: entry.name().to_owned(),
        kind: entry.adapter.kind().as_str().to_owned(),
        url: entry.config.shown_address(),
        source: match entry.owner {
            Owner::Config => "config",
            Owner::User => "user",
        }
        .to_owned(),
        state: state.to_owned(),
        reason: reason.unwrap_or_default(),
        models: models.iter().map(|model| model.id.clone()).collect(),
        cookies: Some(cookies),
        settings: Some(shown_settings(&entry.config)),
    }
}

/// How an upstream is, as it is shown, and why.
pub(super) fn condition(entry: &Entry) -> (&'static str, Option<String>) {
    condition_with(entry, &counts(entry))
}

fn condition_with(entry: &Entry, cookies: &CookieCounts) -> (&'static str, Option<String>) {
    match degradation(entry, cookies) {
        Some(reason) => ("degraded", Some(reason)),
        None if entry.model_list.is_fresh() => ("ok", None),
        None => ("unknown", None),
    }
}

/// Attempts that run at an upstream.
pub(super) fn in_flight(entry: &Entry) -> i64 {
    let shown = entry.pool.page(None, None, usize::MAX);
    shown.iter().map(|shown| i64::from(shown.in_flight)).sum()
}

/// Why an upstream is not as it should be. `None`: it is, as far as is known.
fn degradation(entry: &Entry, cookies: &CookieCounts) -> Option<String> {
    if entry.pool.is_broken() {
        return Some("it keeps failing, and is left alone for a while".to_owned());
    }
    if let Some(failure) = &entry.model_list.known().failure {
        return Some(format!("its models can't be learnt: {failure}"));
    }
    (cookies.valid + cookies.unchecked == 0)
        .then(|| "none of its cookies can be used now".to_owned())
}

fn counts(entry: &Entry) -> CookieCounts {
    let mut counts = CookieCounts::default();
    for (state, count) in entry.pool.counts() {
        let place = match state {
            ShownState::Valid => &mut counts.valid,
            ShownState::Unchecked => &mut counts.unchecked,
            ShownState::Cooling => &mut counts.cooling,
            ShownState::Invalid => &mut counts.invalid,
            ShownState::Disabled => &mut counts.disabled,
        };
        *place = i64::try_from(count).unwrap_or(i64::MAX);
    }
    counts
}
