"""What the data is still good for: the next action, and pauses.

Never typing speed or error rates: they are measures of a person.

Next action: after each thing that somebody did, is the next one a short (under 8 keys), middle (under 32) or long run,
or Enter? Gradient boosting sees what each profile recorded up to then; writers it is tested on are not in training.
What was done is the same under every profile, whatever runs it joins, so only what the predictor sees differs. Pauses:
how many of 2 s or more, and of 16 s or more, a reader of the records would count, against the raw times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from desktop_logger.records.layout import KEY, PRESSES, TYPING
from desktop_logger.records.profiles import BURSTS, COARSE, COUNTS, EVENTS, Profile

from . import product, twin
from .product import DURATION, GAP, KIND, SEGMENT, A, B, T

Array = np.ndarray[Any, Any]
Classifier = Callable[[], Any]
DONE = twin.Form(short=4)
"""What counts as done: runs of at least four keys, and every other key. No profile's, so that it stays comparable."""
_BACK = 5
"""Records up to the present one that the predictor sees."""


class Predicted(NamedTuple):
    """Share right and log-loss (bits) per tested writer, and how many actions were predicted."""

    accuracy: Array
    loss: Array
    actions: int


def actions(made: Array) -> Array:
    """The class of each thing done: 0, 1, 2 for runs by length, 3 for any other key."""
    keys = made[:, A] + made[:, B]
    return np.where(made[:, KIND] == TYPING, np.digitize(keys, (8, 32)), 3)


def history(rows: Array, columns: Sequence[int]) -> Array:
    """For each record: its columns and those of the ones before it in the same segment."""
    parts = []
    for back in range(_BACK):
        shifted = np.roll(rows[:, columns].astype(float), back, 0)
        same = np.roll(rows[:, SEGMENT], back) == rows[:, SEGMENT]
        shifted[:back] = -1
        shifted[~same] = -1
        parts.append(shifted)
    return np.concatenate(parts, 1)


def ends(rows: Array, classes: Sequence[int]) -> Array:
    """For each record, the last press by which it and all before it are known."""
    found: Array = np.maximum.accumulate([max(places) for _, places in product.groups(rows, classes)])
    return found


def before(rows: Array, known: Array, moments: Array, columns: Sequence[int]) -> Array:
    """What the records that are ``known`` by each of the moments show (-1: nothing yet)."""
    made = np.concatenate([np.full((1, _BACK * len(columns)), -1.0), history(rows, columns)])
    found: Array = made[np.searchsorted(known, moments, "right")]
    return found


def seen(times: Sequence[int], symbols: Sequence[str], profile: Profile) -> tuple[Array, Array]:
    """What a predictor sees before each next action under a profile, and the actions."""
    done = twin.records(times, symbols, DONE)
    truth = actions(done)[1:]
    classes = [product.class_of_symbol(symbol) for symbol in symbols]
    moments = ends(done, classes)[:-1]
    columns = (KIND, A, B, DURATION, GAP)
    if profile in (BURSTS, COARSE):
        known = ends(product.records(times, symbols, BURSTS), classes)  # coarse has the same records
        return before(product.records(times, symbols, profile), known, moments, columns), truth
    if profile is EVENTS:
        fine = product.records(times, symbols, EVENTS)
        detail = np.zeros((len(done), 5))
        ticks = fine[:, T] + fine[:, SEGMENT] * 10_000_000
        for row, places in product.groups(done, classes):
            pauses = np.diff(ticks[places]) if len(places) > 1 else np.zeros(1)
            edits = [n for n, place in enumerate(places) if classes[place] == 2]
            detail[row] = (
                np.median(pauses),
                pauses.max(),
                pauses[-1],
                pauses.std(),
                len(places) - edits[-1] if edits else -1,
            )
        return np.concatenate([history(done, columns)[:-1], detail[:-1]], 1), truth
    counts = product.records(times, symbols, COUNTS)
    counts = counts[counts[:, KIND] == PRESSES]
    noisy = np.where(counts[:, A] > 0x7FFF, counts[:, A] - 0x10000, counts[:, A]).reshape(-1, 11)[:, :3]
    minute = (counts[:, SEGMENT] * 100 + counts[:, T])[::11]
    places = np.searchsorted(minute, done[:-1, SEGMENT] * 100 + np.minimum(done[:-1, T] // 60, 11))
    places = np.minimum(places, len(noisy) - 1)
    return np.concatenate([noisy[places], noisy[np.maximum(places - 1, 0)]], 1).astype(float), truth


def next_action(writers: Sequence[tuple[Sequence[int], Sequence[str]]], profile: Profile, folds: int = 5) -> Predicted:
    """Accuracy and log-loss of the next action, writers held out in turn."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    data = [seen(times, symbols, profile) for times, symbols in writers]
    accuracy, loss, total = np.zeros(len(writers)), np.zeros(len(writers)), 0
    for fold in range(folds):
        held = [n for n in range(len(writers)) if n % folds == fold]
        kept = [n for n in range(len(writers)) if n % folds != fold]
        model = HistGradientBoostingClassifier(max_iter=40, learning_rate=0.15, random_state=0)
        model.fit(np.concatenate([data[n][0] for n in kept]), np.concatenate([data[n][1] for n in kept]))
        for n in held:
            x, y = data[n]
            made = np.maximum(model.predict_proba(x), 1e-6)
            accuracy[n] = (made.argmax(1) == y).mean()
            loss[n] = -np.log2(made[np.arange(len(y)), y]).mean()
            total += len(y)
    return Predicted(accuracy, loss, total)


def pause_error(writers: Sequence[tuple[Sequence[int], Sequence[str]]], profile: Profile, least_s: int) -> float:
    """Median over writers of the relative error of the number of pauses of at least ``least_s`` (2 or 16) seconds.

    Counted from ``gap`` and, under ``events``, from times; pauses within a segment only. ``nan`` where the profile
    has no such thing.
    """
    if profile is COUNTS:
        return float("nan")
    errors = []
    for times, symbols in writers:
        fine = product.records(times, symbols, EVENTS)
        within = np.diff(fine[:, SEGMENT]) == 0
        true = int((np.diff(fine[:, T])[within] >= least_s * 50).sum())
        if profile is EVENTS:
            stamps = np.array(times)
            exact = int((np.diff(stamps)[within] >= least_s * 1000).sum())
            errors.append(abs(true - exact) / max(exact, 1))
            continue
        made = product.records(times, symbols, profile)
        made = made[(made[:, KIND] == TYPING) | (made[:, KIND] == KEY)]
        first = np.concatenate([[True], np.diff(made[:, SEGMENT]) > 0])
        gaps = made[~first, GAP]
        limit = least_s if profile is BURSTS else least_s.bit_length()
        errors.append(abs(int((gaps >= limit).sum()) - true) / max(true, 1))
    return float(np.median(errors))
