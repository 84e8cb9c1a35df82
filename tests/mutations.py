"""Changed receipts and policies, as many as wanted: every one of them must be refused.

A mutation is one change of a document that was signed: a member changed, taken away, doubled, of another type or too
long; a byte flipped, cut, inserted; members swapped between two documents. Nothing that equals the original counts.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

from desktop_logger import sealing


def mutations(data: bytes, other: bytes, seed: int) -> Iterator[bytes]:
    """Endless mutations of ``data``; ``other`` is a second genuine document to take members from."""
    chance = random.Random(seed)
    document, second = json.loads(data), json.loads(other)
    places = list(_places(document))
    while True:
        how = chance.randrange(3)
        made: bytes | None
        if how == 0:
            made = _bytes(data, chance)
        elif how == 1:
            made = _member(document, chance.choice(places), chance)
        else:
            made = _swapped(document, second, chance.choice(places))
        if made is not None and made not in (data, other):
            yield made


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from _places(value[key], (*path, key))


def _bytes(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    made = chance.randrange(4)
    if made == 0:
        return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
    if made == 1:
        return data[:at]
    if made == 2:
        return data[:at] + bytes([chance.randrange(256)]) + data[at:]
    end = min(len(data), at + chance.randrange(1, 40))
    return data[:at] + data[end:]


def _member(document: Any, path: tuple[Any, ...], chance: random.Random) -> bytes | None:
    made = copy.deepcopy(document)
    at = made
    for step in path[:-1]:
        at = at[step]
    old = at[path[-1]]
    new: list[Any] = [None, 7, -1, True, [], {}, "", "x" * 5000, "A", "\u202e", 1 << 60, [old], [old, old]]
    if isinstance(old, bool):
        new += [not old] * 6
    elif isinstance(old, int):
        new += [old + 1, old - 1, old * 2, -old, str(old)]
    elif isinstance(old, str):
        new += [old + " ", old[:-1], old.swapcase(), old[::-1], old + old]
    elif isinstance(old, list):
        new += [old[::-1], old + old[:1], old[1:]]
    elif isinstance(old, dict):
        new += [{**old, "more": 1}, dict(list(old.items())[1:])]
    if chance.randrange(6) == 0:
        del at[path[-1]]
    else:
        at[path[-1]] = chance.choice(new)
    try:
        return sealing.canonical(made)
    except (ValueError, TypeError, sealing_error()):
        return None


def _swapped(document: Any, second: Any, path: tuple[Any, ...]) -> bytes | None:
    made = copy.deepcopy(document)
    at, source = made, second
    try:
        for step in path[:-1]:
            at, source = at[step], source[step]
        at[path[-1]] = source[path[-1]]
    except (KeyError, IndexError, TypeError):
        return None
    return sealing.canonical(made)


def sealing_error() -> type[Exception]:
    """What the canonical form refuses with."""
    from desktop_logger.errors import DesktopLoggerError

    return DesktopLoggerError
