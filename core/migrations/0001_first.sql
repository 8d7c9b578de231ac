-- Times are microseconds since 1970. What is called `sealed` is encrypted (core/src/store/sealing.rs).

-- One row, sealed with the secret key: it tells a wrong key before anything is read with it, and outlives a change of the key, as
-- the fingerprints do.
CREATE TABLE fingerprint_key (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    sealed BLOB NOT NULL
) STRICT;

CREATE TABLE upstream (
    position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    sealed BLOB NOT NULL
) STRICT;

-- The upstream of a credential need not be in the table above: it may be in the configuration.
CREATE TABLE credential (
    -- Later ones are greater.
    id INTEGER NOT NULL PRIMARY KEY,
    upstream TEXT NOT NULL,
    fingerprint BLOB NOT NULL UNIQUE,
    sealed BLOB NOT NULL,
    source TEXT NOT NULL,
    label TEXT NOT NULL,
    is_disabled INTEGER NOT NULL CHECK (is_disabled IN (0, 1)),
    state TEXT NOT NULL,
    state_reason TEXT,
    cooling_until INTEGER,
    proof TEXT NOT NULL,
    quota_streak INTEGER NOT NULL,
    added_at INTEGER NOT NULL,
    last_checked_at INTEGER,
    requests INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    last_error TEXT NOT NULL,
    last_used_at INTEGER
) STRICT;

CREATE INDEX credential_of_upstream ON credential (upstream);

-- What was removed by hand, so that a setting doesn't bring it back.
CREATE TABLE removed_credential (
    fingerprint BLOB NOT NULL PRIMARY KEY,
    upstream TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What was done with a credential, by hours of late and by days before that.
CREATE TABLE credential_usage (
    credential_id INTEGER NOT NULL REFERENCES credential (id) ON DELETE CASCADE,
    span TEXT NOT NULL CHECK (span IN ('hour', 'day')),
    begins_at INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    PRIMARY KEY (credential_id, span, begins_at)
) STRICT, WITHOUT ROWID;

CREATE INDEX credential_usage_by_age ON credential_usage (span, begins_at);

CREATE TABLE model_list (
    upstream TEXT NOT NULL PRIMARY KEY,
    models_json TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What was begun at an upstream and is still to be deleted there.
CREATE TABLE conversation (
    upstream TEXT NOT NULL,
    id TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (upstream, id)
) STRICT, WITHOUT ROWID;
