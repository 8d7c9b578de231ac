//! HTTP clients towards upstreams: one an upstream and runtime, so that no connection is shared between runtimes.
