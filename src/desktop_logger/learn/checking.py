"""``learn check``: a model's errors on somebody's own data, counted on their own machine.

The data is handed in as it was opened, and stays where it is. What can be written down is counts of questions and
errors, in all and by class of action; classes asked about fewer than ``LEAST`` times are joined into *rare*. It holds
no order, no time, no session and no person.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from desktop_logger.dataset import actions
from desktop_logger.dataset.arrow import Session
from desktop_logger.errors import Refused

from .measuring import answers
from .models import Model
from .steps import of_sessions

LEAST = 10
_NEEDED = 50


def fits(model: Model, profile: str) -> bool:
    """Whether the model can be asked about data of a profile: one that asks the same of all, or its own."""
    return profile != "counts" and (model.config.view == "macro" or profile == model.record["sources"][0]["profile"])


def check(model: Model, sessions: list[Session]) -> dict[str, Any]:
    """Counts of questions and errors. Raises ``Refused`` where there is too little to ask about."""
    steps = of_sessions(sessions, model.config.view) if sessions else None
    asked = int(steps.questions.size) if steps else 0
    if steps is None or asked < _NEEDED:
        raise Refused(
            f"there are {asked} actions to ask about, {_NEEDED} are needed", "Record more, or name a longer time."
        )
    wrong = ~answers(model.predictor, steps).action.right
    truth = steps.action[steps.questions]
    classes: dict[str, dict[str, int]] = {}
    for one in np.unique(truth):
        there = truth == one
        name = actions.ACTIONS[one] if there.sum() >= LEAST else "rare"
        kept = classes.setdefault(name, {"asked": 0, "wrong": 0})
        kept["asked"] += int(there.sum())
        kept["wrong"] += int(wrong[there].sum())
    return {
        "v": 1, "kind": "errors of a model on own data", "run": model.record["run"],
        "profile": sessions[0].profile, "asked": asked, "wrong": int(wrong.sum()),
        "classes": dict(sorted(classes.items(), key=lambda pair: -pair[1]["asked"])),
    }  # fmt: skip


def lines(report: dict[str, Any]) -> list[str]:
    """For people."""
    right = report["asked"] - report["wrong"]
    return [
        f"the model foresaw {right:,} of {report['asked']:,} of your actions ({100 * right / report['asked']:.0f} %)",
        *(
            f"  {name:<24} {one['asked'] - one['wrong']:>6,} of {one['asked']:>6,}"
            for name, one in report["classes"].items()
        ),
    ]
