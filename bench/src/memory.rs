//! What a fresh deployment weighs, idle and with streams held open.

use std::time::Duration;

use anyhow::Result;

use crate::{
    client::Question,
    deployment::{Deployment, Kind, Parts},
    load,
    script::Script,
};

/// Streams held open while the memory is looked at.
pub(crate) const HELD_STREAMS: usize = 1_000;

/// What a deployment weighs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// After its start and one answer.
    pub(crate) idle_bytes: u64,
    /// More than that, for each stream held.
    pub(crate) bytes_per_stream: f64,
}

/// Starts a deployment and weighs it.
///
/// # Errors
///
/// Where it doesn't hold the streams.
pub(crate) async fn weigh(kind: Kind, parts: &Parts) -> Result<Memory> {
    let deployment = Deployment::start(kind, parts).await?;
    let idle_bytes = deployment.memory_bytes()?;
    let question = Question::new(Script::Held, true);
    let held = load::begin_streams(deployment.address, &question, HELD_STREAMS).await?;
    // What beginning them took for a moment may go.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let held_bytes = deployment.memory_bytes()?;
    drop(held);
    Ok(Memory {
        idle_bytes,
        bytes_per_stream: held_bytes.saturating_sub(idle_bytes) as f64 / HELD_STREAMS as f64,
    })
}
