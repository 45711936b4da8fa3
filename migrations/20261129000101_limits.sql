-- What a server's moves may take of it, and which of it its workers obey.
ALTER TABLE servers
    ADD COLUMN limits jsonb NOT NULL DEFAULT '{}',
    -- Counts up with every change; 0 means that none was ever set.
    ADD COLUMN limits_revision bigint NOT NULL DEFAULT 0;
ALTER TABLE workers
    ADD COLUMN limits_revision bigint,
    -- Among how many workers it shares the rate.
    ADD COLUMN limits_workers integer;
