"""How much of a text can be worked out: bits a key, by an exact hidden Markov model under each profile.

The attacker knows the language (n-grams learnt from other writers) and sees the records. The figure is the
information that the records give about which key was pressed where,

    I = log2 P(records | keys) - log2 P(records),

where P(records) sums over *every* text the language model allows (forward algorithm), not over a beam. Corrections
and Enter are keys like others here, so the figure counts what the records say about them too; ``letters`` is the
part left when the attacker is told where they stood.

What each profile shows: ``events`` the class and the time (20 ms) of each press; ``bursts`` how many text and edit
keys each run had and where Enter stood; ``coarse`` the log2 bucket of all keys of a run together; ``counts``
the noisy numbers of a minute. In the attacker's favour: the moment when a run ended, and that a held short run stood
where it did. What a run's duration says of its letters is asked apart (``durations``); ``coarse`` has none, so there
the minutes of the clock and the pause after the run stand for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from desktop_logger.records.classes import KeyClass
from desktop_logger.records.profiles import BURSTS, COARSE, COUNTS, EVENTS, NOISE_PER_KEY, Profile

from . import product
from .language import EDIT, ENTER, SIZE, SPACE, folded

Array = np.ndarray[Any, Any]

BINS = 14
"""Bins of the pause before a press: steps of the square root of 2 around the piece's median, both ends open."""
_MOST = 48
"""Corrections in a run are told apart up to this number (more are added up: a little in the profile's favour)."""


class Encoded(NamedTuple):
    """A writer's typing as the model sees it."""

    symbols: Array
    classes: list[int]
    bins: Array
    made: dict[str, Array]


def encode(times: Sequence[int], symbols: Sequence[str]) -> Encoded:
    """Run the product over typing and put the pauses that ``events`` shows into bins."""
    made = {one.name: product.records(times, symbols, one) for one in (EVENTS, BURSTS, COARSE)}
    fine = made["events"]
    ticks = fine[:, product.T] + fine[:, product.SEGMENT] * 10_000_000
    classes = [product.class_of_symbol(one) for one in symbols]
    return Encoded(folded(symbols), classes, pause_bins(np.diff(ticks, prepend=ticks[0])), made)


def pause_bins(ticks: Array) -> Array:
    """Bins of pauses given in ticks of ``events`` (20 ms), against the median pause of the same piece.

    Everybody has their own speed; dividing by it lets one writer's pauses be read with what others taught.
    """
    inside = ticks[(ticks > 0) & (ticks < 75)]
    middle = float(np.median(inside)) if len(inside) else 8.0
    steps = 2 * np.log2(np.maximum(ticks, 0.5) / middle) + BINS / 2 - 1
    binned: Array = np.clip(np.round(steps), 0, BINS - 1).astype(np.int64)
    return binned


def emission(train: Sequence[Encoded]) -> Array:
    """P(bin of the pause | symbol before, symbol), smoothed towards the symbol's own distribution."""
    pairs = np.zeros((SIZE, SIZE, BINS))
    for one in train:
        np.add.at(pairs, (one.symbols[:-1], one.symbols[1:], one.bins[1:]), 1)
    overall = (pairs.sum((0, 1)) + 1) / (pairs.sum() + BINS)
    single = (pairs.sum(0) + 20 * overall) / (pairs.sum((0, 2))[:, None] + 20)
    smoothed: Array = (pairs + 20 * single[None]) / (pairs.sum(2, keepdims=True) + 20)
    return smoothed


MASKS: dict[str, Array] = {
    "text": np.array([n not in (EDIT, ENTER) for n in range(SIZE)], float),
    "edit": np.array([n == EDIT for n in range(SIZE)], float),
    "enter": np.array([n == ENTER for n in range(SIZE)], float),
}
MASKS["run"] = MASKS["text"] + MASKS["edit"]
MASKS["any"] = np.ones(SIZE)


def class_mask(kind: int) -> Array:
    """Which symbols a class of the product allows."""
    names = {KeyClass.TEXT: "text", KeyClass.EDIT: "edit", KeyClass.ENTER: "enter"}
    return MASKS[names[KeyClass(kind)]]


def apart_mask(symbol: int) -> Array:
    """For comparison only: classes that tell letters, space and other signs apart, as other recorders do."""
    if symbol in (EDIT, ENTER, SPACE):
        alone: Array = (np.arange(SIZE) == symbol).astype(float)
        return alone
    letters = np.arange(SIZE) < 26
    letters |= (np.arange(SIZE) > SPACE) & (np.arange(SIZE) <= SPACE + 5)
    signs = ~letters & (MASKS["text"] > 0) & (np.arange(SIZE) != SPACE)
    mask: Array = (letters if letters[symbol] else signs).astype(float)
    return mask


def surprise(one: Encoded, model: Array) -> float:
    """Bits of each press for who knows the language only: what ``per_press`` takes a part of."""
    order = model.ndim
    before = tuple(one.symbols[n : len(one.symbols) - order + 1 + n] for n in range(order))
    return float(-np.log2(model[before]).mean())


def per_press(one: Encoded, model: Array, masks: Sequence[Array], timing: Array | None) -> Array:
    """Information of each press, bits, where each press shows a mask and, with ``timing``, its pause."""
    order = model.ndim
    alpha = np.zeros((SIZE,) * (order - 1))
    start = tuple(int(symbol) for symbol in one.symbols[: order - 1])
    alpha[start] = 1
    gained = np.zeros(len(one.symbols))
    for t in range(order - 1, len(one.symbols)):
        step = model * masks[t]
        true = 1.0
        if timing is not None and t > 0:
            likely = timing[:, :, one.bins[t]]
            step = step * likely
            true = float(likely[one.symbols[t - 1], one.symbols[t]])
        alpha = (alpha[..., None] * step).sum(0)
        total = float(alpha.sum())
        gained[t] = math.log2(true) - math.log2(total)
        alpha /= total
    return gained


class Counter:
    """The forward algorithm with a count beside the state: how many of one symbol have been typed in the group."""

    def __init__(self, model: Array, counted: int, start: Sequence[int]) -> None:
        self.model = np.ascontiguousarray(model.transpose(1, 0, 2))  # b, a, c: one matrix product a middle symbol
        self.counted = counted
        self.alpha = np.zeros((1, SIZE, SIZE))  # count, a, b
        self.alpha[0, start[0], start[1]] = 1

    def step(self, mask: Array) -> float:
        """One press that a mask allows; returns log2 of its probability."""
        new = np.matmul(self.alpha.transpose(2, 0, 1), self.model).transpose(1, 0, 2) * mask  # count, b, c
        moved = np.zeros((new.shape[0] + 1, SIZE, SIZE))
        moved[:-1] = new
        moved[:-1, :, self.counted] = 0
        moved[1:, :, self.counted] = new[:, :, self.counted]
        if len(moved) > _MOST + 1:
            moved[_MOST] += moved[_MOST + 1]
            moved = moved[: _MOST + 1]
        total = float(moved.sum())
        self.alpha = moved / total
        return math.log2(total)

    def close(self, weights: Array) -> float:
        """The group ends and shows P(shown | count) = ``weights``; returns log2 of the probability of that."""
        some = np.zeros(len(self.alpha))
        some[: len(weights)] = weights[: len(some)]
        after = np.tensordot(some, self.alpha, 1)
        total = max(float(after.sum()), 1e-300)
        self.alpha = (after / total)[None]
        return math.log2(total)


def per_run(one: Encoded, model: Array, *, edits: bool) -> float:
    """Information of all runs, bits: where they ended, where Enter stood, and their numbers. ``model`` has order 3.

    ``edits``: corrections are counted apart, else every number of them agrees with what is shown.
    """
    counter = Counter(model, EDIT, one.symbols[:2].tolist())
    group_of: dict[int, int] = {}
    sizes: dict[int, tuple[int, int]] = {}
    last_of: dict[int, int] = {}
    made = one.made["bursts"]
    for row, places in product.groups(made, one.classes):
        for place in places:
            group_of[place] = row
        if len(places) > 1 or one.classes[places[0]] in (KeyClass.TEXT, KeyClass.EDIT):
            inside = [place for place in places if place >= 2]
            sizes[row] = (len(inside), sum(one.classes[place] == KeyClass.EDIT for place in inside))
            last_of[row] = max(places)
    gained = 0.0
    for t in range(2, len(one.symbols)):
        row = group_of[t]
        if one.classes[t] not in (KeyClass.TEXT, KeyClass.EDIT):
            gained -= counter.step(class_mask(one.classes[t]))
            continue
        gained -= counter.step(MASKS["run"])
        if last_of[row] == t:
            count, corrected = sizes[row]
            numbers = np.arange(min(count, _MOST) + 1)
            agrees = numbers == min(corrected, _MOST) if edits else np.ones(len(numbers))
            gained -= counter.close(agrees.astype(float))
    return gained


def per_minute(one: Encoded, times: Sequence[int], model: Array, noise: Sequence[int]) -> float:
    """Information of noisy counts, bits: of corrections and of Enter, each with a counter of its own, added up."""
    gained = 0.0
    drawn = iter(noise)
    for counted in (EDIT, ENTER):
        counter = Counter(model, counted, one.symbols[:2].tolist())
        minute = (times[2] - times[0]) // COUNTS.grid_ms
        true = 0
        for t in range(2, len(one.symbols)):
            now = (times[t] - times[0]) // COUNTS.grid_ms
            if now != minute:
                gained += _noisy_gain(counter, true, next(drawn))
                minute, true = now, 0
            counter.step(MASKS["any"])
            true += int(one.symbols[t] == counted)
        gained += _noisy_gain(counter, true, next(drawn))
    return gained


def _noisy_gain(counter: Counter, true: int, noise: int) -> float:
    epsilon = NOISE_PER_KEY[0] / NOISE_PER_KEY[1]
    numbers = np.arange(_MOST + 1)
    weights = np.exp(-epsilon * np.abs(true + noise - numbers))
    return math.log2(math.exp(-epsilon * abs(noise))) - counter.close(weights)


def durations(
    train: Sequence[Encoded], test: Sequence[Encoded], times: Sequence[Sequence[int]], profile: Profile
) -> list[tuple[Array, int]]:
    """For each tested writer with runs enough: the shown durations beside what the letters let expect, and the keys.

    The duration of each run and the sum of the mean pauses of its letter pairs, both freed of the writer and of the
    number of keys. Under ``coarse``: the minutes until the next record, less the pause before that.
    """
    sums, counts = np.zeros((SIZE, SIZE)), np.zeros((SIZE, SIZE))
    for one in train:
        inside = one.bins[1:] < BINS - 1
        pairs = (one.symbols[:-1][inside], one.symbols[1:][inside])
        np.add.at(sums, pairs, one.bins[1:][inside])
        np.add.at(counts, pairs, 1)
    speeds = 2 ** ((sums + 20 * sums.sum() / counts.sum()) / (counts + 20) / 2)  # in some unit: only r matters
    found: list[tuple[Array, int]] = []
    for one, stamps in zip(test, times, strict=True):
        mine = []
        shown = _lasting(one.made[profile.name], profile)
        for row, places in product.groups(one.made["bursts"], one.classes):
            if len(places) < 4 or math.isnan(shown[row]) or max(np.diff([stamps[place] for place in places])) > 3000:
                continue
            symbols = one.symbols[places]
            letters = math.log2(float(speeds[symbols[:-1], symbols[1:]].sum()))
            mine.append((math.log2(len(places)), letters, float(shown[row])))
        if len(mine) < 12:
            continue
        table = np.array(mine)
        known = np.stack([np.ones(len(table)), table[:, 0], table[:, 0] ** 2], 1)
        fit = np.linalg.lstsq(known, table[:, 1:], rcond=None)[0]
        found.append((table[:, 1:] - known @ fit, round(float((2 ** table[:, 0]).sum()))))
    return found


def _lasting(rows: Array, profile: Profile) -> Array:
    """How long each record lasted, as far as its profile shows: log2 of seconds; ``coarse``: seconds, very roughly."""
    if profile is BURSTS:
        told: Array = np.log2(rows[:, product.DURATION] + 0.5)
        return told
    return product.lasting(product.with_clock(rows))


def duration_bits(some: Sequence[tuple[Array, int]]) -> tuple[float, int]:
    """What runs' durations say about their letters beyond their number: bits a key, and the runs it rests on.

    A Gaussian estimate: the correlation r of the two columns of ``durations`` gives -log2(1 - r²)/2 bits a run (less
    what chance alone gives).
    """
    rest = np.concatenate([table for table, _ in some])
    if rest.std(0).min() < 1e-9:  # the same is shown of every run
        return 0.0, len(rest)
    r2 = max(float(np.corrcoef(rest.T)[0, 1]) ** 2 - 1 / len(rest), 0.0)
    return 0.5 * math.log2(1 / (1 - r2)) * len(rest) / sum(keys for _, keys in some), len(rest)
