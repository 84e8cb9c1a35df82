"""``learn predict``: what probably comes next, after some actions or at the end of each session of a dataset."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

import numpy as np

from desktop_logger.dataset import actions
from desktop_logger.errors import Refused, UsageError

from .models import Model
from .steps import Array, Steps, of_tokens, opened, read

_WORD = re.compile(r"[^\s(]+(?:\([^)]*\)?)?")
_NEVER = ("PAD", "START", "END")
_NAMES = [name for name in actions.ACTIONS if name not in _NEVER]


def after(model: Model, words: str, most: int) -> Iterator[dict[str, Any]]:
    """After some tokens by name, oldest first. Raises ``UsageError`` for a name that is none, or an end that says less.

    They are read as a session's are: ``WAIT`` is the pause of what comes after it, ``EDIT`` belongs to its ``TYPE``.
    """
    tokens = []
    for word in _WORD.findall(words):
        found = actions.understood(word)
        if found is None or actions.parts_of(found)[0] in _NEVER:
            near = get_close_matches(word[:40].upper(), _NAMES, 3, 0.5)
            raise UsageError(
                f"'{word[:30]}' is not an action",
                (f"Near it: {', '.join(near)}. " if near else "") + "All of them: docs/reference/dataset.md",
            )
        tokens.append(found)
    if not tokens:
        raise UsageError("name one action at least", "As in: --after 'TYPE HOTKEY(copy)'")
    if (last := actions.parts_of(tokens[-1])[0]) in ("WAIT", "UNOBSERVED"):
        raise UsageError(f"what comes after {last} cannot be foreseen", "End with something that was done.")
    return _ends(model, of_tokens(tokens, model.config.view), most)


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
