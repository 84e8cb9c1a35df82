"""Backends: how input comes in. Each is a module of this package, loaded only when it is asked for by name.

A backend is viable or says why not, with the remedy; asking changes nothing. Opening one takes a ``Grant`` and
gives a ``Capture``, which yields batches of classified events: a raw code lives in one read buffer, is looked up
in a table during the one pass over it, and is overwritten.

``x11``         XInput2 raw events of a local X server: lossless, exact times, true deltas
``evdev``       the kernel's input devices, for Wayland and the console
``pynput``      the portable one: macOS, Windows, and X servers without XInput2
``replay:FILE`` a recorded or written input file, for tests, previews and demonstrations
``file:PATH``   one of somebody else, named in the signed policy with its hash; asked for by its name
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from desktop_logger.consent.grant import Grant
from desktop_logger.errors import Unavailable, UsageError
from desktop_logger.records.events import Batch


class Probe(NamedTuple):
    """Whether a backend can see input here, and if not, what would mend it."""

    viable: bool
    reason: str
    remedy: str | None = None


class DisplayLost(Unavailable):
    """The display went away while recording."""


GATHER_S = 0.05

OURS = ("x11", "pynput", "evdev") if sys.platform not in ("darwin", "win32") else ("pynput",)
"""The backends that this system could have, in the order in which ``auto`` tries them."""


class Capture(Protocol):
    """Input being captured. Times are ms of the monotonic clock."""

    gather_s: float
    """How long input may lie before it is read; the longer, the fewer wake-ups."""

    def fileno(self) -> int:
        """A descriptor that becomes readable when there is input, or -1 where ``due`` decides alone."""

    def due(self) -> float | None:
        """Seconds until ``read`` has something without the descriptor saying so; ``None``: never."""

    def read(self) -> Batch:
        """What has come in since the last read; may be empty. Raises ``DisplayLost``."""

    def ended(self) -> bool:
        """Whether there will never be more (a replay that is through)."""

    def close(self) -> None:
        """Let go of the display, the threads, the file."""


class Backend(Protocol):
    """One way of seeing input."""

    name: str

    def probe(self) -> Probe:
        """Whether it would work here. At most a quick connection; nothing is selected or read."""

    def capture(self, grant: Grant) -> Capture:
        """Begin to capture the granted scopes. Raises ``Unavailable``."""


Named = Sequence[tuple[str, str]]
"""Backends of others that a grant names: name and SHA-256 (hex) of the file."""


def load(name: str, named: Named = ()) -> Backend:
    """The backend of that name. Raises ``UsageError`` for a name that is not one."""
    kind, _, argument = name.partition(":")
    if kind == "x11" and not argument:
        from .x11 import X11

        return X11()
    if kind == "evdev" and not argument:
        from .evdev import Evdev

        return Evdev()
    if kind == "pynput" and not argument:
        from .pynput import Pynput

        return Pynput()
    if kind == "replay" and argument:
        from .replay import Replay

        return Replay(argument)
    hashes = dict(named)
    if kind == "file" and (wanted := hashes.get(os.path.basename(argument).removesuffix(".py"))):
        from .foreign import Foreign

        return Foreign(argument, wanted)
    known = ", ".join(("auto", "x11", "evdev", "pynput", "replay:FILE", *hashes))
    raise UsageError(f"there is no backend {name}", f"Backends: {known}.")


def in_wayland() -> bool:
    """Whether this is a Wayland session, in which X11 clients see only some windows' input."""
    return bool(os.environ.get("WAYLAND_DISPLAY")) or os.environ.get("XDG_SESSION_TYPE") == "wayland"


def choose(name: str, named: Named = (), folder: str = "") -> tuple[str, str]:
    """The backend to use and why, as ``(name, why)``. ``auto`` picks; any other name is probed and kept.

    ``named``: backends of others, whose files lie in ``folder``; ``auto`` never picks one.

    Raises ``Unavailable`` with the remedy where input cannot be seen, ``UsageError`` for an unknown name.
    """
    if name in dict(named):
        name = "file:" + os.path.join(folder, f"{name}.py")
    if name != "auto":
        probe = load(name, named).probe()
        if not probe.viable:
            said = "" if name.startswith("file:") else f"backend {name.partition(':')[0]}: "
            raise Unavailable(said + probe.reason, probe.remedy)
        why = probe.reason
        if in_wayland() and name in ("x11", "pynput"):
            why += "; in a Wayland session it sees only the windows of X11 programs"
        if name.startswith("replay:"):
            name = "replay:" + os.path.abspath(name.partition(":")[2])
        return name, why
    if in_wayland():
        probe = load("evdev").probe()
        if probe.viable:
            return "evdev", f"auto: {probe.reason}"
        raise Unavailable(
            "this is a Wayland session, in which x11 and pynput would see only some windows' input, and say nothing; "
            f"evdev: {probe.reason}",
            f"{probe.remedy} Or log in to an X11 session.",
        )
    refused: list[str] = []
    remedy: str | None = None
    for candidate in OURS:
        probe = load(candidate).probe()
        if probe.viable:
            why = f"auto: {probe.reason}"
            return candidate, why + "".join(f"; {reason}" for reason in refused)
        refused.append(f"{candidate}: {probe.reason}")
        remedy = remedy or probe.remedy
    raise Unavailable("no backend can see input here (" + "; ".join(refused) + ")", remedy)
