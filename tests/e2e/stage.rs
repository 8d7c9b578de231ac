//! What nearly every test begins with: a scripted upstream and an instance in front of it.

use std::path::Path;

use llm2api_test_support::{Deployment, Llm2Api, RealSearxng, ScriptedUpstream, llm2api::Starting};

/// The model that the upstream lists.
pub(crate) const MODEL: &str = "test-model";

/// An upstream and an instance whose only upstream it is.
pub(crate) struct Stage {
    pub(crate) upstream: ScriptedUpstream,
    pub(crate) instance: Llm2Api,
}

impl Stage {
    /// Sets it up with default settings.
    pub(crate) async fn new(deployment: Deployment) -> Self {
        Self::with(deployment, &[]).await
    }

    /// Sets it up with these settings beside `UPSTREAM_URL`.
    pub(crate) async fn with(deployment: Deployment, settings: &[(&str, &str)]) -> Self {
        let upstream = ScriptedUpstream::start(&[MODEL]).await;
        let mut instance = instance(deployment).setting("UPSTREAM_URL", &upstream.url());
        for (name, value) in settings {
            instance = instance.setting(name, value);
        }
        let instance = instance.start().await;
        Self { upstream, instance }
    }
}

/// An instance of the binary under test, to be started.
pub(crate) fn instance(deployment: Deployment) -> Starting {
    Llm2Api::prepare(binary(), deployment)
}

/// The binary under test.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_llm2api"))
}

/// A real SearXNG, whose engine finds nothing yet.
pub(crate) async fn real_searxng() -> RealSearxng {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/searxng.py");
    RealSearxng::start(&script).await
}
