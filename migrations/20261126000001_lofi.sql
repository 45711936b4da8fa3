-- Small renditions: a job for each song, by profiles that admins may add to.

ALTER TABLE songs
    -- Whether a file stands where the small rendition belongs.
    ADD COLUMN has_lofi     boolean NOT NULL DEFAULT false,
    -- How it was made, as the home server told; null when somebody else made it, or nobody.
    ADD COLUMN lofi         jsonb,
    -- Listeners do not see the song until it has one.
    ADD COLUMN awaits_lofi  boolean NOT NULL DEFAULT false;

ALTER TABLE artists
    -- How many of the songs have one.
    ADD COLUMN lofis         integer NOT NULL DEFAULT 0 CHECK (lofis >= 0),
    -- By which profile; null for the cluster's.
    ADD COLUMN lofi_profile  text;

CREATE INDEX artists_by_lofi_profile ON artists (lofi_profile) WHERE lofi_profile IS NOT NULL;

ALTER TABLE cluster_settings
    ADD COLUMN lofi_profile  text NOT NULL DEFAULT 'standard';

-- The admins' own; those that are built in are not here. Never changed, only made and deleted, so
-- that a name says what was made by it.
CREATE TABLE lofi_profiles (
    name        text PRIMARY KEY CHECK (name ~ '^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$'),
    spec        jsonb NOT NULL,
    created_by  text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- How many conversions a worker does at a time, as it last told.
ALTER TABLE workers ADD COLUMN lofi_slots integer NOT NULL DEFAULT 0;

ALTER TABLE jobs
    -- Which song; no reference: songs are replaced as their home server tells of them.
    ADD COLUMN song_id  uuid,
    DROP CONSTRAINT jobs_kind_check,
    ADD CONSTRAINT jobs_kind_check CHECK (kind IN ('move', 'provision', 'lofi')),
    ADD CONSTRAINT jobs_song_check CHECK ((kind = 'lofi') = (song_id IS NOT NULL));
CREATE INDEX jobs_by_song ON jobs (song_id, created_at DESC) WHERE song_id IS NOT NULL;
-- One at a time makes a song's rendition, whatever the code does.
CREATE UNIQUE INDEX jobs_one_open_per_song ON jobs (song_id)
    WHERE song_id IS NOT NULL AND state NOT IN ('succeeded', 'failed', 'cancelled', 'stuck');
-- For jobs that follow their artist to a new home.
CREATE INDEX jobs_open_lofi ON jobs (artist_id)
    WHERE kind = 'lofi' AND state NOT IN ('succeeded', 'failed', 'cancelled', 'stuck');

-- How fast conversions are lately.
CREATE INDEX job_events_lofi_made ON job_events (at) WHERE name = 'lofi_made';

ALTER TABLE steps
    DROP CONSTRAINT steps_kind_check,
    ADD CONSTRAINT steps_kind_check CHECK (kind IN ('export', 'import', 'sync', 'promote',
        'retire', 'abandon_import', 'abandon_export', 'provision', 'lofi'));

ALTER TABLE batches
    DROP CONSTRAINT batches_kind_check,
    ADD CONSTRAINT batches_kind_check CHECK (kind IN ('move', 'lofi'));
