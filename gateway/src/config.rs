//! What the gateway is told at its start: plain values, whose names and defaults are the binary's business.

use std::time::Duration;

use ipnet::IpNet;

/// All that the gateway is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// The secret prefix under which everything but the probes lives, without slashes at its ends (`a` or `a/b`).
    pub api_path: Option<String>,
    /// Bytes that a request's body may have.
    pub max_body_bytes: usize,
    /// Silence on a stream after which a comment is sent.
    pub keepalive: Duration,
    /// Origins whose pages may call the client endpoints.
    pub cors_origins: CorsOrigins,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// What to name in the error when no core is reachable: the cores' addresses, where they are other processes.
    pub core_urls: Vec<String>,
}

/// Origins whose pages may call the client endpoints.
#[derive(Debug, Clone)]
pub enum CorsOrigins {
    /// All.
    Any,
    /// These, each as `scheme://host[:port]`.
    List(Vec<String>),
}
