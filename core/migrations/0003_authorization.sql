-- Authorization codes: those that this instance issues, and by which it runs.

-- One row: what signs the codes that are issued here.
CREATE TABLE signing_key (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    sealed BLOB NOT NULL
) STRICT;

-- What a code says; the code itself is kept nowhere.
CREATE TABLE issued_code (
    position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    claims_json TEXT NOT NULL,
    -- Whether the instance issued it to itself.
    is_own INTEGER NOT NULL CHECK (is_own IN (0, 1)),
    revoked_at INTEGER
) STRICT;

-- At most one row: the last good answer about the code by which this instance runs.
CREATE TABLE authorization_answer (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    sealed BLOB NOT NULL
) STRICT;
