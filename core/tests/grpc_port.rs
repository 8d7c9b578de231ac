//! The core's gRPC port as callers meet it: access, errors, health and stopping, over real HTTP/2.
#![allow(clippy::unwrap_used, reason = "a test target")]

use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};

use llm2api_core::{
    Core, Stopping,
    config::{
        AccessConfig, AuthorizationConfig, ClientAccess, Clocks, Config, EgressProxies,
        MetricsAccess, PoolConfig, SearchConfig, SearchLanguage, SecretKeySource, StoreConfig,
        TelemetryConfig,
    },
};
use llm2api_proto::{
    ContractError,
    v1::{
        ChatRequest, CheckAccessRequest, ErrorReason, ListModelsRequest, Message,
        access_service_client::AccessServiceClient, chat_service_client::ChatServiceClient,
        model_service_client::ModelServiceClient,
    },
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinSet};
use tonic::{Code, Request, Status, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

/// A core without upstreams on a port of its own, and its tasks, which end with it.
struct Served {
    channel: Channel,
    stopping: Stopping,
    _tasks: JoinSet<()>,
    _folder: TempDir,
}

async fn serve(clients: ClientAccess) -> Served {
    let second = Duration::from_secs(1);
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        upstreams: Vec::new(),
        models: BTreeMap::new(),
        aliases: BTreeMap::new(),
        fallback_model: None,
        retry_attempts: NonZeroU32::MIN,
        clocks: Clocks {
            connect: second,
            first_token: second,
            idle: second,
            request: second,
        },
        cooldown: second,
        pool: PoolConfig {
            concurrency: None,
            requests_per_minute: None,
            lease_wait: second,
            check_interval: second,
        },
        max_body_bytes: 1 << 20,
        proxies: EgressProxies::default(),
        runtime_count: 1,
        access: AccessConfig {
            clients,
            admin_key: "admin-key".to_owned().into(),
            core_key: Some("core-key".to_owned().into()),
            metrics: MetricsAccess::Nobody,
        },
        store: StoreConfig {
            file: folder.path().join("llm2api.db"),
            secret_key: SecretKeySource::File(folder.path().join("secret.key")),
        },
        telemetry: TelemetryConfig::default(),
        search: SearchConfig {
            instances: Vec::new(),
            is_default: false,
            result_count: 5,
            timeout: second,
            language: SearchLanguage::Auto,
            is_rewritten: false,
            page_count: 0,
            skip: Vec::new(),
            has_block: true,
            is_for_all: false,
        },
        authorization: AuthorizationConfig::default(),
    };
    let stopping = Stopping::default();
    let core = Core::new(config, stopping.clone()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn({
        let core = core.clone();
        async move { core.serve(listener).await.unwrap() }
    });
    tasks.spawn(async move { core.run().await });
    let channel = Channel::from_shared(format!("http://{address}"))
        .unwrap()
        .connect()
        .await
        .unwrap();
    Served {
        channel,
        stopping,
        _tasks: tasks,
        _folder: folder,
    }
}

fn with_key<T>(message: T, key: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(key) = key {
        request
            .metadata_mut()
            .insert("authorization", format!("bearer {key}").parse().unwrap());
    }
    request
}

fn chat() -> ChatRequest {
    let message = Message {
        role: "user".to_owned(),
        content: Some("hi".to_owned()),
        ..Message::default()
    };
    ChatRequest {
        model: "m".to_owned(),
        messages: vec![message],
        ..ChatRequest::default()
    }
}

fn told(status: &Status) -> (Code, ErrorReason) {
    (
        status.code(),
        ContractError::from_status(status)
            .expect("an error of ours")
            .reason,
    )
}

#[tokio::test]
async fn keys_open_what_the_table_says() {
    let keys = ClientAccess::Keys(vec!["client-key".to_owned().into()]);
    let served = serve(keys).await;
    let mut models = ModelServiceClient::new(served.channel.clone());
    let mut access = AccessServiceClient::new(served.channel.clone());
    let check = || CheckAccessRequest {
        client_address: "203.0.113.1".to_owned(),
        key: "client-key".to_owned(),
        route: "GET /v1/models".to_owned(),
        ..CheckAccessRequest::default()
    };
    let unauthenticated = Err((Code::Unauthenticated, ErrorReason::InvalidApiKey));
    let denied = Err((Code::PermissionDenied, ErrorReason::InsufficientPermissions));
    for (key, client_rpc, admin_rpc) in [
        (None, unauthenticated, unauthenticated),
        (Some("wrong"), unauthenticated, unauthenticated),
        (Some("client-key"), Ok(()), denied),
        (Some("admin-key"), Ok(()), Ok(())),
        (Some("core-key"), Ok(()), Ok(())),
    ] {
        let listed = models
            .list_models(with_key(ListModelsRequest::default(), key))
            .await;
        assert_eq!(
            listed.map(drop).map_err(|status| told(&status)),
            client_rpc,
            "{key:?}"
        );
        let checked = access.check_access(with_key(check(), key)).await;
        assert_eq!(
            checked.map(drop).map_err(|status| told(&status)),
            admin_rpc,
            "{key:?}"
        );
    }
}

#[tokio::test]
async fn a_gateway_hears_who_its_client_is() {
    let served = serve(ClientAccess::PrivateAddresses).await;
    let mut access = AccessServiceClient::new(served.channel.clone());
    let mut check = async |key: &str, address: &str, route: &str| {
        let request = CheckAccessRequest {
            key: key.to_owned(),
            client_address: address.to_owned(),
            address_untrusted: false,
            route: route.to_owned(),
        };
        let answer = access
            .check_access(with_key(request, Some("core-key")))
            .await;
        answer
            .map(|answer| answer.into_inner().client_id)
            .map_err(|status| told(&status))
    };
    let unauthenticated = Err((Code::Unauthenticated, ErrorReason::InvalidApiKey));
    let chat = "POST /v1/chat/completions";
    assert_eq!(
        check("", "10.0.0.7", chat).await,
        Ok("anonymous".to_owned())
    );
    assert_eq!(check("", "203.0.113.7", chat).await, unauthenticated);
    assert_eq!(
        check("admin-key", "203.0.113.7", chat).await,
        Ok("admin".to_owned())
    );
    assert_eq!(
        check("", "127.0.0.1", "GET /cookies").await,
        unauthenticated
    );
    assert_eq!(
        check("", "nowhere", chat).await,
        Err((Code::InvalidArgument, ErrorReason::InvalidValue))
    );
}

#[tokio::test]
async fn health_is_open_to_all() {
    let served = serve(ClientAccess::Keys(Vec::new())).await;
    let mut health = HealthClient::new(served.channel.clone());
    health.check(HealthCheckRequest::default()).await.unwrap();
    let mut models = ModelServiceClient::new(served.channel.clone());
    let refused = models
        .list_models(ListModelsRequest::default())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn without_an_upstream_a_chat_hears_what_to_set() {
    let served = serve(ClientAccess::Open).await;
    let mut chats = ChatServiceClient::new(served.channel.clone());
    let status = chats.chat(chat()).await.unwrap_err();
    assert_eq!(told(&status), (Code::Unavailable, ErrorReason::NoUpstream));
    assert!(
        status.message().contains("UPSTREAM_URL"),
        "{}",
        status.message()
    );
}

#[tokio::test]
async fn a_stopping_core_refuses_new_chats() {
    let served = serve(ClientAccess::Open).await;
    let mut chats = ChatServiceClient::new(served.channel.clone());
    served.stopping.refusing.cancel();
    let status = chats.chat(chat()).await.unwrap_err();
    assert_eq!(
        told(&status),
        (Code::Unavailable, ErrorReason::ShuttingDown)
    );
}
