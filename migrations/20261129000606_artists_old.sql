-- Others do their work. By itself, for nobody reads the table while its indexes are dropped.
DROP INDEX artists_by_name, artists_by_server_name;
