"""Typing through the product's own classes, redactor and profiles, cut into segments as the product cuts them.

There is no second redactor here: what is measured is what is recorded. Recording is taken to run from the first
press to the last; ten minutes in which nobody presses a key make no segment.

The noise of ``counts`` is the product's own draw, but from a seed, so that a figure comes out the same again; what
is recorded takes its noise from the system.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from desktop_logger.records.classes import KeyClass, classify, keysym_of
from desktop_logger.records.events import Batch, Event
from desktop_logger.records.layout import KEY, RECORD, TYPING
from desktop_logger.records.profiles import CAPS, SEGMENT_S, Profile
from desktop_logger.redaction import Redactor
from desktop_logger.redaction.counting import Noise, laplace

Array = np.ndarray[Any, Any]

SEGMENT, T, KIND, CODE, A, B, DURATION, GAP = range(8)
"""Columns of ``records``: the number of the segment, then the fields of ``layout``."""

_NAMES = {"\b": "BackSpace", "\n": "Return", "\t": "Tab"}


class Terms(NamedTuple):
    """A grant of the keyboard under one profile, nothing released."""

    own: Profile
    scopes: tuple[str, ...] = ("keyboard",)
    named_commands: bool = True
    release: Profile | None = None


@cache
def class_of_symbol(symbol: str) -> int:
    """The product's class of what a symbol's key does."""
    keysym = keysym_of(_NAMES.get(symbol, symbol))
    return int(classify(keysym, 0)[0]) if keysym is not None else int(KeyClass.OTHER)


def seeded(*seed: int) -> Noise:
    """The product's noise, the same for the same numbers."""
    chance = random.Random(str(seed))  # noqa: S311 - repeatable, and nothing is recorded with it
    return lambda: laplace(draw=chance.randbytes)


def noise_of(times: Sequence[int], draw: int = 0) -> Noise:
    """Noise for one stretch of typing, other than for any other stretch; and again other in each ``draw``."""
    return seeded(draw, len(times), sum(times))


def records(times: Sequence[int], symbols: Sequence[str], profile: Profile, noise: Noise | None = None) -> Array:
    """All records of the typing under a profile, one row each, in file order; see the columns above."""
    redactor = Redactor(Terms(profile), noise or noise_of(times))
    rows: list[tuple[int, ...]] = []
    segment, place = 0, 0
    while place < len(times):
        base = times[place]
        end = base + SEGMENT_S * 1000
        events: list[Event] = []
        while place < len(times) and times[place] < end:
            events.append((times[place], KEY, class_of_symbol(symbols[place]), 0, 0, 0))
            place += 1
        redactor.begin(base)
        redactor.feed(Batch(events, events[-1][0]))
        redactor.flush(end if place < len(times) else events[-1][0])
        made, _ = redactor.take()
        rows += [(segment, *record) for record in RECORD.iter_unpack(made)]
        segment += 1
    return np.array(rows, np.int64).reshape(-1, 8)


def with_clock(rows: Array) -> Array:
    """Records of ``coarse`` as somebody reads them who looks at the clock.

    In place of a duration, which they do not have, come the minutes until the next record of the same segment begins
    (0 for the last one): with the pause in between, all that is left of speed.
    """
    made = rows.copy()
    same = np.diff(rows[:, SEGMENT]) == 0
    made[:, DURATION] = 0
    made[:-1, DURATION] = np.where(same, np.diff(rows[:, T]), 0)
    return made


def middle(buckets: Array) -> Array:
    """A number in the middle of each log2 bucket, as if the highest ended too."""
    found: Array = np.where(buckets > 0, 0.75 * 2.0 ** np.maximum(buckets, 1) - 0.5, 0)
    return found


def lasting(clocked: Array) -> Array:
    """Seconds that records ``with_clock`` seem to have lasted; nan where the pause after one has no known length."""
    pause = np.append(clocked[1:, GAP], 0)
    known = (pause < CAPS["gap"]) & (np.diff(clocked[:, SEGMENT], append=-1) == 0)
    found: Array = np.where(known, 60 * clocked[:, DURATION] - middle(pause), np.nan)
    return found


def groups(made: Array, classes: Sequence[int]) -> list[tuple[int, list[int]]]:
    """Which presses each record of ``bursts`` or ``coarse`` covers: ``(row, places)``, in file order.

    Under ``coarse`` the numbers are buckets, so pass the rows of ``bursts``: the records are the same ones.
    """
    text = [place for place, kind in enumerate(classes) if kind in (KeyClass.TEXT, KeyClass.EDIT)]
    others = [place for place, kind in enumerate(classes) if kind not in (KeyClass.TEXT, KeyClass.EDIT)]
    found: list[tuple[int, list[int]]] = []
    at_text = at_other = 0
    for row, record in enumerate(made.tolist()):
        if record[KIND] == TYPING:
            count = record[A] + record[B]
            found.append((row, text[at_text : at_text + count]))
            at_text += count
        elif record[KIND] == KEY:
            found.append((row, [others[at_other]]))
            at_other += 1
    return found
