//! `llm2api healthcheck`: asks the instance on this machine how it is.

use std::{
    io::{self, ErrorKind, Write},
    net::SocketAddr,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, bail};
use http::{Request, StatusCode, header::HOST};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};
use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{failure, on_a_runtime};
use crate::{
    cli::HealthcheckOptions,
    config::{Configuration, Role, reachable},
};

/// For how long an answer may take; a container's health check is given more.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Asks, and tells by the exit code what came.
pub(super) fn run(
    options: &HealthcheckOptions,
    configuration: &Configuration,
    json: bool,
) -> ExitCode {
    let check = async {
        let checked = timeout(ANSWER_TIMEOUT, check(options.ready, configuration));
        checked.await.context("no answer in time")?
    };
    match on_a_runtime(check) {
        Err(error) => failure(&error),
        Ok(asked) => {
            let text = if json {
                serde_json::json!({ "status": "ok", "asked": asked }).to_string()
            } else {
                format!("ok: {asked}")
            };
            // A reader that went away has the exit code.
            let _ = writeln!(io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
    }
}

/// Asks by HTTP, else by gRPC; returns what was asked.
async fn check(ready: bool, configuration: &Configuration) -> anyhow::Result<String> {
    let http = reachable(configuration.settings.listen);
    match TcpStream::connect(http).await {
        Ok(connection) => {
            let path = if ready { "/readyz" } else { "/healthz" };
            ask_http(connection, http, path).await?;
            Ok(format!("http://{http}{path}"))
        }
        Err(refused) if refused.kind() == ErrorKind::ConnectionRefused => {
            // As a core alone listens, unless told otherwise; on this machine it comes to the same.
            let grpc = configuration.grpc_address(Role::Serve).ok().flatten();
            let Some(grpc) = grpc.map(reachable) else {
                bail!("nothing listens at {http} (LISTEN), and GRPC_LISTEN is off");
            };
            ask_grpc(grpc, ready).await.with_context(|| {
                format!("nothing listens at {http} (LISTEN); gRPC at {grpc} (GRPC_LISTEN)")
            })?;
            Ok(format!("grpc.health.v1 at {grpc}"))
        }
        Err(error) => Err(error).with_context(|| format!("can't connect to {http} (LISTEN)")),
    }
}

async fn ask_http(connection: TcpStream, address: SocketAddr, path: &str) -> anyhow::Result<()> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(connection)).await?;
    let request = Request::get(path)
        .header(HOST, address.to_string())
        .body(String::new())?;
    let response = sender.send_request(request);
    tokio::pin!(response);
    let response = tokio::select! {
        response = &mut response => response,
        // It may have ended with the answer as well as without.
        _ = connection => response.await,
    }
    .with_context(|| format!("http://{address}{path} does not answer"))?;
    match response.status() {
        StatusCode::OK => Ok(()),
        status => bail!("http://{address}{path} answers {status}"),
    }
}

async fn ask_grpc(address: SocketAddr, ready: bool) -> anyhow::Result<()> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?
        .connect()
        .await?;
    let answer = HealthClient::new(channel)
        .check(HealthCheckRequest::default())
        .await?;
    // Whoever answers is alive; whether it is ready is what it says.
    match answer.into_inner().status() {
        ServingStatus::Serving => Ok(()),
        _ if !ready => Ok(()),
        status => bail!("the core is {}", status.as_str_name()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };
    use tonic::transport::{Server, server::TcpIncoming};
    use tonic_health::server::health_reporter;

    use super::*;
    use crate::config::Environment;

    async fn listener() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").await.unwrap()
    }

    /// An address at which nothing listens.
    async fn deserted() -> String {
        listener().await.local_addr().unwrap().to_string()
    }

    fn configuration(listen: &str, grpc_listen: &str) -> Configuration {
        let environment = Environment::from([
            ("LISTEN".to_owned(), listen.to_owned()),
            ("GRPC_LISTEN".to_owned(), grpc_listen.to_owned()),
        ]);
        Configuration::load(&environment, None).unwrap()
    }

    /// Answers one request with this status; returns the request's first line.
    async fn answer(listener: TcpListener, status: &str) -> String {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(connection.read_u8().await.unwrap());
        }
        let response = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        connection.write_all(response.as_bytes()).await.unwrap();
        let request = String::from_utf8(request).unwrap();
        request.lines().next().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn an_instance_is_asked_where_it_listens() {
        for (ready, path) in [(false, "/healthz"), (true, "/readyz")] {
            let listener = listener().await;
            let address = listener.local_addr().unwrap();
            let port = format!("0.0.0.0:{}", address.port());
            let configuration = configuration(&port, "off");
            let (checked, request) =
                tokio::join!(check(ready, &configuration), answer(listener, "200 OK"));
            assert_eq!(checked.unwrap(), format!("http://{address}{path}"));
            assert_eq!(request, format!("GET {path} HTTP/1.1"));
        }
    }

    #[tokio::test]
    async fn an_instance_that_is_not_ready_is_told_by_its_answer() {
        let listener = listener().await;
        let address = listener.local_addr().unwrap().to_string();
        let configuration = configuration(&address, "off");
        let (checked, _) = tokio::join!(
            check(true, &configuration),
            answer(listener, "503 Service Unavailable")
        );
        assert_eq!(
            checked.unwrap_err().to_string(),
            format!("http://{address}/readyz answers 503 Service Unavailable")
        );
    }

    #[tokio::test]
    async fn a_core_alone_is_asked_by_grpc() {
        let listener = listener().await;
        let address = listener.local_addr().unwrap().to_string();
        let (reporter, service) = health_reporter();
        let server = Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpIncoming::from(listener));
        let configuration = configuration(&deserted().await, &address);
        let checks = async {
            let asked = format!("grpc.health.v1 at {address}");
            assert_eq!(check(true, &configuration).await.unwrap(), asked);
            reporter
                .set_service_status("", tonic_health::ServingStatus::NotServing)
                .await;
            assert_eq!(check(false, &configuration).await.unwrap(), asked);
            let error = check(true, &configuration).await.unwrap_err();
            assert_eq!(error.root_cause().to_string(), "the core is NOT_SERVING");
        };
        tokio::select! {
            () = checks => {}
            ended = server => panic!("{ended:?}"),
        }
    }

    #[tokio::test]
    async fn where_nothing_listens_both_settings_are_named() {
        let (http, grpc) = (deserted().await, deserted().await);
        assert_eq!(
            check(false, &configuration(&http, &grpc))
                .await
                .unwrap_err()
                .to_string(),
            format!("nothing listens at {http} (LISTEN); gRPC at {grpc} (GRPC_LISTEN)")
        );
        assert_eq!(
            check(false, &configuration(&http, "off"))
                .await
                .unwrap_err()
                .to_string(),
            format!("nothing listens at {http} (LISTEN), and GRPC_LISTEN is off")
        );
    }
}
