"""Memory for keys: pages that are not swapped, dumped or inherited, and, where the system can, that nobody else reads.

On Linux from 5.14 the pages come from ``memfd_secret``: the kernel itself has no mapping of them, so that neither
``/proc/PID/mem`` nor a core file nor root's debugger shows them. Elsewhere they are anonymous and locked as far as the
system allows; ``kind`` says which. Invariants: a place is overwritten when it is given back; a forked process has no
such pages and holds empty places instead, so that it can neither seal nor harm its parent's keys.
"""

from __future__ import annotations

import mmap
import os
import sys
from contextlib import suppress
from weakref import WeakSet

from .forms import KEY_BYTES, Bytes

_MEMFD_SECRET = 447
"""The system call's number, the same on every architecture that has it."""
_PAGE = mmap.PAGESIZE
_NONE = memoryview(bytearray())


class Place:
    """Room for one 32-byte key. ``view`` is writable; after ``give_back``, and in a fork, it is empty."""

    __slots__ = ("__weakref__", "view")

    def __init__(self, key: Bytes = b"") -> None:
        _watch_forks()
        if not _free:
            _more()
        self.view = _free.pop()
        if key:
            self.view[:] = key
        _taken.add(self)

    def give_back(self) -> None:
        """Overwrite the key; may be called twice."""
        view, self.view = self.view, _NONE
        if len(view):
            view[:] = bytes(KEY_BYTES)
            _free.append(view)

    def __del__(self) -> None:
        self.give_back()


_free: list[memoryview] = []
_taken: WeakSet[Place] = WeakSet()
_pages: list[mmap.mmap] = []  # never unmapped: a place may outlive whoever asked for it
_kinds: list[str] = []
_watching = False


def kind() -> str:
    """Where keys lie: ``secret`` (memfd_secret), ``locked``, or ``plain`` where the system offers neither."""
    if not _pages:
        _more()
    return next(name for name in ("plain", "locked", "secret") if name in _kinds)


def _more() -> None:
    page = _secret_page()
    name = "secret"
    if page is None:
        page = mmap.mmap(-1, _PAGE)
        name = "locked" if _lock(page) else "plain"
    for advice in ("MADV_DONTFORK", "MADV_DONTDUMP"):
        with suppress(OSError, ValueError):
            if hasattr(mmap, advice):
                page.madvise(getattr(mmap, advice))
    _pages.append(page)
    _kinds.append(name)
    whole = memoryview(page)
    _free.extend(whole[at : at + KEY_BYTES] for at in range(0, _PAGE, KEY_BYTES))


def _secret_page() -> mmap.mmap | None:
    """A page of memfd_secret(2); it has no other door in the standard library than ctypes."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        import ctypes

        descriptor = ctypes.CDLL(None, use_errno=True).syscall(_MEMFD_SECRET, os.O_CLOEXEC)
    except (ImportError, OSError, AttributeError):
        return None
    if descriptor < 0:
        return None
    try:
        os.ftruncate(descriptor, _PAGE)
        page = mmap.mmap(descriptor, _PAGE)
    except (OSError, ValueError):
        return None
    finally:
        os.close(descriptor)
    with suppress(OSError, ValueError):
        page[0] = 0  # where it cannot be touched, say so now
        return page
    return None


def _lock(page: mmap.mmap) -> bool:
    try:
        import ctypes

        address = ctypes.addressof(ctypes.c_char.from_buffer(page))
        return bool(ctypes.CDLL(None, use_errno=True).mlock(ctypes.c_void_p(address), ctypes.c_size_t(_PAGE)) == 0)
    except (ImportError, OSError, AttributeError, TypeError):
        return False


def _watch_forks() -> None:
    global _watching  # noqa: PLW0603 - once a process
    if not _watching and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_lose)
    _watching = True


def _lose() -> None:
    """In a forked child: the pages are not there (or, where they are, not ours). Nothing is touched."""
    for place in list(_taken):
        place.view = _NONE
    _taken.clear()
    _lost.extend(_free)
    _free.clear()
    _kinds.clear()
    _lost.extend(_pages)  # kept, so that nobody unmaps what may by now be something else
    _pages.clear()


_lost: list[object] = []
