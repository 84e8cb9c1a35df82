"""What the kernel is asked about an input device, and what it is asked to leave out: the ioctls of linux/input.h.

None of them changes anything for other readers. ``EVIOCGRAB`` is not here and is never called: we look on, and the
desktop gets its input as if we were not there.
"""

from __future__ import annotations

import fcntl
import struct
from array import array
from collections.abc import Iterable

EV_SYN, EV_KEY, EV_REL, EV_ABS, EV_LED = 0x00, 0x01, 0x02, 0x03, 0x11
_WRITE, _READ = 1, 2
_MONOTONIC = 1  # CLOCK_MONOTONIC
_SIZES = {EV_SYN: 0x20, EV_KEY: 0x300, EV_REL: 0x10, EV_ABS: 0x40, EV_LED: 0x10}
"""Type → how many codes it has; of type 0 the codes are the types."""


def _number(direction: int, size: int, number: int) -> int:
    return direction << 30 | size << 16 | ord("E") << 8 | number


_CLOCK = _number(_WRITE, 4, 0xA0)
_MASK = _number(_WRITE, 16, 0x93)


class Range:
    """One absolute axis: lowest and highest value, and units per millimetre (0: not told)."""

    __slots__ = ("high", "low", "per_mm")

    def __init__(self, low: int, high: int, per_mm: int) -> None:
        self.low, self.high, self.per_mm = low, high, per_mm


def _bits(descriptor: int, number: int, count: int) -> frozenset[int]:
    answer = bytearray(-(-count // 64) * 8)
    fcntl.ioctl(descriptor, _number(_READ, len(answer), number), answer)
    return frozenset(code for code in range(count) if answer[code // 8] >> code % 8 & 1)


def codes(descriptor: int, kind: int) -> frozenset[int]:
    """The codes of a type that the device can send; of type 0 the types."""
    return _bits(descriptor, 0x20 + kind, _SIZES[kind])


def properties(descriptor: int) -> frozenset[int]:
    """INPUT_PROP_… of the device."""
    return _bits(descriptor, 0x09, 0x20)


def held(descriptor: int) -> frozenset[int]:
    """The keys and buttons that are down now."""
    return _bits(descriptor, 0x18, _SIZES[EV_KEY])


def lights(descriptor: int) -> frozenset[int]:
    """The LEDs that are lit now."""
    return _bits(descriptor, 0x19, _SIZES[EV_LED])


def axis(descriptor: int, code: int) -> Range:
    """The range of an absolute axis. Where it is now is in the answer too, and is dropped here."""
    answer = bytearray(24)
    fcntl.ioctl(descriptor, _number(_READ, 24, 0x40 + code), answer)
    low, high, _, _, per_mm = struct.unpack_from("@5i", answer, 4)
    return Range(low, high, per_mm)


def use_monotonic_clock(descriptor: int) -> None:
    """Have events stamped with the clock that everything here counts with."""
    fcntl.ioctl(descriptor, _CLOCK, struct.pack("@i", _MONOTONIC))


def take_only(descriptor: int, kind: int, wanted: Iterable[int]) -> None:
    """Have the kernel leave out every other code of a type; of type 0 every other type."""
    bits = array("B", bytes(-(-_SIZES[kind] // 64) * 8))
    for code in wanted:
        bits[code // 8] |= 1 << code % 8
    address, size = bits.buffer_info()
    fcntl.ioctl(descriptor, _MASK, struct.pack("@IIQ", kind, size, address))
