"""A tiny X11 client of our own that injects input through XTEST, fast enough to flood a recorder.

36-byte FakeInput requests (XTEST protocol 2.2) straight on the socket: about 2 µs an event. Runs also as a
program: ``python -m tests.inject DISPLAY WHAT RATE SECONDS`` with WHAT = ``moves`` (1 px to the right each) or
``clicks`` (left button, press and release).
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from typing import Self

KEY_PRESS, KEY_RELEASE, BUTTON_PRESS, BUTTON_RELEASE, MOTION = 2, 3, 4, 5, 6


class Injector:
    """Owns one connection. ``send`` takes requests made by ``key``, ``button``, ``move``; ``sync`` waits for them."""

    def __init__(self, display: str) -> None:
        number = display.partition(":")[2].partition(".")[0]
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(30)
        self._socket.connect(f"/tmp/.X11-unix/X{number}")
        self._socket.sendall(struct.pack("<BxHHHHxx", 0x6C, 11, 0, 0, 0))
        head = self._receive(8)
        if head[0] != 1:
            raise RuntimeError("the X server refused the connection")
        self._receive(struct.unpack_from("<H", head, 6)[0] * 4)
        self._socket.sendall(struct.pack("<BxHHxx5s3x", 98, 4, 5, b"XTEST"))
        self._opcode = self._reply()[9]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _receive(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            chunk = self._socket.recv(size - len(data))
            if not chunk:
                raise EOFError
            data += chunk
        return bytes(data)

    def _reply(self) -> bytes:
        while True:
            head = self._receive(32)
            if head[0] == 1:
                return head + self._receive(struct.unpack_from("<I", head, 4)[0] * 4)
            if head[0] == 0:
                raise RuntimeError(f"X error {head[1]}")
            if head[0] & 0x7F == 35:
                self._receive(struct.unpack_from("<I", head, 4)[0] * 4)

    def _fake(self, kind: int, detail: int, x: int = 0, y: int = 0) -> bytes:
        return struct.pack("<BBHBBxxIIxxxxxxxxhhxxxxxxxx", self._opcode, 2, 9, kind, detail, 0, 0, x, y)

    def key(self, code: int) -> bytes:
        return self._fake(KEY_PRESS, code) + self._fake(KEY_RELEASE, code)

    def button(self, number: int) -> bytes:
        return self._fake(BUTTON_PRESS, number) + self._fake(BUTTON_RELEASE, number)

    def move(self, dx: int, dy: int) -> bytes:
        return self._fake(MOTION, 1, dx, dy)

    def move_to(self, x: int, y: int) -> bytes:
        return self._fake(MOTION, 0, x, y)

    def press(self, code: int) -> bytes:
        return self._fake(KEY_PRESS, code)

    def release(self, code: int) -> bytes:
        return self._fake(KEY_RELEASE, code)

    def send(self, *requests: bytes) -> None:
        self._socket.sendall(b"".join(requests))

    def sync(self) -> None:
        """Returns when the server has carried out everything sent before (a GetInputFocus round trip)."""
        self._socket.sendall(struct.pack("<BxH", 43, 1))
        self._reply()

    def stream(self, requests: list[bytes], rate: float, tick_s: float = 0.001) -> float:
        """Send ``requests`` at ``rate`` a second, in lumps of one tick; returns the seconds it took."""
        start = time.monotonic()
        done = 0
        while done < len(requests):
            due = min(len(requests), int((time.monotonic() - start) * rate) + 1)
            if due > done:
                self.send(*requests[done:due])
                done = due
            time.sleep(tick_s)
        self.sync()
        return time.monotonic() - start


def main(display: str, what: str, rate: float, seconds: float) -> None:
    with Injector(display) as injector:
        count = int(rate * seconds)
        requests = [injector.move(1, 0)] * count if what == "moves" else [injector.button(1)] * (count // 2)
        took = injector.stream(requests, rate if what == "moves" else rate / 2)
        print(f"{count} {took:.3f}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
