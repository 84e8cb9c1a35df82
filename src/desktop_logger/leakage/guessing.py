"""How much sooner a password is guessed by somebody who sees its records: bits taken off the rank in a known list.

Passwords are drawn evenly from the list's small-letter ones of 6 to 10 letters and "typed" between Tab and Enter with
pauses that a held-out writer really made on the same letter pairs (replayed from free text: semi-synthetic), as the
last thing in a segment, where a short run stands alone: the worst case. No field is marked secure, as where a password
field is not recognised. The attacker goes through the list by popularity (weight 1/rank), keeps what agrees with the
records, and under ``events`` weighs the pauses.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from desktop_logger.errors import Unavailable
from desktop_logger.records.classes import KeyClass
from desktop_logger.records.layout import PRESSES, TYPING, U16, signed
from desktop_logger.records.profiles import (
    BURSTS,
    CAPS,
    COARSE,
    COUNTS,
    EVENTS,
    NOISE_PER_KEY,
    SHORT_RUN,
    Profile,
    bucket,
)

from . import product, twin
from .data import Typing
from .language import fold
from .text import pause_bins

Array = np.ndarray[Any, Any]
PROFILES = (EVENTS, BURSTS, COARSE, COUNTS)
_TRIED_LAST = -1000.0
"""log2 of how likely a word is whose length the records exclude: after all others, but tried."""


def pauses(writer: Typing) -> dict[tuple[int, int], list[int]]:
    """A writer's pauses of less than 1.5 s by pair of symbols; under (-1, -1) all of them."""
    found: dict[tuple[int, int], list[int]] = defaultdict(list)
    for n in range(1, len(writer.times)):
        gap = writer.times[n] - writer.times[n - 1]
        if gap < 1500 and "\b" not in writer.symbols[n - 1 : n + 1] and "\n" not in writer.symbols[n - 1 : n + 1]:
            found[fold(writer.symbols[n - 1]), fold(writer.symbols[n])].append(gap)
            found[-1, -1].append(gap)
    return found


def typed(word: str, pool: dict[tuple[int, int], list[int]], chance: random.Random) -> tuple[list[int], list[str]]:
    """Tab, the word and Enter with replayed pauses; each from 3 s after the start."""
    times, symbols = [3000], ["\t"]
    for n, letter in enumerate(word):
        pair = (fold(word[n - 1]), fold(letter)) if n else (-1, -1)
        times.append(times[-1] + chance.choice(pool.get(pair) or pool[-1, -1]))
        symbols.append(letter)
    return [*times, times[-1] + chance.choice(pool[-1, -1])], [*symbols, "\n"]


class List:
    """The attacker's list: passwords with their lengths and log2 weights."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)
        self.lengths = np.array([len(word) for word in words])
        self.prior = -np.log2(np.arange(1, len(words) + 1))
        self.small = [
            n
            for n, word in enumerate(words)
            if 6 <= len(word) <= 10 and word.isascii() and word.isalpha() and word.islower()
        ]
        self._letters: dict[int, tuple[Array, Array]] = {}

    def bits_off(self, number: int, agreement: Array) -> float:
        """Bits that an attacker gains who weighs the list by ``agreement`` (log2); ``number``: the true password.

        Words that do not agree (-inf) are tried last, by popularity: who leaves the true one out has lost by it.
        """
        score = self.prior + np.maximum(agreement, _TRIED_LAST)
        return math.log2(number + 1) - math.log2(int((score > score[number]).sum()) + 1)

    def letters(self, length: int) -> tuple[Array, Array]:
        """Places in the list of the words of one length, and their letters as places in the alphabet."""
        if length not in self._letters:
            which = np.flatnonzero(self.lengths == length)
            self._letters[length] = (which, np.array([[fold(letter) for letter in self.words[n]] for n in which]))
        return self._letters[length]


def _agreement(length: int, made: Array, profile: Profile, known: List, timing: Array | None) -> Array:
    """log2 P(records | password) for each word of the list, up to a constant."""
    score = np.full(len(known.words), -math.inf)
    if profile is EVENTS:
        which, letters = known.letters(length)
        score[which] = 0
        if timing is not None:
            text = made[(made[:, product.CODE] == KeyClass.TEXT)]
            bins = pause_bins(np.diff(text[:, product.T]))
            for n in range(1, length):
                score[which] += np.log2(timing[letters[:, n - 1], letters[:, n], bins[n - 1]])
    elif profile is COUNTS:
        rows = made[(made[:, product.KIND] == PRESSES) & (made[:, product.CODE] == KeyClass.TEXT)]
        noisy = signed(int(rows[0, product.A]) & U16)
        epsilon = NOISE_PER_KEY[0] / NOISE_PER_KEY[1]
        score = -epsilon * np.abs(noisy - known.lengths) / math.log(2)
    else:
        rows = made[made[:, product.KIND] == TYPING]
        seen = int(rows[:, product.A].sum()) if profile is BURSTS else int(rows[-1, product.A])
        lengths = (
            known.lengths if profile is BURSTS else np.array([bucket(int(n), CAPS["n_text"]) for n in known.lengths])
        )
        score[lengths == seen] = 0
    return score


def bits_taken(
    writers: Sequence[Typing], known: List, timing: Array, draws: int, seed: int = 7
) -> dict[str, list[float]]:
    """For each profile, the bits taken off the rank of each drawn password; ``length`` is knowing its length."""
    chance = random.Random(seed)  # noqa: S311 - the same draws every time
    pools = [pool for pool in (pauses(writer) for writer in writers) if len(pool[-1, -1]) > 200]
    if not pools:
        raise Unavailable("nobody has 200 pauses within a word to type passwords with")
    found: dict[str, list[float]] = {name: [] for name in (*(one.name for one in PROFILES), "length", "none")}
    for _ in range(draws):
        number = chance.choice(known.small)
        word = known.words[number]
        times, symbols = typed(word, chance.choice(pools), chance)
        before = math.log2(number + 1)
        found["none"].append(before)
        same = known.lengths == len(word)
        found["length"].append(before - math.log2(int(same[:number].sum()) + 1))
        for profile in PROFILES:
            made = product.records(times, symbols, profile)
            found[profile.name].append(known.bits_off(number, _agreement(len(word), made, profile, known, timing)))
    return found


# --- the same, where typing goes on ------------------------------------------------------------------------------

_MOST = 400
"""Runs of more keys count as so many."""


def run_lengths(writers: Sequence[Typing]) -> Array:
    """P(keys of a run as it was typed, before any is joined), from 0 to ``_MOST``."""
    found = np.zeros(_MOST + 1)
    for one in writers:
        made = twin.records(one.times, one.symbols, twin.Form(short=1))
        rows = made[made[:, product.KIND] == TYPING]
        np.add.at(found, np.minimum(rows[:, product.A] + rows[:, product.B], _MOST), 1)
    shares: Array = found / found.sum()
    return shares


def carried(lengths: Array) -> Array:
    """P(keys of the record that carries them | keys held), a row for each number of keys that is held."""
    table = np.zeros((SHORT_RUN, _MOST + 1))
    for held in range(SHORT_RUN - 1, 0, -1):
        for keys in range(1, _MOST + 1):
            total = min(held + keys, _MOST)
            if total < SHORT_RUN:
                table[held] += lengths[keys] * table[total]
            else:
                table[held, total] += lengths[keys]
    return table


def bits_taken_before_text(known: List, lengths: Array, draws: int, seed: int = 7) -> dict[str, list[float]]:
    """The bits taken off a password's rank where other typing follows it in the segment, under what joins runs.

    The attacker knows how long runs are and that the password came first. Its times say nothing of its letters here.
    """
    chance = random.Random(seed)  # noqa: S311 - the same draws every time
    table = carried(lengths)
    found: dict[str, list[float]] = {BURSTS.name: [], COARSE.name: []}
    for _ in range(draws):
        number = chance.choice(known.small)
        symbols, times = (
            ["\t", *known.words[number], "\n"],
            [3000 + 180 * n for n in range(len(known.words[number]) + 2)],
        )
        while sum(symbol not in "\t\n" for symbol in symbols) < SHORT_RUN:
            keys = chance.choices(range(_MOST + 1), lengths.tolist())[0]
            times += [times[-1] + 3000 + 180 * n for n in range(keys)]
            symbols += ["a"] * keys
        for profile in (BURSTS, COARSE):
            made = product.records(times, symbols, profile)
            seen = min(int(made[made[:, product.KIND] == TYPING][0, product.A]), _MOST)
            likely = table[:, seen] if profile is BURSTS else table[:, _in_bucket(seen)].sum(1)
            each = np.where(known.lengths < SHORT_RUN, likely[np.minimum(known.lengths, SHORT_RUN - 1)], 0)
            found[profile.name].append(known.bits_off(number, np.log2(np.maximum(each, 1e-30))))
    return found


def _in_bucket(number: int) -> Array:
    """The numbers of keys that have this bucket."""
    buckets = np.array([bucket(keys, CAPS["n_text"]) for keys in range(_MOST + 1)])
    found: Array = np.flatnonzero(buckets == number)
    return found
