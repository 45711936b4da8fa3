#!/usr/bin/env bash
# Installs the Debian packages that the local stack needs, if they are missing. Starts no service.
#
#   compose/install.sh [--tests] [--bench]
#
#   --tests   also what `make test` needs: a browser and its driver
#   --bench   also what `make bench` needs: rclone, nginx, wrk, ffmpeg, lame, and music
set -euo pipefail

say() { printf 'install: %s\n' "$*" >&2; }
fail() {
    say "$*"
    exit 1
}

packages=(rabbitmq-server postgresql)
for argument in "$@"; do
    case $argument in
        --tests) packages+=(chromium chromium-driver) ;;
        --bench) packages+=(rclone nginx-light wrk ffmpeg lame wesnoth-1.16-music) ;;
        -h | --help)
            sed -n '2,7s/^# \{0,1\}//p' "$0"
            exit 0
            ;;
        *) fail "unknown argument $argument; see $0 --help" ;;
    esac
done
# cargo needs a linker.
command -v cc >/dev/null || packages+=(gcc libc6-dev)

command -v dpkg-query >/dev/null || fail "this is no Debian. Install these packages your own way:
  ${packages[*]}
The local stack looks for PostgreSQL in /usr/lib/postgresql/<version>/bin and for RabbitMQ in
/usr/lib/rabbitmq/bin; with Docker, compose/compose.yml needs neither."

installed() {
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

missing=()
for package in "${packages[@]}"; do
    installed "$package" || missing+=("$package")
done
((${#missing[@]})) || exit 0

say "missing: ${missing[*]}"
if ((EUID == 0)); then
    as_root=()
elif command -v sudo >/dev/null; then
    as_root=(sudo)
    say "installing needs root; sudo may ask for your password"
    sudo -v || fail "sudo was refused. As root, run: apt-get install --no-install-recommends ${missing[*]}"
else
    fail "you are not root and there is no sudo. As root, run:
  apt-get update && apt-get install --no-install-recommends ${missing[*]}"
fi

# Packages must not start their services: the stack runs private instances.
policy=/usr/sbin/policy-rc.d
cleanup() {
    if [[ -n ${policy_made:-} ]]; then "${as_root[@]}" rm -f "$policy"; fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
if [[ ! -e $policy ]]; then
    policy_made=yes
    "${as_root[@]}" install -m 755 /dev/stdin "$policy" <<<$'#!/bin/sh\nexit 101'
else
    say "$policy exists and is left alone: it decides whether the packages start their services"
fi

apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120)
say "apt-get update"
"${apt[@]}" update >/dev/null ||
    fail "apt-get update failed (see above): is the network up, are /etc/apt's sources right?"
for package in "${missing[@]}"; do
    candidate=$(apt-cache policy "$package" | awk '/Candidate:/ { print $2 }')
    [[ -n $candidate && $candidate != "(none)" ]] ||
        fail "no source in /etc/apt offers the package $package: enable Debian's main archive"
done

say "apt-get install --no-install-recommends ${missing[*]}"
"${apt[@]}" install --no-install-recommends "${missing[@]}" ||
    fail "apt-get install failed (see above): a full disk, or no network?"

# Nor at the next boot.
if [[ -n ${policy_made:-} ]] && command -v systemctl >/dev/null; then
    for package in "${missing[@]}"; do
        case $package in
            rabbitmq-server) units=(rabbitmq-server.service epmd.service epmd.socket) ;;
            postgresql) units=(postgresql.service) ;;
            nginx-light) units=(nginx.service) ;;
            *) units=() ;;
        esac
        for unit in "${units[@]}"; do
            if "${as_root[@]}" systemctl disable --quiet "$unit" 2>/dev/null; then
                say "$unit will not start at boot; 'systemctl enable $unit' changes that"
            fi
        done
    done
fi
say "done"
