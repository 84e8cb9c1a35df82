"""How many records a second one core makes coarser in plain Python, and how many events the whole redactor takes.

The input is made up: keys, movement, clicks on elements, scrolling and changes of focus. A veil is tried apart, since
what is under it takes the way to ``coarse`` by itself.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial

from desktop_logger.leakage import product, twin
from desktop_logger.records.classes import Category, ClickKind, Role
from desktop_logger.records.events import Batch, Event
from desktop_logger.records.layout import CLICK, FOCUS, KEY, MOVE, RECORD_BYTES, SCROLL, TARGET, VEIL, Redacted
from desktop_logger.records.profiles import BURSTS, COARSE, COUNTS, EVENTS, SCOPES, Profile
from desktop_logger.redaction import Redactor
from desktop_logger.redaction.coarsening import coarsen

from .tables import table

EVENTS_MADE = 150_000
ROUNDS = 3
BATCH = 64


def _input() -> list[Event]:
    chance = random.Random(1)
    events: list[Event] = []
    t = 0
    for _ in range(EVENTS_MADE):
        t += chance.choice((5, 20, 30, 60, 150))
        what = chance.random()
        if what < 0.45:
            events.append((t, KEY, chance.choice((1, 1, 1, 1, 1, 1, 2, 3, 5, 10)), 0, 0, 0))
        elif what < 0.85:
            events.append((t, MOVE, 0, 0, chance.randrange(-40, 40), chance.randrange(-40, 40)))
        elif what < 0.93:
            events += [(t, CLICK, 1, 1, 0, 0), (t, TARGET, Role.BUTTON, ClickKind.SINGLE, 0, 0)]
        elif what < 0.97:
            events.append((t, SCROLL, 1, 1, 0, 0))
        else:
            events.append((t, FOCUS, chance.choice(tuple(Category)), 0, 0, 0))
    return events


def _best(done: int, act: Callable[[], object]) -> float:
    """Of what there is, how much a CPU second; the best of some rounds: the machine is shared."""
    best = 0.0
    for _ in range(ROUNDS):
        before = time.process_time()
        act()
        best = max(best, done / (time.process_time() - before))
    return best


def _redacted(events: list[Event], own: Profile, release: Profile | None) -> Redacted:
    redactor = Redactor(product.Terms(own, SCOPES, release=release))
    redactor.begin(0)
    for start in range(0, len(events), BATCH):
        some = events[start : start + BATCH]
        redactor.feed(Batch(some, some[-1][0]))
        redactor.advance(some[-1][0])
    redactor.flush(events[-1][0])
    return redactor.take()[0]


def run() -> None:
    """One table."""
    events = _input()
    veiled: list[Event] = [(0, VEIL, 1, 0, 0, 0), *events]
    fine = _redacted(events, EVENTS, None)
    count = len(fine) // RECORD_BYTES
    rows = []
    for to in (BURSTS, COARSE):
        made = _best(count, partial(coarsen, fine, EVENTS, to))
        rows.append((f"`coarsen`, events → {to.name}, records", f"{made:,.0f}"))
    rows.append(
        ("its vectorised twin, events → bursts, records", f"{_best(count, partial(twin.bursts, fine, 0)):,.0f}")
    )
    for own, release in ((EVENTS, None), (EVENTS, COARSE), (BURSTS, COARSE), (COUNTS, COUNTS)):
        name = own.name if release is None else f"{own.name} and {release.name}"
        taken = _best(len(events), partial(_redacted, events, own, release))
        rows.append((f"the whole redactor, {name}, events", f"{taken:,.0f}"))
    rate = _best(len(veiled), partial(_redacted, veiled, EVENTS, COARSE))
    rows.append(("the whole redactor, events and coarse, all of it veiled, events", f"{rate:,.0f}"))
    table("Redaction, one core, plain Python (wanted: 300,000 records a second)", ("what", "a CPU second"), rows)
