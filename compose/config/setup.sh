#!/bin/sh
# Runs once before the services: schema, topology, servers, the first admin. Safe to run again.
set -eu
cd /etc/tourbus

with_database() {
    TOURBUS__DATABASE__URL=$DATABASE_URL tourbus "$@" --config web.toml
}

with_database migrate
# The database knows the servers that have joined: without it they would be shut out.
TOURBUS__DATABASE__URL=$DATABASE_URL \
    TOURBUS__COORDINATOR__PASSWORD=$COORDINATOR_PASSWORD TOURBUS__SERVERS=$SERVERS \
    tourbus topology declare --config topology.toml
with_database server ensure --slug master --name Master --master \
    --ip 172.31.77.11 --url http://tourbus.localhost:8081
with_database server ensure --slug server2 --name "Server 2" \
    --ip 172.31.77.12 --url http://server2.tourbus.localhost:8082
with_database account ensure --email "$ADMIN_EMAIL" --role admin
