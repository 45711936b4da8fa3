-- Servers that people create, change, drain and delete; settings of the whole cluster.

-- A deleted server gives its name and its URL free, but never its slug: its broker user, its lanes
-- and its machine had it.
CREATE UNIQUE INDEX servers_name_taken ON servers (lower(name)) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX servers_url_taken ON servers (url) WHERE deleted_at IS NULL;
ALTER TABLE servers DROP CONSTRAINT servers_name_key, DROP CONSTRAINT servers_url_key;

ALTER TABLE servers
    -- When broker user and lanes of a deleted server were removed; until then it is tried again.
    ADD COLUMN revoked_at timestamptz,
    ADD CONSTRAINT servers_default_takes_artists CHECK (NOT (is_default AND draining)),
    ADD CONSTRAINT servers_deleted_is_nothing
        CHECK (deleted_at IS NULL OR NOT (is_default OR is_master OR active OR draining)),
    -- Whatever the code does: artists cannot be left on a server that is no more.
    ADD CONSTRAINT servers_deleted_is_empty CHECK (deleted_at IS NULL OR artists = 0);

-- Exactly one is the default. There may be none yet where servers were made known by hand.
UPDATE servers SET is_default = true WHERE id = (
    SELECT id FROM servers WHERE deleted_at IS NULL AND active AND NOT draining
        AND NOT EXISTS (SELECT FROM servers WHERE is_default)
    ORDER BY is_master DESC, created_at, id LIMIT 1);

CREATE FUNCTION servers_have_a_default() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM servers WHERE deleted_at IS NULL)
            AND NOT EXISTS (SELECT FROM servers WHERE is_default) THEN
        RAISE EXCEPTION 'one server must be the default'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'servers_have_a_default';
    END IF;
    RETURN NULL;
END $$;
-- Looked at when a transaction commits: the default goes from one to another within one.
CREATE CONSTRAINT TRIGGER servers_have_a_default
    AFTER INSERT OR DELETE OR UPDATE OF is_default, deleted_at ON servers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION servers_have_a_default();

-- A server that is being emptied gets no new artists. By its name this trigger comes after
-- artists_count_insert, which waits for whoever is just changing the server.
CREATE FUNCTION artists_not_on_draining_server() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM servers s WHERE s.draining
            AND s.id IN (SELECT server_id FROM new_rows)) THEN
        RAISE EXCEPTION 'the server is being drained: it takes no new artists'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'artists_not_on_draining_server';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER artists_not_on_draining_server AFTER INSERT ON artists
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION artists_not_on_draining_server();

-- Which server a batch empties; its artists may go to several others.
ALTER TABLE batches ADD COLUMN drains_server_id uuid REFERENCES servers;
CREATE INDEX batches_by_drained ON batches (drains_server_id, created_at DESC)
    WHERE drains_server_id IS NOT NULL;

-- Settings of the whole cluster: one row.
CREATE TABLE cluster_settings (
    one           boolean PRIMARY KEY DEFAULT true CHECK (one),
    -- Cluster servers at most, the master not counted; NULL for no limit.
    server_limit  integer CHECK (server_limit BETWEEN 0 AND 10000)
);
INSERT INTO cluster_settings DEFAULT VALUES;
