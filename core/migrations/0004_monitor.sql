-- What was counted of chats takes the place of what was counted of credentials alone, which nobody read.
DROP TABLE credential_usage;

-- Counts of all chats (`all`), or of a model, upstream, cookie or key (`model:…`): in all (slot_seconds 0), and in each slot of a
-- window that is not over. Here times are seconds since 1970.
CREATE TABLE chat_count (
    series TEXT NOT NULL,
    slot_seconds INTEGER NOT NULL,
    begins_at INTEGER NOT NULL,
    counts_json TEXT NOT NULL,
    PRIMARY KEY (series, slot_seconds, begins_at)
) STRICT, WITHOUT ROWID;

CREATE INDEX chat_count_by_age ON chat_count (slot_seconds, begins_at);

-- Traces of chats: recent ones, and, for longer, those that failed or were slow.
CREATE TABLE trace (
    id BLOB NOT NULL PRIMARY KEY,
    started_at INTEGER NOT NULL,
    duration_seconds REAL NOT NULL,
    status TEXT NOT NULL,
    model TEXT NOT NULL,
    is_lasting INTEGER NOT NULL CHECK (is_lasting IN (0, 1)),
    summary_json TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX trace_by_start ON trace (started_at, id);
CREATE INDEX trace_by_kind ON trace (is_lasting, started_at);

CREATE TABLE trace_span (
    trace_id BLOB NOT NULL REFERENCES trace (id) ON DELETE CASCADE,
    span_json TEXT NOT NULL
) STRICT;

CREATE INDEX trace_span_of_trace ON trace_span (trace_id);
