//! What `/metrics` shows of chats since the process began: OpenTelemetry's GenAI metrics, in Prometheus' names, and ours.

use std::collections::HashMap;

use super::{
    attempt::{Attempt, End},
    exposition::{Buckets, Exposition},
    record::{ChatRecord, Outcome},
    spans::error_type,
};

/// Models, or pairs of models, that are told apart.
const MAX_SERIES: usize = 500;
/// What stands for further ones.
const OTHER: &str = "_other";

/// Bounds of `gen_ai.client.operation.duration`, in seconds.
const OPERATION_BOUNDS: &[f64] = &[
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];
/// Bounds of `gen_ai.client.token.usage`.
const TOKEN_BOUNDS: &[f64] = &[
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
/// Bounds of `gen_ai.server.time_to_first_token`, in seconds.
const FIRST_TOKEN_BOUNDS: &[f64] = &[
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
/// Bounds of `gen_ai.server.time_per_output_token`, in seconds.
const PER_TOKEN_BOUNDS: &[f64] = &[
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5,
];

/// How attempts end.
const ATTEMPT_ENDS: [&str; 3] = ["answered", "failed", "cancelled"];

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    /// Attempts by the model that was asked for, and the rest that they are told apart by: of few, searched one by one.
    operations: HashMap<String, Vec<(Operation, Measured)>>,
    operation_count: usize,
    chats: HashMap<String, Chats>,
    /// Chats by how they ended.
    outcomes: HashMap<&'static str, u64>,
    /// Attempts by upstream and by how they ended.
    attempts: HashMap<String, [u64; ATTEMPT_ENDS.len()]>,
    /// Attempts that followed another, by what had become of that.
    retries: HashMap<String, u64>,
    /// Chats that the fallback answered in place of this model.
    fallbacks: HashMap<String, u64>,
    /// Searches by what they were.
    searches: HashMap<&'static str, Buckets>,
    estimated_tokens: [u64; 2],
}

/// What the conventions tell attempts apart by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Operation {
    provider: &'static str,
    response_model: String,
    server_address: String,
    error_type: String,
}

/// What is measured of attempts.
#[derive(Debug)]
struct Measured {
    duration: Buckets,
    first_chunk: Buckets,
    input_tokens: Buckets,
    output_tokens: Buckets,
}

/// A token type, where there is one, and what is measured of it.
type Part = (&'static str, fn(&Measured) -> &Buckets);

/// What is measured of chats.
#[derive(Debug)]
struct Chats {
    duration: Buckets,
    first_token: Buckets,
    per_token: Buckets,
}

impl Default for Measured {
    fn default() -> Self {
        Self {
            duration: Buckets::new(OPERATION_BOUNDS),
            first_chunk: Buckets::new(OPERATION_BOUNDS),
            input_tokens: Buckets::new(TOKEN_BOUNDS),
            output_tokens: Buckets::new(TOKEN_BOUNDS),
        }
    }
}

impl Default for Chats {
    fn default() -> Self {
        Self {
            duration: Buckets::new(OPERATION_BOUNDS),
            first_token: Buckets::new(FIRST_TOKEN_BOUNDS),
            per_token: Buckets::new(PER_TOKEN_BOUNDS),
        }
    }
}

impl Meters {
    /// Counts a chat and its attempts.
    pub(crate) fn count(&mut self, record: &ChatRecord) {
        if !record.is_part {
            self.count_chat(record);
        }
        let mut before: Option<&Attempt> = None;
        for attempt in &record.attempts {
            self.count_attempt(attempt, record);
            if let Some(reason) = before.and_then(|before| error_type(before.end)) {
                *self.retries.entry(reason).or_default() += 1;
            }
            before = Some(attempt);
        }
    }

    fn count_chat(&mut self, record: &ChatRecord) {
        *self.outcomes.entry(record.outcome.as_str()).or_default() += 1;
        if record.fell_back {
            let model = within(&self.fallbacks, &record.asked.model);
            *of_name(&mut self.fallbacks, model) += 1;
        }
        if let Some(search) = &record.search {
            let took = search.ended.saturating_sub(search.began);
            let buckets = self.searches.entry(search.status.as_str());
            buckets
                .or_insert_with(|| Buckets::new(OPERATION_BOUNDS))
                .add(took.as_secs_f64());
        }
        // A model that nobody has is a name that a client made up.
        let model = match record.attempts.is_empty() {
            true => OTHER,
            false => within(&self.chats, &record.asked.model),
        };
        let chats = of_name(&mut self.chats, model);
        chats.duration.add(record.took.as_secs_f64());
        if record.outcome != Outcome::Answered {
            return;
        }
        let Some(first_token) = record.first_token else {
            return;
        };
        chats.first_token.add(first_token.as_secs_f64());
        if let Some(tokens) = record.tokens()
            && let Some(further) = tokens.output.checked_sub(1)
            && let Ok(further) = u32::try_from(further)
            && further > 0
        {
            let rest = record.took.saturating_sub(first_token);
            chats.per_token.add((rest / further).as_secs_f64());
        }
    }

    fn count_attempt(&mut self, attempt: &Attempt, record: &ChatRecord) {
        let end = match attempt.end {
            End::Answered => 0,
            End::Failed(..) => 1,
            End::Left => 2,
        };
        of_name(&mut self.attempts, attempt.entry.name())[end] += 1;
        let answer = attempt.answer.as_deref();
        let measured = self.measured(attempt);
        let ended = attempt.ended.unwrap_or(record.took);
        let took = ended.saturating_sub(attempt.began);
        measured.duration.add(took.as_secs_f64());
        if record.asked.is_streamed
            && let Some(first_token) = attempt.first_token
        {
            let since_send = first_token.saturating_sub(attempt.began + attempt.searched_for);
            measured.first_chunk.add(since_send.as_secs_f64());
        }
        let Some(tokens) = answer.and_then(|answer| answer.tokens) else {
            return;
        };
        // The conventions want no guesses among what was reported.
        if tokens.is_estimated {
            self.estimated_tokens[0] += tokens.input;
            self.estimated_tokens[1] += tokens.output;
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 tokens")]
        let (input, output) = (tokens.input as f64, tokens.output as f64);
        measured.input_tokens.add(input);
        measured.output_tokens.add(output);
    }

    /// What is measured of attempts like this one.
    fn measured(&mut self, attempt: &Attempt) -> &mut Measured {
        let answer = attempt.answer.as_deref();
        let has_room = self.operation_count < MAX_SERIES;
        let is_known = self.operations.contains_key(&attempt.model);
        let (request_model, response_model) = match is_known || has_room {
            true => {
                let response_model = answer.map_or("", |answer| answer.model.as_str());
                (attempt.model.as_str(), response_model)
            }
            false => (OTHER, OTHER),
        };
        let provider = attempt.entry.adapter.kind().as_str();
        let host = attempt.entry.config.url.host_str().unwrap_or_default();
        let error_type = error_type(attempt.end).unwrap_or_default();
        let measured = of_name(&mut self.operations, request_model);
        let is_like = |operation: &Operation| {
            operation.provider == provider
                && operation.response_model == response_model
                && operation.server_address == host
                && operation.error_type == error_type
        };
        // An upstream that calls itself otherwise each time is one of others too.
        let at = measured
            .iter()
            .position(|(operation, _)| is_like(operation))
            .or_else(|| measured.len().checked_sub(1).filter(|_| !has_room));
        let at = at.unwrap_or_else(|| {
            self.operation_count += 1;
            let operation = Operation {
                provider,
                response_model: response_model.to_owned(),
                server_address: host.to_owned(),
                error_type,
            };
            measured.push((operation, Measured::default()));
            measured.len() - 1
        });
        &mut measured[at].1
    }

    /// Writes what was counted.
    pub(crate) fn write(&self, to: &mut Exposition) {
        self.write_operations(to);
        self.write_chats(to);
        let name = "llm2api_chats_total";
        to.family(name, "counter", "Chats by how they ended.");
        for (outcome, count) in sorted(&self.outcomes) {
            to.value(name, &[("outcome", outcome)], count);
        }
        let name = "llm2api_attempts_total";
        to.family(
            name,
            "counter",
            "Attempts by upstream and by how they ended.",
        );
        for (upstream, counts) in sorted(&self.attempts) {
            for (outcome, count) in ATTEMPT_ENDS.iter().zip(counts) {
                to.value(name, &[("upstream", upstream), ("outcome", outcome)], count);
            }
        }
        let name = "llm2api_retries_total";
        to.family(
            name,
            "counter",
            "Attempts that followed another, by what had become of that.",
        );
        for (reason, count) in sorted(&self.retries) {
            to.value(name, &[("reason", reason)], count);
        }
        let name = "llm2api_fallbacks_total";
        to.family(
            name,
            "counter",
            "Chats that the fallback was asked for in place of this model.",
        );
        for (model, count) in sorted(&self.fallbacks) {
            to.value(name, &[("model", model)], count);
        }
        let name = "llm2api_search_duration_seconds";
        to.family(name, "histogram", "Web searches by what they were.");
        for (status, buckets) in sorted(&self.searches) {
            to.histogram(name, &[("status", status)], buckets);
        }
        let name = "llm2api_tokens_estimated_total";
        to.family(name, "counter", "Tokens that no upstream reported.");
        for (kind, count) in ["input", "output"].iter().zip(self.estimated_tokens) {
            to.value(name, &[("gen_ai_token_type", kind)], count);
        }
    }

    fn write_operations(&self, to: &mut Exposition) {
        let mut operations: Vec<_> = sorted(&self.operations)
            .into_iter()
            .flat_map(|(model, measured)| measured.iter().map(move |of| (model, of)))
            .collect();
        operations.sort_by_key(|(model, (operation, _))| (*model, operation));
        let mut family = |name: &str, help: &str, parts: &[Part]| {
            to.family(name, "histogram", help);
            for (model, (operation, measured)) in &operations {
                for (token_type, buckets) in parts {
                    let mut labels = operation.labels(model);
                    if !token_type.is_empty() {
                        labels.push(("gen_ai_token_type", token_type));
                    }
                    to.histogram(name, &labels, buckets(measured));
                }
            }
        };
        family(
            "gen_ai_client_operation_duration_seconds",
            "How long attempts took.",
            &[("", |measured| &measured.duration)],
        );
        family(
            "gen_ai_client_operation_time_to_first_chunk_seconds",
            "How long the first token of streamed attempts took.",
            &[("", |measured| &measured.first_chunk)],
        );
        family(
            "gen_ai_client_token_usage",
            "Tokens of attempts, as upstreams report them.",
            &[
                ("input", |measured| &measured.input_tokens),
                ("output", |measured| &measured.output_tokens),
            ],
        );
    }

    fn write_chats(&self, to: &mut Exposition) {
        let chats = sorted(&self.chats);
        let mut family = |name: &str, help: &str, buckets: fn(&Chats) -> &Buckets| {
            to.family(name, "histogram", help);
            for (model, measured) in &chats {
                let labels = [
                    ("gen_ai_operation_name", "chat"),
                    ("gen_ai_request_model", model.as_str()),
                ];
                to.histogram(name, &labels, buckets(measured));
            }
        };
        family(
            "gen_ai_server_request_duration_seconds",
            "How long chats took.",
            |chats| &chats.duration,
        );
        family(
            "gen_ai_server_time_to_first_token_seconds",
            "How long the first token of chats took that were answered.",
            |chats| &chats.first_token,
        );
        family(
            "gen_ai_server_time_per_output_token_seconds",
            "How long each further token took.",
            |chats| &chats.per_token,
        );
    }
}

impl Operation {
    fn labels<'a>(&'a self, request_model: &'a str) -> Vec<(&'static str, &'a str)> {
        let mut labels = vec![
            ("gen_ai_operation_name", "chat"),
            ("gen_ai_provider_name", self.provider),
            ("gen_ai_request_model", request_model),
        ];
        for (name, value) in [
            ("gen_ai_response_model", &self.response_model),
            ("server_address", &self.server_address),
            ("error_type", &self.error_type),
        ] {
            if !value.is_empty() {
                labels.push((name, value));
            }
        }
        labels
    }
}

/// The name under which this one is counted.
fn within<'a, V>(known: &HashMap<String, V>, name: &'a str) -> &'a str {
    match known.len() < MAX_SERIES || known.contains_key(name) {
        true => name,
        false => OTHER,
    }
}

/// What is counted under a name; the name is copied once.
fn of_name<'a, V: Default>(map: &'a mut HashMap<String, V>, name: &str) -> &'a mut V {
    if !map.contains_key(name) {
        map.insert(name.to_owned(), V::default());
    }
    map.get_mut(name)
        .expect("it was inserted if it wasn't there")
}

fn sorted<K: Ord, V>(map: &HashMap<K, V>) -> Vec<(&K, &V)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    entries
}
