"""``learn feedback``: what more data would help most, from a learning curve, as the draft of a collection request.

1. the model is asked about a dataset; kinds of slices are application categories and classes of action
2. the same kind of model learns from an eighth, a quarter and a half of its people, and is asked the same
3. in each slice, the loss is held against how many of its actions there were to learn from: ``a + b / sqrt(n + 100)``,
   least squares; ``b`` with an interval over people
4. a volunteer who does this brings as many of these actions as those in the data who do it bring in the middle; enough
   volunteers are asked for to halve what more data can still take away
5. a slice with hardly an example has no curve of its own: it borrows that of its kind, as a share of the loss, with the
   flattest and the steepest as its range
6. of the slices where that gain lies above nothing, the one that a volunteer helps most

It is an estimate and is said to be one: that the curve goes on as it went, and that volunteers are like those who are
there. Invariant: a draft has closed fields only, and says nothing of any one person.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from desktop_logger import disk
from desktop_logger.dataset import actions
from desktop_logger.dataset.parts import unwritable
from desktop_logger.errors import Refused

from .evaluating import LEAST, Asked, ask, categories, classes
from .measuring import MOVE, answers
from .models import Model
from .steps import Array, Split, Steps, opened, read, split
from .training import fitted

FRACTIONS = (1 / 8, 1 / 4, 1 / 2)
_OFFSET = 100
"""Added to the number of examples: below it a curve is as good as flat."""
_FEW = 200
"""Fewer examples than this, and a slice borrows a curve."""
_MOST = 8
"""Volunteers are asked for up to this many times the people that there are."""


class Gain(NamedTuple):
    """What more of one kind of data would bring."""

    kind: str
    name: str
    share: float
    """Of all questions."""
    examples: int
    """There were to learn from."""
    accuracy: float
    elsewhere: float
    expected: float
    """Accuracy with the volunteers."""
    bits: float
    saved: dict[str, float]
    """Bits fewer a question of this slice with the volunteers; ``value``, ``low``, ``high``."""
    volunteers: int
    borrowed: bool
    """Whether the curve is that of other slices."""

    @property
    def worth(self) -> float:
        """Bits fewer over all questions, a volunteer."""
        return self.saved["value"] * self.share / self.volunteers

    def line(self) -> str:
        """For people."""
        where = self.name if self.kind == "class" else f"{self.kind}: {self.name}"
        saved = "{value:.2f} ({low:.2f} to {high:.2f})".format(**self.saved)
        return (
            f"{where:<24} {100 * self.share:5.1f} {self.examples:>7,} {100 * self.accuracy:5.1f} {self.volunteers:>6,}"
            f" {100 * self.expected:5.1f}  {saved}{' *' if self.borrowed else ''}"
        )


class Curve(NamedTuple):
    """What a slice's own curve says."""

    each: float
    """Examples that a volunteer brings."""
    falls: float
    """Share of the loss without any example that examples can take away."""


HEAD = (
    f"{'':<24} {'share':>5} {'learned':>7} {'right':>5} {'':>6} {'then':>5}  bits fewer,",
    f"{'where':<24} {'%':>5} {'from':>7} {'%':>5} {'people':>6} {'%':>5}  95 % interval",
)


def gains(model: Model, path: str, part: str | None, say: Callable[[str], None]) -> list[Gain]:
    """Every slice in which more data is shown to help, best first. Raises ``Refused`` where that cannot be told."""
    # 1. the model
    asked = ask(model, path, part)
    paths = [str(one["path"]) for one in model.record["sources"]]
    sources = opened(paths)
    whole = split(sources, read(sources, model.config.view), model.config.split, model.config.least)
    groups = np.unique(whole.train.group)
    if groups.size < 4:
        raise Refused(
            f"the model learned from {groups.size} split groups: too few people for a learning curve",
            "Export more people, or give fewer groups to validation and test: desktop-logger dataset split",
        )
    # 2. less data
    order = np.random.default_rng(model.config.seed).permutation(groups)
    curve: list[tuple[Steps, Asked]] = []
    for fraction in FRACTIONS:
        count = max(round(groups.size * fraction), 1)
        if curve and np.unique(curve[-1][0].group).size == count:
            continue
        say(f"learning from {count} of {groups.size} groups")
        less = whole.train.only(np.isin(whole.train.group, order[:count]))
        curve.append((less, asked._replace(found=_found(model, whole._replace(train=less), asked.steps))))
    curve.append((whole.train, asked))
    people = sum(int(one.facts["subjects"]) for one in sources) * groups.size / _filled(sources)
    # 3. to 6.
    found: list[Gain] = []
    for kind, of in (("category", categories), ("class", classes)):
        few, curves = [], []
        for name, rows in of(asked.steps).items():
            if rows.sum() < LEAST or name == actions.ACTIONS[MOVE]:
                continue
            made, its = _gain(kind, name, rows, curve, of, people)
            found += [made] if made else []
            curves += [its] if made and its else []
            if not made and _examples(curve[-1][0], of, name) < _FEW:
                few.append((name, rows))
        if curves:
            found += [
                _borrowed(kind, name, rows, asked, _examples(curve[-1][0], of, name), curves) for name, rows in few
            ]
    return sorted(found, key=lambda one: -one.worth)


def _examples(steps: Steps, of: Callable[[Steps], dict[str, Array]], name: str) -> int:
    there = of(steps).get(name)
    return 0 if there is None else int(there.sum())


def _found(model: Model, parts: Split, steps: Steps) -> Any:
    with tempfile.TemporaryDirectory(prefix="desktop-logger-feedback-") as draft:
        predictor, *_ = fitted(model.config, parts, draft, "feedback", lambda *_: None)
    return answers(predictor, steps)


def _filled(sources: list[Any]) -> int:
    return max(sum(sum(1 for rows in one.facts["rows_by_group"] if rows) for one in sources), 1)


def _gain(  # noqa: PLR0917 - a slice is all of this
    kind: str, name: str, rows: Array, curve: list[tuple[Steps, Asked]], of: Callable[[Steps], dict[str, Array]],
    people: float,
) -> tuple[Gain | None, Curve | None]:  # fmt: skip
    """By its own curve; ``None`` where no gain is shown."""
    whole, asked = curve[-1]
    there = of(whole).get(name)
    examples = np.array([_examples(steps, of, name) for steps, _ in curve])
    x = 1 / np.sqrt(examples + _OFFSET)
    if there is None or examples[-1] < _FEW or not np.ptp(x):
        return None, None
    # least squares: the slope is a weighted sum of the losses, so its interval is that of the same sum a question
    weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    bits = np.stack([one.found.action.bits[rows] for _, one in curve])
    right = np.stack([one.found.action.right[rows] for _, one in curve]).astype(float)
    # 4. volunteers: halve b / sqrt(n + 100), so four times as many
    sessions = whole.session[whole.questions][there]
    each = float(np.median(np.unique(sessions, return_counts=True)[1]))
    each *= max(np.unique(whole.session).size / people, 1)
    volunteers = min(_fives(3 * (examples[-1] + _OFFSET) / each), _fives(_MOST * people))
    less = float(x[-1] - 1 / np.sqrt(examples[-1] + volunteers * each + _OFFSET))
    saved = asked.clusters.mean(less * (weights @ bits), np.flatnonzero(rows))
    if saved["low"] <= 0:
        return None, None
    slope = float((weights @ bits).mean())
    start = float(bits.mean()) + slope * (1 / math.sqrt(_OFFSET) - float(x.mean()))
    now, elsewhere = _accuracy(asked, rows)
    expected = now - less * float((weights @ right).mean())
    return (
        Gain(
            kind, name, float(rows.mean()), int(examples[-1]), now, elsewhere, min(max(expected, now), 1.0),
            float(bits[-1].mean()), saved, volunteers, borrowed=False,
        ),
        Curve(each, slope / math.sqrt(_OFFSET) / start),
    )  # fmt: skip


def _borrowed(  # noqa: PLR0917 - a slice is all of this
    kind: str, name: str, rows: Array, asked: Asked, examples: int, curves: list[Curve]
) -> Gain:
    """By the curves of other slices of its kind: a volunteer who does this brings what others bring of theirs."""
    each = float(np.median([one.each for one in curves]))
    volunteers = _fives(3 * (examples + _OFFSET) / each)
    less = math.sqrt(_OFFSET) * (
        1 / math.sqrt(examples + _OFFSET) - 1 / math.sqrt(examples + volunteers * each + _OFFSET)
    )
    bits = float(asked.found.action.bits[rows].mean())
    falls = np.array([one.falls for one in curves])
    saved = {"value": float(np.median(falls)), "low": float(falls.min()), "high": float(falls.max())}
    saved = {key: less * share * bits for key, share in saved.items()}
    now, elsewhere = _accuracy(asked, rows)
    gap = bits - float(asked.found.action.bits[~rows].mean()) if (~rows).any() else 0.0
    closed = min(saved["value"] / gap, 1.0) if gap > 0 else 0.0
    expected = now + closed * max(elsewhere - now, 0.0)
    return Gain(
        kind, name, float(rows.mean()), examples, now, elsewhere, expected, bits, saved, volunteers, borrowed=True
    )


def _accuracy(asked: Asked, rows: Array) -> tuple[float, float]:
    """Right in a slice, and elsewhere."""
    right = asked.found.action.right
    now = float(right[rows].mean())
    return now, float(right[~rows].mean()) if (~rows).any() else now


def _fives(people: float) -> int:
    """The next multiple of five, the fewest that an insight may be about."""
    return max(5 * math.ceil(people / 5), 5)


def draft(model: Model, best: Gain, days: int) -> dict[str, Any]:
    """The draft of a collection request, as `admin ask` takes it."""
    source = model.record["sources"][0]
    return {
        "purpose": source["purpose"], "scopes": _scopes(model), "profile": source["profile"],
        "category": best.name if best.kind == "category" else None,
        "action": best.name if best.kind == "class" else None, "volunteers": best.volunteers, "days": days,
        "right_now": round(100 * best.accuracy), "right_elsewhere": round(100 * best.elsewhere),
        "right_expected": round(100 * best.expected),
    }  # fmt: skip


def _scopes(model: Model) -> list[str]:
    """What the model learned from: it would be asked for again."""
    known = model.record["metrics"]["model"]["classes"]
    pointer = (*(f"CLICK({one})" for one in actions.BUTTONS), "SCROLL", "MOVE")
    first = {
        "keyboard": ("TYPE", "EDIT", "HOTKEY", "PRESS"), "pointer": pointer, "context": ("SWITCH",),
        "target": tuple(f"CLICK({one})" for one in actions.WORDS["role"]),
    }  # fmt: skip
    return [scope for scope, starts in first.items() if any(name.startswith(starts) for name in known)]


def write(model: Model, found: list[Gain], proposal: dict[str, Any], out: str) -> None:
    """The draft at ``out``, which must be new, and all gains beside the model."""
    out = disk.new_place(out)
    place = os.path.join(model.path, "feedback.json")
    try:
        disk.replace(place, (json.dumps({"v": 1, "gains": [one._asdict() for one in found]}, indent=1) + "\n").encode())
        disk.write_new(out, (json.dumps(proposal, indent=1) + "\n").encode())
    except OSError as error:
        raise unwritable(out, error) from None
