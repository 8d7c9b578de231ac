//! Names of the attributes of our spans and of the labels of our metrics: OpenTelemetry's where it has one, else ours, which begin with
//! `llm2api.`.
//!
//! Those of GenAI are of semantic conventions v1.41.0, the last published text; they are still in motion, so nobody names them but this
//! module.

/// HTTP (stable), <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>.
pub mod http {
    /// The method, upper case.
    pub const REQUEST_METHOD: &str = "http.request.method";
    /// The status, a number.
    pub const RESPONSE_STATUS_CODE: &str = "http.response.status_code";
    /// The route's template.
    pub const ROUTE: &str = "http.route";
    /// The path without the operator's prefix.
    pub const URL_PATH: &str = "url.path";
    /// `http` or `https`.
    pub const URL_SCHEME: &str = "url.scheme";
    /// The whole URL, without userinfo.
    pub const URL_FULL: &str = "url.full";
    /// The client's address, seen through trusted proxies.
    pub const CLIENT_ADDRESS: &str = "client.address";
    /// What the client calls itself.
    pub const USER_AGENT: &str = "user_agent.original";
    /// `1.1` or `2`.
    pub const PROTOCOL_VERSION: &str = "network.protocol.version";
}

/// RPC, <https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>.
pub mod rpc {
    use tonic::Code;

    /// `grpc`.
    pub const SYSTEM_NAME: &str = "rpc.system.name";
    /// `package.Service/Method`.
    pub const METHOD: &str = "rpc.method";
    /// The status as a word: `OK`, `UNAVAILABLE`.
    pub const STATUS_CODE: &str = "rpc.status_code";
    /// The method of chats.
    pub const CHAT: &str = "llm2api.v1.ChatService/Chat";
    /// The address of a core in the same process.
    pub const IN_PROCESS: &str = "in-process";

    /// A status as [`STATUS_CODE`] has it.
    #[must_use]
    pub fn status_name(code: Code) -> &'static str {
        match code {
            Code::Ok => "OK",
            Code::Cancelled => "CANCELLED",
            Code::Unknown => "UNKNOWN",
            Code::InvalidArgument => "INVALID_ARGUMENT",
            Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Code::NotFound => "NOT_FOUND",
            Code::AlreadyExists => "ALREADY_EXISTS",
            Code::PermissionDenied => "PERMISSION_DENIED",
            Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Code::FailedPrecondition => "FAILED_PRECONDITION",
            Code::Aborted => "ABORTED",
            Code::OutOfRange => "OUT_OF_RANGE",
            Code::Unimplemented => "UNIMPLEMENTED",
            Code::Internal => "INTERNAL",
            Code::Unavailable => "UNAVAILABLE",
            Code::DataLoss => "DATA_LOSS",
            Code::Unauthenticated => "UNAUTHENTICATED",
        }
    }
}

/// Who is called, of any client span.
pub mod server {
    /// Host.
    pub const ADDRESS: &str = "server.address";
    /// Port.
    pub const PORT: &str = "server.port";
}

/// GenAI, <https://github.com/open-telemetry/semantic-conventions/tree/v1.41.0/docs/gen-ai>.
pub mod gen_ai {
    /// `chat`.
    pub const OPERATION_NAME: &str = "gen_ai.operation.name";
    /// The flavour of the upstream: `openai`, `chat-ui`.
    pub const PROVIDER_NAME: &str = "gen_ai.provider.name";
    /// The model as it was sent upstream.
    pub const REQUEST_MODEL: &str = "gen_ai.request.model";
    /// Whether the answer was to be streamed.
    pub const REQUEST_STREAM: &str = "gen_ai.request.stream";
    /// The most tokens of the answer.
    pub const REQUEST_MAX_TOKENS: &str = "gen_ai.request.max_tokens";
    /// The temperature.
    pub const REQUEST_TEMPERATURE: &str = "gen_ai.request.temperature";
    /// Nucleus sampling.
    pub const REQUEST_TOP_P: &str = "gen_ai.request.top_p";
    /// Choices that were asked for, where not one.
    pub const REQUEST_CHOICE_COUNT: &str = "gen_ai.request.choice.count";
    /// The answer's id.
    pub const RESPONSE_ID: &str = "gen_ai.response.id";
    /// The model that answered.
    pub const RESPONSE_MODEL: &str = "gen_ai.response.model";
    /// Why each choice ended.
    pub const RESPONSE_FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
    /// Seconds from the send to the first chunk.
    pub const RESPONSE_TIME_TO_FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";
    /// Tokens of the prompt, cached ones too.
    pub const USAGE_INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
    /// Tokens of the answer.
    pub const USAGE_OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
    /// Of the prompt's, those from a cache.
    pub const USAGE_CACHED_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
    /// Of the answer's, those of reasoning.
    pub const USAGE_REASONING_TOKENS: &str = "gen_ai.usage.reasoning.output_tokens";
    /// The prompt, where the operator has it recorded.
    pub const INPUT_MESSAGES: &str = "gen_ai.input.messages";
    /// The answer, where the operator has it recorded.
    pub const OUTPUT_MESSAGES: &str = "gen_ai.output.messages";
}

/// Ours.
pub mod llm2api {
    /// The upstream's name.
    pub const UPSTREAM_NAME: &str = "llm2api.upstream.name";
    /// The credential's id.
    pub const CREDENTIAL_ID: &str = "llm2api.credential.id";
    /// Which attempt of its request, from 1.
    pub const ATTEMPT_NUMBER: &str = "llm2api.attempt.number";
    /// How the attempt ended: `answered`, `failed` or `left`.
    pub const ATTEMPT_OUTCOME: &str = "llm2api.attempt.outcome";
    /// Whose fault that is: `client`, `credential`, `upstream` or `operator`.
    pub const ATTEMPT_FAULT: &str = "llm2api.attempt.fault";
    /// Seconds that it waited for its credential.
    pub const ATTEMPT_WAIT: &str = "llm2api.attempt.wait";
    /// Which upstreams were passed over before it, and why.
    pub const PASSED_OVER: &str = "llm2api.attempt.passed_over";
    /// The client key's id.
    pub const KEY_ID: &str = "llm2api.key.id";
    /// The request's id, as in `x-request-id`.
    pub const REQUEST_ID: &str = "llm2api.request.id";
    /// Whether the tokens are estimated.
    pub const USAGE_ESTIMATED: &str = "llm2api.usage.estimated";
    /// How the chat ended: `ok`, `error`, `rejected` or `cancelled`.
    pub const OUTCOME: &str = "llm2api.outcome";
    /// The model that was asked for, where another answered.
    pub const FALLBACK_FROM: &str = "llm2api.fallback_from";
    /// Seconds from the chat's arrival to its first token.
    pub const FIRST_TOKEN: &str = "llm2api.first_token";
    /// Of these, the seconds for which the web search was waited for.
    pub const SEARCH_WAIT: &str = "llm2api.search.wait";
    /// What became of a search: `ok`, `empty`, `blocked`, `failed`.
    pub const SEARCH_STATUS: &str = "llm2api.search.status";
    /// Results of a search.
    pub const SEARCH_RESULTS: &str = "llm2api.search.results";
}

/// What kind of failure, of any span: a status, a code of ours. Of few values.
pub const ERROR_TYPE: &str = "error.type";

/// The process that made a span.
pub const SERVICE_NAME: &str = "service.name";
