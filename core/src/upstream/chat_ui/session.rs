//! A session at a chat-ui: the `Cookie` header that lets us in, and how its loss is seen.

use std::iter;

use http::{
    HeaderMap, HeaderValue,
    header::{COOKIE, InvalidHeaderValue, SET_COOKIE, USER_AGENT},
};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{
    super::{Credential, Secret, cookie_header},
    random,
};

/// What lets one chat in.
#[derive(Debug, Clone)]
pub(super) struct Session {
    header: HeaderValue,
    /// The session cookie's value as the upstream must keep it. `None` where nobody gave one.
    value: Option<SecretString>,
    user_agent: Option<HeaderValue>,
    proxy: Option<Url>,
}

impl Session {
    /// The session of a credential; `cookie_name` is that of the instance's session cookie.
    ///
    /// Without a credential it is a new anonymous one, which an instance without login takes: conversations belong to the value that
    /// made them, so each chat needs one.
    ///
    /// # Errors
    ///
    /// Where the credential has characters that no header can have.
    pub(super) fn new(
        credential: &Credential,
        cookie_name: &str,
    ) -> Result<Self, InvalidHeaderValue> {
        let given = credential.secret();
        let (text, value) = match &given {
            None => (format!("{cookie_name}={}", random::uuid()), None),
            Some(given) => {
                let given = cookie_header::without_name(given.expose_secret());
                match cookie_header::pairs(given) {
                    Some(pairs) => {
                        let own = pairs.iter().find(|(name, _)| *name == cookie_name);
                        (given.to_owned(), own.map(|(_, value)| *value))
                    }
                    None => (format!("{cookie_name}={given}"), Some(given)),
                }
            }
        };
        let mut header = HeaderValue::try_from(text)?;
        header.set_sensitive(true);
        Ok(Self {
            header,
            value: value.map(SecretString::from),
            user_agent: credential.user_agent.clone(),
            proxy: credential.proxy.clone(),
        })
    }

    /// Puts what lets us in into a request's head, and the browser that it belongs to.
    pub(super) fn authorize(&self, headers: &mut HeaderMap) {
        headers.insert(COOKIE, self.header.clone());
        if let Some(user_agent) = &self.user_agent {
            headers.insert(USER_AGENT, user_agent.clone());
        }
    }

    /// The proxy to go by. `None`: the upstream's.
    pub(super) fn proxy(&self) -> Option<&Url> {
        self.proxy.as_ref()
    }

    /// The credential of this very session: of an anonymous chat's, its own.
    pub(super) fn credential(&self) -> Credential {
        let header = String::from_utf8_lossy(self.header.as_bytes()).into_owned();
        Credential {
            secret: Secret::Cookie(header.into()),
            user_agent: self.user_agent.clone(),
            proxy: self.proxy.clone(),
        }
    }

    /// What must be seen nowhere: the header, and each value in it.
    pub(super) fn texts_to_hide(&self) -> Vec<SecretString> {
        let header = self.header.to_str().unwrap_or_default();
        let pairs = cookie_header::pairs(header).unwrap_or_default();
        let values = pairs.iter().map(|(_, value)| SecretString::from(*value));
        iter::once(header.into())
            .chain(self.value.clone())
            .chain(values)
            .collect()
    }

    /// Whether an answer shows that the server has dropped the session: it hands out another value than the one it was sent.
    pub(super) fn is_dropped_by(&self, answer: &HeaderMap, cookie_name: &str) -> bool {
        let Some(value) = &self.value else {
            return false;
        };
        let mut handed_out = answer
            .get_all(SET_COOKIE)
            .iter()
            .filter_map(|header| header.to_str().ok())
            .filter_map(|cookie| cookie.split(';').next()?.split_once('='))
            .filter(|(name, _)| name.trim() == cookie_name)
            .map(|(_, value)| value.trim())
            .peekable();
        handed_out.peek().is_some() && handed_out.all(|new| new != value.expose_secret())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::ANONYMOUS;

    fn session(credential: Credential) -> Session {
        Session::new(&credential, "hf-chat").expect("sendable")
    }

    fn cookie(text: &str) -> Session {
        session(Secret::Cookie(text.into()).into())
    }

    fn set(cookies: &[&'static str]) -> HeaderMap {
        cookies
            .iter()
            .map(|cookie| (SET_COOKIE, HeaderValue::from_static(cookie)))
            .collect()
    }

    #[test]
    fn a_bare_value_gets_its_name_and_a_header_goes_as_it_is() {
        for (given, sent) in [
            ("0f9c-2d6e", "hf-chat=0f9c-2d6e"),
            ("aGk=", "hf-chat=aGk="),
            ("hf-chat=0f9c; token=t", "hf-chat=0f9c; token=t"),
            ("Cookie: hf-chat=0f9c", "hf-chat=0f9c"),
            ("other=0f9c", "other=0f9c"),
        ] {
            let session = cookie(given);
            assert_eq!(session.header, sent);
            assert!(session.header.is_sensitive());
        }
    }

    #[test]
    fn a_session_can_be_made_again_of_its_credential() {
        let given = Credential {
            user_agent: Some(HeaderValue::from_static("Mozilla/5.0")),
            proxy: Some("http://p:1".parse().expect("valid")),
            ..ANONYMOUS.clone()
        };
        let one = session(given);
        let again = session(one.credential());
        assert_eq!(again.header, one.header);
        assert_eq!(again.user_agent, one.user_agent);
        assert_eq!(again.proxy, one.proxy);
    }

    #[test]
    fn an_anonymous_chat_has_a_session_of_its_own() {
        let one = session(ANONYMOUS.clone());
        let header = one.header.to_str().expect("ASCII");
        assert!(header.starts_with("hf-chat="), "{header}");
        assert_ne!(one.header, session(ANONYMOUS.clone()).header);
        let renamed = set(&["hf-chat=other; Path=/"]);
        assert!(!one.is_dropped_by(&renamed, "hf-chat"));
    }

    #[test]
    fn each_value_is_hidden() {
        let hidden = |given| -> Vec<String> {
            let texts = cookie(given).texts_to_hide();
            let texts = texts.iter().map(|text| text.expose_secret().to_owned());
            texts.collect()
        };
        assert_eq!(hidden("0f9c"), ["hf-chat=0f9c", "0f9c", "0f9c"]);
        assert_eq!(hidden("token=t; other=o"), ["token=t; other=o", "t", "o"]);
    }

    #[test]
    fn another_value_is_a_lost_session() {
        let same = set(&["hf-chat=0f9c; Path=/; HttpOnly"]);
        let other = set(&["x=y", "hf-chat=ffff; Path=/"]);
        let foreign = set(&["hfChat-codeVerifier=ffff"]);
        let both = set(&["hf-chat=ffff", "hf-chat=0f9c"]);
        for given in ["0f9c", "hf-chat=0f9c; token=t"] {
            let session = cookie(given);
            let dropped = [&same, &other, &foreign, &both]
                .map(|answer| session.is_dropped_by(answer, "hf-chat"));
            assert_eq!(dropped, [false, true, false, false], "{given}");
        }
    }
}
