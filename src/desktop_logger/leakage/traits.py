"""What the attacker on identity looks at: statistics of the records of one window of typing, for each profile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from desktop_logger.records.classes import KeyClass
from desktop_logger.records.layout import GAP, KEY, PRESSES, TYPING

from .product import CODE, DURATION, KIND, SEGMENT, A, B, T, lasting, middle, with_clock
from .product import GAP as SINCE

Array = np.ndarray[Any, Any]
Maker = Callable[[Sequence[int], Sequence[str]], Array]
"""From times and symbols to records: ``product.records`` under one profile, or a variant in the frontier search."""

_CLASSES = (KeyClass.TEXT, KeyClass.EDIT, KeyClass.ENTER)


class Piece(NamedTuple):
    """One window of one writer: number of the writer, features."""

    writer: int
    features: Array


def _histogram(values: Array, edges: Sequence[float]) -> Array:
    counts = np.diff(np.searchsorted(np.sort(values), edges), append=len(values))  # as np.histogram, at a fraction
    shares: Array = counts / max(len(values), 1)
    return shares


def _moments(values: Array) -> Array:
    if not len(values):
        return np.zeros(6)
    logs = np.log1p(np.maximum(values, 0))
    return np.array([logs.mean(), logs.std(), *_quartiles(logs), values.mean() / 100])


def _quartiles(values: Array) -> Array:
    """As ``np.quantile``, at a fraction of its cost."""
    ordered = np.sort(values)
    places = np.array((0.25, 0.5, 0.75)) * (len(ordered) - 1)
    below = places.astype(int)
    above = np.minimum(below + 1, len(ordered) - 1)
    found: Array = ordered[below] + (ordered[above] - ordered[below]) * (places - below)
    return found


def features(made: Array, profile: str) -> Array:
    """Statistics of the records of one window: histograms, moments and orders of whatever the profile has."""
    rows = made[made[:, KIND] != GAP]
    if profile == "events":
        return _of_presses(rows)
    if profile == "counts":
        return _of_counts(rows)
    if profile == "coarse":
        timed = with_clock(rows)
        return np.concatenate([_of_runs(timed), _by_the_clock(timed)])
    return _of_runs(rows)


def _of_presses(rows: Array) -> Array:
    codes = np.minimum(rows[:, CODE], KeyClass.ENTER) - 1
    pauses = np.diff(rows[:, T] + rows[:, SEGMENT] * 30_000)
    pairs = codes[:-1] * 3 + codes[1:]
    parts = [np.bincount(pairs, minlength=9) / max(len(pairs), 1)]
    edges = [0, *(2 ** (np.arange(1, 17) / 2)), 512, 2048]
    for pair in range(9):
        own = pauses[pairs == pair]
        parts += [_histogram(own, edges), _moments(own)]
    text = codes == 0
    borders = np.flatnonzero(np.diff(np.concatenate([[0], text.astype(int), [0]])))
    parts += [
        _histogram(borders[1::2] - borders[::2], (1, 2, 3, 5, 8, 12, 20, 40)),
        _moments(borders[1::2] - borders[::2]),
    ]
    both = pauses[1:] + pauses[:-1]
    parts += [_moments(both), _moments(np.abs(np.diff(pauses)))]
    return np.concatenate(parts)


def _of_runs(rows: Array) -> Array:
    typing = rows[rows[:, KIND] == TYPING]
    keys = rows[rows[:, KIND] == KEY]
    kinds = (rows[:, KIND] == KEY).astype(int)
    parts = [np.bincount(kinds[:-1] * 2 + kinds[1:], minlength=4) / max(len(rows), 1)]
    steps = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 32, 48, 64, 128)
    for column in (A, B, DURATION, SINCE):
        parts += [_histogram(typing[:, column], steps), _moments(typing[:, column])]
    rate = (typing[:, A] + typing[:, B]) / (typing[:, DURATION] + 0.5)
    parts += [_histogram(rate, (0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 8)), _moments(rate)]
    parts += [_moments(typing[:, B] / np.maximum(typing[:, A] + typing[:, B], 1)), _moments(keys[:, SINCE])]
    return np.concatenate(parts)


def _by_the_clock(rows: Array) -> Array:
    """Speed, as far as minutes and pauses let it be known: seconds of typing in the window, and for each key."""
    seconds = lasting(rows)
    keys = np.where(rows[:, KIND] == TYPING, middle(rows[:, A]), 1)[~np.isnan(seconds)].sum()
    return np.array([np.nansum(seconds) / 600, np.nansum(seconds) / max(keys, 1)])


def _of_counts(rows: Array) -> Array:
    rows = rows[rows[:, KIND] == PRESSES]
    noisy = np.where(rows[:, A] > 0x7FFF, rows[:, A] - 0x10000, rows[:, A])
    table = noisy.reshape(-1, len(KeyClass))[:, [one - 1 for one in _CLASSES]].astype(float)
    active = table[table[:, 0] > 15] if (table[:, 0] > 15).any() else table
    parts = [
        table.mean(0),
        table.std(0),
        active.mean(0),
        active.std(0),
        np.quantile(active, (0.25, 0.5, 0.75, 0.9), axis=0).ravel(),
    ]
    parts += [
        _histogram(table[:, 0], (-1000, 0, 20, 40, 60, 80, 100, 130, 160, 200)),
        [len(table), active[:, 1].sum() / max(active[:, 0].sum(), 1)],
    ]
    return np.concatenate([np.asarray(part, float) for part in parts])


def pieces(
    writers: Sequence[tuple[Sequence[int], Sequence[str]]], make: Maker, profile: str, keys: int, step: int
) -> list[Piece]:
    """Windows of ``keys`` presses, a new one every ``step``, each through the product by itself."""
    found = []
    for number, (times, symbols) in enumerate(writers):
        for start in range(0, len(times) - keys + 1, step):
            made = make(times[start : start + keys], symbols[start : start + keys])
            found.append(Piece(number, features(made, profile)))
    return found
