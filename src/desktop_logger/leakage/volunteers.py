"""Typing from replay files, for a works council or anybody who wants to run the attacks on their own volunteers.

One file a session, ``<person>.<anything>.jsonl``; the format is ``docs/reference/replay.md``. The files hold what was
typed: make them from volunteers who know that, keep them to yourselves, and delete them afterwards. A folder with a
file of a public research set (``formats``) is read as that set.
"""

from __future__ import annotations

import os
from collections import defaultdict

from desktop_logger.capture.replay import Reader
from desktop_logger.errors import Unavailable

from . import formats
from .data import Typing

_NAMES = {
    "BackSpace": "\b",
    "Delete": "\b",
    "Return": "\n",
    "space": " ",
    "comma": ",",
    "period": ".",
    "apostrophe": "'",
}


def typing(folder: str) -> list[Typing]:
    """One ``Typing`` a person, sessions one after the other. Raises ``Unavailable`` or the replay format's error."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".jsonl"))
        known = sorted(name for name in os.listdir(folder) if formats.reader_of(name))
    except OSError as error:
        raise Unavailable(f"cannot read {folder}: {error.strerror}", "Name a folder of replay files.") from None
    people: dict[str, tuple[list[int], list[str]]] = defaultdict(lambda: ([], []))
    for name in names:
        times, symbols = people[name.partition(".")[0]]
        start = (times[-1] if times else 0) + 700_000  # a new session is a new segment
        for raw, _ in Reader(os.path.join(folder, name)).lines():
            if "key" in raw and raw.get("down"):
                times.append(start + round(raw["t"] * 1000))
                symbols.append(_NAMES.get(raw["key"], raw["key"]))
    if known:
        return [one for name in known for one in formats.read(os.path.join(folder, name))]
    if not people:
        raise Unavailable(f"{folder} holds no replay file", "One file a session: <person>.<anything>.jsonl")
    return [Typing(f"volunteer {n}", *people[name]) for n, name in enumerate(sorted(people), 1)]
