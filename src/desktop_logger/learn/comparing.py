"""``learn compare``: models beside each other, and what is gained beside what their data tells of people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from desktop_logger.dataset.parts import unwritable
from desktop_logger.errors import Refused, Unavailable, UsageError

from . import models
from .evaluating import ask, evaluate
from .evaluating import parts as slices
from .models import Model

LEAKS = ("keys, bits each", "recognised, 500 keys")
"""What a dataset's card says of its profile, as limits that ``make leakage`` holds it to."""


class Row(NamedTuple):
    """One model."""

    path: str
    run: str
    kind: str
    profile: str
    asked_on: str
    questions: int
    accuracy: dict[str, float]
    bits: dict[str, float]
    best_baseline: float | None
    """Accuracy of its best baseline; ``None`` where another dataset was asked about."""
    leaks: dict[str, float]


def compare(paths: Sequence[str], truth: str | None) -> list[Row]:
    """One row a model, from their records, or asked anew about one dataset's test split."""
    if len(paths) < 2:
        raise UsageError("name two models or more", "See: desktop-logger learn compare --help")
    rows = []
    for path in paths:
        record: dict[str, Any] = models.read_record(path)
        best: float | None = None
        if truth is None:
            metrics, asked_on = record["metrics"]["model"], record["datasets"][-1]
            best = max(
                (one["action"]["accuracy"]["value"] for one in record["metrics"]["baselines"].values()), default=None
            )
        else:
            report = evaluate(models.load(path), truth)
            metrics, asked_on = report["metrics"], report["dataset"]
        source = record["sources"][0]
        limits = source["leakage"]["limits"].get(source["profile"], {})
        rows.append(
            Row(
                path, record["run"], record["config"]["model"]["kind"], source["profile"], asked_on,
                metrics["action"]["questions"], metrics["action"]["accuracy"], metrics["action"]["bits"], best,
                {name: next(iter(limits[name].values())) for name in LEAKS if name in limits},
            )
        )  # fmt: skip
    return rows


class Difference(NamedTuple):
    """A model against the first one named, on the same questions, people drawn together."""

    path: str
    questions: int
    accuracy: dict[str, float]
    """Right more often by."""
    bits: dict[str, float]
    """Bits fewer a question."""

    def line(self) -> str:
        """For people."""
        points = {name: 100 * value + 0.0 for name, value in self.accuracy.items()}
        fewer = {name: 0.0 - value for name, value in self.bits.items()}
        return (
            f"{_short(self.path):<16} {points['value']:+.1f} points ({points['low']:+.1f} to {points['high']:+.1f}),"
            f" {fewer['value']:+.3f} bits ({fewer['high']:+.3f} to {fewer['low']:+.3f})"
        )


def differences(
    answered: Sequence[Model], truth: str, part: str | None = "test", within: tuple[str, str] | None = None
) -> list[Difference]:
    """Each model against the first on one split of a dataset, or within one slice of it (kind, name).

    Raises ``UsageError`` for a slice that is not there, ``Refused`` where the models are not asked the same.
    """
    found = [ask(one, truth, part) for one in answered]
    if len({one.steps.questions.tobytes() for one in found}) > 1:
        raise Refused("the models are not asked the same: their views differ", "Train both with one [data] view.")
    rows = np.ones(found[0].steps.questions.size, bool)
    if within is not None:
        kinds = slices(answered[0], found[0].steps)
        if within[1] not in kinds.get(within[0], {}):
            there = list(kinds.get(within[0], {}))
            raise UsageError(
                f"there is no slice {within[0][:20]}:{within[1][:30]}",
                f"Of {within[0]} there are {', '.join(there[:3])}; all: learn evaluate"
                if there
                else f"A slice is KIND:NAME; kinds: {', '.join(kinds)}.",
            )
        rows = kinds[within[0]][within[1]]
    where, first = np.flatnonzero(rows), found[0]
    return [
        Difference(
            model.path, int(rows.sum()),
            first.clusters.mean((one.found.action.right[rows].astype(float) - first.found.action.right[rows]), where),
            first.clusters.mean(first.found.action.bits[rows] - one.found.action.bits[rows], where),
        )
        for model, one in zip(answered, found, strict=True)
    ]  # fmt: skip


def _short(path: str) -> str:
    return path if len(path) <= 16 else "..." + path[-13:]


def table(rows: Sequence[Row]) -> list[str]:
    """For people. Says when the questions were not the same. Best baselines only where they were asked the same."""
    beaten = any(one.best_baseline is not None for one in rows)
    base, best = ("base-", " line") if beaten else ("", "")
    lines = [
        f"{'':<16} {'':<6} {'':<23} {'':>6} {base:>6}  leaks at most",
        f"{'model':<16} {'from':<6} {'right, 95 % interval':<23} {'bits':>6} {best:>6}  a key, people",
    ]
    for one in rows:
        interval = f"({100 * one.accuracy['low']:.1f} to {100 * one.accuracy['high']:.1f})"
        least = f"{100 * one.best_baseline:.1f} %" if one.best_baseline is not None else ""
        bits, people = (one.leaks.get(name) for name in LEAKS)
        lines.append(
            f"{_short(one.path):<16} {one.profile:<6} {100 * one.accuracy['value']:5.1f} % {interval:<15}"
            f" {one.bits['value']:6.3f} {least:>6}  "
            + (f"{bits:.2f} bits, {100 * people:.1f} %" if bits is not None and people is not None else "not known")
        )
    lines.append("leaks: bits of each key that are read; people recognised by 500 keys of theirs")
    if len({one.asked_on for one in rows}) > 1:
        lines.append("note: each was asked about its own data; --on DIR asks all of them the same")
    return lines


def draw(path: str, rows: Sequence[Row]) -> None:
    """Next action right against who is recognised, one point a model. Raises ``Unavailable`` without matplotlib."""
    try:
        import matplotlib as mpl
    except ImportError:
        raise Unavailable(
            "drawing needs matplotlib, which is not installed", "Run: pip install 'desktop-logger[learn]'"
        ) from None
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panel = plt.subplots(figsize=(6.5, 4), layout="constrained")
    for one in rows:
        x = 100 * one.leaks.get(LEAKS[1], 0)
        value, low, high = (100 * one.accuracy[name] for name in ("value", "low", "high"))
        panel.errorbar(x, value, [[max(value - low, 0)], [max(high - value, 0)]], fmt="o", capsize=3)
        panel.annotate(
            f"{one.profile}, {one.kind}\n{one.leaks.get(LEAKS[0], 0):g} bits a key at most", (x, value), xytext=(6, 6),
            textcoords="offset points", fontsize=8,
        )  # fmt: skip
    panel.set(xlabel="people recognised from 500 keys, at most (%)", ylabel="next action right (%)")
    panel.margins(x=0.25, y=0.2)
    panel.spines[["top", "right"]].set_visible(False)
    try:
        figure.savefig(path, dpi=110, metadata={"Software": None})
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        plt.close(figure)
