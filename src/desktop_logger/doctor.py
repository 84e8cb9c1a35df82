"""What this program needs from the machine, examined without side effects, each with its remedy."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from .errors import DesktopLoggerError
from .paths import Home, foreign_logger


class Finding(NamedTuple):
    """One thing examined. ``needed``: recording cannot work without it."""

    name: str
    ok: bool
    found: str
    remedy: str | None
    needed: bool


def examine(home: Home) -> list[Finding]:
    """Examine everything, in the order in which a start would meet it."""
    return [_python(), _cryptography(), _home(home), _room(home), *_backends(), _indicator(), _confinement(), _name()]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("Python", sys.version_info >= (3, 11), version, "Install Python 3.11 or newer.", True)


def _cryptography() -> Finding:
    """The sealing suite must really work here: a wheel may lack the hybrid key agreement."""
    from . import sealing

    try:
        key = sealing.ReaderKey.generate()
        works = key.open(sealing.seal_to(key.public, b"probe", b"doctor"), b"doctor") == b"probe"
    except Exception as error:  # noqa: BLE001  whatever a foreign build raises, the answer is no
        return Finding("sealing", False, type(error).__name__, "Run: pip install 'cryptography>=48.0.1'", True)
    return Finding("sealing", works, "X-Wing, AES-256-GCM, Ed25519 work", None, True)


def _home(home: Home) -> Finding:
    try:
        home.check()
    except DesktopLoggerError as error:
        return Finding("folder", False, error.message, error.hint, True)
    return Finding("folder", True, home.root + ("" if home.exists() else " (not created yet)"), None, True)


def _room(home: Home) -> Finding:
    place = home.root
    while not os.path.isdir(place):
        place = os.path.dirname(place)
    if not os.access(place, os.W_OK):
        return Finding("disk", False, f"{place} cannot be written", "Make it writable for your account.", True)
    free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize >> 20
    return Finding("disk", free >= 64, f"{free:,} MiB free", "Make room: at least 64 MiB.", True)


def _backends() -> list[Finding]:
    from . import capture

    findings = []
    for name in ("x11", "pynput"):
        probe = capture.load(name).probe()
        findings.append(Finding(f"backend {name}", probe.viable, probe.reason, probe.remedy, False))
    try:
        chosen, why = capture.choose("auto")
    except DesktopLoggerError as error:
        return [*findings, Finding("input", False, error.message, error.hint, True)]
    return [*findings, Finding("input", True, f"{chosen} ({why})", None, True)]


def _indicator() -> Finding:
    from . import capture

    name = os.environ.get("DISPLAY", "")
    if name and capture.load("x11").probe().viable:
        return Finding("recording sign", True, f"a window on {name}", None, True)
    return Finding(
        "recording sign", False, f"nothing answers on {name}" if name else "no display",
        "Start inside a graphical session.", True,
    )  # fmt: skip


def _confinement() -> Finding:
    """What the kernel offers; whether a running process has it is in ``status --json``."""
    import platform

    from .confine import landlock, seccomp

    version = landlock.abi()
    filters = os.path.exists("/proc/sys/kernel/seccomp") and platform.machine() in seccomp.MACHINES
    found = [f"Landlock {version}" if version else "no Landlock", "seccomp" if filters else "no seccomp filter"]
    return Finding(
        "confinement", bool(version and filters), ", ".join(found),
        "Recording works; use a kernel with Landlock (5.13 or newer) to have the processes confined.", False,
    )  # fmt: skip


def _name() -> Finding:
    other = foreign_logger()
    return Finding(
        "`logger`", other is None, "is this program" if other is None else f"{other} is another program",
        "Use the name desktop-logger.", False,
    )  # fmt: skip
