"""A seccomp filter as classic BPF: which system calls fail, by number, on the two architectures that we know.

seccomp(2), bpf(4), linux/seccomp.h. The filter looks at numbers and plain arguments, so it can tell a Unix socket from
others and an opening for writing from one for reading, but no path: paths are Landlock's part. A call of a foreign
architecture's table fails too, as does io_uring, which could do the same things without the calls.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterator
from typing import NamedTuple

_ALLOW = 0x7FFF0000
_FAIL = 0x00050000  # SECCOMP_RET_ERRNO, the error in the low bits
_EPERM, _EAFNOSUPPORT, _ENOSYS = 1, 97, 38
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # BPF_{LD|W|ABS, JMP|J**|K, RET|K}
_NR, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data; arguments are 64 bits, low half first
_AF_UNIX = 1
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_WRITING |= getattr(os, "O_TMPFILE", 0) & ~getattr(os, "O_DIRECTORY", 0)
_SET_MODE_FILTER, _TSYNC = 1, 1


class Machine(NamedTuple):
    """One architecture: its audit number and the numbers of the calls that matter here."""

    audit: int
    calls: dict[str, int]


MACHINES = {
    "x86_64": Machine(0xC000003E, {
        "open": 2, "socket": 41, "connect": 42, "bind": 49, "listen": 50, "socketpair": 53, "execve": 59, "creat": 85,
        "mkdir": 83, "ptrace": 101, "openat": 257, "mkdirat": 258, "process_vm_readv": 310, "process_vm_writev": 311,
        "bpf": 321, "execveat": 322, "io_uring_setup": 425, "openat2": 437, "seccomp": 317,
        "shmget": 29, "semget": 64, "msgget": 68, "mq_open": 240, "add_key": 248, "request_key": 249, "keyctl": 250,
        "pidfd_getfd": 438, "truncate": 76, "chmod": 90, "chown": 92, "lchown": 94, "utime": 132, "setxattr": 188,
        "lsetxattr": 189, "removexattr": 197, "lremovexattr": 198, "utimes": 235, "fchownat": 260, "futimesat": 261,
        "fchmodat": 268, "utimensat": 280, "fchmodat2": 452,
    }),
    "aarch64": Machine(0xC00000B7, {
        "socket": 198, "socketpair": 199, "bind": 200, "listen": 201, "connect": 203, "execve": 221, "mkdirat": 34,
        "openat": 56, "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "bpf": 280, "execveat": 281,
        "io_uring_setup": 425, "openat2": 437, "seccomp": 277,
        "shmget": 194, "semget": 190, "msgget": 186, "mq_open": 180, "add_key": 217, "request_key": 218, "keyctl": 219,
        "pidfd_getfd": 438, "truncate": 45, "setxattr": 5, "lsetxattr": 6, "removexattr": 14, "lremovexattr": 15,
        "fchmodat": 53, "fchownat": 54, "utimensat": 88, "fchmodat2": 452,
    }),
}  # fmt: skip

_ALWAYS = ("ptrace", "process_vm_readv", "process_vm_writev", "bpf", "io_uring_setup")
_LEAVES_WORD = ("shmget", "semget", "msgget", "mq_open", "add_key", "request_key", "keyctl", "pidfd_getfd")
"""Places in the kernel where others could find something without a file or a socket."""
_MARKS_FILES = (
    "truncate", "chmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchownat", "utime", "utimes", "futimesat",
    "utimensat", "setxattr", "lsetxattr", "removexattr", "lremovexattr",
)  # fmt: skip
"""What changes a file by its path without opening it; Landlock knows of truncating only."""

UNPLUGGED = "unplugged"
"""No socket of another family than AF_UNIX, and none of the calls that reach into other processes."""
SHUT = "shut"
"""Also no socket at all, no program, no file marked by its path, and nothing left in the kernel for others."""
SHUT_AND_DRY = "shut and dry"
"""Also no file opened for writing."""


def program(kind: str, machine: Machine) -> bytes:
    """The filter's instructions: 8 bytes each, ``struct sock_filter``."""
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in _instructions(kind, machine))


def _instructions(kind: str, machine: Machine) -> Iterator[tuple[int, int, int, int]]:
    calls = machine.calls
    yield _LOAD, 0, 0, _ARCH
    yield _EQUAL, 1, 0, machine.audit
    yield _RETURN, 0, 0, _FAIL | _EPERM
    yield _LOAD, 0, 0, _NR
    yield _AT_LEAST, 0, 1, 0x40000000  # x32, which shares x86_64's audit number
    yield _RETURN, 0, 0, _FAIL | _EPERM
    shut = kind != UNPLUGGED
    refused = [name for name in _ALWAYS if name in calls]
    if shut:
        refused += ["socket", "socketpair", "connect", "bind", "listen", "execve", "execveat", *_LEAVES_WORD]
        refused += [name for name in _MARKS_FILES if name in calls]
    if kind == SHUT_AND_DRY:
        refused += [name for name in ("creat", "mkdir", "mkdirat", "openat2") if name in calls]
    for name in refused:
        yield _EQUAL, 0, 1, calls[name]
        yield _RETURN, 0, 0, _FAIL | (_ENOSYS if name in ("io_uring_setup", "openat2") else _EPERM)
    if not shut:
        for name in ("socket", "socketpair"):
            yield _EQUAL, 0, 4, calls[name]
            yield _LOAD, 0, 0, _ARGUMENTS
            yield _EQUAL, 0, 1, _AF_UNIX
            yield _RETURN, 0, 0, _ALLOW
            yield _RETURN, 0, 0, _FAIL | _EAFNOSUPPORT
    if kind == SHUT_AND_DRY:
        for name, argument in (("open", 1), ("openat", 2)):
            if name in calls:
                yield _EQUAL, 0, 4, calls[name]
                yield _LOAD, 0, 0, _ARGUMENTS + 8 * argument
                yield _ANY_BIT, 0, 1, _WRITING
                yield _RETURN, 0, 0, _FAIL | _EPERM
                yield _RETURN, 0, 0, _ALLOW
    yield _RETURN, 0, 0, _ALLOW


def install(kind: str, *, threads: bool = False) -> bool:
    """Put the filter in place; ``PR_SET_NO_NEW_PRIVS`` must be set. Whether it holds."""
    machine = MACHINES.get(os.uname().machine) if sys.platform.startswith("linux") else None
    if machine is None or sys.byteorder != "little" or struct.calcsize("P") != 8:
        return False
    import ctypes

    code = ctypes.create_string_buffer(program(kind, machine))
    count = (len(code) - 1) // 8
    head = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", count, ctypes.addressof(code)))
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        flags = _TSYNC if threads else 0
        done = libc.syscall(
            ctypes.c_long(machine.calls["seccomp"]), ctypes.c_ulong(_SET_MODE_FILTER), ctypes.c_ulong(flags),
            ctypes.byref(head),
        )  # fmt: skip
    except (OSError, AttributeError):
        return False
    return bool(done == 0)
