"""Make a running process do what it would never do by itself: system calls put into it from outside, as root.

The product has no door for this and gets none for a test: a process that hardened itself cannot be reached by its own
account, but a tester who is root may stop it (ptrace(2)), lend its main thread the registers for one ``syscall``
instruction, and put everything back. The kernel treats such a call as the process's own, filters and rule sets
included. x86_64 only.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import signal
import struct
from types import TracebackType
from typing import Self

_SEIZE, _INTERRUPT, _DETACH, _STEP, _GET, _SET = 0x4206, 0x4207, 17, 9, 12, 13
_REGISTERS = struct.Struct("<27Q")
_RAX, _ORIG_RAX, _RIP, _RSP, _EFLAGS = 10, 15, 16, 19, 18
_ARGUMENTS = (14, 13, 12, 7, 9, 8)  # rdi rsi rdx r10 r8 r9
_NOT_IN_A_CALL = 0xFFFFFFFFFFFFFFFF
_FAR_BELOW = 1 << 15
"""Below the stack pointer: nothing of the process lies there while it stands still."""

CALLS = {
    "openat": 257, "socket": 41, "execve": 59, "ptrace": 101, "process_vm_readv": 310, "mkdir": 83, "close": 3,
    "chmod": 90, "utimensat": 280, "setxattr": 188, "shmget": 29, "msgget": 68, "mq_open": 240, "add_key": 248,
}  # fmt: skip
_WAIT_ALL = 0x40000000


def possible() -> bool:
    """Whether this can be done here at all."""
    return os.getuid() == 0 and platform.system() == "Linux" and platform.machine() == "x86_64"


class Inside:
    """One process, stopped while this context lasts."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.ptrace.restype = ctypes.c_long
        self._waiting = 0

    def __enter__(self) -> Self:
        self._ptrace(_SEIZE)
        self._ptrace(_INTERRUPT)
        os.waitpid(self.pid, _WAIT_ALL)
        self._memory = os.open(f"/proc/{self.pid}/mem", os.O_RDWR)
        self._before = self._registers()
        self._door = self._syscall_instruction()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._memory)
        with contextlib.suppress(ProcessLookupError):  # gone
            self._set(self._before)
            self._ptrace(_DETACH, self._waiting)

    def call(self, name: str, *arguments: int | bytes) -> str:
        """What the kernel answers to this call: ``done``, or the name of the error. Bytes go in by their address."""
        place = self._before[_RSP] - _FAR_BELOW
        numbers = []
        for one in arguments:
            if isinstance(one, bytes):
                os.pwrite(self._memory, one + b"\0", place)
                numbers.append(place)
                place += len(one) + 16 & ~15
            else:
                numbers.append(one & _NOT_IN_A_CALL)
        registers = list(self._before)
        registers[_RAX], registers[_ORIG_RAX], registers[_RIP] = CALLS[name], _NOT_IN_A_CALL, self._door
        for at, number in zip(_ARGUMENTS, numbers, strict=False):
            registers[at] = number
        self._set(registers)
        while True:
            self._ptrace(_STEP)
            _, status = os.waitpid(self.pid, _WAIT_ALL)
            if not os.WIFSTOPPED(status):
                raise AssertionError(f"the process ended at {name}")
            if os.WSTOPSIG(status) == signal.SIGTRAP:
                break
            self._waiting = os.WSTOPSIG(status)
        result = self._registers()[_RAX]
        answer = result - (1 << 64) if result >> 63 else result
        if name in {"openat", "socket", "mq_open"} and answer >= 0:
            assert self.call("close", answer) == "done"
        return "done" if answer >= 0 else errno.errorcode[-answer]

    def _syscall_instruction(self) -> int:
        with open(f"/proc/{self.pid}/maps", encoding="ascii", errors="replace") as file:
            first, last = next(line.split()[0].split("-") for line in file if line.rstrip().endswith("[vdso]"))
        code = os.pread(self._memory, int(last, 16) - int(first, 16), int(first, 16))
        return int(first, 16) + code.index(b"\x0f\x05")

    def _registers(self) -> list[int]:
        held = ctypes.create_string_buffer(_REGISTERS.size)
        self._ptrace(_GET, ctypes.addressof(held))
        return list(_REGISTERS.unpack(held.raw))

    def _set(self, registers: list[int]) -> None:
        held = ctypes.create_string_buffer(_REGISTERS.pack(*registers), _REGISTERS.size)
        self._ptrace(_SET, ctypes.addressof(held))

    def _ptrace(self, request: int, data: int = 0) -> None:
        done = self._libc.ptrace(
            ctypes.c_long(request), ctypes.c_long(self.pid), ctypes.c_void_p(0), ctypes.c_void_p(data)
        )
        if done != 0:
            raise OSError(ctypes.get_errno(), f"ptrace {request:#x} of {self.pid}")
