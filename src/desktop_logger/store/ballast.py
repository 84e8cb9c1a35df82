"""Room kept back, so that deleting works on a full disk.

Deleting writes before it removes: its intent into the ledger, the keys of what stays. A file of nothing but zeros holds
that room; where the disk is full it is given up for the deletion and made again afterwards, out of what that freed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from desktop_logger import disk
from desktop_logger.paths import Home

SIZE = 128 << 10
"""Bytes: the keys of a thousand segments and the ledger's entries about a deletion."""


def _path(home: Home) -> str:
    return os.path.join(home.root, "ballast")


def lay(home: Home) -> None:
    """Keep the room, if it is not kept already and there is any. Never raises."""
    if os.path.lexists(_path(home)) or _free(home) < 2 * SIZE:
        return
    with contextlib.suppress(OSError):
        disk.replace(_path(home), bytes(SIZE))


@contextlib.contextmanager
def dropped(home: Home) -> Iterator[None]:
    """Give the room up while something must be written on a full disk; keep it again afterwards."""
    if _free(home) < SIZE:
        with contextlib.suppress(OSError):
            os.unlink(_path(home))
    try:
        yield
    finally:
        lay(home)


def _free(home: Home) -> int:
    """Bytes that this account may still write."""
    try:
        return disk.room(home.root)
    except OSError:
        return 0
