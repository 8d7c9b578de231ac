//! What administration shows, as JSON: the objects of `/cookies` and `/upstreams`. The command line writes the same.

mod cookie;
mod list;
mod upstream;

pub use self::{
    cookie::{AddedCookie, CookieObject},
    list::{Deleted, ListObject},
    upstream::{CookieCountsObject, UpstreamObject, UpstreamTest},
};

/// An empty text of the contract as JSON has it: null.
fn unless_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
