//! Searching the web: through gRPC and on the command line, at instances of SearXNG that do as they are told.

mod command_line;
mod instances;
mod real_searxng;
mod results;

use std::net::SocketAddr;

use llm2api_proto::v1::{
    SearchRequest, SearchResponse, search_service_client::SearchServiceClient,
};
use llm2api_test_support::{Deployment, Llm2Api, ScriptedSearxng, llm2api::ADMIN_KEY};
use tonic::{Request, Status};

use crate::stage::instance;

/// An instance that searches at these addresses.
async fn searching_at(deployment: Deployment, urls: &str, settings: &[(&str, &str)]) -> Llm2Api {
    let mut starting = instance(deployment).setting("SEARXNG_URL", urls);
    for (name, value) in settings {
        starting = starting.setting(name, value);
    }
    starting.start().await
}

/// A scripted SearXNG, and an instance that searches there.
async fn stage(deployment: Deployment) -> (ScriptedSearxng, Llm2Api) {
    let searxng = ScriptedSearxng::start().await;
    let instance = searching_at(deployment, &searxng.url(), &[]).await;
    (searxng, instance)
}

/// Asks the search service.
async fn ask(instance: &Llm2Api, request: SearchRequest) -> Result<SearchResponse, Status> {
    ask_at(instance.grpc(), request).await
}

/// Asks the search service of the core that listens there.
async fn ask_at(core: SocketAddr, request: SearchRequest) -> Result<SearchResponse, Status> {
    let mut client = SearchServiceClient::connect(format!("http://{core}"))
        .await
        .unwrap();
    let mut request = Request::new(request);
    let bearer = format!("Bearer {ADMIN_KEY}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    Ok(client.search(request).await?.into_inner())
}

/// Searches for a text.
async fn search(instance: &Llm2Api, query: &str) -> SearchResponse {
    let request = SearchRequest {
        query: query.to_owned(),
        ..SearchRequest::default()
    };
    ask(instance, request).await.unwrap()
}
