"""``learn predict``: what probably comes next, after some actions or at the end of each session of a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from desktop_logger.dataset import actions
from desktop_logger.errors import Refused, UsageError

from .models import Model
from .steps import Array, Steps, opened, read

_PARTS = len(actions.parts_of(0))  # the parts beside the action, and edits


def after(model: Model, words: str, most: int) -> Iterator[dict[str, Any]]:
    """After some actions by name, oldest first. Raises ``UsageError`` for a name that is none."""
    number = {name: n for n, name in enumerate(actions.ACTIONS)}
    kinds = []
    for word in words.split():
        if word not in number:
            raise UsageError(f"'{word[:30]}' is not an action", f"Actions: {', '.join(actions.ACTIONS[3:])}.")
        kinds.append(number[word])
    if not kinds:
        raise UsageError("name one action at least", "As in: --after 'TYPE HOTKEY(copy)'")
    count = len(kinds)
    nothing = np.zeros(count, np.int16)
    action = np.array(kinds, np.int16)
    steps = Steps(
        action, action, np.zeros((count, _PARTS), np.int16), nothing, nothing.astype(bool),
        np.arange(count), nothing.astype(np.int64), nothing, nothing.astype(np.int32),
    )  # fmt: skip
    return _ends(model, steps, most)


def sessions(model: Model, path: str, most: int) -> Iterator[dict[str, Any]]:
    """After the last action of each session of a dataset."""
    (source,) = opened([path])
    if source.profile != model.record["sources"][0]["profile"] and model.config.view == "full":
        raise Refused(
            "the data has another profile than the model learned from", "Build or train with the same profile."
        )
    return _ends(model, read([source], model.config.view), most)


def _ends(model: Model, steps: Steps, most: int) -> Iterator[dict[str, Any]]:
    """One more step is added at the end of each session, and only that is asked for."""
    last = np.flatnonzero(np.append(steps.session[1:] != steps.session[:-1], True))
    place = np.repeat(np.arange(steps.size), np.where(np.isin(np.arange(steps.size), last), 2, 1))
    added = np.zeros(place.size, bool)
    added[1:] = place[1:] == place[:-1]
    longer = steps.only(place)._replace(asked=added)
    longer = longer._replace(place=longer.place + added)
    numbers: Array = steps.session[last]
    at = 0
    for found, wait in model.predictor.predict(longer):
        for row, pause in zip(found, wait if wait is not None else found, strict=True):
            best = np.argsort(-row)[:most]
            longest = int(pause.argmax()) if wait is not None else 0
            yield {
                "session": int(numbers[at]),
                "next": [{"action": actions.ACTIONS[n], "probability": round(float(row[n]), 4)} for n in best],
                "pause": _pause(longest),
            }
            at += 1


def _pause(bucket: int) -> str:
    """A bucket in words."""
    return "under 2 s" if bucket < actions.WAIT_FROM else f"{1 << (bucket - 1)}-{(1 << bucket) - 1} s"
