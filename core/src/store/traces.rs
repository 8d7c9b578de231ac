//! The traces of chats: written with all other changes, read by a connection of their own.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use opentelemetry::trace::TraceId;
use sqlx::{ConnectOptions, FromRow, QueryBuilder, Sqlite, SqliteConnection, query, query_as};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

use super::{StoreError, database, time::to_micros};
use crate::monitor::KeptTrace;

/// Traces of the usual kind that are kept: the newest.
const USUAL_KEPT: i64 = 2_000;
/// Traces that failed or were slow that are kept: the newest.
const LASTING_KEPT: i64 = 5_000;
/// For how long any is kept, in microseconds.
const KEPT_FOR: i64 = 7 * 86_400 * 1_000_000;

/// Saves traces, and spans of others where those are kept.
///
/// # Errors
///
/// What the database says.
pub(super) async fn save(
    connection: &mut SqliteConnection,
    traces: &[KeptTrace],
    late_spans: &[(TraceId, String)],
) -> sqlx::Result<()> {
    for trace in traces {
        let id = trace.id.to_bytes();
        // A client may send two requests as part of one trace: the later one is listed, and the spans are of both.
        query(
            "INSERT INTO trace VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET \
             started_at = excluded.started_at, duration_seconds = excluded.duration_seconds, \
             status = excluded.status, model = excluded.model, summary_json = excluded.summary_json",
        )
        .bind(&id[..])
        .bind(trace.started_at)
        .bind(trace.duration_seconds)
        .bind(trace.status)
        .bind(&trace.model)
        .bind(trace.is_lasting)
        .bind(&trace.summary_json)
        .execute(&mut *connection)
        .await?;
        for span in &trace.spans_json {
            query("INSERT INTO trace_span VALUES (?1, ?2)")
                .bind(&id[..])
                .bind(span)
                .execute(&mut *connection)
                .await?;
        }
    }
    for (id, span) in late_spans {
        query("INSERT INTO trace_span SELECT id, ?2 FROM trace WHERE id = ?1")
            .bind(&id.to_bytes()[..])
            .bind(span)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Forgets old traces, within a transaction of the caller.
///
/// # Errors
///
/// What the database says.
pub(super) async fn prune(connection: &mut SqliteConnection, now: SystemTime) -> sqlx::Result<()> {
    query("DELETE FROM trace WHERE started_at < ?1")
        .bind(to_micros(now) - KEPT_FOR)
        .execute(&mut *connection)
        .await?;
    for (is_lasting, kept) in [(false, USUAL_KEPT), (true, LASTING_KEPT)] {
        query(
            "DELETE FROM trace WHERE is_lasting = ?1 AND started_at <= (\
                 SELECT started_at FROM trace WHERE is_lasting = ?1 \
                 ORDER BY started_at DESC LIMIT 1 OFFSET ?2)",
        )
        .bind(is_lasting)
        .bind(kept)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Reads traces that are kept. Its connection, with a thread and memory of its own, is made when somebody first looks at one.
#[derive(Debug)]
pub(crate) struct TraceReader {
    file: PathBuf,
    connection: Mutex<Option<SqliteConnection>>,
}

/// Which traces to list.
#[derive(Debug, Clone, Default)]
pub(crate) struct TraceFilter {
    /// Only those that are older than this one.
    pub(crate) after: Option<TraceId>,
    /// Only those that ended so. Empty: any.
    pub(crate) status: String,
    /// Only those of this model. Empty: any.
    pub(crate) model: String,
    /// Only those that took so long, in seconds.
    pub(crate) min_seconds: f64,
    /// At most so many.
    pub(crate) limit: i64,
}

/// A trace as it is kept.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub(crate) struct StoredTrace {
    id: Vec<u8>,
    /// In microseconds since 1970.
    pub(crate) started_at: i64,
    pub(crate) duration_seconds: f64,
    pub(crate) status: String,
    pub(crate) model: String,
    pub(crate) summary_json: String,
}

impl StoredTrace {
    /// Its id, in hexadecimal digits.
    pub(crate) fn id(&self) -> String {
        let bytes = <[u8; 16]>::try_from(self.id.as_slice()).unwrap_or_default();
        TraceId::from_bytes(bytes).to_string()
    }
}

const COLUMNS: &str =
    "SELECT id, started_at, duration_seconds, status, model, summary_json FROM trace";

impl TraceReader {
    /// Reads this database.
    pub(crate) fn new(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            connection: Mutex::new(None),
        }
    }

    async fn connection(&self) -> Result<MappedMutexGuard<'_, SqliteConnection>, StoreError> {
        let mut guard = self.connection.lock().await;
        if guard.is_none() {
            let options = database::options(&self.file)?.read_only(true);
            let connected = options.connect().await;
            *guard = Some(connected.map_err(|error| self.failure(error))?);
        }
        MutexGuard::try_map(guard, Option::as_mut).map_err(|_| StoreError::Closed)
    }

    fn failure(&self, error: sqlx::Error) -> StoreError {
        StoreError::database(&self.file, error)
    }

    /// Lists traces, the newest first.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub(crate) async fn list(&self, filter: &TraceFilter) -> Result<Vec<StoredTrace>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(COLUMNS);
        query.push(" WHERE duration_seconds >= ");
        query.push_bind(filter.min_seconds);
        for (column, value) in [
            (" AND status = ", &filter.status),
            (" AND model = ", &filter.model),
        ] {
            if !value.is_empty() {
                query.push(column).push_bind(value);
            }
        }
        if let Some(after) = filter.after {
            query
                .push(" AND (started_at, id) < (SELECT started_at, id FROM trace WHERE id = ")
                .push_bind(after.to_bytes().to_vec())
                .push(")");
        }
        query
            .push(" ORDER BY started_at DESC, id DESC LIMIT ")
            .push_bind(filter.limit);
        let mut connection = self.connection().await?;
        let listed = query.build_query_as().fetch_all(&mut *connection).await;
        listed.map_err(|error| self.failure(error))
    }

    /// One trace, and its spans as JSON. `None`: it isn't kept.
    ///
    /// # Errors
    ///
    /// What the database says.
    pub(crate) async fn get(
        &self,
        id: TraceId,
    ) -> Result<Option<(StoredTrace, Vec<String>)>, StoreError> {
        let id = id.to_bytes();
        let mut connection = self.connection().await?;
        let mut query = QueryBuilder::<Sqlite>::new(COLUMNS);
        query.push(" WHERE id = ").push_bind(id.to_vec());
        let trace = query
            .build_query_as()
            .fetch_optional(&mut *connection)
            .await
            .map_err(|error| self.failure(error))?;
        let Some(trace) = trace else { return Ok(None) };
        let spans: Vec<(String,)> =
            query_as("SELECT span_json FROM trace_span WHERE trace_id = ?1")
                .bind(&id[..])
                .fetch_all(&mut *connection)
                .await
                .map_err(|error| self.failure(error))?;
        Ok(Some((
            trace,
            spans.into_iter().map(|(span,)| span).collect(),
        )))
    }
}
