"""The supervisor's end of the control socket: bounded clients, one request each, never in capture's way."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
from collections.abc import Callable
from typing import Any

from desktop_logger import control
from desktop_logger.errors import DesktopLoggerError
from desktop_logger.paths import Home

CLIENT_S = 2.0
MOST_CLIENTS = 16
SLOW = ("pause", "hold", "stop")
"""Verbs that may take longer than a client waits for an answer: it is told to wait first."""

Do = Callable[[str, int | None, str], dict[str, Any]]
"""Verb, seconds, and the task or outcome of ``begin`` and ``end``; the answer."""


def answer(data: bytes, do: Do, say: Callable[[bytes], object]) -> None:
    """Answer one frame; what does not end in a newline is none, and gets no answer."""
    if not data.endswith(b"\n"):
        return
    try:
        request = control.parse(data)
        if request["verb"] in SLOW:
            say(control.WAIT)
        done = do(request["verb"], request.get("seconds"), request.get("task") or request.get("outcome") or "")
    except DesktopLoggerError as error:
        done = {"error": error.message, "hint": error.hint, "status": error.exit_status}
    say(json.dumps(done).encode() + b"\n")


class Answering:
    """Listens, reads one line a client, answers, closes.

    A slow or silent client is dropped after 2 s, or sooner when many come: who asks at once is answered.
    """

    def __init__(self, place: Home, poller: select.poll, do: Do) -> None:
        self.poller, self.do = poller, do
        self.server = control.listen(place)
        self.clients: dict[int, tuple[socket.socket, float]] = {}
        poller.register(self.server, select.POLLIN)

    def serve(self, descriptor: int, now: float) -> bool:
        """Handle a descriptor if it is ours; returns whether it was."""
        if descriptor == self.server.fileno():
            with contextlib.suppress(OSError):
                client, _ = self.server.accept()
                if len(self.clients) >= MOST_CLIENTS:
                    self._drop(next(iter(self.clients)))  # who came first and still says nothing makes room
                client.setblocking(False)
                self.clients[client.fileno()] = (client, now + CLIENT_S)
                self.poller.register(client, select.POLLIN)
            return True
        if descriptor not in self.clients:
            return False
        client, _ = self.clients[descriptor]
        with contextlib.suppress(OSError):
            self._answer(client)
        self._drop(descriptor)
        return True

    def _answer(self, client: socket.socket) -> None:
        if control.peer_uid(client) != os.getuid():
            return
        answer(client.recv(control.FRAME_BYTES), self.do, client.sendall)

    def expire(self, now: float) -> None:
        """Drop clients that have said nothing."""
        for descriptor, (_, deadline) in list(self.clients.items()):
            if now > deadline:
                self._drop(descriptor)

    def _drop(self, descriptor: int) -> None:
        client, _ = self.clients.pop(descriptor)
        self.poller.unregister(descriptor)
        client.close()
