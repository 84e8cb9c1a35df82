"""``learn evaluate``: figures of a model on a dataset, and where its errors lie.

Slices: the application category one is in, the class of action, how rare the two actions before were in training, how
much of the session was unobserved, and how much a split group has. A slice says nothing of a person: groups are bundled
into thirds by size, and slices of fewer than ``LEAST`` questions are left out.
"""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

import numpy as np

from desktop_logger import disk
from desktop_logger.dataset import actions
from desktop_logger.dataset.parts import unwritable
from desktop_logger.errors import Refused

from .measuring import Answers, Clusters, answers, measured
from .models import Model
from .steps import LEAST_GROUPS, Array, Source, Steps, history, opened, read

LEAST = 50
_RARE = ((0, "never seen"), (1, "seen 1-9 times"), (10, "seen 10-99 times"), (100, "seen 100 times or more"))
_GAPS = ((0, "nothing unobserved"), (1, "1-2 gaps"), (3, "3 gaps or more"))


class Asked(NamedTuple):
    """A model's answers about one split of a dataset."""

    source: Source
    steps: Steps
    clusters: Clusters
    found: Answers
    by: str


def ask(model: Model, path: str, part: str | None = "test") -> Asked:
    """Ask a model about one split of a dataset (``None``: all of it). Raises ``Refused`` where that means nothing."""
    (source,) = opened([path])
    trained_for = model.record["sources"][0]
    if source.facts["purpose"] != trained_for["purpose"]:
        raise Refused(
            f"the model serves {trained_for['purpose']}, this data {source.facts['purpose']}",
            "People agreed to one purpose; use a model and data of the same.",
        )
    if model.config.view == "full" and source.profile != trained_for["profile"]:
        raise Refused(
            f"the model learned from {trained_for['profile']}, this data is {source.profile}: other units",
            'Train with [data] view = "macro", which asks the same of every profile.',
        )
    steps = read([source], model.config.view)
    if part is not None:
        steps = steps.only(np.isin(steps.group, source.facts["split_groups"][part]))
    if steps.questions.size < LEAST:
        raise Refused(
            f"there are {steps.questions.size} actions to ask for, {LEAST} are needed",
            "Choose another split (--split).",
        )
    by = "group" if np.unique(steps.group).size >= LEAST_GROUPS else "session"
    clusters = Clusters(getattr(steps, by)[steps.questions], model.config.seed)
    return Asked(source, steps, clusters, answers(model.predictor, steps), by)


def evaluate(model: Model, path: str, part: str | None = "test") -> dict[str, Any]:
    """Figures and slices of a model on one split of a dataset (``None``: all of it)."""
    asked = ask(model, path, part)
    return {
        "v": 1, "run": model.record["run"], "dataset": asked.source.identity, "export": asked.source.facts["export"],
        "profile": asked.source.profile, "split": part or "all", "by": asked.by,
        "questions": int(asked.steps.questions.size),
        "metrics": measured(asked.found, asked.steps, asked.clusters),
        "slices": slices(model, asked.found, asked.steps, asked.clusters),
    }  # fmt: skip


def slices(model: Model, found: Answers, steps: Steps, clusters: Clusters) -> dict[str, dict[str, Any]]:
    """Kind of slice → name → figures; ``excess`` is how many bits more than all questions, times its share."""
    mean = float(found.action.bits.mean())
    return {
        kind: {
            name: {
                "questions": int(rows.sum()), "share": float(rows.mean()),
                "accuracy": clusters.mean(found.action.right[rows], np.flatnonzero(rows)),
                "bits": clusters.mean(found.action.bits[rows], np.flatnonzero(rows)),
                "excess": float((found.action.bits[rows].mean() - mean) * rows.mean()),
            }
            for name, rows in some.items()
            if rows.sum() >= LEAST
        }
        for kind, some in parts(model, steps).items()
    }  # fmt: skip


def parts(model: Model, steps: Steps) -> dict[str, dict[str, Array]]:
    """Kind of slice → name → which of the questions are in it."""
    asked = steps.questions
    seen = model.seen.seen(history(steps, 2)[asked])
    sizes = np.bincount(steps.group[asked])
    third = np.quantile(sizes[sizes > 0], (1 / 3, 2 / 3))
    size = np.digitize(sizes[steps.group[asked]], third)
    return {
        "class": classes(steps),
        "rare": {name: np.digitize(seen, [low for low, _ in _RARE]) - 1 == n for n, (_, name) in enumerate(_RARE)},
        "gaps": {
            name: np.digitize(steps.unobserved[asked], [low for low, _ in _GAPS]) - 1 == n
            for n, (_, name) in enumerate(_GAPS)
        },
        "group size": {name: size == n for n, name in enumerate(("least data", "middle", "most data"))},
        "category": categories(steps),
    }  # fmt: skip


def classes(steps: Steps) -> dict[str, Array]:
    """Action → which of the questions have it as their answer."""
    truth = steps.action[steps.questions]
    return {actions.ACTIONS[n]: truth == n for n in np.unique(truth)}


def categories(steps: Steps) -> dict[str, Array]:
    """Application category → which of the questions are asked in it; empty where the data has none."""
    where = category(steps)[steps.questions]
    return {actions.ACTIONS[n][7:-1]: where == n for n in np.unique(where[where >= 0])}


def category(steps: Steps) -> Array:
    """For each step, the last ``SWITCH(…)`` before it in its run (its place in ``ACTIONS``), or -1."""
    switch = np.array([name.startswith("SWITCH(") for name in actions.ACTIONS])
    last = np.where(switch[steps.action], np.arange(steps.size), -1)
    last = np.maximum.accumulate(last) if steps.size else last
    before = np.concatenate([[-1], last[:-1]]) if steps.size else last
    start = np.arange(steps.size) - steps.place
    return np.where((before >= start) & (before >= 0), steps.action[np.maximum(before, 0)], -1)


def keep(model: Model, report: dict[str, Any]) -> str:
    """Write a report beside the model; its path."""
    place = os.path.join(model.path, "evaluations")
    path = os.path.join(place, f"{report['dataset'][:8]}-{report['split']}.json")
    try:
        os.makedirs(place, 0o700, exist_ok=True)
        disk.replace(path, (json.dumps(report, indent=1) + "\n").encode())
    except OSError as error:
        raise unwritable(path, error) from None
    return path


def worst(report: dict[str, Any], number: int = 3) -> list[tuple[str, str, dict[str, Any]]]:
    """The slices that cost most bits in all: (kind, name, figures)."""
    some = [(kind, name, one) for kind, names in report["slices"].items() for name, one in names.items()]
    return sorted(some, key=lambda one: -one[2]["excess"])[:number]
