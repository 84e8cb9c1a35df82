"""How well a predictor foresees: accuracy, top-3, log-loss in bits, calibration, per class, with and without moves.

Intervals are 95 % percentile bootstraps over whole people: split groups (or subjects, where the data says who is one),
never rows. Calibration is the expected calibration error of the first choice in 15 bins (Guo et al., ICML 2017).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

import numpy as np

from desktop_logger.dataset import actions

from .steps import Array, Steps

DRAWS = 1000
BINS = 15
_LEAST = 1e-9
MOVE = actions.ACTIONS.index("MOVE")
SWITCHES = np.array([name.startswith("SWITCH(") for name in actions.ACTIONS])


class Predictor(Protocol):
    """Whatever foresees the next action and, if it does, the pause before it."""

    def predict(self, steps: Steps) -> Iterable[tuple[Array, Array | None]]:
        """Probabilities for each step that may be asked for, in order, in chunks."""


class Judged(NamedTuple):
    """One entry a question."""

    right: Array
    top3: Array
    bits: Array
    sure: Array
    """Probability of the first choice."""
    chosen: Array


class Answers(NamedTuple):
    """A predictor's answers to all questions of some steps."""

    action: Judged
    without_moves: Judged
    """For questions whose answer is no move, with moves taken out of the choices."""
    wait: Judged | None
    switch: Array | None
    """Probability that the next action is a switch of application; ``None`` where the data has none."""


def judged(found: Array, truth: Array) -> Judged:
    """Probabilities (rows, outcomes) against what happened."""
    rows = np.arange(truth.size)
    given = found[rows, truth]
    chosen = found.argmax(1)
    better = (found > given[:, None]).sum(1)
    return Judged(
        chosen == truth, better < 3, -np.log2(np.maximum(given, _LEAST)), found[rows, chosen], chosen.astype(np.int16)
    )


def answers(predictor: Predictor, steps: Steps) -> Answers:
    """Ask all questions."""
    asked = steps.questions
    truth, pause = steps.action[asked].astype(np.int64), steps.wait[asked].astype(np.int64)
    whole, still, waits, switches = [], [], [], []
    place = 0
    for action, wait in predictor.predict(steps):
        here = slice(place, place + len(action))
        place += len(action)
        whole.append(judged(action, truth[here]))
        rest = truth[here] != MOVE
        others = action[rest].copy()
        others[:, MOVE] = 0
        others /= np.maximum(others.sum(1, keepdims=True), _LEAST)
        still.append(judged(others, truth[here][rest]))
        switches.append(action[:, SWITCHES].sum(1))
        if wait is not None:
            waits.append(judged(wait, pause[here]))
    return Answers(
        _joined(whole), _joined(still), _joined(waits) if waits else None,
        np.concatenate(switches) if SWITCHES[truth].any() else None,
    )  # fmt: skip


def _joined(parts: list[Judged]) -> Judged:
    return Judged(*(np.concatenate(column) for column in zip(*parts, strict=True)))


class Clusters:
    """Whole people, drawn again and again: the same draws for everything measured with it, so that differences pair."""

    def __init__(self, of: Array, seed: int = 0, draws: int = DRAWS) -> None:
        self.names, self._of = np.unique(of, return_inverse=True)
        chance = np.random.default_rng(seed)
        self._draws = chance.multinomial(self.names.size, np.full(self.names.size, 1 / self.names.size), draws)

    def mean(self, values: Array, rows: Array | None = None) -> dict[str, float]:
        """``value``, ``low``, ``high`` of the mean of ``values``, which stand at ``rows`` of the questions (or all)."""
        of = self._of if rows is None else self._of[rows]
        sums = np.bincount(of, values.astype(float), self.names.size)
        counts = np.bincount(of, minlength=self.names.size).astype(float)
        drawn = (self._draws @ sums) / np.maximum(self._draws @ counts, 1)
        low, high = np.quantile(drawn, (0.025, 0.975))
        return {"value": float(values.mean()) if values.size else 0.0, "low": float(low), "high": float(high)}


def calibration(found: Judged) -> float:
    """Expected calibration error of the first choice."""
    places = np.minimum((found.sure * BINS).astype(int), BINS - 1)
    counts = np.bincount(places, minlength=BINS)
    sure, right = np.bincount(places, found.sure, BINS), np.bincount(places, found.right.astype(float), BINS)
    return float(np.abs(sure - right).sum() / max(counts.sum(), 1))


def measured(found: Answers, steps: Steps, clusters: Clusters) -> dict[str, Any]:
    """All figures of one predictor, as a run record holds them."""
    asked = steps.questions
    truth = steps.action[asked].astype(np.int64)
    rest = np.flatnonzero(truth != MOVE)
    report: dict[str, Any] = {
        "action": _figures(found.action, clusters, None),
        "action_without_moves": _figures(found.without_moves, clusters, rest) if rest.size else None,
        "wait": _figures(found.wait, clusters, None) if found.wait is not None else None,
        "classes": _classes(found.action, truth),
    }
    if found.switch is not None:
        report["switch"] = _switch(found, truth, clusters)
    return report


def _figures(found: Judged, clusters: Clusters, rows: Array | None) -> dict[str, Any]:
    return {
        "questions": int(found.right.size), "accuracy": clusters.mean(found.right, rows),
        "top3": clusters.mean(found.top3, rows), "bits": clusters.mean(found.bits, rows),
        "calibration_error": calibration(found),
    }  # fmt: skip


def _classes(found: Judged, truth: Array) -> dict[str, dict[str, float]]:
    """For each action that happened: how often, how often it was foreseen, and how often the foresight was right."""
    total = np.bincount(truth, minlength=len(actions.ACTIONS))
    chosen = np.bincount(found.chosen, minlength=total.size)
    hits = np.bincount(truth, found.right.astype(float), total.size)
    bits = np.bincount(truth, found.bits, total.size)
    return {
        actions.ACTIONS[n]: {
            "questions": int(total[n]), "recall": float(hits[n] / total[n]),
            "precision": float(hits[n] / chosen[n]) if chosen[n] else 0.0, "bits": float(bits[n] / total[n]),
        }
        for n in np.argsort(-total) if total[n]
    }  # fmt: skip


def _switch(found: Answers, truth: Array, clusters: Clusters) -> dict[str, Any]:
    """Whether the application changes next: log-loss in bits, against its frequency alone, and average precision."""
    assert found.switch is not None  # noqa: S101 - the caller looked
    happened = SWITCHES[truth]
    likely = np.clip(found.switch, _LEAST, 1 - _LEAST)
    bits = -np.log2(np.where(happened, likely, 1 - likely))
    share = float(happened.mean())
    alone = -(share * np.log2(share) + (1 - share) * np.log2(1 - share)) if 0 < share < 1 else 0.0
    order = np.argsort(-found.switch, kind="stable")
    hits = np.cumsum(happened[order])
    precision = hits / np.arange(1, order.size + 1)
    where = np.flatnonzero(happened)
    return {
        "switches": int(happened.sum()), "share": share, "bits": clusters.mean(bits), "bits_by_frequency": float(alone),
        "average_precision": float((precision * happened[order]).sum() / max(happened.sum(), 1)),
        "where_to": clusters.mean(found.action.right[where], where),
    }  # fmt: skip


HEAD = f"{'':<18}  {'right, 95 % interval':<24} {'top 3':>7}  bits, 95 % interval"
"""Above rows of ``line``."""


def line(name: str, report: dict[str, Any], key: str = "action") -> str:
    """One row for people."""
    found = report.get(key)
    if not found:
        return f"{name:<18}  -"
    accuracy, top3, bits = found["accuracy"], found["top3"], found["bits"]
    interval = f"({100 * accuracy['low']:.1f} to {100 * accuracy['high']:.1f})"
    return (
        f"{name:<18}  {100 * accuracy['value']:5.1f} % {interval:<16} {100 * top3['value']:5.1f} %"
        f"  {bits['value']:.3f} ({bits['low']:.3f} to {bits['high']:.3f})"
    )


def switches(report: dict[str, Any]) -> str:
    """A line for people about changes of application; empty where the data has none."""
    one = report.get("switch")
    if not one:
        return ""
    return (
        f"application changes ({100 * one['share']:.1f} % of actions): {one['bits']['value']:.3f} bits, by frequency"
        f" {one['bits_by_frequency']:.3f};\n  average precision {one['average_precision']:.2f}, where to"
        f" {100 * one['where_to']['value']:.1f} % right"
    )
