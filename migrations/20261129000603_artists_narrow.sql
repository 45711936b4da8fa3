-- A filter looks at the names in the index: rows are read for the page alone.
CREATE INDEX artists_by_name_only ON artists (lower(name), id) INCLUDE (name);
CREATE INDEX artists_by_server_name_only ON artists (server_id, lower(name), id) INCLUDE (name);
