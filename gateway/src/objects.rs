//! What administration shows, as JSON: the objects of `/cookies`, `/upstreams`, `/keys`, `/status` and `/traces`. The command line
//! writes the same.

mod cookie;
mod introspection;
mod key;
mod list;
mod status;
mod time;
mod trace;
mod upstream;

pub use self::{
    cookie::{AddedCookie, CookieObject},
    introspection::{Introspection, LimitsObject},
    key::{KeyObject, NewKeyObject},
    list::{Deleted, ListObject},
    status::{
        AuthorizationObject, CookieFiguresObject, FiguresObject, KeyFiguresObject,
        ModelFiguresObject, PercentilesObject, SearchObject, StatusObject, TimelinePointObject,
        TokensObject, UpstreamFiguresObject, WindowsObject,
    },
    trace::{SpanObject, TraceObject, TraceWithSpans},
    upstream::{CookieCountsObject, UpstreamObject, UpstreamTest},
};

/// An empty text of the contract as JSON has it: null.
fn unless_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
