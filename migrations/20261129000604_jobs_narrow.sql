-- The newest jobs of somebody, or of artists with a name, are chosen without their rows; those of a batch
-- by their state.
CREATE INDEX jobs_newest_of ON jobs (created_at DESC, id DESC) INCLUDE (batch_id, artist_id);
CREATE INDEX jobs_by_batch_state ON jobs (batch_id, state);
-- Conversions that failed, the newest first.
CREATE INDEX jobs_failed_lofi ON jobs (finished_at DESC, id) INCLUDE (song_id, created_at)
    WHERE kind = 'lofi' AND state = 'failed';
