//! The cookies of a session, which change when the upstream sets others.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use arc_swap::ArcSwap;
use http::{HeaderMap, header::SET_COOKIE};
use secrecy::{ExposeSecret, SecretString};

use super::{cookie_header, set_cookie::SetCookie};

/// Bytes of a `Cookie` header to which an upstream may let it grow: servers refuse longer ones.
const MAX_HEADER_SIZE: usize = 8 * 1024;

/// Values that are remembered after another came in their place: an error that is still on its way may name one.
const MAX_REPLACED: usize = 16;

/// A whole `Cookie` header, or a bare value. Its clones change with it.
#[derive(Debug, Clone)]
pub(crate) struct CookieSecret(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    held: ArcSwap<Held>,
    is_changed: AtomicBool,
}

#[derive(Debug, Clone)]
struct Held {
    text: SecretString,
    /// Values that were in the text before, the oldest first.
    replaced: Vec<SecretString>,
}

impl CookieSecret {
    /// What is sent at this moment.
    pub(crate) fn text(&self) -> SecretString {
        self.0.held.load().text.clone()
    }

    /// Whether it has changed since this was last asked.
    pub(super) fn take_change(&self) -> bool {
        // Read first: it hardly ever changes, and a write takes the cache line from the other cores.
        self.0.is_changed.load(Ordering::Relaxed) && self.0.is_changed.swap(false, Ordering::AcqRel)
    }

    /// What must be seen nowhere: the text, each value in it, and what they were before.
    pub(super) fn texts_to_hide(&self) -> Vec<SecretString> {
        let held = self.0.held.load();
        let mut texts = vec![held.text.clone()];
        let pairs = cookie_header::pairs(held.text.expose_secret()).unwrap_or_default();
        texts.extend(pairs.iter().map(|(_, value)| SecretString::from(*value)));
        texts.extend(held.replaced.iter().cloned());
        texts
    }

    /// Takes over what an answer of this host sets. A bare value stays what it is.
    pub(super) fn merge(&self, answer: &HeaderMap, host: &str) {
        if !answer.contains_key(SET_COOKIE) {
            return;
        }
        let now = SystemTime::now();
        let cookies: Vec<SetCookie<'_>> = answer
            .get_all(SET_COOKIE)
            .iter()
            .filter_map(|header| SetCookie::read(header.to_str().ok()?, host, now))
            .collect();
        let mut is_changed = false;
        self.0.held.rcu(|held| {
            let new = cookies.iter().fold(None, |new: Option<Held>, cookie| {
                new.as_ref().unwrap_or(held).with(cookie).or(new)
            });
            is_changed = new.is_some();
            new.map_or_else(|| Arc::clone(held), Arc::new)
        });
        if is_changed {
            self.0.is_changed.store(true, Ordering::Release);
        }
    }
}

impl Held {
    /// What this becomes by a cookie. `None`: it stays as it is.
    fn with(&self, cookie: &SetCookie<'_>) -> Option<Self> {
        let old_text = self.text.expose_secret();
        let mut pairs = cookie_header::pairs(old_text)?;
        let at = pairs.iter().position(|(name, _)| *name == cookie.name);
        let old_value = at.map(|at| pairs[at].1);
        if old_value == cookie.value {
            return None;
        }
        match (at, cookie.value) {
            (Some(at), Some(value)) => pairs[at].1 = value,
            (Some(at), None) => drop(pairs.remove(at)),
            (None, Some(value)) => pairs.push((cookie.name, value)),
            (None, None) => return None,
        }
        let text = cookie_header::of_pairs(&pairs);
        // Without any cookie it would be taken for something else; the upstream will say what the session is worth.
        if pairs.is_empty() || text.len() > old_text.len().max(MAX_HEADER_SIZE) {
            return None;
        }
        let mut replaced = self.replaced.clone();
        replaced.extend(old_value.map(SecretString::from));
        let excess = replaced.len().saturating_sub(MAX_REPLACED);
        replaced.drain(..excess);
        Some(Self {
            text: text.into(),
            replaced,
        })
    }
}

impl<T: Into<SecretString>> From<T> for CookieSecret {
    fn from(text: T) -> Self {
        let held = Held {
            text: text.into(),
            replaced: Vec::new(),
        };
        Self(Arc::new(Shared {
            held: ArcSwap::from_pointee(held),
            is_changed: AtomicBool::new(false),
        }))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn answer(cookies: &[&str]) -> HeaderMap {
        cookies
            .iter()
            .map(|cookie| {
                let value = HeaderValue::from_str(cookie).expect("sendable");
                (SET_COOKIE, value)
            })
            .collect()
    }

    /// What a text is after an answer, where that changed it.
    fn merged(text: &str, cookies: &[&str]) -> Option<String> {
        let cookie = CookieSecret::from(text);
        cookie.merge(&answer(cookies), "example.org");
        let text = cookie.text().expose_secret().to_owned();
        cookie.take_change().then_some(text)
    }

    #[test]
    fn what_an_upstream_sets_is_taken_over() {
        for (text, cookies, expected) in [
            ("a=1; b=2", &["a=3; Path=/"][..], Some("a=3; b=2")),
            ("a=1; b=2", &["c=3"], Some("a=1; b=2; c=3")),
            ("a=1; b=2", &["a=; Max-Age=0"], Some("b=2")),
            ("a=1;b=2;", &["a=3", "b=4", "a=5"], Some("a=5; b=4")),
            ("a=1; b=2", &["a=1; Max-Age=60", "c=; Max-Age=0"], None),
            ("a=1", &["a=2; Domain=other.org"], None),
            ("a=1", &["a=; Max-Age=0"], None),
            ("a=1", &[], None),
            ("bare-value", &["a=1"], None),
        ] {
            let merged = merged(text, cookies);
            assert_eq!(merged.as_deref(), expected, "{text} {cookies:?}");
        }
    }

    #[test]
    fn a_header_grows_only_so_far() {
        let long = format!("b={}", "x".repeat(MAX_HEADER_SIZE));
        assert_eq!(merged("a=1", &[&long]), None);
        let half = format!("b={}", "x".repeat(MAX_HEADER_SIZE / 2));
        assert_eq!(merged("a=1", &[&half]), Some(format!("a=1; {half}")));
        // One that was longer to begin with may stay so.
        assert_eq!(merged(&long, &["b=2"]), Some("b=2".to_owned()));
    }

    #[test]
    fn a_change_is_told_once_and_seen_by_all() {
        let cookie = CookieSecret::from("a=1");
        let clone = cookie.clone();
        assert!(!cookie.take_change());
        clone.merge(&answer(&["a=2"]), "example.org");
        assert_eq!(cookie.text().expose_secret(), "a=2");
        assert!(cookie.take_change());
        assert!(!clone.take_change());
    }

    #[test]
    fn what_was_replaced_is_hidden_too() {
        let cookie = CookieSecret::from("a=first; b=other");
        cookie.merge(&answer(&["a=second"]), "example.org");
        let hidden: Vec<String> = cookie
            .texts_to_hide()
            .iter()
            .map(|text| text.expose_secret().to_owned())
            .collect();
        assert_eq!(hidden, ["a=second; b=other", "second", "other", "first"]);
        for number in 0..100 {
            cookie.merge(&answer(&[&format!("a={number}")]), "example.org");
        }
        assert_eq!(cookie.texts_to_hide().len(), 3 + MAX_REPLACED);
    }
}
