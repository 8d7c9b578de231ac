//! Administration while the program runs: by HTTP, by gRPC, on the command line and on the page.

mod command_line;
mod grpcurl;
mod http;
mod kept;
mod page;

use llm2api_test_support::{
    Answer, Deployment, Llm2Api, Request, ScriptedChatUi,
    llm2api::ADMIN_KEY,
    scripted_chat_ui::{Family, Session, Setup},
};
use serde_json::Value;

use crate::stage::{MODEL, instance};

/// Sessions that the site knows.
const SESSIONS: [&str; 5] = [
    "0f9c2d6e-1111-4222-8333-44445555aa01",
    "0f9c2d6e-1111-4222-8333-44445555bb02",
    "0f9c2d6e-1111-4222-8333-44445555cc03",
    "0f9c2d6e-1111-4222-8333-44445555dd04",
    "0f9c2d6e-1111-4222-8333-44445555ee05",
];

/// A session that it does not know any more.
const EXPIRED: &str = "0f9c2d6e-1111-4222-8333-44445555ff06";

/// A chat-ui that wants a login, and knows [`SESSIONS`].
async fn site() -> ScriptedChatUi {
    let site = ScriptedChatUi::start(Setup {
        has_login: true,
        ..Setup::new(Family::New, MODEL)
    })
    .await;
    for session in SESSIONS {
        site.session(session, Session::Valid);
    }
    site.session(EXPIRED, Session::Expired);
    site
}

/// A site, and an instance that has it as its upstream `chat`.
async fn stage(deployment: Deployment) -> (ScriptedChatUi, Llm2Api) {
    let site = site().await;
    let instance = instance(deployment)
        .setting("UPSTREAM_URL", &site.url())
        .setting("UPSTREAM_KIND", "chat-ui")
        .setting("UPSTREAM_NAME", "chat")
        .start()
        .await;
    (site, instance)
}

/// Does something as the operator.
async fn operate(instance: &Llm2Api, method: &str, path: &str, body: Option<Value>) -> Answer {
    let request = match body {
        Some(body) => Request::new(method, path)
            .header("Content-Type", "application/json")
            .body(body.to_string()),
        None => Request::new(method, path),
    };
    instance.exchange(&request.bearer(ADMIN_KEY)).await
}
