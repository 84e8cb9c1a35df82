"""What this program needs from the machine and the session, examined one by one, each with its remedy.

Nothing is changed, nothing is started, and nothing that was recorded is opened.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from . import disk
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
    everywhere = [_python(), _cryptography(), _memory(), _home(home), _room(home), _clock(home), _key(home)]
    if not sys.platform.startswith("linux"):
        return [*everywhere, *_backends(), _system()]
    bus = _bus()
    found = [
        *everywhere, _person(), _session(), *_backends(), _indicator(), _tray(bus), _accessibility(bus),
        *_confinement(), _service(home), _name(),
    ]  # fmt: skip
    if bus is not None:
        bus.close()
    return found


def _system() -> Finding:
    """What nothing on this system mends."""
    remedy = "Record on a Linux machine. Reading and the organisation's side work without recording."
    return Finding("recording", False, "this version records on Linux only", remedy, True)


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


def _memory() -> Finding:
    """Where keys would lie while they are used."""
    from .sealing.guarded import kind

    where = {"secret": "out of the kernel's own reach too (memfd_secret)", "locked": "not swapped, not dumped (locked)",
             "plain": "may be swapped to disk"}[kind()]  # fmt: skip
    remedy = "Recording works. To keep keys off the disk raise the limit of locked memory: ulimit -l 64"
    return Finding("memory for keys", kind() != "plain", where, remedy, False)


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
    free = disk.room(place) >> 20
    return Finding("disk", free >= 64, f"{free:,} MiB free", "Make room: at least 64 MiB.", True)


def _clock(home: Home) -> Finding:
    """A clock that was set back closes the gate: an expiry could not be judged."""
    from .consent.gate import CLOCK_TOLERANCE_S

    now, seen = time.time(), 0
    with suppress(OSError, ValueError), open(home.last_seen, encoding="ascii") as file:
        seen = int(file.read(32))
    back = seen - now
    if back > CLOCK_TOLERANCE_S:
        remedy = "Set the computer's clock right; if it was wrong before, sign again: desktop-logger consent sign"
        return Finding("clock", False, f"{back / 60:,.0f} minutes before a time already seen", remedy, True)
    return Finding("clock", True, "not before any time already seen", None, True)


def _key(home: Home) -> Finding:
    """The store's key must be at hand where it was put; before a ceremony: whether there is a keyring to put it in."""
    from . import keystore

    try:
        place = keystore.kek_place(home)
    except DesktopLoggerError:
        try:
            import keyring
            from keyring.backends.fail import Keyring as Absent

            there = not isinstance(keyring.get_keyring(), Absent)
        except ImportError:
            there = False
        words = "a keyring of this session may hold it" if there else "no keyring: a file of yours would hold it"
        remedy = "Optional: pip install 'desktop-logger[keyring]', in a session with a keyring, before you sign."
        return Finding("store key", there, words, remedy, False)
    try:
        keystore.load_kek(home)
    except DesktopLoggerError as error:
        return Finding("store key", False, f"in your {place}, and not at hand: {error.message}", error.hint, True)
    return Finding("store key", True, f"in your {place}", None, True)


def _person() -> Finding:
    from .consent import person
    from .consent.words import say

    try:
        notes = person.act_for_yourself()
    except DesktopLoggerError as error:
        return Finding("account", False, error.message, error.hint, True)
    unknown = "; ".join(say("en", note).removeprefix("note: ").rstrip(".") for note in notes)
    return Finding("account", True, unknown or "your own, at the computer itself", None, True)


def _session() -> Finding:
    """What the session manager says about this session; input devices are given to its seat."""
    from .consent import person

    facts = person.session(os.environ.get("XDG_SESSION_ID", ""))
    if facts is None:
        remedy = "Nothing to do, unless you log in to a desktop: then run the doctor in a terminal of that session."
        return Finding("session", False, "no session manager knows this session", remedy, False)
    found = f"{facts.get('TYPE', 'unknown')} on {facts.get('SEAT', 'no seat')}, {facts.get('STATE', 'unknown')}"
    return Finding("session", facts.get("ACTIVE") == "1", found, "Switch to this session; others are not seen.", False)


def _backends() -> list[Finding]:
    from . import capture

    findings = []
    for name in capture.OURS:
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


Bus = Any


def _bus() -> Bus | None:
    """The session bus, where there is one and the library for it."""
    if not os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return None
    try:
        from jeepney.io.blocking import open_dbus_connection

        return open_dbus_connection(bus="SESSION")
    except Exception:  # noqa: BLE001  a missing library or a dead bus
        return None


def _no_bus() -> tuple[str, str]:
    """Why there is no bus, and the remedy."""
    if not os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return "no session bus", "Start inside a graphical session (DBUS_SESSION_BUS_ADDRESS is not set)."
    try:
        import jeepney
    except ImportError:
        return "no library for the session bus (jeepney)", "Run: pip install 'desktop-logger[desktop]'"
    return f"the session bus does not answer (jeepney {jeepney.__version__})", "Log in to a graphical session again."


def _owned(bus: Bus, name: str) -> bool:
    """Whether somebody on the bus answers to a name, or would be started for it."""
    import jeepney

    place = jeepney.DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus")
    with suppress(Exception):
        for method in ("ListNames", "ListActivatableNames"):
            if name in bus.send_and_get_reply(jeepney.new_method_call(place, method), timeout=1.0).body[0]:
                return True
    return False


def _tray(bus: Bus | None) -> Finding:
    if bus is None:
        return Finding("tray and notifications", False, *_no_bus(), False)
    names = {"tray": "org.kde.StatusNotifierWatcher", "notifications": "org.freedesktop.Notifications"}
    missing = [word for word, name in names.items() if not _owned(bus, name)]
    return Finding(
        "tray and notifications", not missing, "no " + ", no ".join(missing) if missing else "both answer",
        "The sign is a window as well. For an icon and messages use a desktop or panel with status icons.", False,
    )  # fmt: skip


def _accessibility(bus: Bus | None) -> Finding:
    """Whether elements can be told (AT-SPI), and what it costs where they cannot."""
    from .records.attention import UNTOLD

    if bus is None or not _owned(bus, "org.a11y.Bus"):
        why, remedy = (
            ("no accessibility bus (AT-SPI)", "Install at-spi2-core, then log in again.") if bus else _no_bus()
        )
        return Finding("accessibility", False, f"{why}: {UNTOLD}", remedy, False)
    is_on = _switched_on(bus)
    return Finding(
        "accessibility", is_on, "switched on" if is_on else "there, but switched off: Qt and Chromium say nothing",
        "Password fields are then known in more programs: "
        "gsettings set org.gnome.desktop.interface toolkit-accessibility true", False,
    )  # fmt: skip


def _switched_on(bus: Bus) -> bool:
    """Whether somebody has said that applications shall answer; the service that holds this is started to be asked."""
    import jeepney

    place = jeepney.DBusAddress("/org/a11y/bus", "org.a11y.Bus", "org.freedesktop.DBus.Properties")
    asked = jeepney.new_method_call(place, "Get", "ss", ("org.a11y.Status", "IsEnabled"))
    with suppress(Exception):
        return bool(bus.send_and_get_reply(asked, timeout=1.0).body[0][1] is True)
    return False


def _confinement() -> list[Finding]:
    """What the kernel offers, tried in a process that ends at once; ``status`` says what the running ones have."""
    from .confine import landlock

    remedies: dict[str, tuple[str, Callable[[], str]]] = {
        "landlock": ("Use a kernel with Landlock (5.13 or newer, with `landlock` in its list of security modules).",
                     lambda: f"version {landlock.abi()}" if landlock.abi() else "not in this kernel"),
        "seccomp": ("Use a kernel with seccomp filters, on x86_64 or aarch64.", lambda: "filters"),
        "dumpable": ("Nothing on this system keeps others of your account out of these processes' memory.",
                     lambda: "memory closed to others of this account"),
        "no_core": ("Core files cannot be switched off here: see ulimit -c.", lambda: "no core files"),
    }  # fmt: skip
    layers = _tried()
    return [
        Finding(f"confinement: {name}", layers.get(name) == "on",
                words() if layers.get(name) == "on" else "unavailable", f"Recording works. {remedy}", False)
        for name, (remedy, words) in remedies.items()
    ]  # fmt: skip


def _tried() -> dict[str, str]:
    """Put every layer around a process of its own and hear what holds."""
    import json
    import subprocess

    code = "import json; from desktop_logger import confine; print(json.dumps(confine.harden() | confine.shut()))"
    with suppress(OSError, ValueError, subprocess.SubprocessError):
        done = subprocess.run(
            [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False, timeout=10
        )
        return dict(json.loads(done.stdout))
    return {}


def _service(home: Home) -> Finding:
    from .daemon import service

    there = service.state(home)
    name = "service"
    if not there.installed:
        return Finding(name, True, "not installed: nothing starts at login", None, False)
    if not there.current:
        return Finding(name, False, "made by another version or for another home",
                       "Run: desktop-logger service install", False)  # fmt: skip
    if not there.manager:
        return Finding(name, False, "your service manager does not answer",
                       "Log in to a desktop session of a system that runs systemd.", False)  # fmt: skip
    if not there.target:
        return Finding(
            name, False, f"this session does not reach {service.TARGET}, which would start it",
            "Add this line to what your session starts by itself: desktop-logger start", False,
        )  # fmt: skip
    return Finding(name, True, "runs" if there.active else "starts at login", None, False)


def _name() -> Finding:
    other = foreign_logger()
    return Finding(
        "`logger`", other is None, "is this program" if other is None else f"{other} is another program",
        "Use the name desktop-logger.", False,
    )  # fmt: skip
