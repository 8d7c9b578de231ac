//! What was counted of chats.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use sqlx::{SqliteConnection, query, query_as};

use super::time::to_seconds;
use crate::monitor::{Counts, Kept, KeptCounts};

/// For how long the slots of each length are kept, at least: as long as the windows that have them.
const KEPT: [(i64, Duration); 7] = [
    (1, Duration::from_secs(60)),
    (5, Duration::from_secs(60)),
    (60, Duration::from_secs(3600)),
    (300, Duration::from_secs(3600)),
    (900, Duration::from_secs(86_400)),
    (3600, Duration::from_secs(86_400)),
    (86_400, Duration::from_secs(30 * 86_400)),
];

const SAVE: &str = "\
    INSERT INTO chat_count (series, slot_seconds, begins_at, counts_json)
    SELECT
        item.value ->> 'series',
        item.value ->> 'slot_seconds',
        item.value ->> 'begins_at',
        item.value ->> 'counts_json'
    FROM json_each(?1) AS item
    WHERE true
    ON CONFLICT DO UPDATE SET counts_json = excluded.counts_json";

/// Counts as they are handed over.
#[derive(Serialize)]
pub(super) struct CountsOf<'a> {
    series: &'a str,
    slot_seconds: u64,
    begins_at: u64,
    counts_json: String,
}

impl<'a> CountsOf<'a> {
    pub(super) fn new(KeptCounts { series, kept }: &'a KeptCounts) -> Self {
        Self {
            series,
            slot_seconds: kept.slot_seconds,
            begins_at: kept.begins_at,
            counts_json: kept.counts.to_json(),
        }
    }
}

/// Saves [`CountsOf`]s, given as JSON, each in place of what was kept of it before.
///
/// # Errors
///
/// What the database says.
pub(super) async fn save(connection: &mut SqliteConnection, rows: &str) -> sqlx::Result<()> {
    query(SAVE).bind(rows).execute(connection).await?;
    Ok(())
}

/// Reads what is kept. What can't be understood is left out: it is no reason not to start.
///
/// # Errors
///
/// What the database says.
pub(super) async fn load(connection: &mut SqliteConnection) -> sqlx::Result<Vec<KeptCounts>> {
    let rows: Vec<(String, i64, i64, String)> =
        query_as("SELECT series, slot_seconds, begins_at, counts_json FROM chat_count")
            .fetch_all(connection)
            .await?;
    let read = |(series, slot_seconds, begins_at, json): (String, i64, i64, String)| {
        Some(KeptCounts {
            series,
            kept: Kept {
                slot_seconds: slot_seconds.try_into().ok()?,
                begins_at: begins_at.try_into().ok()?,
                counts: Counts::of_json(&json)?,
            },
        })
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

/// Forgets slots that are in no window any more, within a transaction of the caller.
///
/// # Errors
///
/// What the database says.
pub(super) async fn prune(connection: &mut SqliteConnection, now: SystemTime) -> sqlx::Result<()> {
    for (slot_seconds, kept_for) in KEPT {
        // The slot in which the window begins is still in it.
        let oldest = to_seconds(now - kept_for) - slot_seconds;
        query("DELETE FROM chat_count WHERE slot_seconds = ?1 AND begins_at < ?2")
            .bind(slot_seconds)
            .bind(oldest)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
