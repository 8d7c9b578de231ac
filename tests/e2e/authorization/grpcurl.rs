//! By grpcurl, as a person types it.

use llm2api_test_support::{
    Deployment, Llm2Api,
    command::{Output, grpcurl, run},
    llm2api::ADMIN_KEY,
};
use serde_json::{Value, json};

use super::{Authority, call};
use crate::stage::instance;

both_deployments! {
    grpcurl_issues_lists_and_revokes,
    what_cannot_be_is_refused_with_its_reason,
}

/// Calls a method that fails, with this key or none.
async fn refused(instance: &Llm2Api, method: &str, message: &Value, key: Option<&str>) -> Output {
    let mut command = grpcurl();
    command.arg("-plaintext").args(["-d", &message.to_string()]);
    if let Some(key) = key {
        command.args(["-H", &format!("authorization: Bearer {key}")]);
    }
    command
        .arg(instance.grpc().to_string())
        .arg(format!("llm2api.v1.AuthorizationService/{method}"));
    let output = run(&mut command).await;
    assert!(!output.status.success(), "{method}: {output:?}");
    output
}

async fn grpcurl_issues_lists_and_revokes(deployment: Deployment) {
    let authority = Authority {
        instance: instance(deployment).start().await,
    };
    let one = authority.issue(json!({"subject": "one"})).await;
    let limits = json!({"subject": "two", "limits": {"tokensPerDay": "1000", "models": {}}});
    let two = authority.issue(limits).await;
    let instance = &authority.instance;

    let page = call(instance, "ListCodes", json!({"page_size": 2})).await;
    let subjects: Vec<_> = page["codes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|code| &code["subject"])
        .collect();
    assert_eq!(subjects, ["this instance", "one"]);
    let after = json!({"page_size": 2, "page_token": page["nextPageToken"]});
    let next = call(instance, "ListCodes", after).await;
    assert_eq!(next["codes"][0]["id"], json!(two.id));
    assert_eq!(
        next["codes"][0]["limits"],
        json!({"tokensPerDay": "1000", "models": {}})
    );
    assert_eq!(next.get("nextPageToken"), None);

    let good = call(instance, "IntrospectCode", json!({"code": one.code})).await;
    assert_eq!(
        (&good["active"], &good["code"]["id"]),
        (&json!(true), &json!(one.id))
    );
    let revoked = call(instance, "RevokeCode", json!({"id": one.id})).await;
    assert!(revoked["code"]["revokedAt"].is_string(), "{revoked}");
    let gone = call(instance, "IntrospectCode", json!({"code": one.code})).await;
    assert_eq!(gone, json!({}));
}

async fn what_cannot_be_is_refused_with_its_reason(deployment: Deployment) {
    let instance = instance(deployment).start().await;
    for (method, message, code, reason) in [
        (
            "IssueCode",
            json!({}),
            "InvalidArgument",
            "MISSING_REQUIRED_PARAMETER",
        ),
        (
            "IssueCode",
            json!({"subject": "a\nb"}),
            "InvalidArgument",
            "INVALID_VALUE",
        ),
        (
            "IssueCode",
            json!({"subject": "a", "lifetime": "59s"}),
            "InvalidArgument",
            "INVALID_VALUE",
        ),
        (
            "IssueCode",
            json!({"subject": "a", "limits": {"requestsPerMinute": 0}}),
            "InvalidArgument",
            "INVALID_VALUE",
        ),
        (
            "RevokeCode",
            json!({"id": "ac_0"}),
            "NotFound",
            "CODE_NOT_FOUND",
        ),
        (
            "RevokeCode",
            json!({}),
            "InvalidArgument",
            "MISSING_REQUIRED_PARAMETER",
        ),
        (
            "ListCodes",
            json!({"page_size": 1001}),
            "InvalidArgument",
            "INVALID_VALUE",
        ),
        (
            "ListCodes",
            json!({"page_token": "ac_0"}),
            "InvalidArgument",
            "INVALID_VALUE",
        ),
        (
            "IntrospectCode",
            json!({}),
            "InvalidArgument",
            "MISSING_REQUIRED_PARAMETER",
        ),
    ] {
        let output = refused(&instance, method, &message, Some(ADMIN_KEY)).await;
        assert!(
            output.stderr.contains(code) && output.stderr.contains(reason),
            "{method} {message}: {output:?}"
        );
    }
    for method in [
        "GetAuthorization",
        "IntrospectCode",
        "IssueCode",
        "ListCodes",
        "RevokeCode",
    ] {
        for key in [None, Some("wrong")] {
            let output = refused(&instance, method, &json!({}), key).await;
            assert!(
                output.stderr.contains("Unauthenticated"),
                "{method}: {output:?}"
            );
        }
    }
}
