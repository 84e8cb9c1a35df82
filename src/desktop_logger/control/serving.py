"""The supervisor's end of the control pipe on Windows: as on a socket, bounded clients, one request each.

1. Who serves must be the first of that name, and there is always an instance, so that the name stays ours.
2. Nobody but the account itself can open it, and nobody over a network.
3. A frame is one message. What is longer, or does not end in a newline, is no frame and gets no answer.

Run under Wine by the tests. No supervisor calls it, since recording starts on Linux only; ``control.ask`` looks for it.
"""

from __future__ import annotations

import sys

if sys.platform != "win32":
    raise ImportError("named pipes are Windows' own")

import _winapi
import contextlib
import ctypes
import time

from desktop_logger.errors import Unavailable
from desktop_logger.paths import Home

from . import FRAME_BYTES
from .answering import CLIENT_S, MOST_CLIENTS, Do, answer
from .pipe import Attributes, finished, name, own_sid

_BUFFER = 1 << 16
"""Room for an answer and more, so that no client holds up who answers it."""
_REJECT_REMOTE, _MESSAGES = 8, 0x4 | 0x2  # PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE
_GONE = 232  # ERROR_NO_DATA: somebody has come and left already


class _Instance:
    """One instance of the pipe, and what it waits for: somebody, then what they say."""

    def __init__(self, path: str, attributes: Attributes, first: int = 0) -> None:
        self._path, self._attributes = path, attributes
        self.deadline = 0.0
        self.handle = self._made(first)
        while True:
            try:
                self.waits = _winapi.ConnectNamedPipe(self.handle, overlapped=True)
            except OSError as error:
                old, self.handle = self.handle, self._made()
                _winapi.CloseHandle(old)
                if error.winerror != _GONE:
                    raise
            else:
                return

    def _made(self, first: int = 0) -> int:
        return _winapi.CreateNamedPipe(
            self._path, _winapi.PIPE_ACCESS_DUPLEX | _winapi.FILE_FLAG_OVERLAPPED | first, _MESSAGES | _REJECT_REMOTE,
            _winapi.PIPE_UNLIMITED_INSTANCES, _BUFFER, FRAME_BYTES, 0, ctypes.addressof(self._attributes),
        )  # fmt: skip

    def close(self) -> None:
        """Let whoever is there go."""
        with contextlib.suppress(OSError):
            self.waits.cancel()
        _winapi.CloseHandle(self.handle)


class Answering:
    """Listens, reads one message a client, answers, closes. Who is silent for 2 s is dropped, sooner when many come."""

    def __init__(self, place: Home, do: Do) -> None:
        self._do, self._name, self._attributes = do, name(place), Attributes.only(own_sid())
        try:
            self._free = _Instance(self._name, self._attributes, _winapi.FILE_FLAG_FIRST_PIPE_INSTANCE)
        except OSError:
            raise Unavailable("the control pipe of this home is taken", "See: desktop-logger status") from None
        self._clients: list[_Instance] = []

    def turn(self, seconds: float) -> None:
        """Wait at most so long for somebody, and welcome or answer them; drop who has said nothing for too long."""
        waiting = [*self._clients, self._free]
        number = _winapi.WaitForMultipleObjects([one.waits.event for one in waiting], False, int(seconds * 1000))
        if number == len(self._clients):
            self._welcome()
        elif number < len(self._clients):
            one = self._clients.pop(number)
            with contextlib.suppress(OSError):
                self._answer(one)
            one.close()
        now = time.monotonic()
        while self._clients and now > self._clients[0].deadline:
            self._clients.pop(0).close()

    def close(self) -> None:
        """Be there no more."""
        for one in (*self._clients, self._free):
            one.close()

    def _welcome(self) -> None:
        one, self._free = self._free, _Instance(self._name, self._attributes)
        try:
            one.waits.GetOverlappedResult(True)
            one.waits, _ = _winapi.ReadFile(one.handle, FRAME_BYTES, overlapped=True)
        except OSError:  # has gone already
            one.close()
            return
        if len(self._clients) >= MOST_CLIENTS:
            self._clients.pop(0).close()  # who came first and still says nothing makes room
        one.deadline = time.monotonic() + CLIENT_S
        self._clients.append(one)

    def _answer(self, one: _Instance) -> None:
        size, more = one.waits.GetOverlappedResult(True)
        until = time.monotonic() + CLIENT_S
        if not more:
            answer(
                (one.waits.getbuffer() or b"")[:size], self._do,
                lambda data: finished(_winapi.WriteFile(one.handle, data, overlapped=True)[0], until),
            )  # fmt: skip
