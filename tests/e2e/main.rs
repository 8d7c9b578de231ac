//! The product from outside: the binary itself, in one process and in two, between real clients and a scripted upstream.
#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

/// Makes tests of these functions: one for `llm2api serve`, and one for `llm2api core` and `llm2api gateway`.
macro_rules! both_deployments {
    ($($test:ident),+ $(,)?) => {
        mod serve {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test(llm2api_test_support::Deployment::Serve).await;
                }
            )+
        }

        mod split {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test(llm2api_test_support::Deployment::Split).await;
                }
            )+
        }
    };
}

mod canned;
mod stage;

mod access;
mod access_matrix;
mod administration;
mod answers;
mod authorization;
mod bad_streams;
mod chat_ui;
mod cores;
mod crate_graph;
mod dashboard;
mod first_model;
mod grpc;
mod hostile;
mod keys;
mod latency;
mod leaving;
mod local_model;
mod malformed;
mod many;
mod migration;
mod model_files;
mod models;
mod monitoring;
mod pool;
mod prompts;
mod readme;
mod real_model;
mod reload;
mod requests;
mod retry;
mod reverse_proxy;
mod routing;
mod sdk;
mod search;
mod start;
mod stopping;
mod storage;
mod text;
mod tools;
mod tracing;
mod upstream_errors;
mod web;
mod web_search;
