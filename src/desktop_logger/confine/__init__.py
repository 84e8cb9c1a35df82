"""What a process of the daemon gives up before it does anything else, and what once it is ready.

``keep_only`` first: nothing inherited by chance
``harden``    at once: nobody may attach to it or read its memory, a crash leaves no core file, files that it makes are
              its own account's alone
``unplug``    no socket but Unix ones, no tracing of others, no way around either (supervisor, before it starts others)
``shut``      ready: no socket at all, no program to execute, no file but under the folders that are named

All are one-way and reach this process and what it starts later. A layer that the platform lacks is skipped, and the
answer says so: layer → ``on`` or ``unavailable``. ctypes, because the packages that wrap these calls are young and
would be loaded into the very processes that must stay small; the calls are a page of code (``seccomp``, ``landlock``).
"""

from __future__ import annotations

import contextlib
import os
import sys

from . import landlock, seccomp

_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38

Layers = dict[str, str]


def keep_only(*numbers: str) -> None:
    """Close every descriptor but the standard ones and these, which no child inherits: nothing comes by chance."""
    kept = {int(number) for number in numbers}
    for name in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else map(str, range(3, 256)):
        number = int(name)
        if number > 2 and number not in kept:
            with contextlib.suppress(OSError):
                os.close(number)
    for number in kept:
        os.set_inheritable(number, False)


def harden() -> Layers:
    """Give up what no process of ours needs. Never raises."""
    os.umask(0o077)
    sys.excepthook = _say_only_what
    return {"dumpable": _said(prctl(_PR_SET_DUMPABLE, 0)), "no_core": _no_core()}


def _say_only_what(kind: type[BaseException], *_: object) -> None:
    """An error that nothing caught: its name and no more, for a traceback can quote what was read or typed."""
    with contextlib.suppress(OSError):
        os.write(2, f"error: {kind.__name__} inside desktop-logger\n".encode())


def unplug() -> Layers:
    """No socket but Unix ones, from here on and for every child. Never raises."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    return {"seccomp": _said(seccomp.install(seccomp.UNPLUGGED))}


def shut(*, write: tuple[str, ...] = (), read: tuple[str, ...] = (), threads: bool = False) -> Layers:
    """No socket, no program, no file but under ``write`` (all) and ``read`` (reading). Never raises.

    Call it with everything imported and everything open. ``threads``: the process has threads already, which
    Landlock does not reach, so that it is not claimed.
    """
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    layers = {"landlock": "unavailable" if threads else _said(landlock.restrict(write, read))}
    refused = seccomp.SHUT if write else seccomp.SHUT_AND_DRY
    layers["seccomp"] = _said(seccomp.install(refused, threads=threads))
    return layers


def prctl(option: int, value: int) -> bool:
    """Ask for one option; whether it was done. The standard library has no other door to it than ctypes."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    try:
        return bool(ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


def _no_core() -> str:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):
        return "unavailable"
    return "on"


def _said(done: bool) -> str:
    return "on" if done else "unavailable"
