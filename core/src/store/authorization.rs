//! What is kept of authorization codes: the key that signs them, those that were issued, and the last good answer about the own one.

use std::path::Path;

use sqlx::{FromRow, SqliteConnection, query, query_as, query_scalar};

use super::{
    Store, StoreError, StoredAuthorization, StoredCode,
    change::Change,
    done,
    sealing::{Record, Sealer},
    time::{from_unix_micros, to_unix_micros},
};
use crate::authorization::SigningKey;

/// A code's row.
#[derive(FromRow)]
struct CodeRow {
    claims_json: String,
    is_own: bool,
    revoked_at: Option<i64>,
}

impl Store {
    /// Saves what signs codes; there is none yet.
    ///
    /// # Errors
    ///
    /// Where that can't be kept.
    pub(crate) async fn save_signing_key(&self, key: &SigningKey) -> Result<(), StoreError> {
        let sealed = self.sealer.seal(Record::SigningKey, key.seed());
        done(&self.durable, Change::SaveSigningKey { sealed }).await
    }

    /// Saves a code that is issued.
    ///
    /// # Errors
    ///
    /// Where that can't be kept.
    pub(crate) async fn add_code(&self, code: &StoredCode) -> Result<(), StoreError> {
        let claims_json = serde_json::to_string(&code.claims);
        let change = Change::AddCode {
            id: code.claims.jti.clone(),
            claims_json: claims_json.expect("text and numbers, into memory"),
            is_own: code.is_own,
        };
        done(&self.durable, change).await
    }

    /// Saves that a code is revoked, and since when in seconds since 1970; or that it is not.
    ///
    /// # Errors
    ///
    /// Where that can't be kept.
    pub(crate) async fn revoke_code(
        &self,
        id: &str,
        revoked_at: Option<i64>,
    ) -> Result<(), StoreError> {
        let change = Change::RevokeCode {
            id: id.to_owned(),
            revoked_at: revoked_at.map(to_unix_micros),
        };
        done(&self.durable, change).await
    }

    /// Saves the last good answer, or that there is none any more.
    ///
    /// # Errors
    ///
    /// Where that can't be kept.
    pub(crate) async fn save_authorization_answer(
        &self,
        answer: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        let seal = |answer| self.sealer.seal(Record::AuthorizationAnswer, answer);
        let sealed = answer.map(seal);
        done(&self.durable, Change::SaveAuthorizationAnswer { sealed }).await
    }
}

/// Reads what is kept.
///
/// # Errors
///
/// Where something can't be read, or doesn't open.
pub(super) async fn load(
    connection: &mut SqliteConnection,
    file: &Path,
    sealer: &Sealer,
) -> Result<StoredAuthorization, StoreError> {
    let failed = |error| StoreError::database(file, error);
    let signing_key: Option<Vec<u8>> = query_scalar("SELECT sealed FROM signing_key")
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
    let answer: Option<Vec<u8>> = query_scalar("SELECT sealed FROM authorization_answer")
        .fetch_optional(&mut *connection)
        .await
        .map_err(failed)?;
    let codes: Vec<CodeRow> =
        query_as("SELECT claims_json, is_own, revoked_at FROM issued_code ORDER BY position")
            .fetch_all(connection)
            .await
            .map_err(failed)?;

    let unreadable = |what: &str| StoreError::corrupt(file, format!("{what} can't be read"));
    let signing_key = match signing_key {
        None => None,
        Some(sealed) => {
            let opened = sealer.open(Record::SigningKey, &sealed).ok();
            let seed = opened.and_then(|seed| seed.as_slice().try_into().ok());
            let seed: [u8; _] = seed.ok_or_else(|| unreadable("the key that signs codes"))?;
            Some(seed.into())
        }
    };
    let answer = match answer {
        None => None,
        Some(sealed) => {
            let opened = sealer.open(Record::AuthorizationAnswer, &sealed);
            let opened = opened.map_err(|_| unreadable("the last answer of an authority"))?;
            Some(opened.to_vec())
        }
    };
    let read = |row: CodeRow| {
        Some(StoredCode {
            claims: serde_json::from_str(&row.claims_json).ok()?,
            is_own: row.is_own,
            revoked_at: row.revoked_at.map(from_unix_micros),
        })
    };
    let codes: Option<_> = codes.into_iter().map(read).collect();
    Ok(StoredAuthorization {
        signing_key,
        answer,
        codes: codes.ok_or_else(|| unreadable("an authorization code"))?,
    })
}

/// Seals anew what is sealed here.
///
/// # Errors
///
/// Where that can't be done; the caller undoes what was done by then.
pub(super) async fn seal_anew(
    connection: &mut SqliteConnection,
    file: &Path,
    reseal: impl Fn(Record<'_>, &[u8]) -> Result<Vec<u8>, StoreError>,
) -> Result<(), StoreError> {
    let failed = |error| StoreError::database(file, error);
    for (record, read, write) in [
        (
            Record::SigningKey,
            "SELECT sealed FROM signing_key",
            "UPDATE signing_key SET sealed = ?1",
        ),
        (
            Record::AuthorizationAnswer,
            "SELECT sealed FROM authorization_answer",
            "UPDATE authorization_answer SET sealed = ?1",
        ),
    ] {
        let sealed: Option<Vec<u8>> = query_scalar(read)
            .fetch_optional(&mut *connection)
            .await
            .map_err(failed)?;
        if let Some(sealed) = sealed {
            query(write)
                .bind(reseal(record, &sealed)?)
                .execute(&mut *connection)
                .await
                .map_err(failed)?;
        }
    }
    Ok(())
}
