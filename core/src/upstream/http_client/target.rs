//! What is the same in all requests to one URL, made once.

use http::{
    HeaderMap, HeaderValue, Method, Request, Uri,
    header::{AUTHORIZATION, HOST, USER_AGENT},
};
use url::{Position, Url};

use super::{AddressError, USER_AGENT as OUR_NAME};

/// Where requests go.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// Whole, for a client that finds its own way.
    pub(super) url: Url,
    /// Path and query.
    path: Uri,
    host: HeaderValue,
    /// The login in the URL.
    login: Option<HeaderValue>,
}

impl Target {
    /// For a URL; its login as a header.
    ///
    /// # Errors
    ///
    /// [`AddressError::Url`].
    pub(super) fn new(url: Url, login: Option<HeaderValue>) -> Result<Self, AddressError> {
        let host = &url[Position::BeforeHost..Position::AfterPort];
        let path = &url[Position::BeforePath..Position::AfterQuery];
        Ok(Self {
            path: path.parse().map_err(|_| AddressError::Url)?,
            host: host.parse().map_err(|_| AddressError::Url)?,
            login,
            url,
        })
    }

    /// Headers with the login, unless they have one.
    pub(super) fn with_login(&self, mut headers: HeaderMap) -> HeaderMap {
        if let Some(login) = &self.login
            && !headers.contains_key(AUTHORIZATION)
        {
            headers.insert(AUTHORIZATION, login.clone());
        }
        headers
    }

    /// Another path of the same server, with its query.
    ///
    /// # Errors
    ///
    /// [`AddressError::Url`].
    pub(in crate::upstream) fn at(&self, path: &str) -> Result<Self, AddressError> {
        let url = self.url.join(path).map_err(|_| AddressError::Url)?;
        Self::new(url, self.login.clone())
    }

    /// A request for a connection to the target itself.
    pub(super) fn request<B>(&self, method: Method, headers: HeaderMap, body: B) -> Request<B> {
        let mut headers = self.with_login(headers);
        headers.insert(HOST, self.host.clone());
        if !headers.contains_key(USER_AGENT) {
            headers.insert(USER_AGENT, HeaderValue::from_static(OUR_NAME));
        }
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = self.path.clone();
        *request.headers_mut() = headers;
        request
    }
}
