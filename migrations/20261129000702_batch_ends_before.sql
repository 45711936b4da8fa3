INSERT INTO batch_ends (batch_id, finished_at, bytes_total, bytes_done, bytes_moved, started_at)
SELECT b.id, b.finished_at,
    coalesce(sum(j.bytes_total) FILTER (
        WHERE j.state NOT IN ('failed', 'cancelled', 'stuck')), 0)::bigint,
    coalesce(sum(CASE WHEN j.state = 'succeeded' THEN j.bytes_total
        ELSE least(j.bytes_done, j.bytes_total) END) FILTER (
        WHERE j.state NOT IN ('failed', 'cancelled', 'stuck')), 0)::bigint,
    coalesce(sum(j.bytes_total) FILTER (WHERE j.state = 'succeeded'), 0)::bigint,
    min(j.started_at)
FROM batches b JOIN jobs j ON j.batch_id = b.id WHERE b.finished_at IS NOT NULL GROUP BY b.id
ON CONFLICT (batch_id) DO NOTHING;
