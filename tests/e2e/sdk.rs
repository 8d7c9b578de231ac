//! OpenAI's own SDKs, unchanged: the checks themselves are in tests/sdk.

use std::{path::Path, time::Duration};

use llm2api_proto::{
    ContractError,
    v1::{
        CheckAccessRequest, CheckAccessResponse, ErrorReason,
        access_service_server::{AccessService, AccessServiceServer},
    },
};
use llm2api_test_support::{
    Deployment, Llm2Api, Script, ScriptedSearxng, ScriptedUpstream,
    command::{node, python, run_well},
    llm2api::Process,
};
use tokio::{net::TcpListener, process::Command, task::JoinSet};
use tonic::{Request, Response, Status, transport::server::TcpIncoming};

use crate::{
    canned,
    stage::{binary, instance},
    tools::parallel_calls,
};

both_deployments! {
    openai_for_python_works_unchanged,
    openai_for_node_works_unchanged,
}

/// The key that clients need.
const KEY: &str = "key-of-the-sdk";

async fn openai_for_python_works_unchanged(deployment: Deployment) {
    passes(python(), "openai_python.py", deployment).await;
}

async fn openai_for_node_works_unchanged(deployment: Deployment) {
    passes(node(), "openai_node.mjs", deployment).await;
}

async fn passes(mut interpreter: Command, script: &str, deployment: Deployment) {
    let (_upstream, _searxng, instance) = answering(deployment).await;
    let kept_out = KeptOut::start().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/sdk")
        .join(script);
    let output = run_well(interpreter.arg(script).args([
        format!("http://{}/v1", instance.http()),
        KEY.to_owned(),
        kept_out.url.clone(),
    ]))
    .await;
    assert!(output.ends_with("all checks passed\n"), "{output}");
}

/// An instance with a model for each check. Each model that fails is an upstream by itself, so that it takes no other with it.
async fn answering(deployment: Deployment) -> (ScriptedUpstream, ScriptedSearxng, Llm2Api) {
    let searxng = ScriptedSearxng::start().await;
    searxng.finds(&[
        ("Größe 🙂", "https://a.example/", "about [1]"),
        ("Two", "https://b.example/", ""),
    ]);
    let upstream = ScriptedUpstream::start(&[]).await;
    let two = canned::stream(&[
        canned::role(0),
        canned::role(1),
        canned::delta(1, r#"{"content":"un"}"#),
        canned::delta(0, r#"{"content":"one"}"#),
        canned::delta(1, r#"{"content":" deux"}"#),
        canned::finish(1, "stop"),
        canned::finish(0, "stop"),
    ]);
    let endless = Script::stream()
        .event(canned::role(0))
        .event(canned::text("on"))
        .stall();
    let cut = Script::stream()
        .event(canned::role(0))
        .event(canned::text("Hel"))
        .pause(Duration::from_millis(50))
        .close();
    let refused = r#"{"error":{"message":"too hot","type":"invalid_request_error","param":"temperature","code":"out_of_range"}}"#;
    let models = [
        ("text", canned::stream_text(&["Hello", ", 世界"])),
        ("cites", canned::stream_text(&["世界 [", "2]."])),
        ("two", two),
        ("tools", canned::stream(&parallel_calls())),
        ("endless", endless),
        ("cut", cut),
        ("fail-400", Script::json(400, refused)),
        ("fail-502", Script::json(500, "{}")),
        ("fail-503", Script::json(401, "{}")),
        ("fail-504", Script::silence()),
        (
            "limited",
            Script::json(429, "{}").header("Retry-After", "1"),
        ),
        (
            "limited-for-long",
            Script::json(429, "{}").header("Retry-After", "200"),
        ),
    ];
    let mut file = String::new();
    for (model, script) in models {
        upstream.answer(model, script);
        file.push_str(&format!(
            r#"
            [[upstreams]]
            name = "of-{model}"
            kind = "openai"
            url = "{}"
            models = ["{model}"]
            # Clients that ask again and again are to see the same error each time.
            breaker = "off"
            first_token_timeout = "{}"
            "#,
            upstream.url(),
            if model == "fail-504" { "200ms" } else { "1m" }
        ));
    }
    let instance = instance(deployment)
        .file(&file)
        .setting("API_KEY", KEY)
        .setting("MAX_BODY", "64KiB")
        .setting("SEARXNG_URL", &searxng.url())
        .start()
        .await;
    (upstream, searxng, instance)
}

/// A gateway whose core knows every key and lets none do anything.
struct KeptOut {
    url: String,
    _gateway: Process,
    _core: JoinSet<()>,
}

impl KeptOut {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let core_url = format!("http://{}", listener.local_addr().unwrap());
        let mut core = JoinSet::new();
        core.spawn(async move {
            tonic::transport::Server::builder()
                .add_service(AccessServiceServer::new(StrictAccess))
                .serve_with_incoming(TcpIncoming::from(listener))
                .await
                .unwrap();
        });
        let settings = [
            ("LISTEN", "127.0.0.1:0"),
            ("CORE_URL", &core_url),
            ("CORE_KEY", "any"),
            ("LOG_FORMAT", "json"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let gateway = Process::start(binary(), "gateway", &settings);
        let http = gateway.address("http").await;
        Self {
            url: format!("http://{http}/v1"),
            _gateway: gateway,
            _core: core,
        }
    }
}

struct StrictAccess;

#[tonic::async_trait]
impl AccessService for StrictAccess {
    async fn check_access(
        &self,
        _request: Request<CheckAccessRequest>,
    ) -> Result<Response<CheckAccessResponse>, Status> {
        Err(ContractError::new(
            ErrorReason::InsufficientPermissions,
            "this key may do nothing",
        )
        .into())
    }
}
