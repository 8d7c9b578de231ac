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
    let response = tokio::select! {
        response = sender.send_request(request) => response?,
        closed = connection => {
            closed?;
            bail!("{address} closed the connection without an answer");
        }
    };
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
