//! What can be changed, and the SQL that does it. Secrets are sealed before they come here.

use opentelemetry::trace::TraceId;
use serde::Serialize;
use sqlx::{SqliteConnection, query, query_scalar};

use super::{
    Added, Adding, client_keys::KeyChange, counts, standing_columns::StandingColumns, traces,
};
use crate::{monitor::KeptTrace, pool::CredentialId};

/// A change.
#[derive(Debug)]
pub(super) enum Change {
    /// A credential that may be new.
    AddCredential(Box<NewCredential>, Adding),
    /// What people decide of a credential.
    NoteDecision {
        id: i64,
        is_disabled: bool,
        label: String,
    },
    /// A credential leaves, and is remembered or not.
    RemoveCredential { id: i64, leaves_tombstone: bool },
    /// A credential's secret is another now, its fingerprint the same.
    ReplaceSecret {
        id: i64,
        upstream: String,
        sealed: Vec<u8>,
    },
    /// What upstreams think of credentials: [`StandingOf`]s as JSON.
    SaveStandings(String),
    /// What was done with credentials, in all: [`UsageOf`]s as JSON.
    SaveUsage(String),
    /// What was counted of chats: [`CountsOf`](super::counts::CountsOf)s as JSON.
    SaveCounts(String),
    /// Traces, and spans of traces that may be kept.
    SaveTraces {
        traces: Vec<KeptTrace>,
        late_spans: Vec<(TraceId, String)>,
    },
    /// An upstream that is new, or set up otherwise now.
    PutUpstream { name: String, sealed: Vec<u8> },
    /// An upstream leaves, with all that belongs to it.
    RemoveUpstream { name: String },
    /// An upstream's models.
    SaveModels {
        upstream: String,
        models_json: String,
    },
    /// A conversation that is to be deleted one day.
    BeginConversation {
        upstream: String,
        id: String,
        sealed: Vec<u8>,
    },
    /// A conversation that is deleted.
    EndConversation { upstream: String, id: String },
    /// What signs authorization codes.
    SaveSigningKey { sealed: Vec<u8> },
    /// An authorization code that is new.
    AddCode {
        id: String,
        claims_json: String,
        is_own: bool,
    },
    /// Whether an authorization code is revoked, and since when.
    RevokeCode { id: String, revoked_at: Option<i64> },
    /// The last good answer about an authorization code; there may be none any more.
    SaveAuthorizationAnswer { sealed: Option<Vec<u8>> },
    /// Of client keys, or what is counted of whoever has limits.
    Key(KeyChange),
}

/// A credential's row, as it is added.
#[derive(Debug)]
pub(super) struct NewCredential {
    pub(super) id: i64,
    pub(super) upstream: String,
    pub(super) fingerprint: Vec<u8>,
    pub(super) sealed: Vec<u8>,
    pub(super) source: &'static str,
    pub(super) label: String,
    pub(super) is_disabled: bool,
    pub(super) standing: StandingColumns,
    pub(super) added_at: i64,
    pub(super) last_checked_at: Option<i64>,
    pub(super) requests: i64,
    pub(super) failures: i64,
    pub(super) last_error: String,
    pub(super) last_used_at: Option<i64>,
}

/// What an upstream thinks of a credential.
#[derive(Debug, Serialize)]
pub(super) struct StandingOf {
    pub(super) id: i64,
    #[serde(flatten)]
    pub(super) standing: StandingColumns,
    pub(super) last_checked_at: Option<i64>,
}

/// What was done with a credential, in all.
#[derive(Debug, Serialize)]
pub(super) struct UsageOf {
    pub(super) id: i64,
    pub(super) requests: i64,
    pub(super) failures: i64,
    pub(super) last_error: String,
    pub(super) last_used_at: Option<i64>,
}

impl Change {
    /// Makes the change. What an addition came to; of others `None`.
    ///
    /// # Errors
    ///
    /// What the database says; the caller undoes what was done by then.
    pub(super) async fn apply(
        &self,
        connection: &mut SqliteConnection,
    ) -> sqlx::Result<Option<Added>> {
        match self {
            Self::AddCredential(credential, adding) => {
                return credential.add(*adding, connection).await.map(Some);
            }
            Self::NoteDecision {
                id,
                is_disabled,
                label,
            } => {
                query("UPDATE credential SET is_disabled = ?2, label = ?3 WHERE id = ?1")
                    .bind(id)
                    .bind(is_disabled)
                    .bind(label)
                    .execute(connection)
                    .await?;
            }
            Self::RemoveCredential {
                id,
                leaves_tombstone,
            } => remove_credential(*id, *leaves_tombstone, connection).await?,
            Self::ReplaceSecret {
                id,
                upstream,
                sealed,
            } => {
                query("UPDATE credential SET sealed = ?3 WHERE id = ?1 AND upstream = ?2")
                    .bind(id)
                    .bind(upstream)
                    .bind(sealed)
                    .execute(connection)
                    .await?;
            }
            Self::SaveStandings(standings) => {
                query(SAVE_STANDINGS)
                    .bind(standings)
                    .execute(connection)
                    .await?;
            }
            Self::SaveUsage(usages) => {
                query(SAVE_USAGE).bind(usages).execute(connection).await?;
            }
            Self::SaveCounts(rows) => counts::save(connection, rows).await?,
            Self::SaveTraces { traces, late_spans } => {
                traces::save(connection, traces, late_spans).await?;
            }
            Self::PutUpstream { name, sealed } => {
                query(
                    "INSERT INTO upstream (name, sealed) VALUES (?1, ?2) \
                     ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed",
                )
                .bind(name)
                .bind(sealed)
                .execute(connection)
                .await?;
            }
            Self::RemoveUpstream { name } => {
                for statement in REMOVE_UPSTREAM {
                    query(statement)
                        .bind(name)
                        .execute(&mut *connection)
                        .await?;
                }
            }
            Self::SaveModels {
                upstream,
                models_json,
            } => {
                query("INSERT OR REPLACE INTO model_list (upstream, models_json) VALUES (?1, ?2)")
                    .bind(upstream)
                    .bind(models_json)
                    .execute(connection)
                    .await?;
            }
            Self::BeginConversation {
                upstream,
                id,
                sealed,
            } => {
                query("INSERT OR REPLACE INTO conversation (upstream, id, sealed) VALUES (?1, ?2, ?3)")
                    .bind(upstream)
                    .bind(id)
                    .bind(sealed)
                    .execute(connection)
                    .await?;
            }
            Self::Key(change) => change.apply(connection).await?,
            Self::EndConversation { upstream, id } => {
                query("DELETE FROM conversation WHERE upstream = ?1 AND id = ?2")
                    .bind(upstream)
                    .bind(id)
                    .execute(connection)
                    .await?;
            }
            Self::SaveSigningKey { sealed } => {
                query("INSERT INTO signing_key (only_row, sealed) VALUES (1, ?1)")
                    .bind(sealed)
                    .execute(connection)
                    .await?;
            }
            Self::AddCode {
                id,
                claims_json,
                is_own,
            } => {
                query("INSERT INTO issued_code (id, claims_json, is_own) VALUES (?1, ?2, ?3)")
                    .bind(id)
                    .bind(claims_json)
                    .bind(is_own)
                    .execute(connection)
                    .await?;
            }
            Self::RevokeCode { id, revoked_at } => {
                query("UPDATE issued_code SET revoked_at = ?2 WHERE id = ?1")
                    .bind(id)
                    .bind(revoked_at)
                    .execute(connection)
                    .await?;
            }
            Self::SaveAuthorizationAnswer { sealed: None } => {
                query("DELETE FROM authorization_answer")
                    .execute(connection)
                    .await?;
            }
            Self::SaveAuthorizationAnswer {
                sealed: Some(sealed),
            } => {
                query(
                    "INSERT OR REPLACE INTO authorization_answer (only_row, sealed) VALUES (1, ?1)",
                )
                .bind(sealed)
                .execute(connection)
                .await?;
            }
        }
        Ok(None)
    }
}

/// One statement for many: ten thousand credentials must not be ten thousand round trips, while a chat waits for its turn.
const SAVE_STANDINGS: &str = "\
    UPDATE credential SET
        state = item.value ->> 'state',
        state_reason = item.value ->> 'state_reason',
        cooling_until = item.value ->> 'cooling_until',
        proof = item.value ->> 'proof',
        quota_streak = item.value ->> 'quota_streak',
        last_checked_at = item.value ->> 'last_checked_at'
    FROM json_each(?1) AS item
    WHERE credential.id = item.value ->> 'id'";

const SAVE_USAGE: &str = "\
    UPDATE credential SET
        requests = item.value ->> 'requests',
        failures = item.value ->> 'failures',
        last_error = item.value ->> 'last_error',
        last_used_at = item.value ->> 'last_used_at'
    FROM json_each(?1) AS item
    WHERE credential.id = item.value ->> 'id'";

const REMOVE_UPSTREAM: [&str; 5] = [
    "DELETE FROM credential WHERE upstream = ?1",
    "DELETE FROM removed_credential WHERE upstream = ?1",
    "DELETE FROM conversation WHERE upstream = ?1",
    "DELETE FROM model_list WHERE upstream = ?1",
    "DELETE FROM upstream WHERE name = ?1",
];

impl NewCredential {
    async fn add(&self, adding: Adding, connection: &mut SqliteConnection) -> sqlx::Result<Added> {
        let known: Option<i64> = query_scalar("SELECT id FROM credential WHERE fingerprint = ?1")
            .bind(&self.fingerprint)
            .fetch_optional(&mut *connection)
            .await?;
        if let Some(id) = known {
            return Ok(Added::There(CredentialId::from_bits(id)));
        }
        match adding {
            Adding::UnlessRemoved => {
                let removed = query("SELECT 1 FROM removed_credential WHERE fingerprint = ?1")
                    .bind(&self.fingerprint)
                    .fetch_optional(&mut *connection)
                    .await?;
                if removed.is_some() {
                    return Ok(Added::WasRemoved);
                }
            }
            Adding::ByHand => {
                query("DELETE FROM removed_credential WHERE fingerprint = ?1")
                    .bind(&self.fingerprint)
                    .execute(&mut *connection)
                    .await?;
            }
            Adding::Configured => {}
        }
        query(
            "INSERT INTO credential (
                id, upstream, fingerprint, sealed, source, label, is_disabled,
                state, state_reason, cooling_until, proof, quota_streak,
                added_at, last_checked_at, requests, failures, last_error, last_used_at
            ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(self.id)
        .bind(&self.upstream)
        .bind(&self.fingerprint)
        .bind(&self.sealed)
        .bind(self.source)
        .bind(&self.label)
        .bind(self.is_disabled)
        .bind(&self.standing.state)
        .bind(&self.standing.state_reason)
        .bind(self.standing.cooling_until)
        .bind(&self.standing.proof)
        .bind(self.standing.quota_streak)
        .bind(self.added_at)
        .bind(self.last_checked_at)
        .bind(self.requests)
        .bind(self.failures)
        .bind(&self.last_error)
        .bind(self.last_used_at)
        .execute(connection)
        .await?;
        Ok(Added::New)
    }
}

async fn remove_credential(
    id: i64,
    leaves_tombstone: bool,
    connection: &mut SqliteConnection,
) -> sqlx::Result<()> {
    if leaves_tombstone {
        query(
            "INSERT OR IGNORE INTO removed_credential (fingerprint, upstream) \
             SELECT fingerprint, upstream FROM credential WHERE id = ?1",
        )
        .bind(id)
        .execute(&mut *connection)
        .await?;
    }
    query("DELETE FROM credential WHERE id = ?1")
        .bind(id)
        .execute(connection)
        .await?;
    Ok(())
}
