//! The table of who may what: the right that each HTTP route and each RPC needs. It has no other home.

/// What a caller must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// Anybody.
    Open,
    /// Whoever may use models.
    Client,
    /// Whoever may ask what authorization codes are worth: the operator, and client keys of which that was said.
    Introspection,
    /// Whoever has the key for metrics, and the operator.
    Metrics,
    /// The operator.
    Admin,
}

/// HTTP routes, as method and path template without prefix.
const ROUTES: &[(&str, Right)] = &[
    ("POST /v1/chat/completions", Right::Client),
    ("GET /v1/models", Right::Client),
    ("GET /v1/models/{id}", Right::Client),
    ("POST /web/v1/chat/completions", Right::Client),
    ("GET /web/v1/models", Right::Client),
    ("GET /web/v1/models/{id}", Right::Client),
    ("GET /healthz", Right::Open),
    ("GET /readyz", Right::Open),
    ("GET /openapi.json", Right::Open),
    ("GET /cookie", Right::Open),
    ("GET /key", Right::Open),
    ("POST /auth/introspect", Right::Introspection),
    ("GET /assets/{name}", Right::Open),
    ("GET /metrics", Right::Metrics),
];

/// RPCs that need another right than the others of their service.
const RPCS: &[(&str, Right)] = &[("llm2api.v1.MonitorService/GetMetrics", Right::Metrics)];

/// gRPC services whose RPCs all need the same right, but for those.
const SERVICES: &[(&str, Right)] = &[
    ("llm2api.v1.ChatService", Right::Client),
    ("llm2api.v1.ModelService", Right::Client),
    ("llm2api.v1.SearchService", Right::Client),
    ("llm2api.v1.AccessService", Right::Admin),
    ("llm2api.v1.AuthorizationService", Right::Admin),
    ("llm2api.v1.CookieService", Right::Admin),
    ("llm2api.v1.UpstreamService", Right::Admin),
    ("llm2api.v1.MonitorService", Right::Admin),
    ("llm2api.v1.KeyService", Right::Admin),
    // Gateways' spans.
    (
        "opentelemetry.proto.collector.trace.v1.TraceService",
        Right::Admin,
    ),
    ("grpc.health.v1.Health", Right::Open),
    ("grpc.reflection.v1.ServerReflection", Right::Open),
    ("grpc.reflection.v1alpha.ServerReflection", Right::Open),
];

/// The right that an HTTP route needs. What the table doesn't name is the operator's alone.
pub(crate) fn of_route(route: &str) -> Right {
    find(ROUTES, route)
}

/// The right that an RPC needs, by its path (`/package.Service/Method`). What the table doesn't name is the operator's alone.
pub(crate) fn of_rpc(path: &str) -> Right {
    let rpc = path.trim_start_matches('/');
    let of_its_own = RPCS.iter().find(|(entry, _)| *entry == rpc);
    of_its_own.map_or_else(
        || find(SERVICES, rpc.split('/').next().unwrap_or_default()),
        |&(_, right)| right,
    )
}

fn find(table: &[(&str, Right)], name: &str) -> Right {
    table
        .iter()
        .find(|(entry, _)| *entry == name)
        .map_or(Right::Admin, |&(_, right)| right)
}

#[cfg(test)]
mod tests {
    use llm2api_proto::FILE_DESCRIPTOR_SET;
    use prost_types::FileDescriptorSet;
    use tonic_health::pb::FILE_DESCRIPTOR_SET as HEALTH;

    use super::*;

    #[test]
    fn what_the_table_does_not_name_is_the_operators_alone() {
        assert_eq!(of_route("GET /cookies"), Right::Admin);
        assert_eq!(of_route("get /v1/models"), Right::Admin);
        assert_eq!(of_rpc("/llm2api.v1.KeyService/ListKeys"), Right::Admin);
        assert_eq!(of_rpc("/llm2api.v1.ChatService/Chat"), Right::Client);
    }

    #[test]
    fn metrics_have_a_right_of_their_own_and_what_else_is_monitored_has_not() {
        assert_eq!(of_route("GET /metrics"), Right::Metrics);
        assert_eq!(of_route("GET /status"), Right::Admin);
        let rpc = |name: &str| of_rpc(&format!("/llm2api.v1.MonitorService/{name}"));
        assert_eq!(rpc("GetMetrics"), Right::Metrics);
        assert_eq!(rpc("GetStatus"), Right::Admin);
        assert_eq!(rpc("GetMetrics/"), Right::Admin);
    }

    #[test]
    fn every_service_of_the_contract_has_a_rule_of_its_own() {
        for bytes in [FILE_DESCRIPTOR_SET, HEALTH] {
            let set: FileDescriptorSet = prost::Message::decode(bytes).expect("a descriptor set");
            for file in &set.file {
                for service in &file.service {
                    let name = format!("{}.{}", file.package(), service.name());
                    assert!(
                        SERVICES.iter().any(|(entry, _)| *entry == name),
                        "{name} has no rule"
                    );
                }
            }
        }
    }
}
