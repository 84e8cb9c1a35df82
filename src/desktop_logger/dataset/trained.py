"""Which models were trained on a dataset, and that they are stale: notes beside the data and beside the model.

``models.jsonl`` beside the rows names each model that was trained on them, so that an erasure finds it wherever it
lies. ``stale.json`` beside a model says that rows it was trained on are gone since; it goes only with the model.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import NamedTuple

from desktop_logger import disk

from . import folder

MODELS = "models.jsonl"
STALE = "stale.json"
RECORD = "run.json"


class Model(NamedTuple):
    """A model that was trained on a dataset: its run (32 hex digits) and its folder then."""

    run: str
    path: str


def register(root: str, run: str, path: str) -> None:
    """Note that the model of ``run`` was trained on the dataset at ``root``."""
    folder.note(os.path.join(root, MODELS), "run", run, path)


def models(root: str) -> list[Model]:
    """All that were noted, in order; a model that is no longer at its place is among them.

    Raises ``IntegrityError`` for damaged notes: a model that they named would be passed over by an erasure.
    """
    return [Model(*one) for one in folder.noted(os.path.join(root, MODELS), "run")]


def mark_stale(model: str, datasets: list[str]) -> bool:
    """Note beside a model that rows of these datasets are gone. False where its folder cannot be written."""
    path = os.path.join(model, STALE)
    try:
        disk.replace(path, (json.dumps({"datasets": sorted({*stale(model), *datasets})}) + "\n").encode())
    except OSError:
        return False
    return True


def stale(model: str) -> list[str]:
    """Datasets whose rows the model was trained on and that lost some since; empty for none."""
    with suppress(FileNotFoundError):
        with open(os.path.join(model, STALE), encoding="utf-8") as file, suppress(ValueError, KeyError, TypeError):
            return [str(one) for one in json.load(file)["datasets"]]
        return ["unknown"]  # a note that cannot be read still says stale
    return []
