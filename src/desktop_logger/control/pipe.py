"""The control channel on Windows: a named pipe that one account can open, its name, its list, and the end that asks.

Only the account that serves is in the pipe's access list, which inherits nothing. Who asks looks who owns the pipe
before a word is said, and lets the other end act for nobody (as .NET's ``PipeOptions.CurrentUserOnly`` does).

Standard library only, for stopping must work when something else in the installation is broken: ``_winapi``, on which
``multiprocessing`` and ``asyncio`` stand, and ctypes for the access list.
"""

from __future__ import annotations

import sys

if sys.platform != "win32":
    raise ImportError("named pipes are Windows' own")

import _winapi
import ctypes
import hashlib
import os
import time
from ctypes import wintypes
from typing import Any, Self

from desktop_logger.errors import Refused
from desktop_logger.paths import Home

_ANONYMOUS = 0x00100000  # SECURITY_SQOS_PRESENT | SECURITY_ANONYMOUS
_GONE = (109, 232, 233)  # ERROR_BROKEN_PIPE, ERROR_NO_DATA, ERROR_PIPE_NOT_CONNECTED
_BUSY, _OBJECT, _OWNER, _TOKEN_USER, _TOKEN_QUERY = 231, 6, 1, 1, 8

_advapi = ctypes.WinDLL("advapi32", use_last_error=True)
_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel.GetCurrentProcess.restype = wintypes.HANDLE
_kernel.LocalFree.argtypes = [ctypes.c_void_p]
_advapi.OpenProcessToken.argtypes = [wintypes.HANDLE, wintypes.DWORD, ctypes.c_void_p]
_advapi.GetSecurityInfo.argtypes = [wintypes.HANDLE, ctypes.c_int, wintypes.DWORD, *[ctypes.c_void_p] * 5]


def name(place: Home) -> str:
    """The pipe of a home: its run folder's path, hashed."""
    folder = os.path.normcase(os.path.abspath(place.run))
    return rf"\\.\pipe\desktop-logger-{hashlib.sha256(folder.encode()).hexdigest()[:32]}"


def _text(sid: object) -> str:
    """A security identifier as text (``S-1-5-21-…``)."""
    text = wintypes.LPWSTR()
    if not _advapi.ConvertSidToStringSidW(sid, ctypes.byref(text)):
        raise ctypes.WinError(ctypes.get_last_error())
    said = str(text.value)
    _kernel.LocalFree(text)
    return said


def own_sid() -> str:
    """The account of this process."""
    token, size = wintypes.HANDLE(), wintypes.DWORD()
    if not _advapi.OpenProcessToken(_kernel.GetCurrentProcess(), _TOKEN_QUERY, ctypes.byref(token)):
        raise ctypes.WinError(ctypes.get_last_error())
    try:
        user = ctypes.create_string_buffer(256)  # TOKEN_USER: a pointer to the identifier, which follows
        if not _advapi.GetTokenInformation(token, _TOKEN_USER, user, len(user), ctypes.byref(size)):
            raise ctypes.WinError(ctypes.get_last_error())
        return _text(ctypes.c_void_p.from_buffer(user))
    finally:
        _winapi.CloseHandle(int(token.value or 0))


def owner(handle: int) -> str:
    """The account that owns the pipe at the other end."""
    sid, descriptor = ctypes.c_void_p(), ctypes.c_void_p()
    failed = _advapi.GetSecurityInfo(
        handle, _OBJECT, _OWNER, ctypes.byref(sid), None, None, None, ctypes.byref(descriptor)
    )
    if failed:
        raise ctypes.WinError(failed)
    try:
        return _text(sid)
    finally:
        _kernel.LocalFree(descriptor)


class Attributes(ctypes.Structure):
    """SECURITY_ATTRIBUTES for a list with one account: everything for it, nothing for others."""

    _fields_ = (("size", wintypes.DWORD), ("descriptor", ctypes.c_void_p), ("inherits", wintypes.BOOL))

    @classmethod
    def only(cls, sid: str) -> Self:
        """Kept for as long as the process lives."""
        made = cls(ctypes.sizeof(cls), None, False)
        if not _advapi.ConvertStringSecurityDescriptorToSecurityDescriptorW(
            f"O:{sid}G:{sid}D:P(A;;FA;;;{sid})", 1, ctypes.byref(made, cls.descriptor.offset), None
        ):
            raise ctypes.WinError(ctypes.get_last_error())
        return made


class Connection:
    """The asking end, in the words of a socket."""

    def __init__(self) -> None:
        self._handle, self._until = 0, 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._handle:
            _winapi.CloseHandle(self._handle)

    def settimeout(self, seconds: float) -> None:
        """From now on everything together takes no longer."""
        self._until = time.monotonic() + seconds

    def connect(self, path: str) -> None:
        """Open the pipe. Raises ``BlockingIOError`` where all of it is taken, ``Refused`` where it is not our own."""
        both, alone = _winapi.GENERIC_READ | _winapi.GENERIC_WRITE, _winapi.OPEN_EXISTING
        try:
            self._handle = _winapi.CreateFile(path, both, 0, 0, alone, _winapi.FILE_FLAG_OVERLAPPED | _ANONYMOUS, 0)
        except OSError as error:
            raise BlockingIOError if error.winerror == _BUSY else error from None
        if owner(self._handle) != own_sid():
            raise Refused("the control pipe belongs to another account")

    def sendall(self, data: bytes) -> None:
        """One message."""
        try:
            finished(_winapi.WriteFile(self._handle, data, overlapped=True)[0], self._until)
        except OSError as error:
            raise BrokenPipeError if error.winerror in _GONE else error from None

    def recv(self, size: int) -> bytes:
        """What has come; empty at the end."""
        try:
            return finished(_winapi.ReadFile(self._handle, size, overlapped=True)[0], self._until)
        except OSError as error:
            if error.winerror in _GONE:
                return b""
            raise


def finished(operation: Any, until: float) -> bytes:
    """What an operation brought. Raises ``TimeoutError``, and ``OSError`` where the other end has gone."""
    left = max(0, int(1000 * (until - time.monotonic())))
    if _winapi.WaitForMultipleObjects([operation.event], False, left) == _winapi.WAIT_TIMEOUT:
        operation.cancel()
        raise TimeoutError
    size, _ = operation.GetOverlappedResult(True)
    return (operation.getbuffer() or b"")[:size]
