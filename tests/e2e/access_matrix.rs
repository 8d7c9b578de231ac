//! Every endpoint and every RPC, asked by everybody: generated from what the product itself says that there is, so that one without a rule
//! here fails.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use llm2api_proto::{ContractError, FILE_DESCRIPTOR_SET, codec::ContractCodec, v1::ErrorReason};
use llm2api_test_support::{Deployment, Llm2Api, Request, llm2api::ADMIN_KEY, within};
use prost::Message;
use prost_types::FileDescriptorSet;
use serde_json::{Value, json};
use tonic::{client::Grpc, codegen::http::uri::PathAndQuery, transport::Channel};

use crate::stage::Stage;

both_deployments! {
    each_endpoint_opens_to_whom_it_should_directly,
    each_endpoint_opens_to_whom_it_should_behind_a_trusted_proxy,
    each_endpoint_opens_to_whom_it_should_behind_an_untrusted_proxy,
    each_rpc_opens_to_whom_it_should,
}

/// Whom something is open to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Open,
    Client,
    /// The operator, and keys that may introspect.
    Introspection,
    Admin,
}

/// The rule of each endpoint, by method and path as the OpenAPI document has them.
const ENDPOINTS: &[(&str, Rule)] = &[
    ("delete /cookies/{id}", Rule::Admin),
    ("delete /keys/{id}", Rule::Admin),
    ("delete /upstreams/{name}", Rule::Admin),
    ("get /", Rule::Open),
    ("get /cookie", Rule::Open),
    ("get /cookies", Rule::Admin),
    ("get /healthz", Rule::Open),
    ("get /key", Rule::Open),
    ("get /keys", Rule::Admin),
    ("get /metrics", Rule::Admin),
    ("get /openapi.json", Rule::Open),
    ("get /readyz", Rule::Open),
    ("get /status", Rule::Admin),
    ("get /status/stream", Rule::Admin),
    ("get /traces", Rule::Admin),
    ("get /traces/{id}", Rule::Admin),
    ("get /upstreams", Rule::Admin),
    ("get /v1/models", Rule::Client),
    ("get /v1/models/{id}", Rule::Client),
    ("get /web/v1/models", Rule::Client),
    ("get /web/v1/models/{id}", Rule::Client),
    ("patch /cookies/{id}", Rule::Admin),
    ("patch /keys/{id}", Rule::Admin),
    ("patch /upstreams/{name}", Rule::Admin),
    ("post /auth/introspect", Rule::Introspection),
    ("post /cookie/add", Rule::Admin),
    ("post /cookies/{id}/check", Rule::Admin),
    ("post /cookies/{id}/clear", Rule::Admin),
    ("post /keys", Rule::Admin),
    ("post /keys/{id}/rotate", Rule::Admin),
    ("post /upstreams", Rule::Admin),
    ("post /upstreams/{name}/test", Rule::Admin),
    ("post /v1/chat/completions", Rule::Client),
    ("post /web/v1/chat/completions", Rule::Client),
];

/// The rule of each service's RPCs.
const SERVICES: &[(&str, Rule)] = &[
    ("AccessService", Rule::Admin),
    ("AuthorizationService", Rule::Admin),
    ("ChatService", Rule::Client),
    ("CookieService", Rule::Admin),
    ("KeyService", Rule::Admin),
    ("ModelService", Rule::Client),
    ("MonitorService", Rule::Admin),
    ("SearchService", Rule::Client),
    ("UpstreamService", Rule::Admin),
];

/// What becomes of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    LetIn,
    /// 401: no key, or none that opens anything.
    Unknown,
    /// 403: a key that doesn't open this.
    Forbidden,
}

/// Somebody who asks.
struct Caller {
    name: &'static str,
    key: Option<String>,
    /// What becomes of it under each rule but [`Rule::Open`], which lets everybody in.
    client: Verdict,
    introspection: Verdict,
    admin: Verdict,
}

impl Caller {
    fn verdict(&self, rule: Rule) -> Verdict {
        match rule {
            Rule::Open => Verdict::LetIn,
            Rule::Client => self.client,
            Rule::Introspection => self.introspection,
            Rule::Admin => self.admin,
        }
    }
}

/// A key that was made with these settings.
async fn made(instance: &Llm2Api, settings: Value) -> (String, String) {
    let request = Request::post_json("/keys", settings.to_string());
    let made = instance.administer(request).await.json();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

/// All kinds of callers, at an instance that has keys.
async fn callers(instance: &Llm2Api) -> Vec<Caller> {
    let nobody = |name, key| Caller {
        name,
        key,
        client: Verdict::Unknown,
        introspection: Verdict::Unknown,
        admin: Verdict::Unknown,
    };
    let (_, client) = made(instance, json!({})).await;
    let (_, introspecting) = made(instance, json!({"introspection": true})).await;
    let (_, elsewhere) = made(instance, json!({"networks": ["192.0.2.0/24"]})).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let soon = json!({"expires_at": now.as_secs() + 1});
    let (_, expired) = made(instance, soon).await;
    let (id, revoked) = made(instance, json!({})).await;
    let revoke = Request::new("DELETE", &format!("/keys/{id}"));
    assert_eq!(instance.administer(revoke).await.status, 200);
    let is_expired = async {
        let models = Request::get("/v1/models").bearer(&expired);
        while instance.exchange(&models).await.status != 401 {
            tokio::task::yield_now().await;
        }
    };
    within("the key to expire", is_expired).await;
    vec![
        nobody("no key", None),
        nobody("a wrong key", Some("sk-wrong".to_owned())),
        nobody("an expired key", Some(expired)),
        nobody("a revoked key", Some(revoked)),
        Caller {
            client: Verdict::LetIn,
            introspection: Verdict::Forbidden,
            admin: Verdict::Forbidden,
            ..nobody("a client key", Some(client))
        },
        Caller {
            client: Verdict::LetIn,
            introspection: Verdict::LetIn,
            admin: Verdict::Forbidden,
            ..nobody("a key that may introspect", Some(introspecting))
        },
        Caller {
            client: Verdict::Forbidden,
            introspection: Verdict::Forbidden,
            admin: Verdict::Forbidden,
            ..nobody("a key of another network", Some(elsewhere))
        },
        Caller {
            client: Verdict::LetIn,
            introspection: Verdict::LetIn,
            admin: Verdict::LetIn,
            ..nobody("the admin key", Some(ADMIN_KEY.to_owned()))
        },
    ]
}

/// What the document lists, as `method path`.
async fn listed(instance: &Llm2Api) -> BTreeSet<String> {
    let document = instance
        .exchange(&Request::get("/openapi.json"))
        .await
        .json();
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(move |method| format!("{method} {path}"))
        })
        .collect()
}

/// Asks each endpoint as each caller, from `via`, an address in `X-Forwarded-For`.
async fn ask_all(stage: &Stage, via: Option<&str>) {
    let instance = &stage.instance;
    let known: BTreeSet<String> = ENDPOINTS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    assert_eq!(
        listed(instance).await,
        known,
        "each endpoint has a rule here"
    );
    let callers = callers(instance).await;
    for (endpoint, rule) in ENDPOINTS {
        let (method, path) = endpoint.split_once(' ').unwrap();
        let path = path.replace("{id}", "none").replace("{name}", "none");
        for caller in &callers {
            let mut request = Request::new(&method.to_uppercase(), &path);
            if let Some(key) = &caller.key {
                request = request.bearer(key);
            }
            if let Some(via) = via {
                request = request.header("X-Forwarded-For", via);
            }
            let mut client = instance.client().await;
            client.send(&request).await;
            // The rest may be endless.
            let (status, _) = client.head().await;
            let verdict = match status {
                401 => Verdict::Unknown,
                403 => Verdict::Forbidden,
                429 => panic!("{endpoint} is too often asked with wrong keys"),
                _ => Verdict::LetIn,
            };
            assert_eq!(
                verdict,
                caller.verdict(*rule),
                "{endpoint} by {}",
                caller.name
            );
        }
    }
}

async fn each_endpoint_opens_to_whom_it_should_directly(deployment: Deployment) {
    ask_all(&Stage::new(deployment).await, None).await;
}

async fn each_endpoint_opens_to_whom_it_should_behind_a_trusted_proxy(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    ask_all(&stage, Some("203.0.113.9")).await;
}

async fn each_endpoint_opens_to_whom_it_should_behind_an_untrusted_proxy(deployment: Deployment) {
    // An address that a stranger names opens nothing: nor do the networks of a key.
    ask_all(&Stage::new(deployment).await, Some("192.0.2.7")).await;
}

/// The RPCs of the contract, as `Service/Method`.
fn rpcs() -> Vec<(String, String)> {
    let set: FileDescriptorSet = Message::decode(FILE_DESCRIPTOR_SET).unwrap();
    let services = set.file.into_iter().flat_map(|file| file.service);
    services
        .flat_map(|service| {
            let name = service.name().to_owned();
            let methods = service.method.into_iter();
            methods.map(move |method| (name.clone(), method.name().to_owned()))
        })
        .collect()
}

async fn each_rpc_opens_to_whom_it_should(deployment: Deployment) {
    let stage = Stage::new(deployment).await;
    let callers = callers(&stage.instance).await;
    let url = format!("http://{}", stage.instance.grpc());
    let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
    let mut asked = BTreeSet::new();
    for (service, method) in rpcs() {
        let rule = SERVICES.iter().find(|(name, _)| *name == service);
        let (_, rule) = rule.unwrap_or_else(|| panic!("{service} has no rule here"));
        asked.insert(service.clone());
        let path: PathAndQuery = format!("/llm2api.v1.{service}/{method}").parse().unwrap();
        for caller in &callers {
            let mut request = tonic::Request::new(());
            if let Some(key) = &caller.key {
                let value = format!("Bearer {key}").parse().unwrap();
                request.metadata_mut().insert("authorization", value);
            }
            let mut client = Grpc::new(channel.clone());
            client.ready().await.unwrap();
            let codec = ContractCodec::<(), ()>::default();
            let call = client.server_streaming(request, path.clone(), codec);
            let answer = tokio::time::timeout(Duration::from_secs(20), call).await;
            let verdict = match answer.expect("an answer") {
                Ok(_) => Verdict::LetIn,
                Err(status) => {
                    match ContractError::from_status(&status).map(|error| error.reason) {
                        Some(ErrorReason::InvalidApiKey) => Verdict::Unknown,
                        Some(ErrorReason::InsufficientPermissions) => Verdict::Forbidden,
                        _ => Verdict::LetIn,
                    }
                }
            };
            assert_eq!(
                verdict,
                caller.verdict(*rule),
                "{service}/{method} by {}",
                caller.name
            );
        }
    }
    let ruled: BTreeSet<String> = SERVICES
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    assert_eq!(asked, ruled, "each rule is of a service that there is");
}
