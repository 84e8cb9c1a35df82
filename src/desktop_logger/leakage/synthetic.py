"""Made-up typists in whom a leak of known size is planted: a check that each attack finds what is there.

Never evidence of privacy. Texts are drawn from a small grammar of letters; the pauses of a writer follow the letter
pair by a known amount, so that an attack that finds nothing, or finds something where nothing was planted, is broken.
"""

from __future__ import annotations

import math
import random

from desktop_logger.records.classes import Button
from desktop_logger.records.events import Event
from desktop_logger.records.layout import CLICK, MOVE

from .data import Typing
from .pointer import Pointing

_SYLLABLES = ("ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri", "so", "tu")


def writers(
    people: int, keys: int, *, pair_ms: int = 0, person_ms: int = 0, edits: float = 0.06, seed: int = 1
) -> list[Typing]:
    """Typists of one made-up language.

    ``pair_ms`` plants text in time: a pause grows by up to so much with the letter pair. ``person_ms`` plants the
    person: each has a mean pause of their own, that far apart, and corrects more or less often.
    """
    chance = random.Random(seed)  # noqa: S311 - made-up typing, the same every time
    words = ["".join(chance.choice(_SYLLABLES) for _ in range(chance.choice((1, 2, 2, 3)))) for _ in range(150)]
    found = []
    for person in range(people):
        base = 150 + (person * person_ms) // max(people - 1, 1)
        rate = edits * (0.5 + (person / max(people - 1, 1) if person_ms else 0.5))
        times: list[int] = []
        symbols: list[str] = []
        now = 1000
        while len(symbols) < keys:
            word = words[min(int(chance.paretovariate(0.9)) - 1, len(words) - 1)]
            typed = list(word + (" " if chance.random() < 0.85 else "\n"))
            if chance.random() < rate * len(word):
                typed[1:1] = [chance.choice("abcdefghij"), "\b"]
            for symbol in typed:
                pair = (ord(symbols[-1]) * 31 + ord(symbol) * 17) % 8 if symbols else 0
                now += max(30, round(chance.gauss(base + pair * pair_ms / 8, base / 8)))
                now += chance.choice((0,) * 25 + (2500, 6000))
                times.append(now)
                symbols.append(symbol)
        found.append(Typing(f"made-up-{person}", times[:keys], symbols[:keys]))
    return found


def pointers(people: int, sessions: int, events: int, *, person_px: float = 0.0, seed: int = 1) -> list[Pointing]:
    """Made-up hands: straight strokes of random direction, each ended by a click.

    ``person_px`` plants the person: how many pixels further the last one's pointer goes each 10 ms than the first's.
    """
    chance = random.Random(seed)  # noqa: S311 - made-up movement, the same every time
    found = []
    for person in range(people):
        step = 4 + person * person_px / max(people - 1, 1)
        made: list[list[Event]] = []
        for _ in range(sessions):
            now, session = 0, list[Event]()
            while len(session) < events:
                angle = chance.uniform(-math.pi, math.pi)
                for _ in range(chance.randrange(20, 60)):
                    now += 10
                    far = chance.gauss(step, 1)
                    session.append((now, MOVE, 0, 0, round(far * math.cos(angle)), round(far * math.sin(angle))))
                session.append((now, CLICK, Button.LEFT, 1, 0, 0))
                now += chance.randrange(300, 4000)
            made.append(session[:events])
        found.append(Pointing(f"made-up-{person}", made))
    return found
