-- The jobs of a batch in some states.
CREATE INDEX jobs_by_batch_state ON jobs (batch_id, state, id);
