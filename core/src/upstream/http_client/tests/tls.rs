//! Requests over TLS, against a server with a certificate of its own making.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use rcgen::{CertificateParams, CertifiedKey, DnType, KeyPair};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::{
    super::{super::FailureKind, Failure, HttpClients, tls},
    config, upstream_at,
};

/// A server at `localhost` that lives as long as this, and answers each request with "hi".
struct TlsServer {
    port: u16,
    _tasks: JoinSet<()>,
}

impl TlsServer {
    async fn start(identity: &CertifiedKey<KeyPair>) -> Self {
        let key = PrivatePkcs8KeyDer::from(identity.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("known versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate(identity)], PrivateKeyDer::Pkcs8(key))
            .expect("a key for the certificate");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\nhello") {
                    if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                        break;
                    }
                }
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
            }
        });
        Self {
            port,
            _tasks: tasks,
        }
    }
}

/// A certificate for `localhost` that its own key has signed.
fn identity(name: &str) -> CertifiedKey<KeyPair> {
    let signing_key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    params.distinguished_name.push(DnType::CommonName, name);
    let cert = params.self_signed(&signing_key).expect("a certificate");
    CertifiedKey { cert, signing_key }
}

fn certificate(identity: &CertifiedKey<KeyPair>) -> CertificateDer<'static> {
    identity.cert.der().clone()
}

/// Posts to the server, and returns the answer's body.
async fn post(server: &TlsServer, trusted: CertificateDer<'static>) -> Result<Bytes, Failure> {
    let upstream = upstream_at(&format!("https://localhost:{}", server.port));
    let tls = tls::config([trusted]).expect("a certificate to trust");
    let clients = HttpClients::with(&upstream.url, &config(), None, Some(Arc::new(tls)))
        .expect("a good address");
    let target = clients.target(upstream.url.clone()).expect("a good URL");
    let body = Bytes::from_static(b"hello");
    let response = clients
        .call(Method::POST, &target, None, HeaderMap::new(), body)
        .await?;
    assert_eq!(response.status(), StatusCode::OK);
    match response.into_body().collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => Err(clients.failure(&error)),
    }
}

#[tokio::test]
async fn a_certificate_that_is_trusted_is_good() {
    let identity = identity("ours");
    let server = TlsServer::start(&identity).await;
    let answer = post(&server, certificate(&identity)).await;
    assert_eq!(answer, Ok(Bytes::from_static(b"hi")));
}

#[tokio::test]
async fn a_certificate_of_unknown_origin_is_refused() {
    let server = TlsServer::start(&identity("theirs")).await;
    let answer = post(&server, certificate(&identity("ours"))).await;
    let message = format!(
        "localhost:{} can't be reached: TLS failed, invalid peer certificate: UnknownIssuer",
        server.port
    );
    assert_eq!(answer, Err(Failure::new(FailureKind::Unavailable, message)));
}
