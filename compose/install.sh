#!/usr/bin/env bash
# Installs the Debian packages that the local stack needs, if they are missing. Starts no service.
#
#   compose/install.sh [--tests] [--bench]
#
#   --tests   also what `make test` needs: a browser and its driver, and axe-core, which looks for
#             what keeps people out of a page (into target/, by npm, once)
#   --bench   also what `make bench` needs: rclone, nginx, wrk, ffmpeg, lame, and music
set -euo pipefail

say() { printf 'install: %s\n' "$*" >&2; }
fail() {
    say "$*"
    exit 1
}

cleanup() {
    if [[ -n ${policy_made:-} ]]; then "${as_root[@]}" rm -f "$policy"; fi
    if [[ -n ${work:-} ]]; then rm -rf "$work"; fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

# The accessibility tests inject this into every page. A new version needs its own sum: npm tells it
# as `npm view axe-core@VERSION dist.integrity`.
axe_version=4.10.3
axe_integrity=Xm7bpRXnDSX2YE2YFfBk2FnF0ep6tmG7xPh8iHee8MIcrgq762Nkce856dYtJYLkuIoYZvGfTs/PbZhideTcEg==
axe_dir=$(cd "$(dirname "$0")/.." && pwd)/target/axe-core-$axe_version

# Unpacks axe-core, unless it is there: then no network is needed.
get_axe() {
    [[ -n ${axe:-} && ! -e $axe_dir/axe.min.js ]] || return 0
    say "axe-core $axe_version into $axe_dir"
    local sum
    mkdir -p "$(dirname "$axe_dir")"
    # Beside it, so that the last step is a rename: a run that is broken off leaves nothing half unpacked.
    work=$(mktemp -d "$axe_dir.XXXXXX")
    (cd "$work" && npm pack --loglevel=error "axe-core@$axe_version" >/dev/null) ||
        fail "npm could not fetch axe-core $axe_version (see above): is the network up?"
    sum=$(sha512sum "$work/axe-core-$axe_version.tgz" | cut -d' ' -f1)
    [[ $sum == $(base64 -d <<<"$axe_integrity" | od -An -vtx1 | tr -d ' \n') ]] ||
        fail "axe-core $axe_version is not what it was: its SHA-512 is $sum. Do not use it"
    tar -xzf "$work/axe-core-$axe_version.tgz" -C "$work"
    rm -rf "$axe_dir"
    mv "$work/package" "$axe_dir"
}

packages=(rabbitmq-server postgresql)
for argument in "$@"; do
    case $argument in
        --tests)
            packages+=(chromium chromium-driver)
            axe=yes
            ;;
        --bench) packages+=(rclone nginx-light wrk ffmpeg lame wesnoth-1.16-music) ;;
        -h | --help)
            sed -n '2,8s/^# \{0,1\}//p' "$0"
            exit 0
            ;;
        *) fail "unknown argument $argument; see $0 --help" ;;
    esac
done
# cargo needs a linker.
command -v cc >/dev/null || packages+=(gcc libc6-dev)
[[ -z ${axe:-} || -e $axe_dir/axe.min.js ]] || command -v npm >/dev/null || packages+=(npm)

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
if ((${#missing[@]} == 0)); then
    get_axe
    exit 0
fi

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
get_axe
say "done"
