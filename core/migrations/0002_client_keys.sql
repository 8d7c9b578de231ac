-- Keys that are made here. Of their values only hashes are kept: they are random, and long enough that nobody finds one by trying.
CREATE TABLE client_key (
    -- Later ones are greater.
    id INTEGER NOT NULL PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    preview TEXT NOT NULL,
    label TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    networks_json TEXT NOT NULL,
    may_introspect INTEGER NOT NULL CHECK (may_introspect IN (0, 1)),
    models_json TEXT,
    may_search INTEGER NOT NULL CHECK (may_search IN (0, 1)),
    requests_per_minute INTEGER,
    tokens_per_day INTEGER,
    tokens_total INTEGER
) STRICT;

-- What whoever has limits has asked, and what that has cost. Its times are not microseconds: days, seconds and milliseconds since 1970.
CREATE TABLE meter (
    -- The id of a client key, or what else has limits.
    holder TEXT NOT NULL PRIMARY KEY,
    requests INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    day INTEGER NOT NULL,
    tokens_of_day INTEGER NOT NULL,
    -- Requests of the last minute, by the second: [[second, count], …].
    recent_json TEXT NOT NULL,
    last_used_ms INTEGER
) STRICT, WITHOUT ROWID;
