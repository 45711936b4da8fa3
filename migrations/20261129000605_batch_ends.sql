-- How far batches were when they ended: lists of them add up nothing again.
CREATE TABLE batch_ends (
    batch_id     uuid PRIMARY KEY REFERENCES batches ON DELETE CASCADE,
    bytes_total  bigint NOT NULL,
    bytes_done   bigint NOT NULL,
    bytes_moved  bigint NOT NULL,
    started_at   timestamptz
);

-- What ends from here on is kept by who ends it.
LOCK TABLE batches IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO batch_ends (batch_id, bytes_total, bytes_done, bytes_moved, started_at)
SELECT j.batch_id,
    coalesce(sum(j.bytes_total) FILTER (
        WHERE j.state NOT IN ('failed', 'cancelled', 'stuck')), 0)::bigint,
    coalesce(sum(CASE WHEN j.state = 'succeeded' THEN j.bytes_total
        ELSE least(j.bytes_done, j.bytes_total) END) FILTER (
        WHERE j.state NOT IN ('failed', 'cancelled', 'stuck')), 0)::bigint,
    coalesce(sum(j.bytes_total) FILTER (WHERE j.state = 'succeeded'), 0)::bigint,
    min(j.started_at)
FROM jobs j JOIN batches b ON b.id = j.batch_id WHERE b.finished_at IS NOT NULL GROUP BY j.batch_id;
