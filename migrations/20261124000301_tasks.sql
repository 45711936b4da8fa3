-- Jobs that are no moves: one step on one server, on behalf of nobody's batch.
ALTER TABLE jobs
    ALTER COLUMN batch_id DROP NOT NULL,
    -- What the task works on, for its order; empty for a move.
    ADD COLUMN params jsonb NOT NULL DEFAULT '{}',
    DROP CONSTRAINT jobs_kind_check,
    ADD CONSTRAINT jobs_kind_check CHECK (kind IN ('move', 'provision')),
    DROP CONSTRAINT jobs_state_check,
    ADD CONSTRAINT jobs_state_check CHECK (state IN ('queued', 'running', 'copying', 'syncing',
        'cutover', 'retiring', 'rolling_back', 'succeeded', 'failed', 'cancelled', 'stuck')),
    DROP CONSTRAINT jobs_check,
    ADD CONSTRAINT jobs_servers_check
        CHECK ((kind = 'move') = (source_server_id <> target_server_id)),
    ADD CONSTRAINT jobs_batch_check CHECK (kind <> 'move' OR batch_id IS NOT NULL);

ALTER TABLE steps
    DROP CONSTRAINT steps_kind_check,
    ADD CONSTRAINT steps_kind_check CHECK (kind IN ('export', 'import', 'sync', 'promote',
        'retire', 'abandon_import', 'abandon_export', 'provision'));

-- Only jobs that hold their artist keep each other out.
DROP INDEX jobs_one_open_per_artist;
CREATE UNIQUE INDEX jobs_one_open_per_artist ON jobs (artist_id)
    WHERE state NOT IN ('succeeded', 'failed', 'cancelled', 'stuck')
        AND kind IN ('move', 'provision');
