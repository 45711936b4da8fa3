-- A cluster that has run for three months: a million songs, a thousand batches of a thousand jobs
-- that have ended. Artists are there already.
CREATE TEMP TABLE artist AS SELECT row_number() OVER (ORDER BY id) - 1 AS n, id FROM artists;
CREATE TEMP TABLE server AS
    SELECT row_number() OVER (ORDER BY slug) - 1 AS n, id FROM servers WHERE deleted_at IS NULL;
CREATE TEMP TABLE batch AS
    SELECT n, gen_random_uuid() AS id, now() - interval '2 hours' * (1001 - n) AS at
    FROM generate_series(0, 999) n;
CREATE INDEX ON artist (n);
CREATE INDEX ON batch (n);
ANALYZE artist, server, batch;

-- Indexes are built from the whole tables, which is many times faster than row by row.
CREATE TEMP TABLE dropped AS
    SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS def FROM pg_index i
    WHERE i.indrelid IN ('jobs'::regclass, 'songs'::regclass)
        AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid);
DO $$ DECLARE d record; BEGIN
    FOR d IN SELECT * FROM dropped LOOP EXECUTE 'DROP INDEX ' || d.name; END LOOP;
END $$;

INSERT INTO songs (id, artist_id, position, title, path, bytes, plays_total)
SELECT md5('song ' || a.n || ' ' || s)::uuid, a.id, 100 + s, 'Song ' || s, 'songs/' || s || '.mp3', 4000000, s * 31
FROM artist a, generate_series(0, 9) s;

INSERT INTO batches (id, kind, target_server_id, requested_by, reason, jobs_total, jobs_succeeded,
    jobs_failed, jobs_cancelled, created_at, finished_at)
SELECT b.id, 'move', s.id, 'person' || b.n % 20 || '@example.org', 'Spread the plays', 1000, 940, 40,
    20, b.at, b.at + interval '1 hour'
FROM batch b JOIN server s ON s.n = b.n % 3;

INSERT INTO jobs (id, batch_id, kind, state, artist_id, source_server_id, target_server_id, song_id,
    files_total, bytes_total, bytes_staged, bytes_done, cancel_requested, error, created_at,
    started_at, finished_at, updated_at)
SELECT gen_random_uuid(), b.id, k.kind, k.state, a.id, s.id, t.id,
    CASE WHEN k.kind = 'lofi' THEN md5('song ' || a.n || ' ' || j % 7)::uuid END, 12, 40000000, 40000000, 40000000,
    k.state = 'cancelled',
    CASE WHEN k.state = 'failed' THEN jsonb_build_object('class', 'permanent', 'code', 'io',
        'message', 'the disk said no', 'remedy', 'Look at the disk.') END,
    b.at + interval '1 ms' * (j % 1000), b.at + interval '1 minute', b.at + interval '5 minutes',
    b.at + interval '5 minutes'
FROM generate_series(0, 999999) j
CROSS JOIN LATERAL (SELECT
    CASE WHEN j % 10 = 0 THEN 'verify' WHEN j % 10 < 3 THEN 'lofi' ELSE 'move' END AS kind,
    CASE WHEN j / 10 % 50 IN (7, 8) THEN 'failed' WHEN j / 10 % 50 = 9 THEN 'cancelled'
        ELSE 'succeeded' END AS state) k
JOIN artist a ON a.n = j::bigint * 7919 % 100000
JOIN batch b ON b.n = j / 1000
JOIN server s ON s.n = j % 3
JOIN server t ON t.n = CASE WHEN k.kind = 'move' THEN (j + 1) % 3 ELSE j % 3 END;
INSERT INTO batch_ends (batch_id, finished_at, bytes_total, bytes_done, bytes_moved, started_at)
SELECT b.id, b.finished_at, 940 * 40000000::bigint, 940 * 40000000::bigint, 940 * 40000000::bigint,
    b.created_at + interval '1 minute'
FROM batches b;
SET maintenance_work_mem = '512MB';
DO $$ DECLARE d record; BEGIN
    FOR d IN SELECT * FROM dropped LOOP EXECUTE d.def; END LOOP;
END $$;
INSERT INTO job_events (job_id, at, name, detail)
SELECT id, created_at, 'queued', '{}' FROM jobs WHERE state = 'failed';
INSERT INTO verify_results (job_id, artist_id, server_id, at, files, bytes, first_reading, placed, missing,
    corrupt, changed, unreadable, untracked, listed, took_ms)
SELECT id, artist_id, target_server_id, finished_at, 12, 40000000, false, 0, 0, 0, 0, 0, 0, 0, 900
FROM jobs WHERE kind = 'verify' AND state = 'succeeded';
INSERT INTO verify_findings (artist_id, server_id, job_id, path, kind, bytes_expected, state, found_at,
    resolved_at, resolved_by, resolution)
SELECT artist_id, server_id, job_id, 'songs/1.mp3', 'missing', 4000000, md5(job_id::text), at,
    CASE WHEN n > 500 THEN at END, CASE WHEN n > 500 THEN 'person7@example.org' END,
    CASE WHEN n > 500 THEN 'mended' END
FROM (SELECT *, row_number() OVER (ORDER BY at DESC) AS n FROM verify_results) r WHERE n % 10 = 0;
INSERT INTO audit_log (at, actor, action, object)
SELECT now() - interval '20 s' * n, 'person' || n % 20 || '@example.org', 'job.retry',
    'job:' || md5(n::text)::uuid
FROM generate_series(1, 400000) n;
INSERT INTO dead_letters (id, fingerprint, died_at, queue, server_slug, lane, reason, fault, routing_key, sort,
    headers, body)
SELECT gen_random_uuid(), n::text::bytea, now() - interval '1 minute' * n, 'tourbus.lane.server2.export',
    'server2', 'export', 'rejected', 'malformed', 'server2.export', 'work', '{}', 'x'
FROM generate_series(1, 5000) n;
INSERT INTO webhooks (id, name, url, events, active, secret, created_by)
VALUES (gen_random_uuid(), 'Ops', 'https://hooks.example.org/a', '{job.stuck}', false, 'x', 'x');
INSERT INTO webhook_deliveries (id, webhook_id, event_id, event, body, state, tries, created_at, finished_at)
SELECT gen_random_uuid(), w.id, gen_random_uuid(), 'job.stuck', '{}', 'delivered', 1,
    now() - interval '1 minute' * n, now() - interval '1 minute' * n
FROM webhooks w, generate_series(1, 50000) n;
-- As it would be by now.
VACUUM ANALYZE;
CHECKPOINT;
