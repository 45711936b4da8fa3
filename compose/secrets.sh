#!/usr/bin/env bash
# Makes compose/.env, the secrets of the Docker stack. Does nothing if it is there.
set -euo pipefail
cd "$(dirname "$0")"
if [[ -e .env ]]; then
    echo "compose/.env is there already"
    exit 0
fi
command -v openssl >/dev/null || { echo "openssl is missing: apt-get install openssl" >&2; exit 1; }

random() { openssl rand -hex "$1"; }
hex() { od -An -v -tx1 | tr -d ' \n'; }
# An Ed25519 key in DER ends with its 32 bytes, private and public alike.
private() { openssl pkey -outform DER <<<"$1" | tail -c 32 | hex; }
public() { openssl pkey -pubout -outform DER <<<"$1" | tail -c 32 | hex; }
# What signs orders, and what signs leave for visitors.
orders=$(openssl genpkey -algorithm ed25519)
visitors=$(openssl genpkey -algorithm ed25519)

umask 077
cat >.env.new <<END
# Secrets of compose/compose.yml. Made by compose/secrets.sh; keep it to yourself.
POSTGRES_PASSWORD=$(random 16)
RABBITMQ_PASSWORD=$(random 16)
COORDINATOR_PASSWORD=$(random 16)
MASTER_PASSWORD=$(random 16)
SERVER2_PASSWORD=$(random 16)
S3_ACCESS_KEY=GK$(random 12)
S3_SECRET_KEY=$(random 32)
SIGNING_KEY=$(private "$orders")
PUBLIC_KEY=$(public "$orders")
VISITOR_KEY=$(private "$visitors")
VISITOR_PUBLIC_KEY=$(public "$visitors")
ADMIN_EMAIL=admin@tourbus.localhost
ADMIN_PASSWORD=$(random 8)
ADMIN_API_TOKEN=tb_$(random 32)
END
mv .env.new .env
echo "made compose/.env; the admin's password is in it"
