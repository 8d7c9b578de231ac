//! All metrics, in Prometheus' text format.

use std::collections::BTreeMap;

use super::MonitorRpc;
use crate::monitor::Exposition;

impl MonitorRpc {
    /// All metrics.
    pub(super) fn metrics(&self) -> String {
        let mut to = Exposition::default();
        to.family("llm2api_build_info", "gauge", "The program; always 1.");
        let labels = [("version", env!("CARGO_PKG_VERSION"))];
        to.value("llm2api_build_info", &labels, 1);
        let name = "llm2api_authorization_valid";
        to.family(
            name,
            "gauge",
            "Whether clients are let in, by the authorization code.",
        );
        let is_valid = self.authorization.view().state.admits();
        to.value(name, &[], u8::from(is_valid));
        self.write_upstreams(&mut to);
        self.write_credentials(&mut to);
        to.family(
            "llm2api_chats_in_flight",
            "gauge",
            "Chats that are being answered.",
        );
        to.value("llm2api_chats_in_flight", &[], self.running.len());
        let name = "llm2api_store_errors_total";
        to.family(name, "counter", "Changes that could not be kept.");
        to.value(name, &[], self.store.error_count());
        let name = "llm2api_telemetry_dropped_total";
        to.family(
            name,
            "counter",
            "Spans and traces for which there was no room.",
        );
        to.value(name, &[], self.monitor.dropped());
        self.monitor.collected().meters.write(&mut to);
        to.into_text()
    }

    fn write_upstreams(&self, to: &mut Exposition) {
        let entries = self.administration.list_upstreams();
        let name = "llm2api_upstream_up";
        to.family(
            name,
            "gauge",
            "Whether the upstream answered when it was last asked for its models.",
        );
        for entry in &entries {
            let is_up = entry.model_list.known().failure.is_none();
            to.value(name, &[("upstream", entry.name())], u8::from(is_up));
        }
        let name = "llm2api_breaker_open";
        to.family(
            name,
            "gauge",
            "Whether the upstream is left alone, as it keeps failing.",
        );
        for entry in &entries {
            let is_open = entry.pool.is_broken();
            to.value(name, &[("upstream", entry.name())], u8::from(is_open));
        }
    }

    fn write_credentials(&self, to: &mut Exposition) {
        let mut counts = BTreeMap::<_, u64>::new();
        for (entry, shown) in self.cookies() {
            let reason = shown.reason.unwrap_or_default();
            let of = (entry.name().to_owned(), shown.state.as_str(), reason);
            *counts.entry(of).or_default() += 1;
        }
        let name = "llm2api_credentials";
        to.family(name, "gauge", "Credentials by upstream, state and reason.");
        for ((upstream, state, reason), count) in counts {
            let labels = [
                ("upstream", upstream.as_str()),
                ("state", state),
                ("reason", reason),
            ];
            to.value(name, &labels, count);
        }
    }
}
