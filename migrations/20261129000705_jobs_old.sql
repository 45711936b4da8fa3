-- Others do their work. By itself, for nobody reads the table while its indexes are dropped.
DROP INDEX jobs_newest, jobs_by_batch, jobs_batch_progress;
