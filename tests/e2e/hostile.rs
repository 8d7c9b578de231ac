//! Those who mean harm, on both sides: what SECURITY.md says of them.

mod clients;
mod paths;
mod upstreams;
