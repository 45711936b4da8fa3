-- Accounts that can be switched off, tokens with a scope, sessions that can be listed, and an audit
-- log that only grows.

ALTER TABLE accounts
    ADD COLUMN disabled            boolean NOT NULL DEFAULT false,
    ADD COLUMN password_changed_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN last_sign_in_at     timestamptz;

ALTER TABLE sessions
    ADD COLUMN id            uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    ADD COLUMN address       inet,
    ADD COLUMN agent         text NOT NULL DEFAULT '',
    ADD COLUMN last_seen_at  timestamptz NOT NULL DEFAULT now();
CREATE INDEX sessions_by_account ON sessions (account_id);

-- A token does at most what its scope says: `read` looks, `steer` does what an operator may, `full`
-- all that its account may. Tokens from before had no scope: they may what they could.
ALTER TABLE api_tokens
    ADD COLUMN id     uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    ADD COLUMN scope  text NOT NULL DEFAULT 'full' CHECK (scope IN ('read', 'steer', 'full'));
CREATE INDEX api_tokens_by_account ON api_tokens (account_id);

-- No foreign keys: what somebody did stays written when the account is deleted.
ALTER TABLE audit_log
    ADD COLUMN account_id  uuid,
    -- The label of the API token that was used; null for a browser or a process.
    ADD COLUMN token       text,
    ADD COLUMN address     inet,
    ADD COLUMN result      text NOT NULL DEFAULT 'done'
                           CHECK (result IN ('done', 'refused', 'failed')),
    ADD COLUMN reason      text NOT NULL DEFAULT '',
    -- How often, since `since`: repeated failures are one row for each window of time.
    ADD COLUMN times       integer NOT NULL DEFAULT 1 CHECK (times >= 1),
    ADD COLUMN since       timestamptz;
CREATE INDEX audit_log_by_time ON audit_log (at, id);
CREATE INDEX audit_log_by_actor ON audit_log (actor, id);
CREATE INDEX audit_log_by_action ON audit_log (action, id);
CREATE INDEX audit_log_by_object ON audit_log (object, id);

CREATE FUNCTION audit_log_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log only grows: % is refused', TG_OP
        USING ERRCODE = 'restrict_violation', HINT = 'See docs/audit.md for how to prune it.';
END $$;
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_only_grows();
CREATE TRIGGER audit_log_not_emptied BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_only_grows();
