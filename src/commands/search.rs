//! `llm2api search`: searches the web as a running instance does it for chats, by gRPC.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use llm2api_proto::v1::{SearchRequest, SearchResponse, SearchStatus};
use serde_json::json;

use super::{
    cookie::print_json,
    instance::{Instance, explain},
    talk,
};
use crate::{cli::SearchOptions, config::Configuration};

/// Searches, and shows what came.
pub(super) fn run(options: SearchOptions, configuration: &Configuration, json: bool) -> ExitCode {
    talk(async move {
        let instance = Instance::connect(configuration).await?;
        let request = SearchRequest {
            query: options.query.join(" "),
            limit: options.limit.unwrap_or_default(),
            language: options.language.unwrap_or_default(),
        };
        let answered = instance.search().search(request).await;
        let response = answered.map_err(explain)?.into_inner();
        if json {
            print_json(&object(&response))?;
        } else {
            io::stdout().write_all(text(&response).as_bytes())?;
            if !response.status_message.is_empty() {
                eprintln!("llm2api: {}", response.status_message);
            }
        }
        Ok(match response.status() {
            SearchStatus::Ok | SearchStatus::Empty => ExitCode::SUCCESS,
            SearchStatus::Blocked | SearchStatus::Failed | SearchStatus::Unspecified => {
                ExitCode::FAILURE
            }
        })
    })
}

/// The results for people, numbered as chats have them.
fn text(response: &SearchResponse) -> String {
    let results: Vec<String> = (1..)
        .zip(&response.results)
        .map(|(number, result)| {
            let mut lines = format!("[{number}] {}\n    {}\n", result.title, result.url);
            if !result.snippet.is_empty() {
                lines.push_str(&format!("    {}\n", result.snippet));
            }
            lines
        })
        .collect();
    results.join("\n")
}

/// The answer for programs.
fn object(response: &SearchResponse) -> serde_json::Value {
    let results: Vec<_> = response
        .results
        .iter()
        .map(|result| json!({"title": result.title, "url": result.url, "snippet": result.snippet}))
        .collect();
    let status = match response.status() {
        SearchStatus::Ok => "ok",
        SearchStatus::Empty => "empty",
        SearchStatus::Blocked => "blocked",
        SearchStatus::Failed => "failed",
        SearchStatus::Unspecified => "unknown",
    };
    json!({"status": status, "status_message": response.status_message, "results": results})
}
