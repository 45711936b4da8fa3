-- Verify: artists' files are read back, and compared with what they were.

ALTER TABLE cluster_settings
    -- How long it may take until an artist is verified again, in days; 0 for never by itself.
    ADD COLUMN verify_every_days    integer NOT NULL DEFAULT 7
        CHECK (verify_every_days BETWEEN 0 AND 3650),
    -- How fast files are read for it, in bytes per second.
    ADD COLUMN verify_rate_bytes_s  bigint NOT NULL DEFAULT 50000000
        CHECK (verify_rate_bytes_s >= 1000000);

ALTER TABLE artists
    -- When all files were last read.
    ADD COLUMN verified_at       timestamptz,
    -- When that was last asked for, whatever came of it.
    ADD COLUMN verify_queued_at  timestamptz;
CREATE INDEX artists_by_verify ON artists (server_id, verify_queued_at NULLS FIRST, id);

ALTER TABLE servers
    -- Up to when artists' turns have been given out.
    ADD COLUMN verify_given_at  timestamptz;

ALTER TABLE jobs
    DROP CONSTRAINT jobs_kind_check,
    ADD CONSTRAINT jobs_kind_check CHECK (kind IN ('move', 'provision', 'lofi', 'verify'));
-- One at a time reads an artist's files, whatever the code does; and for jobs that follow their artist.
CREATE UNIQUE INDEX jobs_one_open_verify ON jobs (artist_id)
    WHERE kind = 'verify' AND state NOT IN ('succeeded', 'failed', 'cancelled', 'stuck');

ALTER TABLE steps
    DROP CONSTRAINT steps_kind_check,
    ADD CONSTRAINT steps_kind_check CHECK (kind IN ('export', 'import', 'sync', 'promote',
        'retire', 'abandon_import', 'abandon_export', 'provision', 'lofi', 'verify')),
    DROP CONSTRAINT steps_lane_check,
    ADD CONSTRAINT steps_lane_check CHECK (lane IN ('export', 'express', 'import', 'lofi',
        'lofi-bulk', 'verify', 'upkeep'));

ALTER TABLE batches
    DROP CONSTRAINT batches_kind_check,
    ADD CONSTRAINT batches_kind_check CHECK (kind IN ('move', 'lofi', 'verify'));

-- What each reading came to.
CREATE TABLE verify_results (
    job_id         uuid PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    artist_id      uuid NOT NULL REFERENCES artists (id) ON DELETE CASCADE,
    -- Whose disk was read.
    server_id      uuid NOT NULL REFERENCES servers (id),
    at             timestamptz NOT NULL DEFAULT now(),
    files          bigint NOT NULL,
    bytes          bigint NOT NULL,
    -- There was nothing to compare with.
    first_reading  boolean NOT NULL,
    placed         bigint NOT NULL,
    missing        bigint NOT NULL,
    corrupt        bigint NOT NULL,
    changed        bigint NOT NULL,
    unreadable     bigint NOT NULL,
    untracked      bigint NOT NULL,
    -- How many of the findings are in verify_findings.
    listed         bigint NOT NULL,
    took_ms        bigint NOT NULL
);
CREATE INDEX verify_results_by_artist ON verify_results (artist_id, at DESC);
CREATE INDEX verify_results_by_server ON verify_results (server_id, at DESC);

-- Files that are not what they were.
CREATE TABLE verify_findings (
    id               uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    artist_id        uuid NOT NULL REFERENCES artists (id) ON DELETE CASCADE,
    server_id        uuid NOT NULL REFERENCES servers (id),
    -- The reading that found it last.
    job_id           uuid NOT NULL,
    path             text NOT NULL,
    kind             text NOT NULL
        CHECK (kind IN ('missing', 'corrupt', 'changed', 'unreadable', 'untracked')),
    bytes_expected   bigint,
    bytes_actual     bigint,
    -- Where the first piece begins that differs; null for a file of one piece.
    piece_offset     bigint,
    blake3_expected  text,
    blake3_actual    text,
    -- All that the file is now, in one hash: who accepts the finding accepts just this.
    state            text NOT NULL,
    detail           text,
    found_at         timestamptz NOT NULL DEFAULT now(),
    seen_at          timestamptz NOT NULL DEFAULT now(),
    resolved_at      timestamptz,
    resolved_by      text,
    -- clean: a later reading found it right. mended: a person says so. accepted: a person says that
    -- it is right as it is.
    resolution       text CHECK (resolution IN ('clean', 'mended', 'accepted')),
    -- Accepted, and the home server does not know of it yet.
    to_be_told       boolean NOT NULL DEFAULT false,
    CHECK ((resolved_at IS NULL) = (resolution IS NULL))
);
-- A path may be longer than an index takes.
CREATE UNIQUE INDEX verify_findings_open ON verify_findings (artist_id, md5(path), kind)
    WHERE resolved_at IS NULL;
CREATE INDEX verify_findings_newest ON verify_findings (found_at DESC, id DESC);
CREATE INDEX verify_findings_to_be_told ON verify_findings (artist_id) WHERE to_be_told;
