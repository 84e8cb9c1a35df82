"""Devices of one's own through /dev/uinput, for tests: a keyboard that repeats, a mouse, a touchpad, a touch screen."""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Iterable, Mapping

SYN, KEY, REL, ABS, MSC, LED, REP = 0, 1, 2, 3, 4, 0x11, 0x14
_EVENT = struct.Struct("@llHHi")
_SET = {KEY: 0x40045565, REL: 0x40045566, ABS: 0x40045567, MSC: 0x40045568, LED: 0x40045569}
_SET_TYPE, _SET_PROPERTY = 0x40045564, 0x4004556E
_SETUP, _ABS_SETUP, _CREATE, _DESTROY = 0x405C5503, 0x401C5504, 0x5501, 0x5502
_NAME = 0x8040552C  # UI_GET_SYSNAME(64)


class Made:
    """One device; ``path`` is its file below /dev/input."""

    def __init__(
        self,
        codes: Mapping[int, Iterable[int]],
        *,
        repeats: bool = False,
        ranges: Mapping[int, tuple[int, int, int]] | None = None,
        properties: Iterable[int] = (),
    ) -> None:
        self.descriptor = os.open("/dev/uinput", os.O_RDWR | os.O_NONBLOCK)
        for kind, wanted in codes.items():
            fcntl.ioctl(self.descriptor, _SET_TYPE, kind)
            for code in wanted:
                fcntl.ioctl(self.descriptor, _SET[kind], code)
        if repeats:
            fcntl.ioctl(self.descriptor, _SET_TYPE, REP)
        for code, (low, high, per_mm) in (ranges or {}).items():
            fcntl.ioctl(self.descriptor, _ABS_SETUP, struct.pack("@Hxx6i", code, 0, low, high, 0, 0, per_mm))
        for number in properties:
            fcntl.ioctl(self.descriptor, _SET_PROPERTY, number)
        fcntl.ioctl(self.descriptor, _SETUP, struct.pack("HHHH80sI", 3, 0x1234, 0x5678, 1, b"of a test", 0))
        fcntl.ioctl(self.descriptor, _CREATE)
        answer = bytearray(64)
        fcntl.ioctl(self.descriptor, _NAME, answer)
        folder = "/sys/devices/virtual/input/" + answer.rstrip(b"\0").decode()
        (name,) = (entry for entry in os.listdir(folder) if entry.startswith("event"))
        self.path = "/dev/input/" + name
        while not os.path.exists(self.path):
            time.sleep(0.001)

    def send(self, *events: tuple[int, int, int]) -> None:
        """One report."""
        os.write(self.descriptor, b"".join(_EVENT.pack(0, 0, *event) for event in events) + _EVENT.pack(0, 0, 0, 0, 0))

    def press(self, *codes: int) -> None:
        """Press in this order and let go in the other, each in a report of its own."""
        for code in codes:
            self.send((KEY, code, 1))
        for code in reversed(codes):
            self.send((KEY, code, 0))

    def hold(self, code: int) -> None:
        self.send((KEY, code, 1))

    def let_go(self, code: int) -> None:
        self.send((KEY, code, 0))

    def close(self) -> None:
        """As when it is unplugged."""
        if self.descriptor >= 0:
            fcntl.ioctl(self.descriptor, _DESTROY)
            os.close(self.descriptor)
            self.descriptor = -1


def keyboard() -> Made:
    return Made({KEY: range(1, 249), MSC: [4], LED: [0, 1, 2]}, repeats=True)


def mouse(*, fine: bool = False) -> Made:
    return Made({KEY: range(0x110, 0x118), REL: [0, 1, 6, 8, *((11, 12) if fine else ())], MSC: [4]})


def touchpad() -> Made:
    codes = {KEY: [0x110, 0x145, 0x14A, 0x14D, 0x14E], ABS: [0, 1]}
    return Made(codes, ranges={0: (0, 4000, 40), 1: (0, 2400, 40)}, properties=[0, 2])


def touch_screen() -> Made:
    return Made({KEY: [0x14A], ABS: [0, 1]}, ranges={0: (0, 1919, 0), 1: (0, 1079, 0)}, properties=[1])


def positions() -> Made:
    """The pointer of a virtual machine."""
    return Made({KEY: [0x110, 0x111], ABS: [0, 1], REL: [8]}, ranges={0: (0, 32767, 0), 1: (0, 32767, 0)})


def game_controller() -> Made:
    return Made({KEY: range(0x130, 0x13F), ABS: [0, 1]}, ranges={0: (-128, 127, 0), 1: (-128, 127, 0)})
