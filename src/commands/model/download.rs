//! Downloads that go on where they were interrupted, as HTTP's ranges let them (RFC 9110, section 14).

mod answer;
mod client;

use std::{error::Error, time::Duration};

use anyhow::{Context, anyhow};
use reqwest::{
    Client, Response,
    header::{ACCEPT_ENCODING, CONTENT_TYPE, IF_RANGE, RANGE},
};
use url::Url;

use self::answer::{Answer, Head};
pub(super) use self::client::client;
use super::{
    checksum::Sha256,
    progress::Progress,
    quantity::size,
    source::shown,
    unfinished::{Unfinished, Version},
};

/// Times that a download which gets no further is tried again.
const RETRIES: u32 = 4;

/// Until the second retry; the first comes at once, each later one after twice the time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Why an attempt ended.
enum Failure {
    /// Another may do better.
    Passing(anyhow::Error),
    /// No other will.
    Lasting(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    /// What fails on this machine fails again.
    fn from(error: anyhow::Error) -> Self {
        Self::Lasting(error)
    }
}

/// Downloads a file, going on after what is there of the same version of it.
///
/// # Errors
///
/// Why that failed, without the URL's secrets. What came is kept where another run can go on with it.
pub(super) async fn download(
    client: &Client,
    url: &Url,
    unfinished: &mut Unfinished,
    progress: &mut Progress,
) -> anyhow::Result<()> {
    let mut failures = 0;
    loop {
        let length_before = unfinished.length();
        let failure = match attempt(client, url, unfinished, progress).await {
            Ok(()) => return Ok(()),
            Err(Failure::Lasting(error)) => return Err(error),
            Err(Failure::Passing(error)) => error,
        };
        if unfinished.length() > length_before {
            failures = 0;
        }
        if failures == RETRIES {
            return Err(match unfinished.length() {
                0 => failure,
                length => failure.context(format!(
                    "stopped after {}; the same command goes on from there",
                    size(length)
                )),
            });
        }
        progress.note(&format!("{failure:#}; trying again"));
        if failures > 0 {
            tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(failures - 1)).await;
        }
        failures += 1;
    }
}

/// Asks once for what is missing, and takes what comes.
async fn attempt(
    client: &Client,
    url: &Url,
    unfinished: &mut Unfinished,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let source = source(url);
    let known = unfinished
        .version()
        .filter(|version| version.source == source && unfinished.length() > 0);
    let is_complete = |known: &Version| known.total_bytes == Some(unfinished.length());
    if known.as_ref().is_some_and(is_complete) {
        return Ok(());
    }
    // Compressed, the bytes of a range would not be those of the file.
    let mut request = client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
    if let Some(known) = &known {
        request = request
            .header(RANGE, format!("bytes={}-", unfinished.length()))
            .header(IF_RANGE, &known.validator);
    }
    let response = request.send().await.map_err(|error| broken(url, &error))?;
    let head = Head::of(&response);
    match head.answer(unfinished.length()) {
        Answer::Rest { total_bytes } if known.is_some() => {
            progress.note(&format!("going on after {}", size(unfinished.length())));
            unfinished.check_room(total_bytes - unfinished.length())?;
            unfinished.go_on()?;
            progress.begin("downloading", unfinished.length(), Some(total_bytes));
        }
        Answer::Whole { total_bytes } => {
            if known.is_some() {
                progress.note("the server sends the file from its beginning");
            }
            let version = head.validator.map(|validator| Version {
                source,
                validator,
                total_bytes,
            });
            // What an earlier version takes is free again before it is asked how much is.
            unfinished.begin(None)?;
            unfinished.check_room(total_bytes.unwrap_or(0))?;
            unfinished.begin(version.as_ref())?;
            progress.begin("downloading", 0, total_bytes);
        }
        Answer::Rest { .. } | Answer::OtherRange => {
            unfinished.begin(None)?;
            let problem = anyhow!("{} sent another part than was asked for", shown(url));
            return Err(Failure::Passing(problem));
        }
        Answer::Failed { may_pass, hint } => {
            let problem = anyhow!("{} answered {}{hint}", shown(url), head.status);
            return Err(match may_pass {
                true => Failure::Passing(problem),
                false => Failure::Lasting(problem),
            });
        }
    }
    take(response, url, unfinished, progress).await
}

/// Writes what comes, to its end.
async fn take(
    mut response: Response,
    url: &Url,
    unfinished: &mut Unfinished,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let is_page = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let mut is_checked = false;
    while let Some(bytes) = response
        .chunk()
        .await
        .map_err(|error| broken(url, &error))?
    {
        unfinished.write(&bytes)?;
        progress.advance(bytes.len() as u64);
        if !std::mem::replace(&mut is_checked, true) {
            // Before the other gigabytes come.
            let hint = match is_page {
                true => ", but a page; take the address of the file itself",
                false => "",
            };
            let checked = unfinished.check_head().context("can't read what came")?;
            checked.map_err(|problem| anyhow!("{} {problem}{hint}", shown(url)))?;
        }
    }
    match progress.total_bytes() {
        Some(total_bytes) if unfinished.length() != total_bytes => Err(Failure::Passing(anyhow!(
            "{} ended after {} of {}",
            shown(url),
            size(unfinished.length()),
            size(total_bytes)
        ))),
        _ => Ok(()),
    }
}

/// The checksum of an address, which is the same with another token.
fn source(url: &Url) -> String {
    Sha256::of_text(&shown(url)).to_string()
}

/// What became of a connection. reqwest's own text is not used: it holds the whole URL.
fn broken(url: &Url, error: &reqwest::Error) -> Failure {
    let mut reason = None;
    let mut source = error.source();
    while let Some(cause) = source {
        reason = Some(cause.to_string());
        source = cause.source();
    }
    let shown = shown(url);
    let reason = reason.unwrap_or_else(|| "the reason is not known".to_owned());
    if error.is_redirect() {
        return Failure::Lasting(anyhow!("{shown} leads elsewhere: {reason}"));
    }
    if error.is_builder() {
        return Failure::Lasting(anyhow!("{shown} can't be asked for: {reason}"));
    }
    Failure::Passing(if error.is_timeout() {
        anyhow!("{shown} did not answer in time")
    } else if error.is_connect() {
        anyhow!("{shown} can't be reached: {reason}")
    } else {
        anyhow!("the connection to {shown} broke: {reason}")
    })
}
