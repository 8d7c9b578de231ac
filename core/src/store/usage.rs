//! What was done with credentials, by the hour, and after some days by the day.

use std::time::SystemTime;

use sqlx::{SqliteConnection, query};

use super::time::to_micros;

const HOUR_MICROS: i64 = 3600 * 1_000_000;
const DAY_MICROS: i64 = 24 * HOUR_MICROS;
/// For how long hours are told apart: whoever looks for what went wrong last week finds the hour.
const HOURS_KEPT_MICROS: i64 = 8 * DAY_MICROS;
/// For how long days are kept: a year can be compared with the one before.
const DAYS_KEPT_MICROS: i64 = 400 * DAY_MICROS;

/// The hour, in UTC, in which an instant lies.
pub(super) fn hour_of(time: SystemTime) -> i64 {
    let micros = to_micros(time);
    micros - micros % HOUR_MICROS
}

/// Sums old hours up to days, and forgets old days, within a transaction of the caller.
///
/// # Errors
///
/// What the database says.
pub(super) async fn prune(connection: &mut SqliteConnection, now: SystemTime) -> sqlx::Result<()> {
    let now = to_micros(now);
    // Whole days only: a day that is summed up is over.
    let first_hour = (now - HOURS_KEPT_MICROS) / DAY_MICROS * DAY_MICROS;
    query(
        "INSERT INTO credential_usage (credential_id, span, begins_at, requests, failures)
         SELECT credential_id, 'day', begins_at / ?2 * ?2 AS day, sum(requests), sum(failures)
         FROM credential_usage WHERE span = 'hour' AND begins_at < ?1
         GROUP BY credential_id, day
         ON CONFLICT DO UPDATE SET
             requests = requests + excluded.requests,
             failures = failures + excluded.failures",
    )
    .bind(first_hour)
    .bind(DAY_MICROS)
    .execute(&mut *connection)
    .await?;
    query("DELETE FROM credential_usage WHERE span = 'hour' AND begins_at < ?1")
        .bind(first_hour)
        .execute(&mut *connection)
        .await?;
    query("DELETE FROM credential_usage WHERE span = 'day' AND begins_at < ?1")
        .bind(now - DAYS_KEPT_MICROS)
        .execute(connection)
        .await?;
    Ok(())
}
