"""Which models were trained on a dataset: from the records that training leaves.

A run record (docs/reference/runs.md) is one JSON file ``<run>.json`` with ``v`` 1, ``run`` (32 hex digits),
``datasets`` (ids of exports or built datasets) and whatever else training wrote. Nothing here trains or loads a model:
erasure only has to name them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable
from typing import NamedTuple

_LARGEST = 4 << 20


class Trained(NamedTuple):
    """A run that had seen a dataset."""

    run: str
    path: str
    dataset: str


def trained_on(places: Iterable[str], datasets: Collection[str]) -> list[Trained]:
    """Runs under these folders that name one of the datasets; files that are no run records are passed over."""
    found: dict[str, Trained] = {}
    for place in places:
        for folder, _, names in os.walk(place):
            for name in sorted(names):
                path = os.path.join(folder, name)
                if name.endswith(".json") and os.path.getsize(path) <= _LARGEST:
                    for one in _seen(path):
                        if one[1] in datasets:
                            found.setdefault(one[0], Trained(one[0], path, one[1]))
    return sorted(found.values())


def _seen(path: str) -> list[tuple[str, str]]:
    """(run, dataset) for each dataset that a record names."""
    try:
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
        run, datasets = record["run"], record["datasets"]
        whole = record["v"] == 1 and isinstance(run, str) and len(run) == 32 and not run.strip("0123456789abcdef")
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [(run, str(one)) for one in datasets] if whole and isinstance(datasets, list) else []
