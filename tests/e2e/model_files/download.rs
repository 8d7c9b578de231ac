//! Models that are downloaded.

use std::{fs, process::Stdio};

use bytes::Bytes;
use llm2api_test_support::within;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::process::Child;

use super::{
    DataDir, SHA256_OF_MODEL_0,
    file_server::{FileServer, Reply, Served},
    model,
};

/// The versions of the tests' file, each with the tag of its own.
const TAGS: [&str; 2] = ["\"first\"", "\"second\""];

fn served(number: u8) -> Served {
    Served::tagged(&model(number), TAGS[usize::from(number)])
}

/// Where an interrupted download stops in these tests.
const PART: usize = 100_000;

fn some(texts: &[&str]) -> Vec<Option<String>> {
    texts.iter().map(|text| Some((*text).to_owned())).collect()
}

#[tokio::test]
async fn a_url_is_downloaded_and_its_secrets_are_sent_and_not_shown() {
    let data = DataDir::new();
    let server = FileServer::start([Reply::File(served(0))]).await;
    let url = format!(
        "http://user:pass-word@{}/Tiny.gguf?token=t0ken#f",
        server.address
    );
    let output = data
        .run(&["add", &url, "--sha256", SHA256_OF_MODEL_0, "--json"])
        .await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&output.stdout).unwrap(),
        json!({
            "id": "tiny",
            "path": data.model("Tiny.gguf"),
            "size_bytes": 300_008,
            "sha256": SHA256_OF_MODEL_0,
            "added": true,
        })
    );
    assert_eq!(
        output.stderr,
        format!("llm2api: downloading {}\n", server.url("/Tiny.gguf?…"))
    );
    assert_eq!(fs::read(data.model("Tiny.gguf")).unwrap(), model(0));
    assert_eq!(data.names(), ["Tiny.gguf"]);
    assert_eq!(
        server.requests(&["authorization", "accept-encoding"]),
        [some(&[
            "GET /Tiny.gguf?token=t0ken HTTP/1.1",
            "Basic dXNlcjpwYXNzLXdvcmQ=",
            "identity"
        ])]
    );
}

#[tokio::test]
async fn what_is_there_already_is_not_downloaded() {
    let data = DataDir::new();
    let server = FileServer::start([Reply::File(served(0))]).await;
    let url = server.url("/a.gguf");
    for added in [true, false] {
        let result = data
            .json(&["add", &url, "--sha256", SHA256_OF_MODEL_0])
            .await;
        assert_eq!(result["added"], added);
    }
    assert_eq!(server.requests(&[]).len(), 1);
}

#[tokio::test]
async fn a_download_whose_connection_breaks_goes_on_from_there() {
    let data = DataDir::new();
    let server = FileServer::start([Reply::Cut(served(0), PART), Reply::File(served(0))]).await;
    let url = server.url("/a.gguf");
    let output = data
        .run(&["add", &url, "--sha256", SHA256_OF_MODEL_0])
        .await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.contains("; trying again\n"), "{output:?}");
    assert!(
        output.stderr.contains("going on after 100.0 kB\n"),
        "{output:?}"
    );
    assert_eq!(
        server.requests(&["range", "if-range"]),
        [
            vec![Some("GET /a.gguf HTTP/1.1".to_owned()), None, None],
            some(&["GET /a.gguf HTTP/1.1", "bytes=100000-", TAGS[0]]),
        ]
    );
}

#[tokio::test]
async fn a_date_tells_versions_apart_where_there_is_no_tag() {
    let data = DataDir::new();
    let date = "Tue, 24 Nov 2026 08:00:00 GMT";
    let served = Served {
        validator: Some(("Last-Modified", date)),
        ..served(0)
    };
    let server = FileServer::start([Reply::Cut(served.clone(), PART), Reply::File(served)]).await;
    let url = server.url("/a.gguf");
    data.json(&["add", &url, "--sha256", SHA256_OF_MODEL_0])
        .await;
    assert_eq!(
        server.requests(&["range", "if-range"])[1],
        some(&["GET /a.gguf HTTP/1.1", "bytes=100000-", date])
    );
}

#[tokio::test]
async fn a_server_that_does_not_tell_versions_apart_is_asked_for_the_whole_again() {
    let data = DataDir::new();
    let served = Served {
        validator: None,
        ..served(0)
    };
    let server = FileServer::start([Reply::Cut(served.clone(), PART), Reply::File(served)]).await;
    let url = server.url("/a.gguf");
    data.json(&["add", &url, "--sha256", SHA256_OF_MODEL_0])
        .await;
    let whole = vec![Some("GET /a.gguf HTTP/1.1".to_owned()), None];
    assert_eq!(server.requests(&["range"]), [whole.clone(), whole]);
}

/// Starts a download that comes as far as [`PART`] and no further.
async fn stalled(data: &DataDir, url: &str) -> Child {
    let child = data
        .command(&["add", url])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let unfinished = data.model(".a.gguf.part");
    let is_there = async {
        while fs::metadata(&unfinished).map_or(0, |metadata| metadata.len()) < PART as u64 {
            tokio::task::yield_now().await;
        }
    };
    within("the download to stall", is_there).await;
    child
}

async fn end(mut child: Child, signal: Signal) -> Option<i32> {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    kill_process(id.and_then(Pid::from_raw).unwrap(), signal).unwrap();
    within("the command to end", child.wait())
        .await
        .unwrap()
        .code()
}

#[tokio::test]
async fn the_command_that_was_interrupted_goes_on_when_it_is_given_again() {
    for (signal, code) in [(Signal::INT, Some(130)), (Signal::KILL, None)] {
        let data = DataDir::new();
        let server =
            FileServer::start([Reply::Stalled(served(0), PART), Reply::File(served(0))]).await;
        // Another token, as signed addresses have one each time.
        let child = stalled(&data, &server.url("/a.gguf?token=1")).await;
        assert_eq!(end(child, signal).await, code);
        assert_eq!(data.names(), [".a.gguf.part", ".a.gguf.part.json"]);
        let record = fs::read_to_string(data.model(".a.gguf.part.json")).unwrap();
        assert!(!record.contains("token"), "{record}");

        let result = data.json(&["add", &server.url("/a.gguf?token=2")]).await;
        assert_eq!(result["sha256"], SHA256_OF_MODEL_0);
        assert_eq!(data.names(), ["a.gguf"]);
        assert_eq!(
            server.requests(&["range", "if-range"])[1],
            some(&["GET /a.gguf?token=2 HTTP/1.1", "bytes=100000-", TAGS[0]])
        );
    }
}

#[tokio::test]
async fn a_file_that_changed_meanwhile_begins_anew() {
    let data = DataDir::new();
    let server = FileServer::start([Reply::Stalled(served(1), PART), Reply::File(served(0))]).await;
    let url = server.url("/a.gguf");
    let child = stalled(&data, &url).await;
    end(child, Signal::KILL).await;
    let result = data.json(&["add", &url]).await;
    assert_eq!(result["sha256"], SHA256_OF_MODEL_0);
    assert_eq!(
        server.requests(&["range", "if-range"])[1],
        some(&["GET /a.gguf HTTP/1.1", "bytes=100000-", TAGS[1]])
    );
}

#[tokio::test]
async fn what_came_from_elsewhere_is_not_gone_on_with() {
    let data = DataDir::new();
    let server = FileServer::start([Reply::Stalled(served(1), PART), Reply::File(served(0))]).await;
    let child = stalled(&data, &server.url("/a.gguf")).await;
    end(child, Signal::KILL).await;
    let result = data.json(&["add", &server.url("/b/a.gguf")]).await;
    assert_eq!(result["sha256"], SHA256_OF_MODEL_0);
    assert_eq!(server.requests(&["range"])[1][1], None);
}

#[tokio::test]
async fn two_commands_do_not_write_to_one_file() {
    let data = DataDir::new();
    let server = FileServer::start([Reply::Stalled(served(0), PART)]).await;
    let url = server.url("/a.gguf");
    let _first = stalled(&data, &url).await;
    assert_eq!(
        data.failure(&["add", &url]).await,
        "llm2api: another llm2api is just adding a.gguf"
    );
    assert_eq!(server.requests(&[]).len(), 1);
}

#[tokio::test]
async fn a_download_of_another_checksum_leaves_nothing() {
    let data = DataDir::new();
    let server = FileServer::start([Reply::File(served(0))]).await;
    let url = server.url("/a.gguf");
    let expected = "0".repeat(64);
    let line = data.failure(&["add", &url, "--sha256", &expected]).await;
    assert_eq!(
        line,
        format!(
            "llm2api: {url} has the SHA-256 {SHA256_OF_MODEL_0}, and not {expected}; nothing was changed"
        )
    );
    assert_eq!(data.names(), [""; 0]);
}

#[tokio::test]
async fn a_page_about_a_model_is_told_from_the_model() {
    let data = DataDir::new();
    let page = Served {
        content: Bytes::from("<!DOCTYPE html>".repeat(100)),
        content_type: "text/html; charset=utf-8",
        validator: Some(("ETag", TAGS[0])),
    };
    // The rest would never come.
    let server = FileServer::start([Reply::Stalled(page, 100)]).await;
    let url = server.url("/blob/a.gguf");
    assert_eq!(
        data.failure(&["add", &url]).await,
        format!(
            "llm2api: {url} is not a GGUF file, but a page; take the address of the file itself"
        )
    );
    assert_eq!(data.names(), [""; 0]);
}

#[tokio::test]
async fn a_refusal_is_told_as_it_is() {
    let data = DataDir::new();
    for (status, told) in [
        ("404 Not Found", ": there is no such file"),
        (
            "403 Forbidden",
            ": it is not for everybody; user and password may stand in the URL",
        ),
        ("400 Bad Request", ""),
    ] {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        let server = FileServer::start([Reply::Head(head)]).await;
        let line = data
            .failure(&["add", &server.url("/a.gguf?token=t0ken")])
            .await;
        let url = server.url("/a.gguf?…");
        assert_eq!(line, format!("llm2api: {url} answered {status}{told}"));
        assert_eq!(server.requests(&[]).len(), 1);
    }
    assert_eq!(data.names(), [""; 0]);
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again() {
    let data = DataDir::new();
    let head = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let server = FileServer::start([Reply::Head(head.to_owned()), Reply::File(served(0))]).await;
    let result = data.json(&["add", &server.url("/a.gguf")]).await;
    assert_eq!(result["sha256"], SHA256_OF_MODEL_0);
}

#[tokio::test]
async fn a_redirect_is_followed_and_keys_stay_with_whom_they_are_for() {
    let data = DataDir::new();
    let files = FileServer::start([Reply::Cut(served(0), PART), Reply::File(served(0))]).await;
    let head = format!(
        "HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        files.url("/signed/object?signature=s")
    );
    let hub = FileServer::start([Reply::Head(head)]).await;
    let url = format!("http://user:pass-word@{}/a.gguf", hub.address);
    let result = data.json(&["add", &url]).await;
    assert_eq!(result["id"], "a");
    assert_eq!(result["sha256"], SHA256_OF_MODEL_0);
    let line = "GET /signed/object?signature=s HTTP/1.1";
    assert_eq!(
        files.requests(&["authorization", "range"]),
        [
            vec![Some(line.to_owned()), None, None],
            vec![
                Some(line.to_owned()),
                None,
                Some("bytes=100000-".to_owned())
            ],
        ]
    );
}

#[tokio::test]
async fn a_file_for_which_there_is_no_space_is_not_begun() {
    let data = DataDir::new();
    let head = "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 900000000000000000\r\n\r\n";
    let server = FileServer::start([Reply::Head(head.to_owned())]).await;
    let line = data.failure(&["add", &server.url("/a.gguf")]).await;
    let target = data.model("a.gguf").display().to_string();
    assert!(
        line.starts_with(&format!("llm2api: no space for {target}: "))
            && line.ends_with(" and 900.0 PB are needed"),
        "{line}"
    );
    assert_eq!(data.names(), [""; 0]);
}

#[tokio::test]
async fn a_proxy_leads_everywhere_but_to_this_machine() {
    let data = DataDir::new();
    let proxy = FileServer::start([Reply::File(served(0))]).await;
    let server = FileServer::start([Reply::File(served(0))]).await;
    for url in [
        "http://models.example/a.gguf".to_owned(),
        server.url("/b.gguf"),
    ] {
        let mut command = data.command(&["add", &url]);
        command.env("HTTP_PROXY", format!("http://{}", proxy.address));
        let output = llm2api_test_support::command::run(&mut command).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    assert_eq!(
        proxy.requests(&[]),
        [some(&["GET http://models.example/a.gguf HTTP/1.1"])]
    );
    assert_eq!(server.requests(&[]), [some(&["GET /b.gguf HTTP/1.1"])]);
}
