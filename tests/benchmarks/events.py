"""CPU time to take the kernel's input events, beside python-evdev: the same bytes, through a socket, no kernel needed.

python-evdev's ``read`` makes one object of each event; the usual script makes a line of JSON of each object.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from desktop_logger.capture.evdev import Reader
from desktop_logger.capture.reports import Device, Keys, Press
from desktop_logger.records.events import Event

from .tables import ratio, table

EVENT = struct.Struct("@llHHi")
PER_REPORT = 3
GATHERED = {1: "1", 4: "4", 10: "10 (a mouse at 1,000 a second)", 21: "21 (what python-evdev takes at once)"}
EVENTS = 30_000
ROUNDS = 9


def _reports(count: int, micros: int) -> tuple[bytes, int]:
    """Movements on both axes, one a millisecond."""
    data = b""
    for _ in range(count):
        micros += 1000
        at = divmod(micros, 1_000_000)
        data += EVENT.pack(*at, 2, 0, 1) + EVENT.pack(*at, 2, 1, -1) + EVENT.pack(*at, 0, 0, 0)
    return data, micros


def _cost(count: int, read: Callable[[int], object]) -> float:
    """CPU µs per event when ``count`` reports wait at each read; the best of a few rounds: the machine is shared."""
    best = float("inf")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        theirs.setblocking(False)
        micros = 0
        for _ in range(ROUNDS):
            spent = done = 0
            while done < EVENTS:
                for _ in range(20):
                    data, micros = _reports(count, micros)
                    ours.send(data)
                before = time.process_time_ns()
                for _ in range(20):
                    read(theirs.fileno())
                spent += time.process_time_ns() - before
                done += 20 * count * PER_REPORT
            best = min(best, spent / done / 1000)
    return best


def _ours() -> Callable[[int], object]:
    reader, device, keys = Reader(), Device(), Keys()

    def read(descriptor: int) -> None:
        events: list[Event] = []
        presses: list[Press] = []
        reader.take(descriptor, device, events, presses)
        keys.press(presses, events)

    return read


def _theirs(each: Callable[[Any], object]) -> Callable[[int], object]:
    from evdev import InputDevice

    device: Any = InputDevice.__new__(InputDevice)  # its constructor wants a real device; reading needs its number

    def read(descriptor: int) -> None:
        device.fd = descriptor
        for event in InputDevice.read(device):
            each(event)

    return read


def _line(event: Any) -> str:
    """As the usual script writes it; where it goes is not counted."""
    return json.dumps({"t": event.timestamp(), "type": event.type, "code": event.code, "value": event.value})


def _bytes(descriptor: int) -> None:
    os.read(descriptor, 1 << 16)


def run() -> None:
    """One table."""
    rows = []
    for count, said in GATHERED.items():
        ours, lines = _cost(count, _ours()), _cost(count, _theirs(_line))
        objects, least = _cost(count, _theirs(lambda _: None)), _cost(count, _bytes)
        rows.append(
            [said, f"{ours:.2f}", f"{lines:.2f}", ratio(ours, lines), f"{objects:.2f}", f"{least:.2f}"],
        )
    table(
        "CPU time per event of the kernel's input devices (struct input_event; a movement is three)",
        ["reports waiting at a read", "ours, classified, µs", "python-evdev, JSON lines, µs", "ours is",
         "python-evdev read() alone, µs", "bytes alone, µs"],
        rows,
        "A socket stands for the device. Ours reads, classifies, adds up and overwrites.",
    )  # fmt: skip
