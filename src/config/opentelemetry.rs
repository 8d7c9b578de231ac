//! The OpenTelemetry SDK's own variables: what of them the SDK leaves to the program, and what the program must know itself.
//!
//! Names, meanings and defaults are the specification's,
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>; as it asks, a value that can't be understood
//! warns and counts as none. Headers, time-outs and compression are read where they are used, by the exporter.

use std::time::Duration;

use llm2api_proto::Sampler;

use super::{assembly::Role, source::Environment};

/// The port by which gRPC is meant, where nobody says.
const GRPC_PORT: &str = ":4317";

/// What the variables say.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OpenTelemetry {
    /// Where spans are sent. `None`: nowhere.
    pub(crate) export: Option<Export>,
    /// Which traces are.
    pub(crate) sampler: Sampler,
    /// Whether traces of others are continued.
    pub(crate) is_propagated: bool,
    /// Whether spans tell what was asked and answered.
    pub(crate) captures_content: bool,
    /// What the operator calls this process.
    service_name: Option<String>,
}

/// How spans are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Export {
    /// To whom, without user name and password, for messages.
    pub(crate) endpoint: String,
    /// By which protocol.
    pub(crate) protocol: OtlpProtocol,
    /// How they are put together.
    pub(crate) batching: Batching,
    /// Characters that an attribute's text may have.
    pub(crate) value_limit: Option<usize>,
}

/// How OTLP travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OtlpProtocol {
    /// `grpc`.
    Grpc,
    /// `http/protobuf`.
    Http,
}

/// How spans are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Batching {
    /// Spans that may wait.
    pub(crate) queue_size: usize,
    /// Spans that are sent at a time.
    pub(crate) batch_size: usize,
    /// How long they wait at most.
    pub(crate) delay: Duration,
    /// How long one sending may take.
    pub(crate) timeout: Duration,
}

impl Default for Batching {
    fn default() -> Self {
        Self {
            queue_size: 2048,
            batch_size: 512,
            delay: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
        }
    }
}

impl OtlpProtocol {
    /// Its name, as the variable has it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http/protobuf",
        }
    }
}

impl OpenTelemetry {
    /// Reads the variables; what is odd goes to the warnings.
    pub(crate) fn read(environment: &Environment, warnings: &mut Vec<String>) -> Self {
        let mut variables = Variables {
            environment,
            warnings,
        };
        Self {
            export: variables.export(),
            sampler: variables.sampler(),
            is_propagated: variables.is_propagated(),
            captures_content: variables
                .is_true("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"),
            service_name: variables.service_name(),
        }
    }

    /// What this process is called in spans that are exported.
    pub(crate) fn service_name(&self, role: Role) -> String {
        self.service_name
            .clone()
            .unwrap_or_else(|| role.service_name().to_owned())
    }
}

struct Variables<'a> {
    environment: &'a Environment,
    warnings: &'a mut Vec<String>,
}

impl<'a> Variables<'a> {
    /// A variable's value. One that is empty counts as unset.
    fn get(&self, name: &str) -> Option<&'a str> {
        let value = self.environment.get(name)?.trim();
        (!value.is_empty()).then_some(value)
    }

    fn warn(&mut self, name: &str, expected: &str) {
        self.warnings
            .push(format!("{name} is not understood: it takes {expected}"));
    }

    /// As the specification has it: `true`, in any case, and nothing else.
    fn is_true(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    fn export(&mut self) -> Option<Export> {
        let endpoint = self
            .get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
            .or_else(|| self.get("OTEL_EXPORTER_OTLP_ENDPOINT"))?;
        if self.is_true("OTEL_SDK_DISABLED") || !self.is_otlp_chosen() {
            return None;
        }
        Some(Export {
            endpoint: without_userinfo(endpoint),
            protocol: self.protocol(endpoint),
            batching: self.batching(),
            value_limit: self
                .number("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT")
                .or_else(|| self.number("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")),
        })
    }

    fn is_otlp_chosen(&mut self) -> bool {
        const NAME: &str = "OTEL_TRACES_EXPORTER";
        match self.get(NAME) {
            None | Some("otlp") => true,
            Some("none") => false,
            Some(list) if list.split(',').any(|name| name.trim() == "otlp") => true,
            Some(_) => {
                self.warn(NAME, "otlp or none; no spans are exported");
                false
            }
        }
    }

    fn protocol(&mut self, endpoint: &str) -> OtlpProtocol {
        let name = [
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            "OTEL_EXPORTER_OTLP_PROTOCOL",
        ]
        .into_iter()
        .find(|name| self.get(name).is_some());
        let Some(name) = name else {
            let is_grpc = endpoint.trim_end_matches('/').ends_with(GRPC_PORT);
            return if is_grpc {
                OtlpProtocol::Grpc
            } else {
                OtlpProtocol::Http
            };
        };
        match self.get(name) {
            Some("grpc") => OtlpProtocol::Grpc,
            Some("http/protobuf") => OtlpProtocol::Http,
            _ => {
                self.warn(name, "grpc or http/protobuf; http/protobuf is used");
                OtlpProtocol::Http
            }
        }
    }

    fn batching(&mut self) -> Batching {
        let default = Batching::default();
        let queue_size = self.number("OTEL_BSP_MAX_QUEUE_SIZE");
        let queue_size = queue_size.unwrap_or(default.queue_size).max(1);
        let batch_size = self.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE");
        let batch_size = batch_size.unwrap_or(default.batch_size).max(1);
        let mut milliseconds = |name, default| {
            self.number(name)
                .map_or(default, |number| Duration::from_millis(number as u64))
        };
        Batching {
            queue_size,
            batch_size: batch_size.min(queue_size),
            // 0 would never rest.
            delay: milliseconds("OTEL_BSP_SCHEDULE_DELAY", default.delay)
                .max(Duration::from_millis(10)),
            timeout: milliseconds("OTEL_BSP_EXPORT_TIMEOUT", default.timeout),
        }
    }

    fn number(&mut self, name: &str) -> Option<usize> {
        let value = self.get(name)?;
        let number = value.parse().ok();
        if number.is_none() {
            self.warn(name, "a whole number");
        }
        number
    }

    /// Whoever asks from outside can't decide what is sampled: of the `parentbased_` samplers only the one for roots counts.
    fn sampler(&mut self) -> Sampler {
        const NAME: &str = "OTEL_TRACES_SAMPLER";
        let Some(name) = self.get(NAME) else {
            return Sampler::AlwaysOn;
        };
        match name.strip_prefix("parentbased_").unwrap_or(name) {
            "always_on" => Sampler::AlwaysOn,
            "always_off" => Sampler::AlwaysOff,
            "traceidratio" => Sampler::of_ratio(self.ratio()),
            _ => {
                self.warn(
                    NAME,
                    "always_on, always_off or traceidratio, each also as parentbased_…; all traces are exported",
                );
                Sampler::AlwaysOn
            }
        }
    }

    fn ratio(&mut self) -> f64 {
        const NAME: &str = "OTEL_TRACES_SAMPLER_ARG";
        let Some(value) = self.get(NAME) else {
            return 1.0;
        };
        let ratio = value.parse().ok();
        ratio
            .filter(|ratio| (0.0..=1.0).contains(ratio))
            .unwrap_or_else(|| {
                self.warn(NAME, "a number from 0 to 1; all traces are exported");
                1.0
            })
    }

    fn service_name(&self) -> Option<String> {
        let of_attributes = || {
            let attributes = self.get("OTEL_RESOURCE_ATTRIBUTES")?;
            let mut pairs = attributes
                .split(',')
                .filter_map(|pair| pair.split_once('='));
            let (_, name) = pairs.find(|(key, _)| key.trim() == "service.name")?;
            Some(name.trim())
        };
        self.get("OTEL_SERVICE_NAME")
            .or_else(of_attributes)
            .map(str::to_owned)
    }

    fn is_propagated(&self) -> bool {
        self.get("OTEL_PROPAGATORS")
            .is_none_or(|list| list.split(',').any(|name| name.trim() == "tracecontext"))
    }
}

/// An address as it may be shown.
fn without_userinfo(endpoint: &str) -> String {
    match (endpoint.find("://"), endpoint.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{}{}", &endpoint[..scheme + 3], &endpoint[at + 1..])
        }
        _ => endpoint.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (OpenTelemetry, Vec<String>) {
        let environment = variables
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut warnings = Vec::new();
        let read = OpenTelemetry::read(&environment, &mut warnings);
        (read, warnings)
    }

    fn export(variables: &[(&str, &str)]) -> Option<Export> {
        let (read, warnings) = read(variables);
        assert_eq!(warnings, [""; 0]);
        read.export
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317");

    #[test]
    fn without_an_endpoint_nothing_leaves_the_process() {
        assert_eq!(
            read(&[("OTEL_TRACES_EXPORTER", "otlp")]),
            (
                OpenTelemetry {
                    export: None,
                    sampler: Sampler::AlwaysOn,
                    is_propagated: true,
                    captures_content: false,
                    service_name: None,
                },
                Vec::new()
            )
        );
    }

    #[test]
    fn an_endpoint_is_enough() {
        let expected = Export {
            endpoint: "http://collector:4317".to_owned(),
            protocol: OtlpProtocol::Grpc,
            batching: Batching {
                queue_size: 2048,
                batch_size: 512,
                delay: Duration::from_secs(5),
                timeout: Duration::from_secs(30),
            },
            value_limit: None,
        };
        assert_eq!(export(&[ENDPOINT]), Some(expected.clone()));
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a:b@c:4318/v1");
        assert_eq!(
            export(&[ENDPOINT, traces]),
            Some(Export {
                endpoint: "http://c:4318/v1".to_owned(),
                protocol: OtlpProtocol::Http,
                ..expected
            })
        );
    }

    #[test]
    fn what_is_said_of_the_protocol_counts_more_than_the_port() {
        let protocol = |name, value| export(&[ENDPOINT, (name, value)]).unwrap().protocol;
        assert_eq!(
            protocol("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            OtlpProtocol::Http
        );
        assert_eq!(
            protocol("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
            OtlpProtocol::Grpc
        );
    }

    #[test]
    fn exporting_is_switched_off_by_either_variable() {
        assert_eq!(export(&[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")]), None);
        assert_eq!(export(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")]), None);
        assert!(export(&[ENDPOINT, ("OTEL_SDK_DISABLED", "1")]).is_some());
    }

    #[test]
    fn batches_are_put_together_as_told() {
        let told = export(&[
            ENDPOINT,
            ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
            ("OTEL_BSP_SCHEDULE_DELAY", "250"),
            ("OTEL_BSP_EXPORT_TIMEOUT", "1000"),
            ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "64"),
        ])
        .unwrap();
        assert_eq!(
            (told.batching, told.value_limit),
            (
                Batching {
                    queue_size: 100,
                    batch_size: 100,
                    delay: Duration::from_millis(250),
                    timeout: Duration::from_secs(1),
                },
                Some(64)
            )
        );
    }

    #[test]
    fn samplers_are_known_by_their_names() {
        let sampler = |name, argument| {
            let (read, warnings) = read(&[
                ("OTEL_TRACES_SAMPLER", name),
                ("OTEL_TRACES_SAMPLER_ARG", argument),
            ]);
            (read.sampler, warnings.len())
        };
        assert_eq!(sampler("always_off", ""), (Sampler::AlwaysOff, 0));
        assert_eq!(
            sampler("parentbased_always_off", ""),
            (Sampler::AlwaysOff, 0)
        );
        assert_eq!(
            sampler("parentbased_traceidratio", "0.25"),
            (Sampler::of_ratio(0.25), 0)
        );
        assert_eq!(sampler("traceidratio", ""), (Sampler::of_ratio(1.0), 0));
        assert_eq!(sampler("traceidratio", "7"), (Sampler::of_ratio(1.0), 1));
        assert_eq!(sampler("jaeger_remote", ""), (Sampler::AlwaysOn, 1));
    }

    #[test]
    fn what_is_not_understood_warns_and_counts_as_none() {
        let (read, warnings) = read(&[
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_BSP_SCHEDULE_DELAY", "soon"),
        ]);
        assert_eq!(
            read.export.unwrap().batching.delay,
            Batching::default().delay
        );
        assert_eq!(
            warnings,
            [
                "OTEL_EXPORTER_OTLP_PROTOCOL is not understood: it takes grpc or http/protobuf; http/protobuf is used",
                "OTEL_BSP_SCHEDULE_DELAY is not understood: it takes a whole number",
            ]
        );
        let other = ("OTEL_TRACES_EXPORTER", "zipkin");
        let (read, warnings) = super::tests::read(&[ENDPOINT, other]);
        assert_eq!((read.export, warnings.len()), (None, 1));
    }

    #[test]
    fn traces_of_others_are_continued_unless_another_way_is_chosen() {
        let is_propagated = |list| read(&[("OTEL_PROPAGATORS", list)]).0.is_propagated;
        assert!(is_propagated("tracecontext,baggage"));
        assert!(!is_propagated("none"));
        assert!(!is_propagated("b3"));
    }

    #[test]
    fn a_process_is_called_by_its_role_unless_the_operator_says_otherwise() {
        let name = |variables: &[(&str, &str)]| read(variables).0.service_name(Role::Gateway);
        assert_eq!(name(&[]), "llm2api-gateway");
        let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "a=b,service.name=c");
        assert_eq!(name(&[attributes]), "c");
        assert_eq!(name(&[attributes, ("OTEL_SERVICE_NAME", "d")]), "d");
    }

    #[test]
    fn content_is_told_only_where_that_is_said() {
        let captures = |value| {
            let name = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";
            read(&[(name, value)]).0.captures_content
        };
        assert!(captures("true"));
        assert!(!captures("false"));
        assert!(!captures("1"));
    }
}
