"""Gradient boosting over the last steps, for comparison: the baseline that networks usually find hardest to beat.

Needs scikit-learn (the extra ``learn``). Nothing of it is saved: its files would have to be unpickled.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from desktop_logger.dataset import actions
from desktop_logger.errors import Unavailable

from .steps import Array, Steps, history, possible

BACK = 5
"""Steps that it sees."""
MOST = 40_000
"""Steps it learns from at most, drawn at random: it is a baseline and must not take longest."""


class Boosted:
    """Fitted once, then asked; pauses are not foreseen (``None``)."""

    def __init__(self, model: Any, floor: Array) -> None:
        self._model, self._floor = model, floor

    @classmethod
    def fitted(cls, steps: Steps, seed: int) -> Boosted:
        """Fit on the steps that may be asked for. Raises ``Unavailable`` without scikit-learn."""
        try:
            from sklearn.ensemble import HistGradientBoostingClassifier
        except ModuleNotFoundError:
            raise Unavailable(
                "gradient boosting needs scikit-learn, which is not installed",
                "Run: pip install 'desktop-logger[learn]'",
            ) from None
        asked = steps.questions
        if asked.size > MOST:
            asked = np.sort(np.random.default_rng(seed).choice(asked, MOST, replace=False))
        y = steps.action[asked]
        # a class seen once would be cut off by the early stop's own split
        frequent = np.isin(y, np.flatnonzero(np.bincount(y) >= 10))
        x = features(steps)[asked]
        # without the penalty, steps for rare classes grow without bound (their curvature is near nothing)
        model = HistGradientBoostingClassifier(
            max_iter=40, learning_rate=0.15, max_leaf_nodes=15, l2_regularization=5.0, random_state=seed,
            early_stopping=False,
        )  # fmt: skip
        model.fit(x[frequent], y[frequent])
        floor = np.bincount(y, minlength=len(actions.ACTIONS)) + 0.5 * possible()
        return cls(model, floor / floor.sum())

    def predict(self, steps: Steps) -> Iterator[tuple[Array, None]]:
        """Actions for each step that may be asked for; 1 % of the frequencies keeps what it never saw possible."""
        x = features(steps)[steps.questions]
        for start in range(0, len(x), 1 << 14):
            found = np.zeros((len(x[start : start + (1 << 14)]), len(actions.ACTIONS)))
            found[:, self._model.classes_.astype(int)] = self._model.predict_proba(x[start : start + (1 << 14)])
            yield 0.99 * found + 0.01 * self._floor, None


def features(steps: Steps) -> Array:
    """(steps, n): actions of the last ``BACK`` steps, then their pauses and parts; -1 before a run's first."""
    before = history(steps, BACK).astype(np.float32)
    numbers = np.concatenate([steps.wait[:, None], steps.parts], 1).astype(np.float32)
    columns = [before]
    for far in range(1, BACK + 1):
        shifted = np.full_like(numbers, -1)
        shifted[far:] = np.where((steps.place[far:] >= far)[:, None], numbers[:-far], -1)
        columns.append(shifted)
    return np.concatenate(columns, 1)
