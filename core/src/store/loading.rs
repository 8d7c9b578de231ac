//! Reading all that was kept, at the start.

use std::path::Path;

use sqlx::{FromRow, SqliteConnection, query_as};

use super::{
    Fingerprint, Loaded, StoreError, StoredConversation, StoredCredential, StoredModels,
    StoredUpstream, authorization, client_keys, counts, credential_form, model_list_form,
    records::CredentialUsage,
    sealing::{DoesNotOpen, Record, Sealer},
    standing_columns::StandingColumns,
    time::from_micros,
};
use crate::pool::{CredentialId, CredentialSource};

/// A credential's row.
#[derive(FromRow)]
struct CredentialRow {
    id: i64,
    upstream: String,
    fingerprint: Vec<u8>,
    sealed: Vec<u8>,
    source: String,
    label: String,
    is_disabled: bool,
    #[sqlx(flatten)]
    standing: StandingColumns,
    added_at: i64,
    last_checked_at: Option<i64>,
    requests: i64,
    failures: i64,
    last_error: String,
    last_used_at: Option<i64>,
}

/// Reads everything.
///
/// # Errors
///
/// Where something can't be read, or doesn't open.
pub(super) async fn load(
    connection: &mut SqliteConnection,
    file: &Path,
    sealer: &Sealer,
) -> Result<Loaded, StoreError> {
    let failed = |error| StoreError::database(file, error);
    let upstreams: Vec<(String, Vec<u8>)> =
        query_as("SELECT name, sealed FROM upstream ORDER BY position")
            .fetch_all(&mut *connection)
            .await
            .map_err(failed)?;
    let credentials: Vec<CredentialRow> = query_as("SELECT * FROM credential ORDER BY id")
        .fetch_all(&mut *connection)
        .await
        .map_err(failed)?;
    let models: Vec<(String, String)> =
        query_as("SELECT upstream, models_json FROM model_list ORDER BY upstream")
            .fetch_all(&mut *connection)
            .await
            .map_err(failed)?;
    let conversations: Vec<(String, String, Vec<u8>)> =
        query_as("SELECT upstream, id, sealed FROM conversation ORDER BY upstream, id")
            .fetch_all(&mut *connection)
            .await
            .map_err(failed)?;
    let counts = counts::load(&mut *connection).await.map_err(failed)?;
    let authorization = authorization::load(&mut *connection, file, sealer).await?;
    let keys = client_keys::load(&mut *connection, file).await?;
    let meters = client_keys::load_meters(connection, file).await?;

    let unreadable = |what: &str| StoreError::corrupt(file, format!("{what} can't be read"));
    Ok(Loaded {
        upstreams: upstreams
            .into_iter()
            .map(|(name, sealed)| read_upstream(name, &sealed, sealer))
            .collect::<Option<_>>()
            .ok_or_else(|| unreadable("an upstream"))?,
        credentials: credentials
            .into_iter()
            .map(|row| read_credential(row, sealer))
            .collect::<Option<_>>()
            .ok_or_else(|| unreadable("a credential"))?,
        models: models
            .into_iter()
            .map(|(upstream, text)| {
                let models = model_list_form::read(&text)?;
                Some(StoredModels { upstream, models })
            })
            .collect::<Option<_>>()
            .ok_or_else(|| unreadable("a list of models"))?,
        conversations: conversations
            .into_iter()
            .map(|(upstream, id, sealed)| read_conversation(upstream, id, &sealed, sealer))
            .collect::<Option<_>>()
            .ok_or_else(|| unreadable("a conversation"))?,
        counts,
        authorization,
        keys,
        meters,
    })
}

fn read_upstream(name: String, sealed: &[u8], sealer: &Sealer) -> Option<StoredUpstream> {
    let settings = sealer.open(Record::Upstream { name: &name }, sealed).ok()?;
    Some(StoredUpstream {
        settings: settings.to_vec(),
        name,
    })
}

fn read_credential(row: CredentialRow, sealer: &Sealer) -> Option<StoredCredential> {
    let record = Record::Credential {
        id: row.id,
        upstream: &row.upstream,
    };
    let form = sealer.open(record, &row.sealed).ok()?;
    let sources = [CredentialSource::Config, CredentialSource::User];
    Some(StoredCredential {
        id: CredentialId::from_bits(row.id),
        credential: credential_form::read(&form)?,
        fingerprint: Some(Fingerprint::from_bytes(&row.fingerprint)?),
        source: sources
            .into_iter()
            .find(|known| known.as_str() == row.source)?,
        upstream: row.upstream,
        label: row.label,
        is_disabled: row.is_disabled,
        standing: row.standing.read()?,
        added_at: from_micros(row.added_at),
        last_checked_at: row.last_checked_at.map(from_micros),
        usage: CredentialUsage {
            requests: row.requests.try_into().ok()?,
            failures: row.failures.try_into().ok()?,
            last_error: row.last_error,
            last_used_at: row.last_used_at.map(from_micros),
        },
    })
}

fn read_conversation(
    upstream: String,
    id: String,
    sealed: &[u8],
    sealer: &Sealer,
) -> Option<StoredConversation> {
    let record = Record::Conversation {
        id: &id,
        upstream: &upstream,
    };
    let opened: Result<_, DoesNotOpen> = sealer.open(record, sealed);
    let credential = credential_form::read(&opened.ok()?)?;
    Some(StoredConversation {
        upstream,
        id,
        credential,
    })
}
