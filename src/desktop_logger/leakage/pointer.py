"""Whose pointer is it: the same question as ``identity``, asked of movement, clicks and scrolling.

Only for data that somebody has: no package registry holds public pointer data, so ``make leakage`` cannot measure
this by itself. A folder in the format of the Balabit mouse challenge (``userN/session_…``, CSV with ``client
timestamp``, ``button``, ``state``, ``x``, ``y``) is read with ``make leakage DATA=folder``; so are volunteers' replay
files. Positions are used for one thing, the difference to the next one, which is what the program sees.

Sessions are parted, never windows: the attacker learns from the first half of each person's sessions and is tried on
the rest. Hardware and role go with the person in such data, so a figure says as much about a mouse as about a hand.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from desktop_logger.errors import Unavailable, UsageError
from desktop_logger.records.classes import Button, Direction
from desktop_logger.records.events import Batch, Event
from desktop_logger.records.layout import ACTIONS, CLICK, GAP, MOVE, RECORD, SCROLL, STROKE
from desktop_logger.records.profiles import COUNTS, SEGMENT_S, Profile
from desktop_logger.redaction import Redactor

from . import product
from .identity import Recognised, log_posterior, pooled
from .product import CODE, DURATION, KIND, SEGMENT, A, B, Terms
from .product import GAP as SINCE
from .traits import Piece

Array = np.ndarray[Any, Any]

WINDOW = 600
"""Input events in one window."""
POOLED = 4
"""Windows that make one try."""
_BUTTONS = {"Left": Button.LEFT, "Middle": Button.MIDDLE, "Right": Button.RIGHT}
_FASTEST = 5000
"""A jump of more pixels is a change of screens in the recording, not a movement."""


class Pointing(NamedTuple):
    """One person's sessions of classified pointer events (ms from the session's start)."""

    who: str
    sessions: list[list[Event]]


def is_set(folder: str) -> bool:
    """Whether a folder is laid out as the Balabit challenge is."""
    try:
        return any(name.startswith("user") and os.path.isdir(os.path.join(folder, name)) for name in os.listdir(folder))
    except OSError:
        return False


def read(folder: str) -> list[Pointing]:
    """Everybody in a folder of the Balabit format. Raises ``UsageError`` naming the file that is not in it."""
    found = []
    names = sorted(name for name in os.listdir(folder) if os.path.isdir(os.path.join(folder, name)))
    for number, name in enumerate(names, 1):
        place = os.path.join(folder, name)
        sessions = [_session(os.path.join(place, one)) for one in sorted(os.listdir(place))]
        found.append(Pointing(f"person {number}", [one for one in sessions if one]))
    return found


def _session(path: str) -> list[Event]:
    events: list[Event] = []
    start: float | None = None
    last = (0, 0)
    try:
        with open(path, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                moment, here = float(row["client timestamp"]), (int(row["x"]), int(row["y"]))
                start, last = (moment, here) if start is None else (start, last)
                t = max(round((moment - start) * 1000), events[-1][0] if events else 0)
                dx, dy, last = here[0] - last[0], here[1] - last[1], here
                if row["state"] in ("Move", "Drag"):
                    if max(abs(dx), abs(dy)) <= _FASTEST and (dx or dy):
                        events.append((t, MOVE, 0, 0, dx, dy))
                elif row["button"] == "Scroll":
                    way = Direction.UP if row["state"] == "Up" else Direction.DOWN
                    events.append((t, SCROLL, way, 1, 0, 0))
                elif row["state"] == "Pressed":
                    events.append((t, CLICK, _BUTTONS.get(row["button"], Button.OTHER), 1, 0, 0))
    except (KeyError, ValueError, OSError, TypeError, csv.Error) as error:
        where = os.path.join(os.path.basename(os.path.dirname(path)), os.path.basename(path))
        raise UsageError(f"{where} cannot be read as pointer data: {type(error).__name__}") from None
    return events


def records(events: Sequence[Event], profile: Profile) -> Array:
    """All pointer records of some events under a profile, with the columns of ``product.records``."""
    noise = product.seeded(len(events), sum(event[0] for event in events))
    redactor = Redactor(Terms(profile, ("pointer",)), noise)
    rows: list[tuple[int, ...]] = []
    segment, place = 0, 0
    while place < len(events):
        base = events[place][0]
        end = base + SEGMENT_S * 1000
        first = place
        while place < len(events) and events[place][0] < end:
            place += 1
        redactor.begin(base)
        redactor.feed(Batch(list(events[first:place]), events[place - 1][0]))
        redactor.flush(end if place < len(events) else events[place - 1][0])
        made, _ = redactor.take()
        rows += [(segment, *record) for record in RECORD.iter_unpack(made)]
        segment += 1
    return np.array(rows, np.int64).reshape(-1, 8)


def features(made: Array, profile: Profile) -> Array:
    """Statistics of the records of one window: what moved how far, how long, which way, after what."""
    rows = made[made[:, KIND] != GAP]
    if profile is COUNTS:
        rows = rows[rows[:, KIND] == ACTIONS]
        table = _signed(rows[:, A]).reshape(-1, 11)
        return np.concatenate([table.mean(0), table.std(0)])
    kinds = np.select([rows[:, KIND] == kind for kind in (MOVE, STROKE, CLICK, SCROLL)], [0, 0, 1, 2], 0)
    pairs = np.bincount(kinds[:-1] * 3 + kinds[1:], minlength=9) / max(len(rows), 1)
    moves = rows[kinds == 0]
    dx, dy = _signed(moves[:, A]).astype(float), _signed(moves[:, B]).astype(float)
    far, angle = np.hypot(dx, dy), np.arctan2(dy, dx)
    pauses = np.diff(rows[:, product.T] + rows[:, SEGMENT] * 30_000) if profile.rank == 0 else rows[:, SINCE]
    turns = np.abs(np.angle(np.exp(1j * np.diff(angle)))) if len(angle) > 1 else np.zeros(1)
    speed = far / (moves[:, DURATION] + 0.5)
    parts = [pairs, _shares(angle, np.linspace(-np.pi, np.pi, 9)[:-1]), _shares(turns, np.linspace(0, np.pi, 7)[:-1])]
    for values in (far, speed, moves[:, DURATION], pauses, rows[kinds == 1][:, A], rows[kinds == 2][:, A]):
        parts += [_shares(values, (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 512)), _moments(values)]
    parts += [np.bincount(rows[kinds == 1][:, CODE], minlength=7)[:7] / max(int((kinds == 1).sum()), 1)]
    return np.concatenate(parts)


def _signed(values: Array) -> Array:
    return np.where(values > 0x7FFF, values - 0x10000, values)


def _shares(values: Array, edges: Sequence[float] | Array) -> Array:
    made: Array = np.histogram(values, [*edges, np.inf])[0] / max(len(values), 1)
    return made


def _moments(values: Array) -> Array:
    if not len(values):
        return np.zeros(4)
    logs = np.log1p(np.maximum(values, 0))
    return np.array([logs.mean(), logs.std(), *np.quantile(logs, (0.25, 0.75))])


def _windows(sessions: Sequence[list[Event]], profile: Profile, step: int) -> Iterator[Array]:
    for events in sessions:
        for start in range(0, len(events) - WINDOW + 1, step):
            yield features(records(events[start : start + WINDOW], profile), profile)


def recognise(people: Sequence[Pointing], profile: Profile, *, seed: int = 3, trees: bool = True) -> Recognised:
    """Learn from the first half of each person's sessions, try ``POOLED`` windows of the others together.

    Raises ``Unavailable`` when fewer than two people have two sessions of some length.
    """
    known = [one for one in people if sum(len(some) >= WINDOW for some in one.sessions) >= 2]
    if len(known) < 2:
        raise Unavailable(f"fewer than two people with two sessions of {WINDOW} pointer events each")
    train: list[Piece] = []
    test: list[Piece] = []
    for number, one in enumerate(known):
        sessions = [some for some in one.sessions if len(some) >= WINDOW]
        half = (len(sessions) + 1) // 2
        train += [Piece(number, found) for found in _windows(sessions[:half], profile, WINDOW // 3)]
        test += [Piece(number, found) for found in _windows(sessions[half:], profile, WINDOW)]
    scores = log_posterior(train, test, len(known), seed, trees=trees)
    owner = np.array([one.writer for one in test])
    windows = min(POOLED, *(int((owner == number).sum()) for number in range(len(known))))
    return pooled(scores, owner, max(windows, 1), len(known))
