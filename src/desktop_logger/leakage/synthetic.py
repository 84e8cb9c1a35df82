"""Made-up typists in whom a leak of known size is planted: a check that each attack finds what is there.

Never evidence of privacy. Texts are drawn from a small grammar of letters; the pauses of a writer follow the letter
pair by a known amount, so that an attack that finds nothing, or finds something where nothing was planted, is broken.
"""

from __future__ import annotations

import random

from .data import Typing

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
