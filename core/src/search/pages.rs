//! Reads the pages behind results: what is written there says more than an engine's snippet.
//!
//! Addresses come from search engines, so that a page is asked for as if its author wanted to do harm: [`client`] goes to the public
//! internet only, bounds what it reads, and tells nobody why a page could not be read.

mod client;
mod public_address;
mod readable;
mod resolver;

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use moka::future::Cache;
use tokio::time::Instant;
use url::Url;

use self::client::{Page, PageClient};
use super::{SearchResult, plain_text};
use crate::upstream::AddressError;

/// For one page, in all.
const PAGE_TIMEOUT: Duration = Duration::from_secs(4);
/// Of the tokens of all pages together, one page has at most one in so many: what is behind it is rarely about the question.
const MIN_SHARES: usize = 4;
/// Tokens of a page that are kept: no share is larger.
const MAX_PAGE_TOKENS: usize = 2000;
/// Pages whose text is kept, for as long as results are. Each has up to 8 KiB, or 24 in Chinese.
const CACHED_PAGES: u64 = 512;

/// Reads pages.
pub(super) struct Pages {
    client: PageClient,
    /// What was read of late, by address.
    read: Cache<String, Arc<str>>,
}

impl Pages {
    /// Reads none yet.
    ///
    /// # Errors
    ///
    /// [`AddressError`], where there is no TLS to be had.
    pub(super) fn new() -> Result<Self, AddressError> {
        Ok(Self::with(PageClient::new()?))
    }

    fn with(client: PageClient) -> Self {
        Self {
            client,
            read: Cache::builder()
                .max_capacity(CACHED_PAGES)
                .time_to_live(super::CACHED_FOR)
                .build(),
        }
    }

    /// The results with what is on the first so many pages in place of their snippets, as far as it could be read in time: at most so
    /// many tokens of all of them.
    pub(super) async fn read_first(
        &self,
        count: usize,
        results: &Arc<[SearchResult]>,
        max_tokens: usize,
        deadline: Instant,
    ) -> Arc<[SearchResult]> {
        let max_page_tokens = max_tokens / count.max(MIN_SHARES);
        let count = count.min(results.len());
        let deadline = deadline.min(Instant::now() + PAGE_TIMEOUT);
        let texts = results[..count]
            .iter()
            .map(|result| tokio::time::timeout_at(deadline, self.text(&result.url)));
        let texts = join_all(texts).await;
        let mut results = results.to_vec();
        for (result, text) in results.iter_mut().zip(texts) {
            // A page that says less than the engine's snippet has its text elsewhere.
            if let Ok(Some(text)) = text
                && text.len() > result.snippet.len()
            {
                result.snippet = plain_text::shortened(&text, max_page_tokens);
            }
        }
        results.into()
    }

    async fn text(&self, address: &str) -> Option<Arc<str>> {
        let read = async {
            let url = Url::parse(address).map_err(|_| ())?;
            let page = self.client.read(&url).await.ok_or(())?;
            let text = match page {
                Page::Html(html) => readable::text(&html),
                Page::Plain(text) => plain_text::plain(&text),
            };
            let text = plain_text::shortened(&text, MAX_PAGE_TOKENS);
            // An empty one is remembered too: the page will not have more in a minute.
            Ok::<Arc<str>, ()>(text.into())
        };
        self.read.try_get_with_by_ref(address, read).await.ok()
    }
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Pages").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        client::tests::{Names, Server, answer, client_here},
        *,
    };

    fn result(url: &str, snippet: &str) -> SearchResult {
        SearchResult {
            title: "T".to_owned(),
            url: url.to_owned(),
            snippet: snippet.to_owned(),
        }
    }

    #[tokio::test]
    async fn a_page_that_can_be_read_takes_its_snippets_place() {
        let text = "Bees make honey out of nectar that they gather from many flowers.";
        let body = format!("<nav>Menu</nav><p>{text}</p>");
        let page = |head: &'static str| {
            let body = body.clone();
            Server::start(move |_| answer(head, body.as_bytes()))
        };
        let good = page("200 OK\r\nContent-Type: text/html").await;
        let bad = page("404 Not Found\r\nContent-Type: text/html").await;
        let pages = Pages::with(client_here(Names::default()));
        let results: Arc<[_]> = [
            result(good.url().as_str(), "Bees make…"),
            result(bad.url().as_str(), "Wasps don't…"),
            result("http://10.0.0.1/", "inside"),
            result(good.url().as_str(), "not among the first"),
        ]
        .into();
        let deadline = Instant::now() + Duration::from_secs(20);
        let expected = [
            result(good.url().as_str(), text),
            result(bad.url().as_str(), "Wasps don't…"),
            result("http://10.0.0.1/", "inside"),
            result(good.url().as_str(), "not among the first"),
        ];
        for _ in 0..2 {
            let read = pages.read_first(3, &results, 4000, deadline).await;
            assert_eq!(*read, expected);
        }
        // What was read is kept, what could not be is tried again.
        assert_eq!((good.heads().len(), bad.heads().len()), (1, 2));
    }

    #[tokio::test]
    async fn a_page_that_takes_too_long_leaves_the_snippet() {
        // Whoever connects is never answered.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let silent = silent.expect("a port");
        let address = silent.local_addr().expect("an address");
        let pages = Pages::with(client_here(Names::default()));
        let results: Arc<[_]> = [result(&format!("http://{address}/"), "Bees make…")].into();
        let deadline = Instant::now() + Duration::from_millis(100);
        let read = pages.read_first(1, &results, 4000, deadline).await;
        assert_eq!(read, results);
    }

    #[tokio::test]
    async fn pages_share_the_tokens_that_they_may_have() {
        let body = format!("<p>{}</p>", "word ".repeat(9000));
        let page =
            Server::start(|_| answer("200 OK\r\nContent-Type: text/html", body.as_bytes())).await;
        let pages = Pages::with(client_here(Names::default()));
        let results: Arc<[_]> = [result(page.url().as_str(), "")].into();
        let deadline = Instant::now() + Duration::from_secs(20);
        for (count, max_tokens, expected) in [(1, 8000, 1599), (1, 4000, 800), (10, 4000, 320)] {
            let read = pages
                .read_first(count, &results, max_tokens, deadline)
                .await;
            // Words of five characters, the blank included; four are a token.
            let words = read[0].snippet.split(' ').count();
            assert_eq!(words, expected, "{count} {max_tokens}");
        }
        assert_eq!(page.heads().len(), 1);
    }
}
