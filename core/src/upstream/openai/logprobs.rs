//! How likely an answer's tokens were.

use llm2api_proto::v1;

use super::wire;

/// The log probabilities, where there are any.
pub(super) fn logprobs(logprobs: wire::Logprobs) -> Option<v1::Logprobs> {
    let is_empty = |tokens: &Option<Vec<_>>| tokens.as_ref().is_none_or(Vec::is_empty);
    if is_empty(&logprobs.content)
        && is_empty(&logprobs.refusal)
        && logprobs.extra_fields.is_empty()
    {
        return None;
    }
    Some(v1::Logprobs {
        content: logprobs.content.map(run),
        refusal: logprobs.refusal.map(run),
        extra_fields: logprobs.extra_fields,
    })
}

fn run(tokens: Vec<wire::TokenLogprob>) -> v1::TokenLogprobs {
    v1::TokenLogprobs {
        tokens: tokens.into_iter().map(token).collect(),
    }
}

fn token(of_token: wire::TokenLogprob) -> v1::TokenLogprob {
    v1::TokenLogprob {
        token: of_token.token.unwrap_or_default(),
        logprob: of_token.logprob.unwrap_or_default(),
        bytes: of_token.bytes,
        top_logprobs: of_token
            .top_logprobs
            .unwrap_or_default()
            .into_iter()
            .map(token)
            .collect(),
        extra_fields: of_token.extra_fields,
    }
}
