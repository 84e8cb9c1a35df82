"""Landlock: which folders this process may still touch. landlock(7), linux/landlock.h.

The ruleset handles every right that the kernel's version knows, so that what is not granted under a named folder is
refused: files, and from ABI 4 on TCP too. Descriptors that are open already keep working.
"""

from __future__ import annotations

import os
import struct
import sys

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same numbers on every architecture
_VERSION_FLAG, _PATH_BENEATH = 1, 1
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""ABI → how many of the file system rights (bits from 0 up) the kernel knows."""
_EXECUTE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 2, 1 << 3
_IOCTL_DEV = 1 << 15
_FILE_ONLY = _EXECUTE | 1 << 1 | _READ_FILE | 1 << 14
_NET = 0b11  # bind and connect TCP


def abi() -> int:
    """The kernel's Landlock version; 0 where there is none."""
    return max(0, _call(_CREATE, 0, 0, _VERSION_FLAG))


def restrict(write: tuple[str, ...], read: tuple[str, ...]) -> bool:
    """Leave only these folders (or files), the first for everything but execution, the second for reading."""
    version = abi()
    if version < 1:
        return False
    import ctypes

    rights = (1 << _RIGHTS[min(version, 5)]) - 1
    attributes = struct.pack("<QQ", rights, _NET if version >= 4 else 0)
    held = ctypes.create_string_buffer(attributes, len(attributes))
    size = 16 if version >= 4 else 8
    ruleset = _call(_CREATE, ctypes.addressof(held), size, 0)
    if ruleset < 0:
        return False
    try:
        everything = rights & ~_EXECUTE & ~_IOCTL_DEV
        for paths, allowed in ((write, everything), (read, _READ_FILE | _READ_DIR)):
            for path in paths:
                if not _allow(ruleset, path, allowed):
                    return False
        return _call(_RESTRICT, ruleset, 0, 0) == 0
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, allowed: int) -> bool:
    import ctypes

    try:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return True  # what is not there cannot be touched either
    try:
        if not os.path.isdir(path):
            allowed &= _FILE_ONLY
        rule = struct.pack("<Qi", allowed, folder)
        held = ctypes.create_string_buffer(rule, len(rule))
        return _call(_ADD, ruleset, _PATH_BENEATH, ctypes.addressof(held), 0) == 0
    finally:
        os.close(folder)


def _call(number: int, *arguments: int) -> int:
    if not sys.platform.startswith("linux"):
        return -1
    import ctypes

    try:
        libc = ctypes.CDLL(None, use_errno=True)
        return int(libc.syscall(ctypes.c_long(number), *(ctypes.c_long(one) for one in arguments)))
    except (OSError, AttributeError):
        return -1
