#!/bin/sh
# Prints the path of a Garage binary, building it first when there is none. Garage is the real S3
# store that `STAGING=garage make test` and `make bench` run against; `make run` does not need it.
#
#   compose/garage.sh            installs when missing (about ten minutes on two cores), prints the path
#   compose/garage.sh --check    prints the path, or fails when it is not installed
#
# TOURBUS_TOOLS_DIR   where it goes (default: ~/.cache/tourbus/tools); the binary is in bin/
#
# A single node with a bucket and keys that are known beforehand needs no set-up calls:
#
#   cat > garage.toml <<'TOML'          # mode 0600: it holds a secret
#   metadata_dir = "/somewhere/meta"
#   data_dir = "/somewhere/data"
#   db_engine = "lmdb"
#   replication_factor = 1
#   rpc_bind_addr = "127.0.0.1:3901"
#   rpc_secret = "<32 random bytes, as 64 hex digits>"
#   [s3_api]
#   s3_region = "garage"
#   api_bind_addr = "127.0.0.1:3900"
#   TOML
#   GARAGE_DEFAULT_ACCESS_KEY=<8 or more of a-z A-Z 0-9 - _ .> \
#   GARAGE_DEFAULT_SECRET_KEY=<16 or more graphic characters> \
#   GARAGE_DEFAULT_BUCKET=tourbus \
#       garage --config garage.toml server --single-node --default-bucket
#
# It listens on api_bind_addr only once key and bucket exist, so a TCP connection means ready.
# SIGTERM stops it. tests/src/garage.rs does the same from Rust.
set -eu

version=2.5.0
tools=${TOURBUS_TOOLS_DIR:-$HOME/.cache/tourbus/tools}
garage=$tools/bin/garage

installed() {
    [ -x "$garage" ] && "$garage" --version 2>/dev/null | grep -qF "cargo:$version "
}

if ! installed; then
    if [ "${1:-}" = --check ]; then
        echo "garage $version is not in $tools/bin: run compose/garage.sh to build it" >&2
        exit 1
    fi
    echo "building garage $version into $tools (once; about ten minutes on two cores)" >&2
    cargo install garage --version "$version" --locked --no-default-features \
        --features bundled-libs,sqlite,lmdb --root "$tools" >&2
fi
echo "$garage"
