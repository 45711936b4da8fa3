-- How far batches were when they ended: lists of them add up nothing again. What was kept of an end
-- counts as long as it is the last: a batch that goes on ends anew.
CREATE TABLE batch_ends (
    batch_id     uuid PRIMARY KEY REFERENCES batches ON DELETE CASCADE,
    finished_at  timestamptz NOT NULL,
    bytes_total  bigint NOT NULL,
    bytes_done   bigint NOT NULL,
    bytes_moved  bigint NOT NULL,
    started_at   timestamptz
);
