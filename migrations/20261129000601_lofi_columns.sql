-- How far the renditions are, kept like the other counters. By itself: what waits for a server's row
-- while it waits for artists would wait for ever.
ALTER TABLE servers
    ADD COLUMN songs  bigint NOT NULL DEFAULT 0,
    ADD COLUMN lofis  bigint NOT NULL DEFAULT 0;
