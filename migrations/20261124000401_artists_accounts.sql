-- Artists who sign in, and what their home server tells of their songs.

ALTER TABLE accounts
    DROP CONSTRAINT accounts_role_check,
    ADD CONSTRAINT accounts_role_check CHECK (role IN ('admin', 'operator', 'viewer', 'artist'));

ALTER TABLE artists
    -- Whose artist it is; null for one that an admin has made.
    ADD COLUMN account_id          uuid REFERENCES accounts ON DELETE SET NULL,
    -- How large the artist's files may be; null for what the cluster's settings say.
    ADD COLUMN quota_bytes         bigint CHECK (quota_bytes >= 0),
    -- Of two states that are told, the higher is newer.
    ADD COLUMN catalogue_revision  bigint NOT NULL DEFAULT 0;
CREATE INDEX artists_by_account ON artists (account_id, id) WHERE account_id IS NOT NULL;

ALTER TABLE songs ADD COLUMN duration_ms bigint NOT NULL DEFAULT 0 CHECK (duration_ms >= 0);

ALTER TABLE cluster_settings
    -- Whether anybody may sign up as an artist.
    ADD COLUMN sign_up      boolean NOT NULL DEFAULT true,
    -- What an artist gets who has no quota of their own: 10 GiB.
    ADD COLUMN quota_bytes  bigint NOT NULL DEFAULT 10737418240 CHECK (quota_bytes >= 0);
