-- Likewise.
DROP INDEX jobs_newest, jobs_by_batch, jobs_batch_progress;
