"""What this program needs from the machine, examined without side effects, each with its remedy."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from .errors import DesktopLoggerError
from .paths import Home


class Finding(NamedTuple):
    """One thing examined. ``needed``: recording cannot work without it."""

    name: str
    ok: bool
    found: str
    remedy: str | None
    needed: bool


def examine(home: Home) -> list[Finding]:
    """Examine everything, in the order in which a start would meet it."""
    return [_python(), _cryptography(), _home(home), _room(home), *_backends(), _indicator(), _name()]


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
    if os.environ.get("DISPLAY"):
        return Finding("recording sign", True, f"a window on {os.environ['DISPLAY']}", None, True)
    return Finding(
        "recording sign", False, "no display", "Start inside a graphical session, or with --foreground in a terminal.",
        True,
    )  # fmt: skip


def _name() -> Finding:
    from shutil import which

    found = which("logger")
    if found is None:
        return Finding("`logger`", False, "not on PATH", "Use the name desktop-logger.", False)
    with open(found, "rb") as file:
        ours = b"desktop_logger" in file.read(4096)
    return Finding(
        "`logger`", ours, "is this program" if ours else f"{found} is another program", "Use the name desktop-logger.",
        False,
    )  # fmt: skip
