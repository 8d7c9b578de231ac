//! Paths written so that one reader takes them for another than the next.

use llm2api_test_support::{Deployment, Request, llm2api::ADMIN_KEY};

use crate::stage::Stage;

both_deployments! {
    no_other_writing_of_a_path_finds_what_the_prefix_hides,
    no_other_writing_of_a_path_opens_administration,
}

async fn no_other_writing_of_a_path_finds_what_the_prefix_hides(deployment: Deployment) {
    let settings = [("API_PATH", "s3cret/x"), ("API_KEY", "client")];
    let stage = Stage::with(deployment, &settings).await;
    let right = Request::get("/s3cret/x/v1/models").bearer("client");
    assert_eq!(stage.instance.exchange(&right).await.status, 200);
    for path in [
        "/v1/models",
        "/S3CRET/x/v1/models",
        "//s3cret/x/v1/models",
        "/s3cret//x/v1/models",
        "/s3cret/x//v1/models",
        "/./s3cret/x/v1/models",
        "/s3cret/./x/v1/models",
        "/s3cret/x/../x/v1/models",
        "/a/../s3cret/x/v1/models",
        "/s3cret%2fx/v1/models",
        "/s3cret/x%2Fv1/models",
        "/s3cret/x/..%2f..%2fv1/models",
        "/s3cret/x;a/v1/models",
        "/s3cret/x\\v1\\models",
        "/s3cret/x.",
        "/s3cret/x%00/v1/models",
        "/s3cret/x/healthz",
    ] {
        let answer = stage
            .instance
            .exchange(&Request::get(path).bearer("client"))
            .await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
        assert!(
            !answer.text().contains("s3cret") && !answer.text().contains("/v1"),
            "{path}"
        );
    }
}

async fn no_other_writing_of_a_path_opens_administration(deployment: Deployment) {
    let stage = Stage::with(deployment, &[("API_KEY", "client")]).await;
    let right = Request::get("/cookies").bearer(ADMIN_KEY);
    assert_eq!(stage.instance.exchange(&right).await.status, 200);
    for path in [
        "/cookies",
        "/cookies?",
        "/cookies?access=1",
        "//cookies",
        "/cookies/",
        "/COOKIES",
        "/./cookies",
        "/v1/../cookies",
        "/v1/models/../../cookies",
        "/v1/models/..%2f..%2fcookies",
        "/%63ookies",
        "/cookies%2f",
        "/cookies;a",
        "/cookies%00",
        "/upstreams",
        "/status",
        "/traces",
        "/auth/introspect",
    ] {
        for key in ["client", ""] {
            let request = Request::get(path).bearer(key);
            let answer = stage.instance.exchange(&request).await;
            // Nobody's business, not there, or another method's: in no case a list.
            assert!(
                matches!(answer.status, 401 | 403 | 404 | 405),
                "{path} with {key:?}: {} {}",
                answer.status,
                answer.text()
            );
        }
    }
}
