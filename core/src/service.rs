//! The core's gRPC services: thin adapters between the contract and the rest of the crate.

mod access;
mod authorize;
mod chat;
mod model;
mod port;

pub(crate) use self::{
    access::AccessRpc, authorize::Authorize, chat::ChatRpc, model::ModelRpc, port::PortServices,
};
