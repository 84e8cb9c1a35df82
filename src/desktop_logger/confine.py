"""What a process of the daemon gives up before it does anything else.

Nobody may attach to it or read its memory (``PR_SET_DUMPABLE``), a crash leaves no core file, and files that it
makes are its own account's alone. A layer that the platform lacks is skipped, and the answer says so.
"""

from __future__ import annotations

import os

_PR_SET_DUMPABLE = 4


def harden() -> dict[str, str]:
    """Give up what is not needed. Returns layer → ``on`` or ``unavailable``; never raises."""
    os.umask(0o077)
    return {"dumpable": _not_dumpable(), "core": _no_core()}


def _no_core() -> str:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):
        return "unavailable"
    return "on"


def _not_dumpable() -> str:
    """prctl(2) has no other door in the standard library than ctypes."""
    try:
        import ctypes

        done = ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    except (ImportError, OSError, AttributeError, TypeError):
        return "unavailable"
    return "on" if done == 0 else "unavailable"
