"""Predictors that count: the most frequent action (order 0), Markov (order 1), n-grams with back-off.

Back-off is interpolation after Witten and Bell (IEEE Trans. Inf. Theory 37(4), 1991, method
C): after a context seen n times with t different continuations, ``(count + t * shorter) / (n + t)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from desktop_logger.dataset import actions

from .steps import WAITS, Array, Steps, history, possible

_CHUNK = 1 << 15
_SYMBOLS = len(actions.ACTIONS) + 1
_FLOOR = 0.5
"""Added to the count of every possible action before anything is known."""


class Tables:
    """Counts of outcomes after contexts of 1 … ``order`` symbols."""

    def __init__(
        self, order: int, start: Array, contexts: list[Array], outcomes: list[Array], counts: list[Array]
    ) -> None:
        self.order, self.start = order, start
        self.contexts, self.outcomes, self.counts = contexts, outcomes, counts

    @classmethod
    def counted(cls, order: int, before: Array, outcome: Array, allowed: Array) -> Self:
        """Count ``outcome`` after ``before`` (rows, order); ``allowed`` says which outcomes can be."""
        start = np.bincount(outcome, minlength=allowed.size).astype(float) + _FLOOR * allowed
        contexts, outcomes, counts = [], [], []
        for code in _codes(before, order):
            pairs, times = np.unique(code * allowed.size + outcome, return_counts=True)
            context, after = np.divmod(pairs, allowed.size)
            contexts.append(context)
            outcomes.append(after.astype(np.int16))
            counts.append(times.astype(np.int32))
        return cls(order, start / start.sum(), contexts, outcomes, counts)

    def probabilities(self, before: Array) -> Array:
        """(rows, outcomes) after each context."""
        found = np.repeat(self.start[None, :], before.shape[0], 0)
        for level, code in enumerate(_codes(before, self.order)):
            context, after, times = self.contexts[level], self.outcomes[level], self.counts[level]
            left, right = np.searchsorted(context, code), np.searchsorted(context, code, "right")
            rows = np.flatnonzero(right > left)
            if not rows.size:
                break
            left, right = left[rows], right[rows]
            kinds = right - left
            sums = np.concatenate([[0], np.cumsum(times)])
            total = sums[right] - sums[left]
            part = found[rows] * kinds[:, None]
            entries = np.repeat(left - np.concatenate([[0], np.cumsum(kinds)[:-1]]), kinds) + np.arange(kinds.sum())
            part[np.repeat(np.arange(rows.size), kinds), after[entries]] += times[entries]
            found[rows] = part / (total + kinds)[:, None]
        return found

    def seen(self, before: Array) -> Array:
        """How often each context of two symbols (or of ``order``, if less) was counted."""
        level = min(2, self.order) - 1
        code = list(_codes(before, self.order))[level]
        sums = np.concatenate([[0], np.cumsum(self.counts[level])])
        context = self.contexts[level]
        found: Array = sums[np.searchsorted(context, code, "right")] - sums[np.searchsorted(context, code)]
        return found

    def arrays(self, name: str) -> dict[str, Array]:
        """Everything as named arrays, to be saved."""
        made = {f"{name}.start": self.start}
        for level in range(self.order):
            made[f"{name}.{level}.contexts"] = self.contexts[level]
            made[f"{name}.{level}.outcomes"] = self.outcomes[level]
            made[f"{name}.{level}.counts"] = self.counts[level]
        return made

    @classmethod
    def loaded(cls, name: str, order: int, arrays: dict[str, Array]) -> Self:
        """What ``arrays`` made. Raises ``KeyError`` where something is missing."""
        levels = range(order)
        return cls(
            order, arrays[f"{name}.start"], [arrays[f"{name}.{n}.contexts"] for n in levels],
            [arrays[f"{name}.{n}.outcomes"] for n in levels], [arrays[f"{name}.{n}.counts"] for n in levels],
        )  # fmt: skip


def _codes(before: Array, order: int) -> Iterator[Array]:
    """Contexts of 1 … order symbols, each as one number."""
    code = np.zeros(before.shape[0], np.int64)
    for level in range(order):
        code = code + (before[:, level].astype(np.int64) + 1) * (_SYMBOLS + 1) ** level
        yield code


class Ngram:
    """The next action after the last ``order`` ones, and the pause before it after the last one (0: after none)."""

    def __init__(self, order: int, action: Tables, wait: Tables) -> None:
        self.order, self.action, self.wait = order, action, wait

    @classmethod
    def fitted(cls, steps: Steps, order: int) -> Self:
        """Count over all steps that may be asked for."""
        asked = steps.questions
        before = history(steps, max(order, 1))[asked]
        action = Tables.counted(order, before, steps.action[asked].astype(np.int64), possible())
        wait = Tables.counted(min(order, 1), before, steps.wait[asked].astype(np.int64), np.ones(WAITS, bool))
        return cls(order, action, wait)

    def predict(self, steps: Steps) -> Iterator[tuple[Array, Array]]:
        """(actions, pauses) for each step that may be asked for, in order, some thousand rows at a time."""
        asked = steps.questions
        before = history(steps, max(self.order, 1))[asked]
        for start in range(0, asked.size, _CHUNK):
            some = before[start : start + _CHUNK]
            yield self.action.probabilities(some), self.wait.probabilities(some)

    def arrays(self) -> dict[str, Any]:
        """To be saved."""
        return {**self.action.arrays("action"), **self.wait.arrays("wait")}

    @classmethod
    def loaded(cls, order: int, arrays: dict[str, Array]) -> Self:
        """What ``arrays`` made."""
        return cls(order, Tables.loaded("action", order, arrays), Tables.loaded("wait", min(order, 1), arrays))
