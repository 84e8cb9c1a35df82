"""Pairs of inputs that are equal after classification and gridding, through the whole redactor.

Plain random numbers from a seed instead of hypothesis, because the promise is checked a million times:
``python -m tests.noninterference 1000000`` (some minutes). Unit tests run twelve thousand.
"""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import Callable
from typing import NamedTuple

from desktop_logger.records.classes import Category, ClickKind, KeyClass, Outcome, Reason, Role, classify, keysym_of
from desktop_logger.records.events import Batch, Event
from desktop_logger.records.layout import CLICK, FOCUS, GAP, KEY, MOVE, SCROLL, TARGET, TASK, VEIL, Redacted
from desktop_logger.records.profiles import BURSTS, COARSE, COUNTS, EVENTS, SCOPES, Profile
from desktop_logger.redaction import Redactor

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,;:!?äöüß€жи好"
KEYS = ("BackSpace", "Return", "Tab", "Left", "Escape", "F5")
STEPS_MS = (0, 3, 20, 90, 150, 400, 1100, 2100, 9000)
OTHERS: tuple[Event, ...] = (
    (0, FOCUS, Category.BROWSER, 0, 0, 0), (0, FOCUS, Category.MAIL, 0, 0, 0),
    (0, TARGET, Role.BUTTON, ClickKind.SINGLE, 0, 0), (0, TARGET, Role.LINK, ClickKind.DOUBLE, 0, 0),
    (0, TASK, 3, Outcome.BEGIN, 0, 0), (0, VEIL, 1, 0, 0, 0), (0, VEIL, 0, 0, 0, 0), (0, GAP, Reason.SECURE, 2, 0, 0),
)  # fmt: skip


class Terms(NamedTuple):
    own: Profile
    release: Profile
    scopes: tuple[str, ...] = SCOPES
    named_commands: bool = False


TERMS = (
    Terms(EVENTS, COARSE), Terms(BURSTS, COARSE), Terms(EVENTS, BURSTS), Terms(COARSE, COARSE),
    Terms(BURSTS, COUNTS), Terms(COUNTS, COUNTS),
)  # fmt: skip


def press(name: str, t: int) -> Event:
    keysym = keysym_of(name)
    assert keysym is not None
    kind, command = classify(keysym, 0)
    return (t, KEY, kind, command, 0, 0)


def pair(chance: random.Random) -> tuple[list[Event], list[Event], int]:
    """Two inputs and their end. They differ in text, in times within a tick, in how movements are cut up, and in how
    often a focus or a veil that holds is said again."""
    one: list[Event] = []
    other: list[Event] = []
    t = last = 0
    holding: dict[int, Event] = {}
    for _ in range(chance.randrange(1, 9)):
        t += chance.choice(STEPS_MS)
        tick = t - t % EVENTS.grid_ms
        last = chance.randrange(max(tick, last), tick + EVENTS.grid_ms)
        what = chance.random()
        if what > 0.8:
            event = chance.choice(OTHERS)
            holding = {} if event[1] == GAP else {**holding, event[1]: event}
            one.append((t, *event[1:]))
            other.append((last, *event[1:]))
            again = [held for kind, held in holding.items() if kind in (FOCUS, VEIL)]
            other += [(last, *held[1:]) for held in again if chance.random() < 0.5]
            continue
        what /= 0.8
        if what < 0.6:
            one.append(press(chance.choice(LETTERS), t))
            other.append(press(chance.choice(LETTERS), last))
        elif what < 0.75:
            name = chance.choice(KEYS)
            one.append(press(name, t))
            other.append(press(name, last))
        elif what < 0.9:
            dx, dy, part = chance.randrange(-300, 300), chance.randrange(-300, 300), chance.randrange(-99, 99)
            one.append((t, MOVE, 0, 0, dx, dy))
            other += [(last, MOVE, 0, 0, part, 0), (last, MOVE, 0, 0, dx - part, dy)]
        else:
            kind, code = chance.choice(((CLICK, 1), (CLICK, 3), (SCROLL, 2)))
            one.append((t, kind, code, 1, 0, 0))
            other.append((last, kind, code, 1, 0, 0))
    return one, other, t + 5000


def _noise(seed: int) -> Callable[[], int]:
    drawn = itertools.count(seed * 31)
    return lambda: next(drawn) % 15 - 7


def redacted(events: list[Event], terms: Terms, end: int) -> tuple[Redacted, Redacted]:
    redactor = Redactor(terms, _noise(end))  # the same noise for both of a pair
    redactor.begin(0)
    redactor.feed(Batch(events, end))
    redactor.flush(end)
    return redactor.take()


def same_shape(chance: random.Random) -> tuple[list[Event], list[Event], int]:
    """Two texts with runs of one shape: as many text and edit keys from the same second to the same second.

    Which letters, in which order corrections stand among them, and when within the run each key came, differ.
    """
    sides: tuple[list[Event], list[Event]] = ([], [])
    second = 1
    for _ in range(chance.randrange(1, 5)):
        lasts, text, edit = chance.randrange(0, 9), chance.randrange(12, 30), chance.randrange(0, 6)
        for side in sides:
            names = [chance.choice(LETTERS) for _ in range(text)] + ["BackSpace"] * edit
            chance.shuffle(names)
            # at least one key in every other second, so that no pause ends the run; the others anywhere
            needed = list(range(0, lasts, max(1, -(-lasts // (len(names) - 2))))) if lasts else [0]
            free = (chance.randrange(lasts + 1) for _ in range(len(names) - len(needed) - 1))
            seconds = sorted([*needed, *free, lasts])
            times = sorted(1000 * (second + here) + chance.randrange(1000) for here in seconds)
            side += [press(name, t) for name, t in zip(names, times, strict=True)]
        second += lasts + chance.randrange(2, 20)
        if chance.random() < 0.5:
            for side in sides:
                side.append(press("Return", 1000 * second + chance.randrange(1000)))
            second += 1
    return sides[0], sides[1], 1000 * (second + 10)


def check_shapes(pairs: int, seed: int = 1) -> int:
    """How many of ``pairs`` pairs of one shape differ in any byte, under ``bursts`` and ``coarse``."""
    chance = random.Random(seed)
    differing = 0
    for _ in range(pairs):
        one, other, end = same_shape(chance)
        differing += redacted(one, TERMS[1], end) != redacted(other, TERMS[1], end)
    return differing


def corrected(chance: random.Random) -> tuple[list[Event], list[Event], int]:
    """Two inputs with keys at the same ticks, of which others are corrections; all else is as in ``pair``."""
    sides: tuple[list[Event], list[Event]] = ([], [])
    begin = 0
    for _ in range(chance.randrange(1, 4)):
        begin += -begin % EVENTS.grid_ms
        one, other, end = pair(chance)
        for side, events in zip(sides, (one, other), strict=True):
            side += [(begin + event[0], *event[1:]) for event in events]
        begin += end
        step = chance.choice((0, 90, 400, 1100))
        for _ in range(chance.randrange(40)):
            begin += step
            for side in sides:
                side.append(press("a", begin))
    keys = (KeyClass.TEXT, KeyClass.EDIT)
    mixed = [
        [press(chance.choice(("a", "BackSpace")), event[0]) if event[1] == KEY and event[2] in keys else event
         for event in side]
        for side in sides
    ]  # fmt: skip
    return mixed[0], mixed[1], begin + 5000


def check_corrected(pairs: int, seed: int = 1) -> int:
    """How many of ``pairs`` pairs that differ in corrections only differ in any byte that ``coarse`` shows."""
    chance = random.Random(seed)
    terms = [terms for terms in TERMS if terms.release is COARSE]
    differing = 0
    for number in range(pairs):
        one, other, end = corrected(chance)
        held = terms[number % len(terms)]
        mine, theirs = redacted(one, held, end), redacted(other, held, end)
        differing += mine[1] != theirs[1] or (held.own is COARSE and mine[0] != theirs[0])
    return differing


def veiled(chance: random.Random) -> tuple[list[Event], list[Event], int]:
    """Two inputs that differ under a veil only, and there in nothing that ``coarse`` shows: numbers within a bucket.

    Outside it they are one text with other letters. So no finer profile may show what the veil hides either.
    """
    sides: tuple[list[Event], list[Event]] = ([], [])

    def both(second: int, kind: int, code: int = 0, extra: int = 0) -> None:
        for side in sides:
            side.append((1000 * second, kind, code, extra, 0, 0))

    def typed(second: int, keys: int) -> None:
        for side in sides:
            side += [press(chance.choice(LETTERS), 1000 * (second + n // 8) + 100 * (n % 8)) for n in range(keys)]

    typed(1, chance.randrange(1, 40))
    both(10, VEIL, 1)
    second, gap = 10 + chance.randrange(1, 9), 0
    for _ in range(chance.randrange(1, 4)):
        second += gap
        what = chance.choice((KEY, KEY, CLICK, MOVE, TARGET))
        for side in sides:
            if what == KEY:
                lasts, keys, edit = chance.randrange(4, 8), chance.randrange(16, 32), chance.randrange(12)
                names = [chance.choice(LETTERS) for _ in range(keys - edit)] + ["BackSpace"] * edit
                chance.shuffle(names)
                free = [chance.randrange(lasts + 1) for _ in range(len(names) - lasts - 1)]
                seconds = sorted([*range(lasts + 1), *free])
                side += [press(name, 1000 * (second + here)) for name, here in zip(names, seconds, strict=True)]
            elif what == MOVE:
                side.append((1000 * second, MOVE, 0, 0, 64 * chance.randrange(4, 8), -64 * chance.randrange(2, 4)))
            elif what == CLICK:
                side.extend([(1000 * second, CLICK, 1, 1, 0, 0)] * chance.randrange(4, 8))
            else:
                clicked = (1000 * second, TARGET, Role.BUTTON, ClickKind.SINGLE, 0, 0)
                side.extend([clicked] * chance.randrange(4, 8))
        gap = chance.randrange(23, 36)  # less what a run lasted: always 16 to 31 seconds, one bucket
    if chance.random() < 0.5:  # a password, say: too short to stand alone, and alone under the veil
        second += 24
        for side in sides:
            side += [press(chance.choice(LETTERS), 1000 * second) for _ in range(chance.randrange(8, 12))]
    both(second + 8, VEIL, 0)
    typed(second + 9, chance.randrange(1, 40))
    both(second + 20, FOCUS, Category.MAIL)
    return sides[0], sides[1], 1000 * (second + 30)


def check_veiled(pairs: int, seed: int = 1) -> int:
    """How many of ``pairs`` veiled pairs differ in any byte, under profiles in turn."""
    chance = random.Random(seed)
    kept = [terms for terms in TERMS if COUNTS not in (terms.own, terms.release)]
    differing = 0
    for number in range(pairs):
        one, other, end = veiled(chance)
        terms = kept[number % len(kept)]
        differing += redacted(one, terms, end) != redacted(other, terms, end)
    return differing


def check(pairs: int, seed: int = 1) -> int:
    """How many of ``pairs`` pairs differ in any byte of either stream, under profiles in turn."""
    chance = random.Random(seed)
    differing = 0
    for number in range(pairs):
        one, other, end = pair(chance)
        terms = TERMS[number % len(TERMS)]
        differing += redacted(one, terms, end) != redacted(other, terms, end)
    return differing


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    found = check(count)
    print(f"{count:,} pairs of inputs, {found} differ in a byte")
    shapes = max(count // 10, 1)
    unlike = check_shapes(shapes)
    print(f"{shapes:,} pairs of one burst shape, {unlike} differ in a byte")
    hidden = check_veiled(shapes)
    print(f"{shapes:,} pairs that differ under a veil, {hidden} differ in a byte")
    corrections = check_corrected(shapes)
    print(f"{shapes:,} pairs that differ in corrections, {corrections} differ in a byte of coarse")
    found += unlike + hidden + corrections
    sys.exit(found > 0)
