-- Lanes that a person has paused: the workers of that server take nothing from them.
CREATE TABLE lane_pauses (
    server_id  uuid NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
    lane       text NOT NULL CHECK (lane IN ('export', 'express', 'import', 'lofi', 'lofi-bulk',
                   'verify', 'upkeep')),
    reason     text NOT NULL DEFAULT '',
    paused_by  text NOT NULL,
    paused_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (server_id, lane)
);

-- Counts the orders in which a server was told of its paused lanes.
ALTER TABLE servers ADD COLUMN lanes_generation bigint NOT NULL DEFAULT 0;

-- What a worker says it takes nothing from; null of a worker that knows no pauses.
ALTER TABLE workers
    ADD COLUMN lanes_generation  bigint,
    ADD COLUMN lanes_paused      text[];
