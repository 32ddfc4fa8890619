#include "supervisor/journal/schema.h"

namespace shift {
namespace {

// SQLite keeps the comments inside CREATE statements: `.schema` in sqlite3 shows them.
constexpr const char* kTables = R"sql(
CREATE TABLE migration (                      -- one row per migration of the API seen here
    id                  INTEGER PRIMARY KEY,  -- as in the shift API
    cluster             TEXT NOT NULL,        -- the API's cluster_name
    database            TEXT NOT NULL,        -- after database_override
    table_name          TEXT NOT NULL,        -- of the table it changes
    host                TEXT NOT NULL,        -- database server, after host_override
    port                INTEGER NOT NULL,     -- of the database server
    ddl_statement       TEXT NOT NULL,        -- as people filed it
    status              INTEGER NOT NULL,     -- the API's status when last seen (3 = running ...)
    status_name         TEXT NOT NULL,        -- the same in words
    lock_version        INTEGER NOT NULL,     -- the API's, when last seen
    state               TEXT NOT NULL,        -- where it stands here: docs/states.md
    since               TEXT NOT NULL,        -- in that state since (ISO 8601, UTC)
    reason              TEXT NOT NULL,        -- why it waits, '' = it does not
    step                TEXT NOT NULL,        -- prepare run rename pause cancel, '' = none claimed
    claim               INTEGER NOT NULL,     -- running number of our claims of it
    claim_id            TEXT NOT NULL,        -- random, tells our unstage from another's
    listed_lock_version INTEGER NOT NULL,     -- what the API's row had when we claimed it
    tries               INTEGER NOT NULL,     -- attempts of this step that ended without success
    next_try_at         TEXT NOT NULL,        -- '' = at once
    attempt             INTEGER NOT NULL,     -- the latest, 0 = none
    no_return           INTEGER NOT NULL,     -- 1 = the table has been changed
    release             INTEGER NOT NULL,     -- 1 = being handed back (drain)
    log_offset          INTEGER NOT NULL,     -- bytes of the log that are owed or sent
    state_hash          TEXT NOT NULL,        -- of the state file last owed to the API
    payload             TEXT NOT NULL,        -- the migration as last seen, JSON
    first_seen          TEXT NOT NULL,        -- ISO 8601, UTC
    reason_code         TEXT NOT NULL DEFAULT ''  -- reason as a code: docs/troubleshooting.md
) STRICT;

CREATE TABLE attempt (                        -- one worker process for one step of a migration
    id           INTEGER PRIMARY KEY,         -- also the folder STATE_DIR/attempts/<id>
    migration_id INTEGER NOT NULL REFERENCES migration(id),  -- whose
    claim        INTEGER NOT NULL,            -- migration.claim at its start
    step         TEXT NOT NULL,               -- prepare run rename pause cancel
    engine       TEXT NOT NULL,               -- pt-osc direct, or the one of its custom_options
    tries        INTEGER NOT NULL,            -- which try of the step, from 1
    ended        INTEGER NOT NULL,            -- 0 = open
    pid          INTEGER NOT NULL,            -- worker; 0 = spawn intended, not yet known
    start_ticks  INTEGER NOT NULL,            -- its start (/proc/PID/stat): no reused pid
    boot_id      TEXT NOT NULL,               -- of the host when it started
    engine_pid   INTEGER NOT NULL,            -- pt-osc; 0 = none
    engine_start_ticks INTEGER NOT NULL,      -- as start_ticks
    last_seq     INTEGER NOT NULL,            -- last event of events.jsonl in this journal
    phase        TEXT NOT NULL,               -- what it is at: dry-run copy swap ...
    percent      REAL,                        -- progress, written every 5 s at most; NULL = unknown
    rows_done    INTEGER,                     -- rows copied
    rows_total   INTEGER,                     -- an estimate
    rows_per_s   REAL,                        -- of the last seconds
    eta_s        INTEGER,                     -- seconds to the end of the copy
    throttle     TEXT NOT NULL,               -- why it pauses, '' = it does not
    started_at   TEXT NOT NULL,               -- ISO 8601, UTC
    ended_at     TEXT NOT NULL,               -- '' = open
    outcome      TEXT NOT NULL,               -- '' = died without one (or still open)
    reason       TEXT NOT NULL,               -- of the outcome, a word of the worker
    message      TEXT NOT NULL                -- of the outcome, for people
) STRICT;
CREATE INDEX attempt_by_migration ON attempt(migration_id);

CREATE TABLE event (                          -- append-only history: who did what when and why
    id           INTEGER PRIMARY KEY AUTOINCREMENT,  -- in the order of writing
    at           TEXT NOT NULL,               -- ISO 8601, UTC
    migration_id INTEGER NOT NULL,            -- 0 = the daemon itself
    claim        INTEGER NOT NULL,            -- migration.claim then
    attempt      INTEGER NOT NULL,            -- 0 = none
    source       TEXT NOT NULL,               -- who: supervisor worker api operator
    kind         TEXT NOT NULL,               -- docs/journal-format.md
    detail       TEXT NOT NULL                -- JSON
) STRICT;
CREATE INDEX event_by_migration ON event(migration_id, id);

CREATE TABLE outbox (                         -- calls owed to the shift API
    id             INTEGER PRIMARY KEY AUTOINCREMENT,  -- in the order of owing
    migration_id   INTEGER NOT NULL REFERENCES migration(id),  -- whose
    claim          INTEGER NOT NULL,          -- migration.claim then; a newer one voids it
    claimed_status INTEGER NOT NULL,          -- the API's status in which it was claimed
    lane           TEXT NOT NULL,             -- report hand-on
    kind           TEXT NOT NULL,             -- append_log progress next_step complete ...
    body           TEXT NOT NULL,             -- JSON
    tries          INTEGER NOT NULL,          -- times it was sent
    refusals       INTEGER NOT NULL,          -- tries answered by an HTTP error
    created_at     TEXT NOT NULL,             -- ISO 8601, UTC
    next_try_at    TEXT NOT NULL,             -- '' = at once
    last_answer    TEXT NOT NULL,             -- the API's, or why there was none
    state          TEXT NOT NULL              -- pending done superseded dead
) STRICT;
CREATE INDEX outbox_pending ON outbox(state, migration_id) WHERE state = 'pending';
CREATE INDEX outbox_by_migration ON outbox(migration_id);
CREATE INDEX outbox_told ON outbox(created_at) WHERE state = 'done' AND lane = 'report';

CREATE TABLE setting (                        -- what commands set and a restart keeps
    key   TEXT PRIMARY KEY,                   -- drain
    value TEXT NOT NULL                       -- offer keep, '' = off
) STRICT;
)sql";

constexpr const char* kOneToTwo = R"sql(
ALTER TABLE migration ADD COLUMN reason_code TEXT NOT NULL DEFAULT ''
    /* reason as a code: docs/troubleshooting.md */;
CREATE INDEX outbox_by_migration ON outbox(migration_id);
CREATE INDEX outbox_told ON outbox(created_at) WHERE state = 'done' AND lane = 'report';
)sql";

}  // namespace

int journal_version() {
    return 2;
}

std::vector<SchemaStep> schema_steps(int from) {
    if (from == 0) {
        return {{journal_version(), kTables}};
    }
    std::vector<SchemaStep> steps;
    for (const SchemaStep& step : {SchemaStep{2, kOneToTwo}}) {
        if (step.to > from) {
            steps.push_back(step);
        }
    }
    return steps;
}

// Stored word for word as they are here, so that an open can tell whether they are the same.
const std::vector<const char*>& journal_views() {
    static const std::vector<const char*> kViews = {
        R"sql(CREATE VIEW v_status AS
-- What is being worked on now, longest first.
SELECT m.id, m.cluster, m.host || ':' || m.port AS server, m.database || '.' || m.table_name AS tbl,
       m.status || ' ' || m.status_name AS api_status, m.step, m.state, m.since,
       m.reason_code AS code, m.reason,
       a.phase, round(a.percent, 1) AS percent, a.rows_per_s, a.eta_s, a.throttle,
       m.attempt, a.engine, a.pid AS worker_pid, a.engine_pid,
       (SELECT count(*) FROM outbox o WHERE o.migration_id = m.id AND o.state = 'pending') AS owed
FROM migration m LEFT JOIN attempt a ON a.id = m.attempt AND a.ended = 0
WHERE m.state NOT IN ('seen', 'handed on', 'let go') ORDER BY m.since)sql",

        R"sql(CREATE VIEW v_recent AS
-- What changed last, newest first.
SELECT id, database || '.' || table_name AS tbl, status || ' ' || status_name AS api_status, step,
       state, since, reason FROM migration ORDER BY since DESC)sql",

        R"sql(CREATE VIEW v_stuck AS
-- What does not move: waiting for a reason, or with calls that the API refuses.
SELECT m.id, m.database || '.' || m.table_name AS tbl, m.step, m.state, m.since, m.tries,
       m.next_try_at, m.reason_code AS code, m.reason,
       (SELECT o.last_answer FROM outbox o WHERE o.migration_id = m.id AND o.state = 'pending'
        AND o.tries > 0 ORDER BY o.id LIMIT 1) AS api_says
FROM migration m
WHERE (m.state NOT IN ('seen', 'handed on', 'let go') AND m.reason <> '')
   OR EXISTS (SELECT 1 FROM outbox o WHERE o.migration_id = m.id AND o.state = 'pending'
              AND o.tries > 2)
ORDER BY m.since)sql",

        R"sql(CREATE VIEW v_owed AS
-- What the API has not been told yet, oldest first.
SELECT id, migration_id, lane, kind, created_at, tries, refusals, next_try_at, last_answer, body
FROM outbox WHERE state = 'pending' ORDER BY id)sql",

        R"sql(CREATE VIEW v_history AS
-- The story of every migration, oldest first: SELECT * FROM v_history WHERE migration_id = 43.
SELECT id, at, migration_id, claim, attempt, source, kind, detail FROM event ORDER BY id)sql",

        R"sql(CREATE VIEW v_migrations AS
-- Every migration in one line: what it was, where it stands, what it took and how it went last.
SELECT m.id, m.cluster, m.host || ':' || m.port AS server, m.database || '.' || m.table_name AS tbl,
       m.table_name, m.ddl_statement, m.status, m.status_name, m.step, m.state, m.reason,
       m.first_seen, m.since,
       (SELECT count(*) FROM attempt a WHERE a.migration_id = m.id) AS attempts,
       (SELECT max(a.rows_done) FROM attempt a WHERE a.migration_id = m.id) AS rows_copied,
       (SELECT round(sum(julianday(a.ended_at) - julianday(a.started_at)) * 86400, 1)
        FROM attempt a WHERE a.migration_id = m.id AND a.ended = 1) AS worked_s,
       (SELECT a.outcome FROM attempt a WHERE a.id = m.attempt) AS outcome,
       (SELECT a.message FROM attempt a WHERE a.id = m.attempt) AS message
FROM migration m WHERE m.claim > 0)sql",

        R"sql(CREATE VIEW v_attempts AS
-- Every worker that ran, newest first.
SELECT a.id, a.migration_id, m.database || '.' || m.table_name AS tbl, a.step, a.engine, a.tries,
       a.started_at, a.ended_at,
       CASE a.ended WHEN 1 THEN round((julianday(a.ended_at) - julianday(a.started_at)) * 86400, 1)
       END AS seconds,
       CASE WHEN a.ended = 0 THEN 'runs' WHEN a.outcome = '' THEN 'died' ELSE a.outcome END
       AS outcome, a.reason, a.message, a.rows_done, round(a.percent, 1) AS percent
FROM attempt a JOIN migration m ON m.id = a.migration_id ORDER BY a.id DESC)sql",

        R"sql(CREATE VIEW v_inconsistent AS
-- What cannot be at any time: empty unless the daemon is wrong or somebody has written here.
SELECT 'more than one open attempt' AS what, migration_id,
       'attempts ' || group_concat(id, ', ') AS detail
FROM attempt WHERE ended = 0 GROUP BY migration_id HAVING count(*) > 1
UNION ALL
SELECT 'an open attempt that is not the latest', a.migration_id,
       'attempt ' || a.id || ', the latest is ' || m.attempt
FROM attempt a JOIN migration m ON m.id = a.migration_id WHERE a.ended = 0 AND a.id <> m.attempt
UNION ALL
SELECT 'an open attempt of a migration at rest', a.migration_id,
       'attempt ' || a.id || ' in state ' || m.state
FROM attempt a JOIN migration m ON m.id = a.migration_id
WHERE a.ended = 0
  AND m.state IN ('seen', 'needs decision', 'delivering', 'handed on', 'let go')
UNION ALL
SELECT 'running without an open attempt', m.id, 'the latest is ' || m.attempt
FROM migration m WHERE m.state = 'running'
  AND NOT EXISTS (SELECT 1 FROM attempt a WHERE a.migration_id = m.id AND a.ended = 0)
UNION ALL
SELECT 'an attempt of a claim to come', a.migration_id,
       'attempt ' || a.id || ' of claim ' || a.claim || ', the migration has ' || m.claim
FROM attempt a JOIN migration m ON m.id = a.migration_id WHERE a.claim > m.claim
UNION ALL
SELECT 'an end without a time, or a time without an end', migration_id, 'attempt ' || id
FROM attempt WHERE (ended = 1) <> (ended_at <> '')
UNION ALL
SELECT 'an attempt with ' || count(e.id) || ' ends', a.migration_id, 'attempt ' || a.id
FROM attempt a LEFT JOIN event e ON e.migration_id = a.migration_id AND e.attempt = a.id
 AND e.source = 'supervisor' AND e.kind = 'ended'
GROUP BY a.id HAVING count(e.id) > 1 OR (a.ended = 0 AND count(e.id) > 0)
UNION ALL
SELECT 'no step in state ' || state, id, 'claim ' || claim
FROM migration WHERE step = '' AND state NOT IN ('seen', 'handed on', 'let go')
UNION ALL
SELECT 'a pending call of a claim to come', o.migration_id,
       'call ' || o.id || ' ' || o.kind || ' of claim ' || o.claim || ', now ' || m.claim
FROM outbox o JOIN migration m ON m.id = o.migration_id
WHERE o.state = 'pending' AND o.claim > m.claim
UNION ALL
SELECT 'a pending call of an older claim', o.migration_id, -- until the new one is ours
       'call ' || o.id || ' ' || o.kind || ' of claim ' || o.claim || ', now ' || m.claim
FROM outbox o JOIN migration m ON m.id = o.migration_id
WHERE o.state = 'pending' AND o.claim < m.claim
  AND m.state NOT IN ('claiming', 'uncertain', 'taking over', 'contesting')
UNION ALL
SELECT 'a pending call of a migration that owes nothing', o.migration_id,
       'call ' || o.id || ' ' || o.kind || ' in state ' || m.state
FROM outbox o JOIN migration m ON m.id = o.migration_id
WHERE o.state = 'pending' AND m.state IN ('seen', 'handed on', 'let go')
UNION ALL
SELECT 'a hand-on owed while the attempt is open', o.migration_id,
       'call ' || o.id || ' ' || o.kind || ', attempt ' || a.id
FROM outbox o JOIN attempt a ON a.migration_id = o.migration_id AND a.ended = 0
 AND a.claim = o.claim
WHERE o.state = 'pending' AND o.lane = 'hand-on')sql",
    };
    return kViews;
}

}  // namespace shift
