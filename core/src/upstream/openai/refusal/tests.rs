use http::StatusCode;

use super::{
    super::super::failure::{FailureKind, UpstreamError},
    implied_status, kind_of_status,
};

fn error(message: &str, error_type: &str, code: &str, param: &str) -> UpstreamError {
    let word = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    UpstreamError {
        message: message.to_owned(),
        error_type: word(error_type),
        param: word(param),
        code: word(code),
    }
}

#[test]
fn each_status_is_in_its_row_of_the_table() {
    let said = |message: &str| Some(error(message, "", "", ""));
    let coded = |code: &str| Some(error("no", "", code, ""));
    let table = [
        (500, false, None, FailureKind::Unavailable),
        (502, true, None, FailureKind::Unavailable),
        (529, false, said("overloaded"), FailureKind::Unavailable),
        (599, false, None, FailureKind::Unavailable),
        (408, false, None, FailureKind::Unavailable),
        (425, false, None, FailureKind::Unavailable),
        (429, false, None, FailureKind::RateLimited),
        (429, true, None, FailureKind::RateLimited),
        (
            429,
            false,
            coded("rate_limit_exceeded"),
            FailureKind::RateLimited,
        ),
        (
            429,
            false,
            coded("insufficient_quota"),
            FailureKind::QuotaSpent,
        ),
        (
            429,
            false,
            coded("credit_balance_exhausted"),
            FailureKind::QuotaSpent,
        ),
        (429, false, coded("1113"), FailureKind::QuotaSpent),
        (
            429,
            false,
            Some(error("no", "exceeded_current_quota_error", "", "")),
            FailureKind::QuotaSpent,
        ),
        (
            402,
            false,
            said("Insufficient Balance"),
            FailureKind::QuotaSpent,
        ),
        (402, false, None, FailureKind::QuotaSpent),
        (401, false, None, FailureKind::Unauthorized),
        (403, true, None, FailureKind::Unauthorized),
        (302, false, None, FailureKind::Misconfigured),
        (307, true, None, FailureKind::Misconfigured),
        (404, false, None, FailureKind::Misconfigured),
        (404, true, None, FailureKind::Misconfigured),
        (404, false, said("Not Found"), FailureKind::Misconfigured),
        (
            404,
            false,
            said("File Not Found"),
            FailureKind::Misconfigured,
        ),
        (
            404,
            false,
            said("Invalid URL (POST /v1/v1/chat/completions)"),
            FailureKind::Misconfigured,
        ),
        (
            405,
            false,
            said("Method Not Allowed"),
            FailureKind::Misconfigured,
        ),
        (407, false, None, FailureKind::Misconfigured),
        (400, true, None, FailureKind::Misconfigured),
        (410, false, None, FailureKind::ModelGone),
        (404, false, coded("model_not_found"), FailureKind::ModelGone),
        (
            404,
            false,
            coded("DeploymentNotFound"),
            FailureKind::ModelGone,
        ),
        (
            404,
            false,
            Some(error("no", "", "", "model")),
            FailureKind::ModelGone,
        ),
        (
            404,
            false,
            said("No endpoints found for Org/Model-1."),
            FailureKind::ModelGone,
        ),
        (
            404,
            false,
            said("The model `x` does not exist."),
            FailureKind::ModelGone,
        ),
        (
            404,
            false,
            said("no such file: file-1"),
            FailureKind::Rejected,
        ),
        (
            400,
            false,
            coded("context_length_exceeded"),
            FailureKind::Rejected,
        ),
        (400, false, None, FailureKind::Rejected),
        (413, true, None, FailureKind::Rejected),
        (415, false, None, FailureKind::Rejected),
        (
            422,
            false,
            said("messages.0: Field required"),
            FailureKind::Rejected,
        ),
    ];
    for (status, is_html, error, kind) in table {
        let status = StatusCode::from_u16(status).expect("valid");
        assert_eq!(
            kind_of_status(status, is_html, error.as_ref(), "org/model-1"),
            kind,
            "{status}, html {is_html}, {error:?}"
        );
    }
}

#[test]
fn an_error_in_a_200_stands_for_the_status_that_it_names() {
    let table = [
        (error("", "requests", "rate_limit_exceeded", ""), Some(429)),
        (
            error("", "insufficient_quota", "insufficient_quota", ""),
            Some(429),
        ),
        (error("", "", "429", ""), Some(429)),
        (error("", "server_error", "503", ""), Some(503)),
        (error("", "", "200", ""), None),
        (error("", "", "1234", ""), None),
        (
            error("", "invalid_request_error", "context_length_exceeded", ""),
            Some(400),
        ),
        (error("", "exceed_context_size_error", "", ""), Some(400)),
        (error("", "BadRequestError", "", ""), Some(400)),
        (
            error("", "invalid_request_error", "invalid_api_key", ""),
            Some(401),
        ),
        (error("", "permission_error", "", ""), Some(403)),
        (
            error("", "invalid_request_error", "model_not_found", ""),
            Some(404),
        ),
        (error("", "overloaded_error", "", ""), Some(503)),
        (error("", "server_error", "", ""), None),
        (error("boom", "", "", ""), None),
    ];
    for (error, status) in table {
        let implied = implied_status(&error).map(|status| status.as_u16());
        assert_eq!(implied, status, "{error:?}");
    }
}
