"""Which word began a run: how often the true one is among the first 1, 10 and 100 guesses, under each profile.

The attacker is told that a word begins here, and knows how frequent words are (``wordfreq`` and other writers'
words). ``events``: each candidate is weighed by its frequency, by the pauses its letters would make, and by what
may follow it (exact backward algorithm). ``bursts`` and ``coarse``: by frequency and by how likely so long a word is
at the start of a run of the shown length (or bucket), corrections included. ``counts`` shows nothing about a single
word. Baselines: frequency alone, and frequency with the true length told.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from desktop_logger.records.classes import KeyClass
from desktop_logger.records.layout import TYPING
from desktop_logger.records.profiles import CAPS, bucket

from . import product
from .language import ALPHABET, ENTER, SIZE, SPACE, fold
from .text import Encoded, class_mask

Array = np.ndarray[Any, Any]
LETTERS = frozenset(range(26)) | {ALPHABET.index(one) for one in "éèàç"}


class Vocabulary:
    """Words by length, as places in the alphabet, with log2 of their probability."""

    def __init__(self, frequencies: dict[tuple[int, ...], float]) -> None:
        total = sum(frequencies.values())
        self.log = {word: math.log2(value / total) for word, value in frequencies.items()}
        self.by_length: dict[int, tuple[list[tuple[int, ...]], Array, Array]] = {}
        lengths: dict[int, list[tuple[int, ...]]] = defaultdict(list)
        for word in self.log:
            lengths[len(word)].append(word)
        for length, some in lengths.items():
            self.by_length[length] = (some, np.array(some), np.array([self.log[word] for word in some]))


def vocabulary(general: dict[str, float], train: Sequence[Encoded]) -> Vocabulary:
    """Half from a frequency list, half from what other writers typed."""
    mixed: dict[tuple[int, ...], float] = defaultdict(float)
    for spelled, frequency in general.items():
        places = tuple(fold(symbol) for symbol in spelled)
        if LETTERS.issuperset(places):
            mixed[places] += frequency
    total = sum(mixed.values())
    theirs: Counter[tuple[int, ...]] = Counter()
    for one in train:
        word: list[int] = []
        for symbol in one.symbols.tolist():
            if symbol in LETTERS:
                word.append(symbol)
            else:
                if word:
                    theirs[tuple(word)] += 1
                word = []
    known = {word: count for word, count in theirs.items() if count > 1}
    seen = sum(known.values()) or 1
    words = set(mixed) | set(known)
    return Vocabulary({word: mixed.get(word, 0.0) / total / 2 + known.get(word, 0) / seen / 2 for word in words})


class Slot(NamedTuple):
    """The first word of a run: the writer, the place of its first press, the word, and the run's length."""

    writer: int
    place: int
    word: tuple[int, ...]
    run: int


def slots(test: Sequence[Encoded]) -> list[Slot]:
    """First words of runs without a correction in the word, of at least two letters, ended by a space or Enter."""
    found = []
    for number, one in enumerate(test):
        for row, places in product.groups(one.made["bursts"], one.classes):
            if one.made["bursts"][row, product.KIND] != TYPING or places[-1] - places[0] + 1 != len(places):
                continue
            symbols = one.symbols[places[0] : places[-1] + 2].tolist()
            length = next((n for n, symbol in enumerate(symbols) if symbol not in LETTERS), 0)
            if length >= 2 and symbols[length] in (SPACE, ENTER):
                found.append(Slot(number, places[0], tuple(symbols[:length]), len(places)))
    return found


def rests(train: Sequence[Encoded]) -> Array:
    """P(presses left in the run after its first word), from other writers' runs."""
    left: Counter[int] = Counter()
    for slot in slots(train):
        left[slot.run - len(slot.word)] += 1
    likely = np.full(400, 0.05)
    for rest, count in left.items():
        likely[min(rest, 399)] += count
    normed: Array = likely / likely.sum()
    return normed


def backward(one: Encoded, model: Array, timing: Array | None) -> tuple[Array, Array]:
    """log-scaled P(all later records | the two symbols up to here), for each press; ``model`` has order 3."""
    n = len(one.symbols)
    beta = np.ones((n + 1, SIZE, SIZE))
    scale = np.zeros(n + 1)
    for t in range(n - 1, -1, -1):
        step = model * class_mask(one.classes[t])
        if timing is not None and t > 0:
            step = step * timing[None, :, :, one.bins[t]].transpose(0, 1, 2)
        value = (step * beta[t + 1][None]).sum(-1)
        total = float(value.max()) or 1e-300
        beta[t], scale[t] = value / total, scale[t + 1] + math.log2(total)
    return beta, scale


def rank_events(one: Encoded, slot: Slot, words: Vocabulary, timing: Array | None, after: tuple[Array, Array]) -> int:
    """The place of the true word in the attacker's list, from 0."""
    beta, scale = after
    scores: list[Array] = []
    true = -math.inf
    for length, (some, letters, prior) in words.by_length.items():
        end = slot.place + length
        if end + 1 > len(one.symbols):
            continue
        if any(one.classes[place] != KeyClass.TEXT for place in range(slot.place, end)):
            continue
        score = prior.copy()
        if timing is not None:
            for place in range(1, length):
                bins = one.bins[slot.place + place]
                score += np.log2(timing[letters[:, place - 1], letters[:, place], bins])
        ends = np.zeros(len(some))
        for symbol in (SPACE, ENTER):
            if class_mask(one.classes[end])[symbol]:
                likely = timing[letters[:, -1], symbol, one.bins[end]] if timing is not None else 1.0
                ends += 0.5 * likely * beta[end + 1][letters[:, -1], symbol]
        score += np.log2(np.maximum(ends, 1e-300)) + scale[end + 1]
        scores.append(score)
        if slot.word in words.log and len(slot.word) == length:
            true = float(score[some.index(slot.word)])
    return _rank(scores, true)


def rank_run(slot: Slot, words: Vocabulary, left: Array | None, *, buckets: bool, told_length: bool = False) -> int:
    """The same from the run's length or bucket (``left``), from the word's true length, or from frequency alone."""
    scores: list[Array] = []
    true = -math.inf
    seen = bucket(slot.run, CAPS["n_text"])
    for length, (some, _, prior) in words.by_length.items():
        if told_length and length != len(slot.word):
            continue
        score = prior
        if left is not None:
            if buckets:
                low, high = 1 << (seen - 1), 1 << seen if seen < CAPS["n_text"] else 400 + length
                likely = float(left[max(low - length, 0) : max(min(high - length, 400), 0)].sum())
            else:
                likely = float(left[min(slot.run - length, 399)]) if slot.run >= length else 0.0
            score = prior + math.log2(max(likely, 1e-9))
        scores.append(score)
        if slot.word in words.log and len(slot.word) == length:
            true = float(score[some.index(slot.word)])
    return _rank(scores, true)


def _rank(scores: list[Array], true: float) -> int:
    if true == -math.inf:
        return 1 << 30
    return int(sum(int((score > true).sum()) for score in scores))


def shares(ranks: Sequence[int]) -> dict[str, float]:
    """Share of slots whose word is within the first 1, 10 and 100 guesses."""
    table = np.array(ranks)
    return {f"word top-{n}": float((table < n).mean()) for n in (1, 10, 100)}
