//! The core's gRPC services: thin adapters between the contract and the rest of the crate.

mod access;
mod authorization;
mod authorize;
mod chat;
mod cookie;
mod key;
mod model;
mod monitor;
mod port;
mod search;
mod trace;
mod upstream;

pub(crate) use self::{
    access::AccessRpc,
    authorization::AuthorizationRpc,
    authorize::{Authorize, Direct},
    chat::ChatRpc,
    cookie::CookieRpc,
    key::KeyRpc,
    model::ModelRpc,
    monitor::{MonitorRpc, SearchInstances},
    port::PortServices,
    search::SearchRpc,
    trace::{OfGateways, TraceRpc},
    upstream::UpstreamRpc,
};
