//! The keys that are made here, with which clients are let in.
//!
//! A key's value is shown once, when it is made; what is kept is its hash. [`KeyRing`] is what requests look at, [`KeyAdministration`] the
//! one that changes it. What a key grants, and what was counted of it, is its [`Holder`](crate::limits::Holder).

mod administration;
mod client_key;
mod error;
mod id;
mod ring;
mod secret;

pub(crate) use self::{
    administration::{KeyAdministration, KeyChanges},
    client_key::{ClientKey, KeySettings},
    error::no_key,
    id::KeyId,
    ring::KeyRing,
    secret::Preview,
};
