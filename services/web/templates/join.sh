#!/bin/sh
# Joins this machine to a Tourbus cluster: fetches the master's own program, checks it, installs
# it, and runs `tourbus join`. Everything after `sh -s --` is handed to `tourbus join`.
set -eu

main_url=@MAIN_URL@
sha256=@SHA256@
arch=@ARCH@
bin=${TOURBUS_BIN:-/usr/local/bin/tourbus}

fail() {
    printf 'tourbus: %s\n' "$*" >&2
    exit 1
}

[ "$(uname -s)" = Linux ] || fail "this is $(uname -s); Tourbus runs on Linux."
[ "$(uname -m)" = "$arch" ] || fail "the master's program is built for $arch, and this machine is" \
    "$(uname -m). Build Tourbus here from its source, put it at $bin, and run:" \
    "TOURBUS_TOKEN=... $bin join --master $main_url"
for tool in curl sha256sum mktemp; do
    command -v "$tool" >/dev/null || fail "$tool is missing: install it and run this again."
done

dir=$(dirname "$bin")
[ -d "$dir" ] && [ -w "$dir" ] || fail "$dir cannot be written: run this as root (with sudo), or" \
    "set TOURBUS_BIN to a path that you may write."
fresh=$(mktemp "$dir/.tourbus.XXXXXX")
trap 'rm -f "$fresh"' EXIT
trap 'exit 1' HUP INT TERM
curl -fsS ${TOURBUS_CA:+--cacert "$TOURBUS_CA"} -o "$fresh" "$main_url/join/tourbus" || fail "the program could not be fetched from" \
    "$main_url/join/tourbus."
printf '%s  %s\n' "$sha256" "$fresh" | sha256sum -c - >/dev/null 2>&1 || fail "the program is not" \
    "the one that this script was made for: the master was updated just now, or somebody changed" \
    "it on its way. Run the command again."
chmod 755 "$fresh"
"$fresh" --version >/dev/null 2>&1 || fail "the master's program does not run on this machine, which" \
    "has $(getconf GNU_LIBC_VERSION 2>/dev/null || echo 'another C library than glibc'): the" \
    "program needs the GNU C library, as new as the master's. Build Tourbus here from its source," \
    "put it at $bin, and run: TOURBUS_TOKEN=... $bin join --master $main_url"
mv -f "$fresh" "$bin"
trap - EXIT

# Under systemd the server runs as a user of its own.
if [ -d /run/systemd/system ] && [ "$(id -u)" = 0 ] && ! id tourbus >/dev/null 2>&1; then
    useradd --system --user-group --no-create-home --home-dir /var/lib/tourbus \
        --shell /usr/sbin/nologin tourbus || fail "the user tourbus could not be made."
fi

# No input: the rest of a pipe that this script came through is not a token.
exec "$bin" join --master "$main_url" "$@" </dev/null
