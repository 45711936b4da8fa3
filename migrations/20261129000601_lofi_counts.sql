-- How far the renditions are, kept like the other counters: one statement on artists costs one update
-- per server it touches.
ALTER TABLE servers
    ADD COLUMN songs  bigint NOT NULL DEFAULT 0,
    ADD COLUMN lofis  bigint NOT NULL DEFAULT 0;

-- Nothing is counted by the old function meanwhile.
LOCK TABLE artists IN SHARE ROW EXCLUSIVE MODE;

CREATE OR REPLACE FUNCTION artists_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE servers s SET artists = s.artists + d.n, plays_total = s.plays_total + d.p,
            plays_30d = s.plays_30d + d.m, bytes = s.bytes + d.b, songs = s.songs + d.o,
            lofis = s.lofis + d.l
        FROM (SELECT server_id, count(*) n, sum(plays_total) p, sum(plays_30d) m, sum(bytes) b,
                  sum(songs) o, sum(lofis) l
              FROM new_rows GROUP BY server_id) d WHERE s.id = d.server_id;
    ELSIF TG_OP = 'DELETE' THEN
        UPDATE servers s SET artists = s.artists - d.n, plays_total = s.plays_total - d.p,
            plays_30d = s.plays_30d - d.m, bytes = s.bytes - d.b, songs = s.songs - d.o,
            lofis = s.lofis - d.l
        FROM (SELECT server_id, count(*) n, sum(plays_total) p, sum(plays_30d) m, sum(bytes) b,
                  sum(songs) o, sum(lofis) l
              FROM old_rows GROUP BY server_id) d WHERE s.id = d.server_id;
    ELSE
        UPDATE servers s SET artists = s.artists + d.n, plays_total = s.plays_total + d.p,
            plays_30d = s.plays_30d + d.m, bytes = s.bytes + d.b, songs = s.songs + d.o,
            lofis = s.lofis + d.l
        FROM (SELECT server_id, sum(n) n, sum(p) p, sum(m) m, sum(b) b, sum(o) o, sum(l) l FROM (
                  SELECT server_id, 1 n, plays_total p, plays_30d m, bytes b, songs o, lofis l
                  FROM new_rows
                  UNION ALL
                  SELECT server_id, -1, -plays_total, -plays_30d, -bytes, -songs, -lofis
                  FROM old_rows) x
              GROUP BY server_id
              HAVING sum(n) <> 0 OR sum(p) <> 0 OR sum(m) <> 0 OR sum(b) <> 0 OR sum(o) <> 0
                  OR sum(l) <> 0) d
        WHERE s.id = d.server_id;
    END IF;
    RETURN NULL;
END $$;

UPDATE servers s SET songs = a.songs, lofis = a.lofis
FROM (SELECT server_id, sum(songs) AS songs, sum(lofis) AS lofis FROM artists GROUP BY server_id) a
WHERE a.server_id = s.id;

-- A filter looks at the names in the index: rows are read for the page alone.
DROP INDEX artists_by_name;
CREATE INDEX artists_by_name ON artists (lower(name), id) INCLUDE (name);
DROP INDEX artists_by_server_name;
CREATE INDEX artists_by_server_name ON artists (server_id, lower(name), id) INCLUDE (name);

-- Conversions that failed, the newest first.
CREATE INDEX jobs_failed_lofi ON jobs (finished_at DESC, id) INCLUDE (song_id, created_at)
    WHERE kind = 'lofi' AND state = 'failed';
