-- A batch that somebody has paused: its queued jobs are on no lane.
ALTER TABLE batches
    ADD COLUMN paused_at  timestamptz,
    ADD COLUMN paused_by  text;

-- For the lists of jobs and batches, each filter with the newest first.
CREATE INDEX jobs_by_kind ON jobs (kind, created_at DESC, id DESC);
CREATE INDEX jobs_by_source ON jobs (source_server_id, created_at DESC, id DESC);
CREATE INDEX jobs_by_target ON jobs (target_server_id, created_at DESC, id DESC);
CREATE INDEX batches_by_person ON batches (requested_by, created_at DESC, id DESC);
CREATE INDEX batches_open ON batches (created_at DESC, id DESC) WHERE finished_at IS NULL;
