//! The id of a request: the client's own where it is a sane one, else one of ours.

use std::{
    cell::Cell,
    hash::{BuildHasher, RandomState},
    io::Write,
};

use http::{HeaderMap, HeaderValue};
use llm2api_proto::metadata::REQUEST_ID;

/// Characters that a client's own id may have.
const MAX_LENGTH: usize = 128;

thread_local! {
    /// A random prefix and a counter behind it: unique without asking the system for randomness, or another thread for a number,
    /// at each request.
    static NEXT: Cell<(u64, u64)> = Cell::new((RandomState::new().hash_one(0), 0));
}

/// The id of a request with these headers.
pub(crate) fn choose(headers: &HeaderMap) -> HeaderValue {
    headers
        .get(REQUEST_ID)
        .filter(|id| is_sane(id.as_bytes()))
        .cloned()
        .unwrap_or_else(make)
}

fn is_sane(id: &[u8]) -> bool {
    (1..=MAX_LENGTH).contains(&id.len())
        && id
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=@~".contains(byte))
}

fn make() -> HeaderValue {
    let (prefix, count) = NEXT.get();
    NEXT.set((prefix, count.wrapping_add(1)));
    let mut id = Vec::with_capacity(36);
    write!(id, "req_{prefix:016x}{count:08x}").expect("a Vec takes all that is written");
    HeaderValue::from_maybe_shared(bytes::Bytes::from(id))
        .expect("hexadecimal digits may stand in a header")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose_for(id: &'static str) -> HeaderValue {
        choose(&HeaderMap::from_iter([(
            http::HeaderName::from_static(REQUEST_ID),
            HeaderValue::from_static(id),
        )]))
    }

    #[test]
    fn a_sane_id_of_the_client_is_kept() {
        assert_eq!(choose_for("trace-1:a/b_C.9"), "trace-1:a/b_C.9");
    }

    #[test]
    fn an_odd_id_is_replaced() {
        for id in ["", "a b", "a\"b", "a,b", "<script>"] {
            assert!(choose_for(id).to_str().unwrap().starts_with("req_"), "{id}");
        }
        let long = HeaderValue::from_str(&"a".repeat(129)).unwrap();
        let headers = HeaderMap::from_iter([(http::HeaderName::from_static(REQUEST_ID), long)]);
        assert_eq!(choose(&headers).len(), 28);
    }

    #[test]
    fn our_ids_differ() {
        assert_ne!(make(), make());
        let elsewhere = std::thread::spawn(make).join().unwrap();
        assert_ne!(make(), elsewhere);
    }
}
