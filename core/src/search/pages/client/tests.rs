mod refusals;

use std::{
    future::{self, Future},
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use reqwest::dns::Resolve;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
};

use super::*;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Knows one address for all names, a new one each time as long as there are any.
#[derive(Clone, Default)]
pub(in crate::search::pages) struct Names {
    addresses: Arc<Mutex<Vec<Vec<IpAddr>>>>,
    asked: Arc<AtomicUsize>,
}

impl Names {
    /// The answers to the next questions; the last one is that to all after it.
    fn of(answers: &[&[IpAddr]]) -> Self {
        let mut answers: Vec<_> = answers.iter().map(|answer| answer.to_vec()).collect();
        answers.reverse();
        Self {
            addresses: Arc::new(Mutex::new(answers)),
            asked: Arc::default(),
        }
    }
}

impl Lookup for Names {
    fn addresses(
        &self,
        _host: String,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut answers = self.addresses.lock().expect("whole");
        let answer = if answers.len() > 1 {
            answers.pop()
        } else {
            answers.last().cloned()
        };
        Box::pin(future::ready(Ok(answer.unwrap_or_default())))
    }
}

/// A client that may go to this machine, at any port, and nowhere else.
pub(in crate::search::pages) fn client_here(names: Names) -> PageClient {
    let bounds = Bounds {
        is_allowed: |address| address == HERE,
        is_port_fixed: false,
    };
    PageClient::with(names, bounds).expect("a client")
}

/// A server that gives each connection the same answer, and records the requests' heads.
pub(in crate::search::pages) struct Server {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(in crate::search::pages) async fn start(answer: impl Fn(SocketAddr) -> Vec<u8>) -> Self {
        let listener = TcpListener::bind((HERE, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let answer = answer(address);
        let heads = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        let recorded = Arc::clone(&heads);
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => break,
                    }
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                recorded.lock().expect("whole").push(head);
                // The client may have read enough.
                let _ = stream.write_all(&answer).await;
            }
        });
        Self {
            address,
            heads,
            _tasks: tasks,
        }
    }

    pub(in crate::search::pages) fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("whole").clone()
    }

    pub(in crate::search::pages) fn url(&self) -> Url {
        format!("http://{}/", self.address).parse().expect("valid")
    }
}

pub(in crate::search::pages) fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}

async fn read_here(bytes: Vec<u8>) -> Option<Page> {
    let server = Server::start(|_| bytes.clone()).await;
    client_here(Names::default()).read(&server.url()).await
}

#[tokio::test]
async fn a_page_is_asked_for_without_anything_of_ours() {
    let server = Server::start(|_| answer("200 OK\r\nContent-Type: text/plain", b"hello")).await;
    let read = client_here(Names::default()).read(&server.url()).await;
    assert_eq!(read, Some(Page::Plain("hello".to_owned())));
    let heads = server.heads();
    let names: Vec<_> = heads[0]
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(sorted, ["accept", "accept-encoding", "host", "user-agent"]);
}

#[tokio::test]
async fn only_pages_of_text_are_read() {
    let html = |head: &str| answer(head, b"<p>hi</p>");
    let table = [
        (
            html("200 OK\r\nContent-Type: text/html"),
            Some(Page::Html("<p>hi</p>".to_owned())),
        ),
        (
            html("200 OK\r\nContent-Type: application/xhtml+xml; charset=utf-8"),
            Some(Page::Html("<p>hi</p>".to_owned())),
        ),
        (html("200 OK\r\nContent-Type: application/pdf"), None),
        (html("200 OK\r\nContent-Type: image/svg+xml"), None),
        (html("200 OK"), None),
        (html("404 Not Found\r\nContent-Type: text/html"), None),
        (html("500 Oops\r\nContent-Type: text/html"), None),
        (b"nothing of HTTP\r\n\r\n".to_vec(), None),
    ];
    for (bytes, page) in table {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        assert_eq!(read_here(bytes).await, page, "{shown}");
    }
}

#[tokio::test]
async fn a_page_is_in_the_encoding_that_it_names() {
    let plain = "中文网页";
    let (gbk, _, _) = encoding_rs::GBK.encode(plain);
    let by_head = answer("200 OK\r\nContent-Type: text/plain; charset=GBK", &gbk);
    assert_eq!(
        read_here(by_head).await,
        Some(Page::Plain(plain.to_owned()))
    );
    let page = [&b"<meta charset=\"gb2312\">"[..], &gbk].concat();
    let by_page = answer("200 OK\r\nContent-Type: text/html", &page);
    let expected = Page::Html(format!("<meta charset=\"gb2312\">{plain}"));
    assert_eq!(read_here(by_page).await, Some(expected));
    let broken = answer("200 OK\r\nContent-Type: text/plain; charset=odd", b"a\xFFb");
    assert_eq!(
        read_here(broken).await,
        Some(Page::Plain("a\u{FFFD}b".to_owned()))
    );
}

#[tokio::test]
async fn no_more_is_read_than_a_mib() {
    let large = answer("200 OK\r\nContent-Type: text/plain", &vec![b'x'; 3 << 20]);
    let Some(Page::Plain(text)) = read_here(large).await else {
        panic!("the page is read");
    };
    assert_eq!(text.len(), MAX_BYTES);
}

#[tokio::test]
async fn redirects_are_followed_by_the_same_rules() {
    let target = Server::start(|_| answer("200 OK\r\nContent-Type: text/plain", b"there")).await;
    let to = |location: String| move |_| answer(&format!("302 Found\r\nLocation: {location}"), b"");
    let good = Server::start(to(format!("http://page.test:{}/x", target.address.port()))).await;
    let client = client_here(Names::of(&[&[HERE]]));
    assert_eq!(
        client.read(&good.url()).await,
        Some(Page::Plain("there".to_owned()))
    );
    for refused in [
        "http://[::ffff:10.0.0.1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://2130706434/",
        "file:///etc/passwd",
        "http://user@127.0.0.1/",
        "https://",
    ] {
        let server = Server::start(to(refused.to_owned())).await;
        assert_eq!(client.read(&server.url()).await, None, "{refused}");
    }
    let around =
        Server::start(|address| answer(&format!("302 Found\r\nLocation: http://{address}/"), b""))
            .await;
    assert_eq!(client.read(&around.url()).await, None);
    assert_eq!(around.heads().len(), MAX_REDIRECTS + 1);
}

#[tokio::test]
async fn a_name_that_leads_inside_is_never_connected() {
    let server = Server::start(|_| answer("200 OK\r\nContent-Type: text/plain", b"secret")).await;
    let public: IpAddr = "93.184.216.34".parse().expect("an address");
    for answers in [
        &[HERE][..],
        &[public, HERE],
        &["::1".parse().expect("an address")],
        &[],
    ] {
        let names = Names::of(&[answers]);
        let bounds = Bounds {
            is_allowed: is_public,
            is_port_fixed: false,
        };
        let client = PageClient::with(names.clone(), bounds).expect("a client");
        let url = format!("http://page.test:{}/", server.address.port());
        let read = client.read(&url.parse().expect("valid")).await;
        assert_eq!((read, names.asked.load(Ordering::Relaxed)), (None, 1));
    }
    assert_eq!(server.heads(), [""; 0]);
}

#[tokio::test]
async fn a_name_that_changes_between_two_looks_is_looked_at_each_time() {
    // What is connected is what was checked: the name is resolved once for each connection.
    let server = Server::start(|_| answer("200 OK\r\nContent-Type: text/plain", b"x")).await;
    let inside: IpAddr = "10.0.0.1".parse().expect("an address");
    let names = Names::of(&[&[HERE], &[inside]]);
    let client = client_here(names.clone());
    let url: Url = format!("http://page.test:{}/", server.address.port())
        .parse()
        .expect("valid");
    assert_eq!(client.read(&url).await, Some(Page::Plain("x".to_owned())));
    assert_eq!(names.asked.load(Ordering::Relaxed), 1);
    assert_eq!(client.read(&url).await, None);
    assert_eq!(
        (names.asked.load(Ordering::Relaxed), server.heads().len()),
        (2, 1)
    );
}

#[tokio::test]
async fn a_resolved_name_is_exactly_what_was_checked() {
    let public: IpAddr = "93.184.216.34".parse().expect("an address");
    let resolver = GuardedResolver::new(Names::of(&[&[public], &[HERE]]), is_public);
    let name = || "page.test".parse().expect("a name");
    let first: Vec<_> = resolver.resolve(name()).await.expect("public").collect();
    assert_eq!(first, [SocketAddr::new(public, 0)]);
    assert!(resolver.resolve(name()).await.is_err());
}

#[test]
fn an_address_in_a_url_is_looked_at_in_whatever_form() {
    let bounds = Bounds {
        is_allowed: is_public,
        is_port_fixed: true,
    };
    let table = [
        ("http://example.org/", true),
        ("https://example.org:443/", true),
        ("http://8.8.8.8/", true),
        ("http://[2606:4700:4700::1111]/", true),
        ("http://example.org:8080/", false),
        ("https://example.org:80/", false),
        ("http://127.0.0.1/", false),
        ("http://0x7f.1/", false),
        ("http://2130706433/", false),
        ("http://017700000001/", false),
        ("http://[::1]/", false),
        ("http://[::ffff:7f00:1]/", false),
        ("http://192.168.1.1/", false),
        ("http://jane@example.org/", false),
        ("ftp://example.org/", false),
    ];
    for (url, is_allowed) in table {
        let parsed = Url::parse(url).expect("valid");
        assert_eq!(bounds.allow(&parsed), is_allowed, "{url}");
    }
}
