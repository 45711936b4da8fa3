-- Lists and the overview with a million jobs that have ended.
CREATE INDEX jobs_by_kind_state ON jobs (kind, state, created_at DESC, id DESC);
-- What of a batch is done, without its jobs' rows.
CREATE INDEX jobs_batch_progress ON jobs (batch_id) INCLUDE (state, bytes_total, bytes_done, started_at);
-- Moves that failed lately.
CREATE INDEX jobs_failed_moves ON jobs (finished_at) WHERE kind = 'move' AND state = 'failed';
-- How far verifying is, without the artists' rows.
CREATE INDEX artists_by_verified ON artists (server_id, verified_at);
-- Findings of a job, and of a batch's jobs.
CREATE INDEX verify_findings_by_job ON verify_findings (job_id) WHERE resolved_at IS NULL;
