-- The truth about servers, artists, batches, jobs and steps. Messages are only hints.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE servers (
    id            uuid PRIMARY KEY,
    slug          text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name          text NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 100),
    ip            inet NOT NULL,
    url           text NOT NULL UNIQUE CHECK (url !~ '/$'),
    is_master     boolean NOT NULL DEFAULT false,
    active        boolean NOT NULL DEFAULT true,
    is_default    boolean NOT NULL DEFAULT false,
    draining      boolean NOT NULL DEFAULT false,
    -- Kept by triggers on artists.
    artists       bigint NOT NULL DEFAULT 0,
    plays_total   bigint NOT NULL DEFAULT 0,
    plays_30d     bigint NOT NULL DEFAULT 0,
    bytes         bigint NOT NULL DEFAULT 0,
    -- From heartbeats.
    free_bytes    bigint,
    total_bytes   bigint,
    version       text,
    last_seen_at  timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    CHECK (NOT (is_default AND NOT active))
);
CREATE UNIQUE INDEX servers_one_default ON servers (is_default) WHERE is_default;
CREATE UNIQUE INDEX servers_one_master ON servers (is_master) WHERE is_master;

CREATE TABLE workers (
    server_id     uuid NOT NULL REFERENCES servers ON DELETE CASCADE,
    name          text NOT NULL,
    version       text NOT NULL,
    pid           integer NOT NULL,
    running       integer NOT NULL,
    last_seen_at  timestamptz NOT NULL,
    PRIMARY KEY (server_id, name)
);

CREATE TABLE artists (
    id                uuid PRIMARY KEY,
    slug              text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name              text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    server_id         uuid NOT NULL REFERENCES servers,
    plays_total       bigint NOT NULL DEFAULT 0 CHECK (plays_total >= 0),
    plays_30d         bigint NOT NULL DEFAULT 0 CHECK (plays_30d >= 0),
    bytes             bigint NOT NULL DEFAULT 0 CHECK (bytes >= 0),
    songs             integer NOT NULL DEFAULT 0 CHECK (songs >= 0),
    -- The one job that holds this artist; set when it is queued, cleared by its end.
    operating_job_id  uuid,
    created_at        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX artists_by_name ON artists (lower(name), id);
CREATE INDEX artists_by_plays ON artists (plays_total DESC, id);
CREATE INDEX artists_by_plays_30d ON artists (plays_30d DESC, id);
CREATE INDEX artists_by_bytes ON artists (bytes DESC, id);
CREATE INDEX artists_by_server_name ON artists (server_id, lower(name), id);
CREATE INDEX artists_name_search ON artists USING gin (lower(name) gin_trgm_ops);
CREATE INDEX artists_held ON artists (operating_job_id) WHERE operating_job_id IS NOT NULL;

CREATE TABLE songs (
    id           uuid PRIMARY KEY,
    artist_id    uuid NOT NULL REFERENCES artists ON DELETE CASCADE,
    position     integer NOT NULL,
    title        text NOT NULL,
    -- Relative to the artist's tree.
    path         text NOT NULL,
    bytes        bigint NOT NULL CHECK (bytes >= 0),
    plays_total  bigint NOT NULL DEFAULT 0,
    UNIQUE (artist_id, position)
);

-- Kept counters: one statement on artists costs one update per server it touches.
CREATE FUNCTION artists_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE servers s SET artists = s.artists + d.n, plays_total = s.plays_total + d.p,
            plays_30d = s.plays_30d + d.m, bytes = s.bytes + d.b
        FROM (SELECT server_id, count(*) n, sum(plays_total) p, sum(plays_30d) m, sum(bytes) b
              FROM new_rows GROUP BY server_id) d WHERE s.id = d.server_id;
    ELSIF TG_OP = 'DELETE' THEN
        UPDATE servers s SET artists = s.artists - d.n, plays_total = s.plays_total - d.p,
            plays_30d = s.plays_30d - d.m, bytes = s.bytes - d.b
        FROM (SELECT server_id, count(*) n, sum(plays_total) p, sum(plays_30d) m, sum(bytes) b
              FROM old_rows GROUP BY server_id) d WHERE s.id = d.server_id;
    ELSE
        UPDATE servers s SET artists = s.artists + d.n, plays_total = s.plays_total + d.p,
            plays_30d = s.plays_30d + d.m, bytes = s.bytes + d.b
        FROM (SELECT server_id, sum(n) n, sum(p) p, sum(m) m, sum(b) b FROM (
                  SELECT server_id, 1 n, plays_total p, plays_30d m, bytes b FROM new_rows
                  UNION ALL
                  SELECT server_id, -1, -plays_total, -plays_30d, -bytes FROM old_rows) x
              GROUP BY server_id
              HAVING sum(n) <> 0 OR sum(p) <> 0 OR sum(m) <> 0 OR sum(b) <> 0) d
        WHERE s.id = d.server_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER artists_count_insert AFTER INSERT ON artists
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION artists_count();
CREATE TRIGGER artists_count_delete AFTER DELETE ON artists
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION artists_count();
CREATE TRIGGER artists_count_update AFTER UPDATE ON artists
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION artists_count();

CREATE TABLE accounts (
    id             uuid PRIMARY KEY,
    email          text NOT NULL UNIQUE CHECK (email = lower(email)),
    password_hash  text NOT NULL,
    role           text NOT NULL CHECK (role IN ('admin', 'operator', 'viewer')),
    created_at     timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE sessions (
    -- SHA-256 of the cookie's value: a stolen database opens no session.
    token_hash    bytea PRIMARY KEY,
    account_id    uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL
);
CREATE TABLE api_tokens (
    token_hash    bytea PRIMARY KEY,
    account_id    uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    label         text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz,
    last_used_at  timestamptz
);

CREATE TABLE batches (
    id                uuid PRIMARY KEY,
    kind              text NOT NULL CHECK (kind IN ('move')),
    target_server_id  uuid REFERENCES servers,
    account_id        uuid REFERENCES accounts ON DELETE SET NULL,
    requested_by      text NOT NULL,
    reason            text NOT NULL DEFAULT '',
    -- Kept by the transaction that changes a job's state.
    jobs_total        integer NOT NULL DEFAULT 0,
    jobs_queued       integer NOT NULL DEFAULT 0,
    jobs_running      integer NOT NULL DEFAULT 0,
    jobs_succeeded    integer NOT NULL DEFAULT 0,
    jobs_failed       integer NOT NULL DEFAULT 0,
    jobs_cancelled    integer NOT NULL DEFAULT 0,
    bytes_total       bigint NOT NULL DEFAULT 0,
    bytes_done        bigint NOT NULL DEFAULT 0,
    created_at        timestamptz NOT NULL DEFAULT now(),
    finished_at       timestamptz
);
CREATE INDEX batches_newest ON batches (created_at DESC, id DESC);

-- The answer to a request, kept with its Idempotency-Key for 24 h.
CREATE TABLE idempotency_keys (
    account_id    uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    key           text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    -- SHA-256 of the request: the same key with another body is an error, not a replay.
    request_hash  bytea NOT NULL,
    response      jsonb,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, key)
);

CREATE TABLE refusals (
    batch_id   uuid NOT NULL REFERENCES batches ON DELETE CASCADE,
    artist_id  uuid NOT NULL,
    reason     text NOT NULL,
    PRIMARY KEY (batch_id, artist_id)
);

CREATE TABLE jobs (
    id                uuid PRIMARY KEY,
    batch_id          uuid NOT NULL REFERENCES batches,
    kind              text NOT NULL CHECK (kind IN ('move')),
    state             text NOT NULL CHECK (state IN ('queued', 'copying', 'syncing', 'cutover',
                          'retiring', 'rolling_back', 'succeeded', 'failed', 'cancelled', 'stuck')),
    artist_id         uuid NOT NULL REFERENCES artists,
    source_server_id  uuid NOT NULL REFERENCES servers,
    target_server_id  uuid NOT NULL REFERENCES servers,
    epoch             bigint NOT NULL DEFAULT 0,
    floor             bigint NOT NULL DEFAULT 0,
    round             integer NOT NULL DEFAULT 0,
    files_total       bigint NOT NULL DEFAULT 0,
    bytes_total       bigint NOT NULL DEFAULT 0,
    bytes_staged      bigint NOT NULL DEFAULT 0,
    bytes_done        bigint NOT NULL DEFAULT 0,
    cancel_requested  boolean NOT NULL DEFAULT false,
    error             jsonb,
    created_at        timestamptz NOT NULL DEFAULT now(),
    started_at        timestamptz,
    finished_at       timestamptz,
    updated_at        timestamptz NOT NULL DEFAULT now(),
    CHECK (source_server_id <> target_server_id),
    CHECK ((finished_at IS NOT NULL) = (state IN ('succeeded', 'failed', 'cancelled', 'stuck'))),
    CHECK (state <> 'failed' OR error IS NOT NULL),
    CHECK (state <> 'cancelled' OR cancel_requested)
);
CREATE INDEX jobs_newest ON jobs (created_at DESC, id DESC);
CREATE INDEX jobs_by_batch ON jobs (batch_id, id);
CREATE INDEX jobs_by_artist ON jobs (artist_id, created_at DESC);
CREATE INDEX jobs_open ON jobs (target_server_id, source_server_id)
    WHERE state NOT IN ('succeeded', 'failed', 'cancelled', 'stuck');
CREATE INDEX jobs_by_state ON jobs (state, created_at DESC, id DESC);
-- At most one open job per artist, whatever the code does.
CREATE UNIQUE INDEX jobs_one_open_per_artist ON jobs (artist_id)
    WHERE state NOT IN ('succeeded', 'failed', 'cancelled', 'stuck');
ALTER TABLE artists ADD FOREIGN KEY (operating_job_id) REFERENCES jobs DEFERRABLE INITIALLY DEFERRED;

CREATE TABLE steps (
    job_id     uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    kind       text NOT NULL CHECK (kind IN ('export', 'import', 'sync', 'promote', 'retire',
                   'abandon_import', 'abandon_export')),
    seq        integer NOT NULL,
    state      text NOT NULL CHECK (state IN ('waiting', 'sent', 'running', 'done', 'void')),
    epoch      bigint NOT NULL,
    attempts   integer NOT NULL,
    server_id  uuid NOT NULL REFERENCES servers,
    lane       text NOT NULL CHECK (lane IN ('export', 'express', 'import', 'lofi', 'lofi-bulk', 'upkeep')),
    input      jsonb,
    run_after  timestamptz NOT NULL,
    sent_at    timestamptz,
    seen_at    timestamptz,
    error      jsonb,
    PRIMARY KEY (job_id, kind, seq)
);
-- For the rescue: tries that a worker should be naming, and tries that wait on a lane.
CREATE INDEX steps_open ON steps (server_id, lane, state) WHERE state IN ('sent', 'running');

-- What happened to a job, for its timeline.
CREATE TABLE job_events (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id    uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    at        timestamptz NOT NULL DEFAULT now(),
    name      text NOT NULL,
    detail    jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX job_events_by_job ON job_events (job_id, id);

-- Orders not yet confirmed by the broker. A row is deleted on a plain ack, so what is here is
-- exactly what is owed. Unsigned: the relay signs at publishing time.
CREATE TABLE outbox (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    server_slug  text NOT NULL,
    lane         text NOT NULL,
    job_id       uuid NOT NULL,
    kind         text NOT NULL,
    seq          integer NOT NULL,
    epoch        bigint NOT NULL,
    floor        bigint NOT NULL,
    work_order   jsonb NOT NULL,
    run_after    timestamptz NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX outbox_due ON outbox (run_after, id);

CREATE TABLE audit_log (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    actor   text NOT NULL,
    action  text NOT NULL,
    object  text NOT NULL,
    detail  jsonb NOT NULL DEFAULT '{}'
);
