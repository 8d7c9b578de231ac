//! Calls that administer: cookies and upstreams.

use std::time::Duration;

use llm2api_proto::{
    ContractError,
    v1::{
        AddCookieRequest, AddCookieResponse, AddUpstreamRequest, CheckCookieRequest,
        ClearCookieRequest, Cookie, DeleteCookieRequest, DeleteUpstreamRequest, ListCookiesRequest,
        ListCookiesResponse, ListUpstreamsRequest, ListUpstreamsResponse, TestUpstreamRequest,
        TestUpstreamResponse, UpdateCookieRequest, UpdateUpstreamRequest, Upstream,
        cookie_service_client::CookieServiceClient, upstream_service_client::UpstreamServiceClient,
    },
};

use super::{CALL_TIMEOUT, Caller, Core, sent};
use crate::transport::Transport;

/// Time for a call that asks an upstream: the core has clocks of its own for that, and this one is longer than they are together.
const ASKING_TIMEOUT: Duration = Duration::from_secs(120);

impl Core {
    /// Adds a credential, once its upstream has accepted it.
    pub(crate) async fn add_cookie(
        &self,
        request: AddCookieRequest,
        caller: &Caller,
    ) -> Result<AddCookieResponse, ContractError> {
        let request = caller.request(request);
        self.within(ASKING_TIMEOUT, self.cookies().add_cookie(request))
            .await
    }

    /// A page of credentials.
    pub(crate) async fn list_cookies(
        &self,
        request: ListCookiesRequest,
        caller: &Caller,
    ) -> Result<ListCookiesResponse, ContractError> {
        let request = caller.request(request);
        self.within(CALL_TIMEOUT, self.cookies().list_cookies(request))
            .await
    }

    /// Disables or enables a credential, or changes its label.
    pub(crate) async fn update_cookie(
        &self,
        request: UpdateCookieRequest,
        caller: &Caller,
    ) -> Result<Cookie, ContractError> {
        let request = caller.request(request);
        let response = self
            .within(CALL_TIMEOUT, self.cookies().update_cookie(request))
            .await?;
        sent(response.cookie)
    }

    /// Removes a credential.
    pub(crate) async fn delete_cookie(
        &self,
        id: String,
        caller: &Caller,
    ) -> Result<(), ContractError> {
        let request = caller.request(DeleteCookieRequest { id });
        self.within(CALL_TIMEOUT, self.cookies().delete_cookie(request))
            .await?;
        Ok(())
    }

    /// Checks a credential now.
    pub(crate) async fn check_cookie(
        &self,
        id: String,
        caller: &Caller,
    ) -> Result<Cookie, ContractError> {
        let request = caller.request(CheckCookieRequest { id });
        let response = self
            .within(ASKING_TIMEOUT, self.cookies().check_cookie(request))
            .await?;
        sent(response.cookie)
    }

    /// Ends a credential's cool-down.
    pub(crate) async fn clear_cookie(
        &self,
        id: String,
        caller: &Caller,
    ) -> Result<Cookie, ContractError> {
        let request = caller.request(ClearCookieRequest { id });
        let response = self
            .within(CALL_TIMEOUT, self.cookies().clear_cookie(request))
            .await?;
        sent(response.cookie)
    }

    /// The upstreams.
    pub(crate) async fn list_upstreams(
        &self,
        caller: &Caller,
    ) -> Result<ListUpstreamsResponse, ContractError> {
        let request = caller.request(ListUpstreamsRequest::default());
        self.within(CALL_TIMEOUT, self.upstreams().list_upstreams(request))
            .await
    }

    /// Adds an upstream.
    pub(crate) async fn add_upstream(
        &self,
        request: AddUpstreamRequest,
        caller: &Caller,
    ) -> Result<Upstream, ContractError> {
        let request = caller.request(request);
        let response = self
            .within(ASKING_TIMEOUT, self.upstreams().add_upstream(request))
            .await?;
        sent(response.upstream)
    }

    /// Changes an upstream that somebody added.
    pub(crate) async fn update_upstream(
        &self,
        request: UpdateUpstreamRequest,
        caller: &Caller,
    ) -> Result<Upstream, ContractError> {
        let request = caller.request(request);
        let response = self
            .within(ASKING_TIMEOUT, self.upstreams().update_upstream(request))
            .await?;
        sent(response.upstream)
    }

    /// Removes an upstream that somebody added.
    pub(crate) async fn delete_upstream(
        &self,
        name: String,
        caller: &Caller,
    ) -> Result<(), ContractError> {
        let request = caller.request(DeleteUpstreamRequest { name });
        self.within(CALL_TIMEOUT, self.upstreams().delete_upstream(request))
            .await?;
        Ok(())
    }

    /// Asks an upstream for its models.
    pub(crate) async fn test_upstream(
        &self,
        name: String,
        caller: &Caller,
    ) -> Result<TestUpstreamResponse, ContractError> {
        let request = caller.request(TestUpstreamRequest { name });
        self.within(ASKING_TIMEOUT, self.upstreams().test_upstream(request))
            .await
    }

    fn cookies(&self) -> CookieServiceClient<Transport> {
        CookieServiceClient::new(self.service.rpc.clone()).max_decoding_message_size(usize::MAX)
    }

    fn upstreams(&self) -> UpstreamServiceClient<Transport> {
        UpstreamServiceClient::new(self.service.rpc.clone()).max_decoding_message_size(usize::MAX)
    }
}
