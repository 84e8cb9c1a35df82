"""Typing from replay files, for a works council or anybody who wants to run the attacks on their own volunteers.

One file a session, ``<person>.<anything>.jsonl``; the format is ``docs/reference/replay.md``. The files hold what was
typed: make them from volunteers who know that, keep them to yourselves, and delete them afterwards. A folder with a
file of a public research set (``formats``) is read as that set.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator

from desktop_logger.capture.replay import Reader
from desktop_logger.errors import Unavailable
from desktop_logger.records.classes import KeyClass, keysym_of
from desktop_logger.records.layout import KEY

from . import attributes, formats
from .data import Typing

_NAMES = {"BackSpace": "\b", "Delete": "\b", "Return": "\n"}


def typing(folder: str) -> list[Typing]:
    """One ``Typing`` a person, sessions one after the other. Raises ``Unavailable`` or the replay format's error."""
    try:
        names = _sessions(folder)
        known = sorted(name for name in os.listdir(folder) if formats.reader_of(name))
    except OSError as error:
        raise Unavailable(f"cannot read {folder}: {error.strerror}", "Name a folder of replay files.") from None
    people: dict[str, tuple[list[int], list[str]]] = defaultdict(lambda: ([], []))
    for name in names:
        times, symbols = people[name.partition(".")[0]]
        start = (times[-1] if times else 0) + 700_000  # a new session is a new segment
        for t, symbol in _presses(os.path.join(folder, name)):
            times.append(start + t)
            symbols.append(symbol)
    if known:
        return [one for name in known for one in formats.read(os.path.join(folder, name))]
    if not people:
        raise Unavailable(f"{folder} holds no replay file", "One file a session: <person>.<anything>.jsonl")
    return [Typing(f"volunteer {n}", *people[name]) for n, name in enumerate(sorted(people), 1)]


def labelled(folder: str) -> dict[str, list[attributes.Labelled]]:
    """Attribute → the sessions of those people that ``labels.csv`` has a value for."""
    found: dict[str, list[attributes.Labelled]] = {}
    for attribute, values in attributes.labels(folder).items():
        found[attribute] = some = []
        for name in _sessions(folder):
            person = name.partition(".")[0]
            if person in values:
                presses = list(_presses(os.path.join(folder, name)))
                times, symbols = [t for t, _ in presses], [symbol for _, symbol in presses]
                some.append(attributes.Labelled(person, times, symbols, values[person]))
    return found


def _sessions(folder: str) -> list[str]:
    return sorted(name for name in os.listdir(folder) if name.endswith(".jsonl"))


def _presses(path: str) -> Iterator[tuple[int, str]]:
    """Time (ms) and symbol of each press that makes a record, as the program classifies it; not those of commands."""
    for raw, events in Reader(path).lines():
        for t, what, code, *_ in events:
            if what == KEY and code != KeyClass.COMMAND:
                yield t, _symbol(raw["key"])


def _symbol(name: str) -> str:
    """The character that a keysym name stands for, else the name."""
    keysym = keysym_of(name) or 0
    if 0x20 <= keysym <= 0xFF:
        return chr(keysym)
    return chr(keysym - 0x1000000) if 0x1000100 <= keysym <= 0x110FFFF else _NAMES.get(name, name)
