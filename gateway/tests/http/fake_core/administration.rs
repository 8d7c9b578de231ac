//! The fake core's cookies and upstreams: it notes what it is asked, and answers what it was given.

use std::any::Any;

use llm2api_proto::v1::{
    AddCookieRequest, AddCookieResponse, AddUpstreamRequest, AddUpstreamResponse,
    CheckCookieRequest, CheckCookieResponse, ClearCookieRequest, ClearCookieResponse, Cookie,
    DeleteCookieRequest, DeleteCookieResponse, DeleteUpstreamRequest, DeleteUpstreamResponse,
    ListCookiesRequest, ListCookiesResponse, ListUpstreamsRequest, ListUpstreamsResponse,
    TestUpstreamRequest, TestUpstreamResponse, UpdateCookieRequest, UpdateCookieResponse,
    UpdateUpstreamRequest, UpdateUpstreamResponse, Upstream, cookie_service_server::CookieService,
    upstream_service_server::UpstreamService,
};
use tonic::{Request, Response, Status, async_trait};

use super::FakeCore;

/// What the next call of administration is answered, and what was asked.
#[derive(Default)]
pub(super) struct Administration {
    failure: Option<Status>,
    cookies: Vec<Cookie>,
    upstreams: Vec<Upstream>,
    is_created: bool,
    next_page_token: String,
    test: TestUpstreamResponse,
    asked: Vec<Box<dyn Any + Send>>,
}

impl FakeCore {
    /// Fails each call of administration.
    pub(crate) fn refuses_administration(&self, error: impl Into<Status>) {
        self.state().administration.failure = Some(error.into());
    }

    /// Has these cookies; where one is asked for, the first. `next_page_token` goes with the list, and `is_created` with an addition.
    pub(crate) fn has_cookies(
        &self,
        cookies: Vec<Cookie>,
        next_page_token: &str,
        is_created: bool,
    ) {
        let administration = &mut self.state().administration;
        administration.cookies = cookies;
        administration.next_page_token = next_page_token.to_owned();
        administration.is_created = is_created;
    }

    /// Has these upstreams; where one is asked for, the first.
    pub(crate) fn has_upstreams(&self, upstreams: Vec<Upstream>) {
        self.state().administration.upstreams = upstreams;
    }

    /// Answers a test so.
    pub(crate) fn tests_upstreams(&self, test: TestUpstreamResponse) {
        self.state().administration.test = test;
    }

    /// The one request of administration that there was since the last time.
    pub(crate) fn asked<T: Any>(&self) -> T {
        let asked = std::mem::take(&mut self.state().administration.asked);
        let [request] = <[_; 1]>::try_from(asked)
            .unwrap_or_else(|asked| panic!("there were {} requests", asked.len()));
        *request.downcast().expect("a request of this type")
    }

    /// Whether no request of administration came since the last time.
    pub(crate) fn was_not_asked(&self) -> bool {
        self.state().administration.asked.is_empty()
    }

    pub(super) fn note<T: Any + Send>(&self, request: Request<T>) -> Result<(), Status> {
        let administration = &mut self.state().administration;
        administration.asked.push(Box::new(request.into_inner()));
        administration.failure.clone().map_or(Ok(()), Err)
    }

    fn cookie(&self) -> Option<Cookie> {
        self.state().administration.cookies.first().cloned()
    }

    fn upstream(&self) -> Option<Upstream> {
        self.state().administration.upstreams.first().cloned()
    }
}

#[async_trait]
impl CookieService for FakeCore {
    async fn add_cookie(
        &self,
        request: Request<AddCookieRequest>,
    ) -> Result<Response<AddCookieResponse>, Status> {
        self.note(request)?;
        Ok(Response::new(AddCookieResponse {
            cookie: self.cookie(),
            created: self.state().administration.is_created,
        }))
    }

    async fn check_cookie(
        &self,
        request: Request<CheckCookieRequest>,
    ) -> Result<Response<CheckCookieResponse>, Status> {
        self.note(request)?;
        let cookie = self.cookie();
        Ok(Response::new(CheckCookieResponse { cookie }))
    }

    async fn clear_cookie(
        &self,
        request: Request<ClearCookieRequest>,
    ) -> Result<Response<ClearCookieResponse>, Status> {
        self.note(request)?;
        let cookie = self.cookie();
        Ok(Response::new(ClearCookieResponse { cookie }))
    }

    async fn delete_cookie(
        &self,
        request: Request<DeleteCookieRequest>,
    ) -> Result<Response<DeleteCookieResponse>, Status> {
        self.note(request)?;
        Ok(Response::new(DeleteCookieResponse {}))
    }

    async fn list_cookies(
        &self,
        request: Request<ListCookiesRequest>,
    ) -> Result<Response<ListCookiesResponse>, Status> {
        self.note(request)?;
        let administration = &self.state().administration;
        Ok(Response::new(ListCookiesResponse {
            cookies: administration.cookies.clone(),
            next_page_token: administration.next_page_token.clone(),
        }))
    }

    async fn update_cookie(
        &self,
        request: Request<UpdateCookieRequest>,
    ) -> Result<Response<UpdateCookieResponse>, Status> {
        self.note(request)?;
        let cookie = self.cookie();
        Ok(Response::new(UpdateCookieResponse { cookie }))
    }
}

#[async_trait]
impl UpstreamService for FakeCore {
    async fn add_upstream(
        &self,
        request: Request<AddUpstreamRequest>,
    ) -> Result<Response<AddUpstreamResponse>, Status> {
        self.note(request)?;
        let upstream = self.upstream();
        Ok(Response::new(AddUpstreamResponse { upstream }))
    }

    async fn delete_upstream(
        &self,
        request: Request<DeleteUpstreamRequest>,
    ) -> Result<Response<DeleteUpstreamResponse>, Status> {
        self.note(request)?;
        Ok(Response::new(DeleteUpstreamResponse {}))
    }

    async fn list_upstreams(
        &self,
        request: Request<ListUpstreamsRequest>,
    ) -> Result<Response<ListUpstreamsResponse>, Status> {
        self.note(request)?;
        let upstreams = self.state().administration.upstreams.clone();
        Ok(Response::new(ListUpstreamsResponse {
            upstreams,
            next_page_token: String::new(),
        }))
    }

    async fn test_upstream(
        &self,
        request: Request<TestUpstreamRequest>,
    ) -> Result<Response<TestUpstreamResponse>, Status> {
        self.note(request)?;
        let mut test = self.state().administration.test.clone();
        test.upstream = self.upstream();
        Ok(Response::new(test))
    }

    async fn update_upstream(
        &self,
        request: Request<UpdateUpstreamRequest>,
    ) -> Result<Response<UpdateUpstreamResponse>, Status> {
        self.note(request)?;
        let upstream = self.upstream();
        Ok(Response::new(UpdateUpstreamResponse { upstream }))
    }
}
