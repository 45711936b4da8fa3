-- Why a worker's server takes no work, as the worker last told; NULL when it does.
ALTER TABLE workers ADD COLUMN quarantine jsonb;
