//! Authorization codes: what entitles an instance to run.

mod authority;
mod command_line;
mod grpcurl;
mod introspection;
mod limits;
mod own;
mod unreliable;

use llm2api_test_support::{
    Deployment, Llm2Api, Request, ScriptedUpstream,
    command::{grpcurl, run_well},
    llm2api::{ADMIN_KEY, Starting},
    within,
};
use serde_json::{Value, json};

use crate::{
    canned,
    stage::{MODEL, instance},
    upstream_errors::verdict,
};

/// Calls a method of `AuthorizationService` as the operator.
async fn call(instance: &Llm2Api, method: &str, message: Value) -> Value {
    let mut command = grpcurl();
    command
        .arg("-plaintext")
        .args(["-H", &format!("authorization: Bearer {ADMIN_KEY}")])
        .args(["-d", &message.to_string()])
        .arg(instance.grpc().to_string())
        .arg(format!("llm2api.v1.AuthorizationService/{method}"));
    let output = run_well(&mut command).await;
    serde_json::from_str(&output).unwrap()
}

/// An instance that is an authority, and one of whose codes others run by.
struct Authority {
    instance: Llm2Api,
}

/// A code that was issued.
struct Issued {
    id: String,
    code: String,
}

impl Authority {
    async fn start() -> Self {
        let instance = instance(Deployment::Serve).start().await;
        Self { instance }
    }

    async fn issue(&self, message: Value) -> Issued {
        let issued = call(&self.instance, "IssueCode", message).await;
        Issued {
            id: issued["issued"]["id"].as_str().unwrap().to_owned(),
            code: issued["code"].as_str().unwrap().to_owned(),
        }
    }

    async fn revoke(&self, issued: &Issued, undo: bool) {
        let message = json!({"id": issued.id, "undo": undo});
        call(&self.instance, "RevokeCode", message).await;
    }

    async fn public_key(&self) -> String {
        let shown = call(&self.instance, "GetAuthorization", json!({})).await;
        let key = &shown["authorization"]["ownPublicKey"];
        key.as_str().unwrap().to_owned()
    }

    /// Where it is asked about codes.
    fn url(&self) -> String {
        format!("http://{}/auth/introspect", self.instance.http())
    }

    /// An instance that asks this authority about this code every second.
    fn subject(&self, deployment: Deployment, upstream: &ScriptedUpstream, code: &str) -> Starting {
        instance(deployment)
            .setting("UPSTREAM_URL", &upstream.url())
            .setting("AUTH_CODE", code)
            .setting("AUTH_INTROSPECTION_URL", &self.url())
            .setting("AUTH_INTROSPECTION_KEY", ADMIN_KEY)
            .setting("AUTH_CHECK_INTERVAL", "1s")
    }
}

/// An upstream that answers.
async fn upstream() -> ScriptedUpstream {
    let upstream = ScriptedUpstream::start(&[MODEL]).await;
    upstream.answer(MODEL, canned::stream_text(&["Hello"]));
    upstream
}

/// The state of an instance's authorization, and its reason.
async fn state(instance: &Llm2Api) -> (String, String) {
    let shown = call(instance, "GetAuthorization", json!({})).await;
    let text = |name: &str| {
        let value = shown["authorization"][name].as_str();
        value.unwrap_or_default().to_owned()
    };
    (text("state"), text("reason"))
}

/// Waits until the authorization is in this state for this reason.
async fn comes_to(instance: &Llm2Api, state_and_reason: (&str, &str)) {
    let what = format!("the authorization to be {state_and_reason:?}");
    let reached = async {
        loop {
            let (state, reason) = state(instance).await;
            if (state.as_str(), reason.as_str()) == state_and_reason {
                return;
            }
        }
    };
    within(&what, reached).await;
}

/// Checks that clients are refused and all else goes on.
async fn refuses_clients(instance: &Llm2Api) {
    let refusal = json!(["invalid_request_error", null, "authorization_invalid"]);
    for request in [
        Request::get("/v1/models"),
        Request::get("/web/v1/models/any"),
        Request::chat(canned::ask(true)),
        Request::chat(canned::ask(false)).bearer(ADMIN_KEY),
    ] {
        let answer = instance.exchange(&request).await;
        assert_eq!(verdict(&answer), (403, refusal.clone()));
    }
    let told = async {
        loop {
            let ready = instance.exchange(&Request::get("/readyz")).await.json();
            if ready["authorization"] == json!("degraded") {
                return;
            }
        }
    };
    within("readiness to tell of it", told).await;
    for (path, status) in [
        ("/healthz", 200),
        ("/cookie", 200),
        ("/readyz", 200),
        ("/readyz?deep=1", 503),
    ] {
        let answer = instance.exchange(&Request::get(path)).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
    let administered = instance.administer(Request::get("/cookies")).await;
    assert_eq!(administered.status, 200);
}

/// Checks that clients are served.
async fn serves_clients(instance: &Llm2Api) {
    let answer = instance.chat(canned::ask(false)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told = async {
        while instance
            .exchange(&Request::get("/readyz?deep=1"))
            .await
            .status
            != 200
        {
            tokio::task::yield_now().await;
        }
    };
    within("readiness to tell that all is well", told).await;
}
